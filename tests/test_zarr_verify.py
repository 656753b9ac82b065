"""Test the check of the stored chunks of arrays that the zarr package writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

import numpy as np
import pytest

import numcrc
import numcrc.zarr
from numcrc.store import State, scan

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

from zarr.codecs import (  # noqa: E402
    BytesCodec,
    Crc32cCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)

SHAPE = (24, 36)
DATA = np.arange(24 * 36, dtype="<i4").reshape(SHAPE) + 1
CRC = Crc32cCodec()


def create(place, *, crc=CRC, **options):
    """Write `DATA` in chunks of 8 x 9."""
    defaults = {"shape": SHAPE, "chunks": (8, 9), "dtype": "<i4"}
    defaults["compressors"] = None if crc is None else [crc]
    array = zarr.create_array(place, **{**defaults, **options})
    array[:] = DATA
    return array


def create_shards(place, *, location="end", crc=CRC, index_crc=CRC, filters=None, **options):
    """Write `DATA` in two shards of 3 x 2 chunks of 8 x 9."""
    inner = [BytesCodec(), *([crc] if crc else [])]
    index = [BytesCodec(), *([index_crc] if index_crc else [])]
    serializer = ShardingCodec(
        chunk_shape=(8, 9), codecs=inner, index_codecs=index, index_location=location
    )
    defaults = {"chunks": (24, 18), "crc": None, "serializer": serializer, "filters": filters}
    return create(place, **{**defaults, **options})


def results(source, **options):
    """Return the results that are not skipped, and the report."""
    report = numcrc.zarr.verify(source, **options)
    found = {one.key: one for one in report if one.state is not State.SKIPPED}
    return found, report


def all_match(source, count, **options):
    found, report = results(source, **options)
    assert len(found) == count
    assert {one.state for one in found.values()} == {State.MATCH}, found
    assert report.ok
    return report


def the_only(source, key, state, **options):
    """Return the detail of the only result that is not a match."""
    found, report = results(source, **options)
    others = {name: one for name, one in found.items() if one.state is not State.MATCH}
    assert list(others) == [key], others
    assert others[key].state is state, others[key]
    assert not report.ok
    return others[key].detail


def change(path, place=0, value=4):
    data = bytearray(path.read_bytes())
    data[place] ^= value
    path.write_bytes(data)


def entry(path, number, *, at=None, count=6):
    """Return or set the offset and length of an inner chunk in the index at the end of a shard."""
    data = bytearray(path.read_bytes())
    start = len(data) - 4 - 16 * count
    table = np.frombuffer(data[start:-4], "<u8").reshape(count, 2).copy()
    if at is None:
        return table[number].tolist()
    table[number] = at
    body = table.tobytes()
    data[start:] = body + numcrc.crc32c(body).to_bytes(4, "little")
    path.write_bytes(data)
    return None


# Flat chunks


@pytest.mark.parametrize(
    "encoding",
    [
        {"name": "default", "separator": "/"},
        {"name": "default", "separator": "."},
        {"name": "v2", "separator": "/"},
        {"name": "v2", "separator": "."},
    ],
    ids=lambda one: f"{one['name']}{one['separator']}",
)
@pytest.mark.parametrize("folder", ["", "deep/5"])
def test_each_chunk_is_checked(tmp_path, encoding, folder):
    create(tmp_path / folder, chunk_key_encoding=encoding)
    all_match(tmp_path, 12)
    separator = encoding["separator"]
    key = separator.join(["c", "1", "2"][encoding["name"] == "v2" :])
    change(tmp_path / folder / key, 17)
    detail = the_only(tmp_path, f"{folder}/{key}".lstrip("/"), State.DIFFER)
    assert detail.startswith("zarr: chunk (1, 2): crc32c ")
    assert ", expected " in detail


def test_groups_are_walked(tmp_path):
    group = zarr.create_group(tmp_path)
    create(tmp_path / "a")
    create(tmp_path / "b/c")
    zarr.create_group(tmp_path / "b")
    group.attrs["text"] = "x"
    all_match(tmp_path, 24)
    change(tmp_path / "b/c/c/0/0", -1)
    assert "chunk (0, 0)" in the_only(tmp_path, "b/c/c/0/0", State.DIFFER)


def test_a_truncated_chunk_differs(tmp_path):
    create(tmp_path)
    path = tmp_path / "c/2/3"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "chunk (2, 3): crc32c" in the_only(tmp_path, "c/2/3", State.DIFFER)
    for size in (0, 3):
        path.write_bytes(whole[:size])
        detail = f"chunk (2, 3): it has {size} bytes, fewer than its checksum"
        assert detail in the_only(tmp_path, "c/2/3", State.DIFFER)


def test_a_chunk_outside_of_the_grid_is_extra(tmp_path):
    create(tmp_path)
    for key in ("c/3/0", "c/0/4", "c/5", "c/00/1", "c/5/0/0", "7", "c.0.0"):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "c/0/1", path)
        detail = the_only(tmp_path, key, State.EXTRA)
        assert detail == "zarr: not a chunk of its array, which has 3 x 4 chunks"
        path.unlink()


def test_files_beside_arrays_are_skipped(tmp_path):
    create(tmp_path / "a")
    (tmp_path / "a/README.txt").write_text("text")
    (tmp_path / "2024").write_text("text")
    report = all_match(tmp_path, 12)
    assert report.counts[State.SKIPPED] == 3


def test_absent_chunks_are_counted_or_missing(tmp_path):
    create(tmp_path / "a")
    create(tmp_path / "b", zarr_format=2, crc=numcodecs.CRC32())
    report = all_match(tmp_path, 24)
    assert report.absent == 0
    assert "absent" not in report.summary()
    for key in ("a/c/0/3", "a/c/2/0", "b/1.1"):
        (tmp_path / key).unlink()
    report = all_match(tmp_path, 21)
    assert report.absent == 3
    assert report.summary().endswith("; 3 absent chunks")
    found, report = results(tmp_path, expect_complete=True)
    missing = {key for key, one in found.items() if one.state is State.MISSING}
    assert missing == {"a/c/0/3", "a/c/2/0", "b/1.1"}
    assert list(found) == sorted(found)
    assert report.counts[State.MATCH] == 21
    assert report.exit_code == 1
    assert report.absent == 3
    shutil.rmtree(tmp_path / "a/c")
    shutil.rmtree(tmp_path / "b")
    (tmp_path / "a/zarr.json").rename(tmp_path / "zarr.json")
    report = numcrc.zarr.verify(tmp_path)
    assert not report.ok  # nothing was checked
    assert report.absent == 12


@pytest.mark.parametrize("seed", range(5))
def test_random_arrays(tmp_path, seed):
    random = np.random.default_rng(seed)
    for case in range(4):
        place = tmp_path / f"{case}/x"
        axes = int(random.integers(1, 4))
        inner = random.integers(1, 5, axes)
        counts = random.integers(1, 4, axes)
        shape = tuple(map(int, random.integers(1, 14, axes)))
        options = {"shape": shape, "dtype": str(random.choice(["<i4", ">f8", "u1"]))}
        name, separator = random.choice(["default", "v2"]), random.choice(["/", "."])
        options["chunk_key_encoding"] = {"name": str(name), "separator": str(separator)}
        chunks = tuple(map(int, inner * counts))
        location = str(random.choice(["start", "end"]))
        if random.random() < 0.6:
            codecs = (
                [BytesCodec(), ZstdCodec(), CRC] if random.random() < 0.5 else [BytesCodec(), CRC]
            )
            options["serializer"] = ShardingCodec(
                chunk_shape=tuple(map(int, inner)), codecs=codecs, index_location=location
            )
            options |= {"chunks": chunks, "compressors": None}
        else:
            options |= {"chunks": chunks, "compressors": [CRC]}
        array = zarr.create_array(place, **options)
        array[...] = random.integers(1, 100, shape)
        found, report = results(tmp_path / str(case), expect_complete=True)
        assert report.ok, report
        assert report.absent == 0
        key = str(random.choice(list(found)))
        path = tmp_path / str(case) / key
        change(path, int(random.integers(path.stat().st_size)))
        detail = the_only(tmp_path / str(case), key, State.DIFFER)
        numbers = key.removeprefix("x/").removeprefix("c").strip("/.").replace(".", "/").split("/")
        assert f"chunk ({', '.join(numbers)})" in detail


def test_a_scalar_has_one_chunk(tmp_path):
    for name, options in {
        "a": {},
        "b": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        "c": {"zarr_format": 2, "filters": [numcodecs.CRC32()], "compressors": None},
    }.items():
        options = {"compressors": [CRC], **options}
        zarr.create_array(tmp_path / name, shape=(), dtype="i4", **options)[...] = 7
    all_match(tmp_path, 3)
    for key in ("a/c", "b/0", "c/0"):
        change(tmp_path / key)
        assert "chunk (): crc32" in the_only(tmp_path, key, State.DIFFER)
        change(tmp_path / key)


@pytest.mark.parametrize("codec", [numcrc.zarr.Crc32Codec, numcrc.zarr.Crc64NvmeCodec])
def test_other_checksums_of_zarr_3(tmp_path, codec):
    create(tmp_path, crc=codec())
    all_match(tmp_path, 12)
    change(tmp_path / "c/1/1", -2)
    name = codec.codec_name.removeprefix("numcrc.")
    assert f"chunk (1, 1): {name} " in the_only(tmp_path, "c/1/1", State.DIFFER)


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "Adler32", "Fletcher32"])
@pytest.mark.parametrize("location", [None, "start", "end"])
def test_checksums_of_numcodecs(tmp_path, name, location):
    options = {}
    if location is not None:
        if name == "Fletcher32":
            return
        options["location"] = location
    theirs = getattr(numcodecs, name)(**options)
    ours = getattr(zarr.codecs.numcodecs, name)(**options)
    create(tmp_path / "3", crc=ours)
    create(tmp_path / "2", crc=theirs, zarr_format=2)
    create(tmp_path / "f", crc=None, filters=[theirs], zarr_format=2)
    all_match(tmp_path, 36)
    for key in ("3/c/1/2", "2/1.2", "f/1.2"):
        for place in (0, 50, -1):
            change(tmp_path / key, place)
            assert f"chunk (1, 2): {name.lower()} " in the_only(tmp_path, key, State.DIFFER)
            change(tmp_path / key, place)


@pytest.mark.parametrize("separator", [".", "/"])
def test_zarr_2(tmp_path, separator):
    options = {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": separator}}
    group = zarr.create_group(tmp_path, zarr_format=2)
    group.attrs["a"] = 1
    create(tmp_path / "0", crc=numcodecs.CRC32(), **options).attrs["b"] = 2
    zarr.consolidate_metadata(tmp_path, zarr_format=2)
    all_match(tmp_path, 12)
    key = separator.join("20")
    change(tmp_path / "0" / key, 5)
    assert "chunk (2, 0): crc32 " in the_only(tmp_path, f"0/{key}", State.DIFFER)


def test_the_last_codec_decides(tmp_path):
    create(tmp_path / "a", compressors=[CRC, ZstdCodec()])
    found, report = results(tmp_path)
    assert {one.state for one in found.values()} == {State.NO_CHECKSUM}
    assert report.exit_code == 3
    assert found["a/c/0/0"].detail == "zarr: chunk (0, 0): its last codec has no checksum"
    shutil.rmtree(tmp_path / "a")
    create(tmp_path / "a", compressors=[ZstdCodec(), CRC])
    all_match(tmp_path, 12)
    shutil.rmtree(tmp_path / "a")
    create(tmp_path / "a", zarr_format=2, crc=numcodecs.Zlib(), filters=[numcodecs.CRC32()])
    found, _ = results(tmp_path)
    assert {one.state for one in found.values()} == {State.NO_CHECKSUM}


# Shards


@pytest.mark.parametrize("location", ["start", "end"])
def test_each_byte_of_a_shard_is_checked(tmp_path, location):
    create_shards(tmp_path, location=location)
    report = all_match(tmp_path, 2)
    assert next(one for one in report if one.key == "c/0/1").detail == "zarr: 7 records"
    path = tmp_path / "c/0/1"
    size = len(path.read_bytes())
    assert size == 6 * (8 * 9 * 4 + 4) + 6 * 16 + 4
    index = range(100) if location == "start" else range(size - 100, size)
    seen = set()
    for place in [*range(0, size, 37), size - 1]:
        change(path, place)
        detail = the_only(tmp_path, "c/0/1", State.DIFFER)
        if place in index:
            assert detail.startswith("zarr: index of chunk (0, 1): crc32c ")
        else:
            assert detail.startswith("zarr: chunk (0, 1): inner chunk (")
            seen.add(detail.partition("): crc")[0])
        change(path, place)
    assert len(seen) == 6


def test_an_inner_chunk_is_named_by_its_coordinates(tmp_path):
    create_shards(tmp_path)
    path = tmp_path / "c/0/0"
    for place in [(i, j) for i in range(3) for j in range(2)]:
        offset, _ = entry(path, place[0] * 2 + place[1])
        change(path, offset + 3)
        detail = the_only(tmp_path, "c/0/0", State.DIFFER)
        assert detail.startswith(f"zarr: chunk (0, 0): inner chunk {place}: crc32c ")
        change(path, offset + 3)


def test_a_truncated_shard_differs(tmp_path):
    create_shards(tmp_path)
    path = tmp_path / "c/0/0"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "index of chunk (0, 0): crc32c" in the_only(tmp_path, "c/0/0", State.DIFFER)
    path.write_bytes(whole[:99])
    detail = "chunk (0, 0): it has 99 bytes, fewer than its index of 100"
    assert detail in the_only(tmp_path, "c/0/0", State.DIFFER)


HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ((HUGE - 1, 10), "10 bytes at 18446744073709551614 are outside"),
        ((0, HUGE), "18446744073709551615 bytes at 0 are outside"),
        ((HUGE, 0), "0 bytes at 18446744073709551615 are outside"),
        ((2**63, 2**63), "are outside"),
        ((0, 6 * 292 + 1), "1753 bytes at 0 are outside"),
        ((6 * 292, 8), "8 bytes at 1752 are outside"),
        ((10, 292), "its 292 bytes at 10 overlap another inner chunk"),
        ((0, 3), "it has 3 bytes, fewer than its checksum"),
        ((0, 0), "it has 0 bytes, fewer than its checksum"),
    ],
)
def test_a_wrong_entry_of_an_index_differs(tmp_path, at, text):
    create_shards(tmp_path)
    path = tmp_path / "c/0/1"
    number = next(i for i in range(6) if entry(path, i)[0] == (292 if at[0] == 10 else 0))
    entry(path, number, at=at)
    detail = the_only(tmp_path, "c/0/1", State.DIFFER)
    assert detail.startswith(f"zarr: chunk (0, 1): inner chunk {divmod(number, 2)}: ")
    assert text in detail


def test_two_entries_for_the_same_bytes_differ(tmp_path):
    create_shards(tmp_path)
    path = tmp_path / "c/0/1"
    entry(path, 3, at=entry(path, 5))
    detail = the_only(tmp_path, "c/0/1", State.DIFFER)
    assert detail.count("overlap another inner chunk") == 1


@pytest.mark.filterwarnings("ignore:Numcodecs codecs")
def test_the_checksum_of_an_index_may_have_a_location(tmp_path):
    codecs = pytest.importorskip("zarr.codecs.numcodecs")
    create_shards(tmp_path, index_crc=codecs.CRC32(location="end"))
    all_match(tmp_path, 2)
    change(tmp_path / "c/0/1", -1)
    assert "index of chunk (0, 1): crc32 " in the_only(tmp_path, "c/0/1", State.DIFFER)


def test_absent_inner_chunks_match_or_are_missing(tmp_path):
    array = create_shards(tmp_path)
    path = tmp_path / "c/0/1"
    entry(path, 4, at=(HUGE, HUGE))
    report = all_match(tmp_path, 2)
    assert report.absent == 0
    detail = the_only(tmp_path, "c/0/1", State.MISSING, expect_complete=True)
    assert detail == "zarr-complete: chunk (0, 1): 1 of 6 inner chunks are absent"
    assert numcrc.zarr.verify(tmp_path, expect_complete=True).absent == 0
    (tmp_path / "c/0/0").unlink()
    assert numcrc.zarr.verify(tmp_path, expect_complete=True).absent == 1
    shutil.rmtree(tmp_path / "c")
    array = create_shards(tmp_path / "a", shape=(24, 36), chunks=(24, 36))
    array.resize((9, 19))  # two by three of the inner chunks are inside now
    path = tmp_path / "a/c/0/0"
    for number in (3, 7, 8, 9, 10, 11):
        entry(path, number, at=(HUGE, HUGE), count=12)
    (tmp_path / "zarr.json").unlink()
    all_match(tmp_path, 1, expect_complete=True)
    entry(path, 5, at=(HUGE, HUGE), count=12)
    detail = the_only(tmp_path, "a/c/0/0", State.MISSING, expect_complete=True)
    assert "1 of 6 inner chunks are absent" in detail


def test_shards_without_checksums(tmp_path):
    create_shards(tmp_path / "a", crc=None)
    found, _ = results(tmp_path)
    assert {one.state for one in found.values()} == {State.NO_CHECKSUM}
    assert found["a/c/0/0"].detail == (
        "zarr: chunk (0, 0): the last codec of 6 inner chunks has no checksum"
    )
    change(tmp_path / "a/c/0/0", -6)
    found, report = results(tmp_path)
    assert found["a/c/0/0"].state is State.DIFFER
    assert report.exit_code == 1
    shutil.rmtree(tmp_path / "a")
    create_shards(tmp_path / "a", index_crc=None)
    found, _ = results(tmp_path)
    assert found["a/c/0/0"].state is State.NO_CHECKSUM
    assert found["a/c/0/0"].detail == "zarr: index of chunk (0, 0): it has no checksum"
    change(tmp_path / "a/c/0/0", 7)
    assert results(tmp_path)[0]["a/c/0/0"].state is State.DIFFER


def test_a_checksum_after_shards_decides(tmp_path):
    serializer = ShardingCodec(chunk_shape=(8, 9), codecs=[BytesCodec()])
    with pytest.warns(UserWarning, match="sharding"):
        create(tmp_path, chunks=(24, 18), serializer=serializer)
    report = all_match(tmp_path, 2)
    assert next(one for one in report if one.key == "c/0/1").detail == "zarr: 1 record"
    change(tmp_path / "c/0/1", 100)
    assert "chunk (0, 1): crc32c" in the_only(tmp_path, "c/0/1", State.DIFFER)


def nested(place, **options):
    inner = ShardingCodec(chunk_shape=(4, 3), codecs=[BytesCodec(), CRC])
    outer = ShardingCodec(chunk_shape=(8, 9), codecs=[inner])
    return create(place, chunks=(24, 18), crc=None, serializer=outer, **options)


def test_shards_in_shards(tmp_path):
    nested(tmp_path)
    report = all_match(tmp_path, 2)
    # An index, and in each of 6 chunks another one and 6 chunks.
    assert next(one for one in report if one.key == "c/0/1").detail == "zarr: 43 records"
    path = tmp_path / "c/0/1"
    offset, length = entry(path, 3)
    change(path, offset)
    text = "zarr: chunk (0, 1): inner chunk (1, 1): inner chunk (0, 0): crc32c "
    assert the_only(tmp_path, "c/0/1", State.DIFFER).startswith(text)
    change(path, offset)
    change(path, offset + length - 10)
    text = "zarr: index of chunk (0, 1): inner chunk (1, 1): crc32c "
    assert the_only(tmp_path, "c/0/1", State.DIFFER).startswith(text)


def test_nested_shards_may_be_complete(tmp_path):
    array = nested(tmp_path)
    all_match(tmp_path, 2, expect_complete=True)
    array[:4, :3] = 0  # the fill value
    detail = the_only(tmp_path, "c/0/0", State.MISSING, expect_complete=True)
    assert "chunk (0, 0): inner chunk (0, 0): 1 of 6 inner chunks are absent" in detail


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_transposed_shards_have_the_coordinates_of_the_array(tmp_path):
    serializer = ShardingCodec(chunk_shape=(6, 3), codecs=[BytesCodec(), CRC])
    options = {"serializer": serializer, "filters": [TransposeCodec(order=(1, 0))]}
    create(tmp_path, chunks=(24, 18), crc=None, **options)
    all_match(tmp_path, 2, expect_complete=True)
    path = tmp_path / "c/0/0"
    number = 1 * 8 + 2
    offset, _ = entry(path, number, count=24)
    change(path, offset)
    detail = the_only(tmp_path, "c/0/0", State.DIFFER)
    assert detail.startswith("zarr: chunk (0, 0): inner chunk (2, 1): crc32c ")
    entry(path, number, at=(HUGE, HUGE), count=24)
    found = zarr.open_array(tmp_path)[:]
    assert not found[6:9, 6:12].any()
    assert (found == 0).sum() == 18


def test_shards_are_read_in_ranges(tmp_path):
    data = np.random.default_rng(5).integers(0, 2**31, (3000, 1000), "<i4")
    serializer = ShardingCodec(chunk_shape=(10, 500), codecs=[BytesCodec(), CRC])
    array = zarr.create_array(
        tmp_path,
        shape=data.shape,
        chunks=data.shape,
        dtype="<i4",
        serializer=serializer,
        compressors=None,
    )
    array[:] = data
    limits = numcrc.store.Limits(threads=1, max_in_flight=128 << 10)
    report = all_match(tmp_path, 1, limits=limits)
    assert next(one for one in report if one.key == "c/0/0").detail == "zarr: 601 records"
    path = tmp_path / "c/0/0"
    for number in (0, 17, 599):
        offset, length = entry(path, number, count=600)
        change(path, offset + length - 1)
        detail = the_only(tmp_path, "c/0/0", State.DIFFER, limits=limits)
        assert f"inner chunk ({number // 2}, {number % 2}): crc32c" in detail
        change(path, offset + length - 1)


def test_a_large_chunk_is_read_by_several_threads(tmp_path):
    size = 9 << 20
    create_options = {"shape": size, "chunks": size, "dtype": "u1", "compressors": [CRC]}
    array = zarr.create_array(tmp_path, **create_options)
    array[:] = np.random.default_rng(3).integers(0, 255, size, "u1")
    limits = numcrc.store.Limits(threads=2)
    all_match(tmp_path, 1, limits=limits)
    for place in (0, 5 << 20, size, -1):
        change(tmp_path / "c/0", place)
        detail = the_only(tmp_path, "c/0", State.DIFFER, limits=limits)
        assert detail.startswith("zarr: chunk (0): crc32c ")
        change(tmp_path / "c/0", place)


# Stores of the zarr package


def flipped(store, key):
    """Flip a bit of a value in a store."""
    get, set_ = store.get, store.set
    prototype = zarr.core.buffer.default_buffer_prototype()
    data = bytearray(zarr.core.sync.sync(get(key, prototype)).to_bytes())
    data[9] ^= 1
    zarr.core.sync.sync(set_(key, prototype.buffer.from_bytes(bytes(data))))


def test_a_store_in_memory(tmp_path):
    store = zarr.storage.MemoryStore()
    group = zarr.create_group(store)
    array = group.create_array("a", shape=SHAPE, chunks=(8, 9), dtype="<i4", compressors=[CRC])
    array[:] = DATA
    for source in (store, group, array, array.store_path):
        all_match(source, 12)
    flipped(store, "a/c/1/1")
    assert "chunk (1, 1)" in the_only(store, "a/c/1/1", State.DIFFER)
    assert "chunk (1, 1)" in the_only(array, "c/1/1", State.DIFFER)
    del store._store_dict["a/c/0/0"]
    found, report = results(group, expect_complete=True)
    assert found["a/c/0/0"].state is State.MISSING
    assert report.absent == 1


def test_a_folder_as_store_is_read_as_such(tmp_path):
    create(tmp_path / "a")
    store = zarr.storage.LocalStore(tmp_path)
    all_match(store, 12)
    all_match(zarr.open_array(store, path="a"), 12)
    change(tmp_path / "a/c/0/0")
    assert "chunk (0, 0)" in the_only(store, "a/c/0/0", State.DIFFER)


@pytest.mark.parametrize("shards", [False, True])
def test_a_zip_store(tmp_path, shards):
    path = tmp_path / "a.zip"
    with zarr.storage.ZipStore(path, mode="w") as store:
        (create_shards if shards else create)(store)
    with zarr.storage.ZipStore(path, mode="r") as store:
        all_match(store, 2 if shards else 12)
    all_match(zarr.storage.ZipStore(path, mode="r"), 2 if shards else 12)
    # As a file it is a ZIP archive, whose members have checksums of their own.
    assert scan(path).ok


def test_a_store_of_fsspec():
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").store.clear()
    store = zarr.storage.FsspecStore.from_url("memory://a")
    create(store)
    all_match(store, 12)
    flipped(store, "c/1/1")
    assert "chunk (1, 1)" in the_only(store, "c/1/1", State.DIFFER)


def test_a_store_of_icechunk(tmp_path):
    icechunk = pytest.importorskip("icechunk")
    storage = icechunk.local_filesystem_storage(str(tmp_path))
    config = icechunk.RepositoryConfig.default()
    config.inline_chunk_threshold_bytes = 0
    repository = icechunk.Repository.create(storage, config)
    session = repository.writable_session("main")
    create(session.store)
    session.commit("one")
    store = repository.readonly_session("main").store
    all_match(store, 12)
    chunk = max(
        (path for path in (Path(tmp_path) / "chunks").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    change(chunk, 40)
    store = icechunk.Repository.open(storage).readonly_session("main").store
    found, report = results(store)
    (damaged,) = [one for one in found.values() if one.state is State.DIFFER]
    assert damaged.detail.startswith("zarr: chunk (")
    assert report.counts[State.MATCH] == 11


def test_errors_of_a_store_are_results():
    class Failing(zarr.storage.MemoryStore):
        async def get(self, key, prototype=None, byte_range=None):
            if key == "c/0/1":
                raise RuntimeError("a defect")
            return await super().get(key, prototype, byte_range)

    store = Failing()
    create(store)
    found, report = results(store)
    assert found["c/0/1"].state is State.ERROR
    assert "RuntimeError: a defect" in found["c/0/1"].detail
    assert report.exit_code == 3


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="expected a path, a URL or a Zarr store, got int"):
        numcrc.zarr.verify(7)


# Scans and options


def test_scans_know_the_format(tmp_path):
    create(tmp_path)
    change(tmp_path / "c/1/1")
    report = scan(tmp_path)
    assert [one.key for one in report if one.state is State.DIFFER] == ["c/1/1"]
    assert report.counts == {State.MATCH: 11, State.DIFFER: 1, State.SKIPPED: 1}


def test_options_are_those_of_verify(tmp_path):
    create(tmp_path / "a")
    change(tmp_path / "a/c/0/1")
    seen = []
    report = numcrc.zarr.verify(
        tmp_path / "a",
        report=tmp_path / "report.jsonl",
        state=tmp_path / "state",
        on_result=seen.append,
    )
    assert [one.key for one in report] == [one.key for one in seen]
    again = numcrc.zarr.verify(tmp_path / "a", state=tmp_path / "state")
    assert again.counts == report.counts
    assert again.absent == 0
    only = numcrc.store.Selection(include=["c/1/*"])
    report = numcrc.zarr.verify(tmp_path / "a", selection=only)
    assert report.counts == {State.MATCH: 4}
    assert report.absent == 0  # it is not known
    (tmp_path / "a/c/1/1").unlink()
    report = numcrc.zarr.verify(tmp_path / "a", selection=only, expect_complete=True)
    assert report.counts == {State.MATCH: 3, State.MISSING: 1}


@pytest.mark.parametrize("complete", [False, True])
def test_a_stop_ends_the_run(tmp_path, complete):
    create(tmp_path)
    stop = Event()
    report = numcrc.zarr.verify(
        tmp_path, stop=stop, on_result=lambda _: stop.set(), expect_complete=complete
    )
    assert report.stopped == "stopped early"
    assert report.absent == 0
    report = numcrc.zarr.verify(tmp_path, stop=stop, expect_complete=complete)
    assert (report.stopped, report.objects) == ("stopped early", 0)


def test_too_many_chunks_are_not_expected(tmp_path):
    zarr.create_array(tmp_path, shape=(2**40,), chunks=(1,), dtype="u1", compressors=[CRC])
    report = numcrc.zarr.verify(tmp_path)
    assert report.absent == 2**40
    with pytest.raises(ValueError, match="cannot expect 1099511627776 chunks"):
        numcrc.zarr.verify(tmp_path, expect_complete=True)
