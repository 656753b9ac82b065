"""Test scans of Zarr that is damaged on purpose; the zarr package is not needed."""

from __future__ import annotations

import copy
import json
import random
import struct

import pytest
from store.fakes import FakeSource
from support import passes

import numcrc
from numcrc.store import State
from numcrc.store.formats import Body, scan_body
from numcrc.store.formats.body import MOST_VIEW
from numcrc.store.formats.zarr import COMPLETE, FORMAT, MOST_INNER, places
from numcrc.store.formats.zarr_metadata import MOST_AXES
from numcrc.store.source import RetryError

BODY = bytes(range(100))
CHUNK = BODY + numcrc.crc32c(BODY).to_bytes(4, "little")
ABSENT = 2**64 - 1

V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [20, 10],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10, 10]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}, {"name": "crc32c"}],
    "attributes": {},
}
V2 = {
    "zarr_format": 2,
    "shape": [20, 10],
    "chunks": [10, 10],
    "dtype": "|u1",
    "compressor": None,
    "filters": [{"id": "crc32c"}],
    "fill_value": 0,
    "order": "C",
}


def sharding(inner, chunk_shape, **configuration):
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": chunk_shape,
            "codecs": inner,
            "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}],
            "index_location": "end",
            **configuration,
        },
    }


SHARDS = {**V3, "codecs": [sharding([{"name": "bytes"}, {"name": "crc32c"}], [5, 10])]}


def shard(*entries, data):
    table = b"".join(struct.pack("<2Q", *one) for one in entries)
    return data + table + numcrc.crc32c(table).to_bytes(4, "little")


HALF = BODY[:50] + numcrc.crc32c(BODY[:50]).to_bytes(4, "little")
OTHER = BODY[50:] + numcrc.crc32c(BODY[50:]).to_bytes(4, "little")
SHARD = shard((0, 54), (54, 54), data=HALF + OTHER)


def examine(data, metadata, key="a/c/1/0", name=None, form=FORMAT, **others):
    """Return the result of one chunk of an array in the folder a, the same by ranges."""
    if name is None:
        name = ".zarray" if isinstance(metadata, dict) and "chunks" in metadata else "zarr.json"
    content = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    siblings = {f"a/{name}": content, **others}
    result = scan_body(Body.of(data, key, siblings), [form])
    for limit in (32, 100):
        assert scan_body(Body.of(data, key, siblings, limit=limit), [form]) == result
    return result


def test_samples_match():
    assert examine(CHUNK, V3).state is State.MATCH
    assert examine(CHUNK, V2, "a/1.0").state is State.MATCH
    assert examine(SHARD, SHARDS).detail == "zarr: 3 records"


def with_(metadata, **changes):
    return {**metadata, **changes}


WITHOUT = object()


def set_in(metadata, path, value):
    """Return a copy of metadata where the item at *path* is *value*, or not there."""
    found = copy.deepcopy(metadata)
    place = found
    for step in path[:-1]:
        place = place[step]
    if value is WITHOUT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return found


INNER = ("codecs", 0, "configuration")


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (b"", "invalid JSON"),
        (b"\xff\xfe", "invalid metadata: 'utf-8' codec"),
        (b"[]", "not a JSON object"),
        (b'{"zarr_format": 3, "zarr_format": 3}', "duplicate name 'zarr_format'"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"zarr_format": ' + b"9" * 5000 + b"}", "invalid metadata: Exceeds the limit"),
        (with_(V3, zarr_format=4), "zarr_format must be 3, not 4"),
        (with_(V3, node_type="tree"), "invalid node_type: 'tree'"),
        (with_(V3, shape="20"), "invalid shape: '20'"),
        (with_(V3, shape=[20]), "chunk_shape has 2 axes, expected 1"),
        (with_(V3, shape=[20, -1]), "invalid shape: [20, -1]"),
        (with_(V3, shape=[20, True]), "invalid shape: [20, True]"),
        (with_(V3, shape=[20, 1e3]), "invalid shape: [20, 1000.0]"),
        (with_(V3, shape=[20, 2**63]), "invalid shape"),
        (with_(V3, shape=[1] * 33), "invalid shape"),
        (with_(V3, chunk_grid=None), "invalid chunk_grid: None"),
        (with_(V3, chunk_grid={"name": "regular"}), "invalid chunk_shape: None"),
        (set_in(V3, ("chunk_grid", "configuration", "chunk_shape"), [0, 10]), "invalid chunk_sh"),
        (with_(V3, chunk_key_encoding={"name": 5}), "invalid chunk_key_encoding: {'name': 5}"),
        (set_in(V3, ("chunk_key_encoding", "configuration", "separator"), "-"), "separator: '-'"),
        (set_in(V3, ("chunk_key_encoding", "configuration", "separator"), ""), "separator: ''"),
        (with_(V3, codecs=[]), "codecs is not a list with a codec"),
        (with_(V3, codecs={}), "codecs is not a list with a codec"),
        (with_(V3, codecs=[None]), "invalid codec: None"),
        (with_(V3, codecs=[{"name": "crc32c", "configuration": []}]), "invalid codec: {"),
        (set_in(SHARDS, (*INNER, "chunk_shape"), [3, 10]), "[3, 10] do not divide [10, 10]"),
        (set_in(SHARDS, (*INNER, "chunk_shape"), [5]), "chunk_shape has 1 axes, expected 2"),
        (set_in(SHARDS, (*INNER, "index_location"), "middle"), "index_location: 'middle'"),
        (set_in(SHARDS, (*INNER, "index_codecs"), None), "index_codecs is not a list"),
        (set_in(SHARDS, (*INNER, "codecs"), WITHOUT), "codecs is not a list with a codec"),
    ],
)
def test_damaged_metadata_is_named(metadata, text):
    result = examine(CHUNK, metadata)
    assert result.state is State.DIFFER
    assert result.detail.startswith("zarr: a/zarr.json: ")
    assert text in result.detail
    assert len(result.detail) < 300
    content = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    own = scan_body(Body.of(content, "a/zarr.json"), [FORMAT])
    assert own.state is State.DIFFER
    assert text in own.detail


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (with_(V2, zarr_format=3), "zarr_format must be 2, not 3"),
        (with_(V2, chunks=[10]), "chunks has 1 axes, expected 2"),
        (with_(V2, dimension_separator="x"), "invalid dimension_separator: 'x'"),
        (with_(V2, filters="crc32c"), "filters is not a list"),
        (with_(V2, filters=["crc32c"]), "a codec without an id"),
        (with_(V2, compressor={"level": 3}), "a codec without an id"),
        (with_(V2, filters=[{"id": "crc32", "location": "left"}]), "invalid location: 'left'"),
    ],
)
def test_damaged_metadata_of_zarr_2_is_named(metadata, text):
    result = examine(CHUNK, metadata, "a/1.0")
    assert result.state is State.DIFFER
    assert result.detail == f"zarr: a/.zarray: {text}"


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (with_(V3, chunk_grid="rectilinear"), "chunk grid 'rectilinear' is not known"),
        (with_(V3, chunk_key_encoding="fanout"), "chunk key encoding 'fanout' is not known"),
        (with_(V3, storage_transformers=["encrypt"]), "storage_transformers ['encrypt']"),
    ],
)
def test_arrays_of_unknown_extensions_are_not_good(metadata, text):
    for result in (
        examine(CHUNK, metadata),
        scan_body(Body.of(json.dumps(metadata).encode(), "a/zarr.json"), [FORMAT]),
    ):
        assert result.state is State.UNSUPPORTED
        assert result.detail == f"zarr: {text}"


@pytest.mark.parametrize(
    ("codecs", "text"),
    [
        ([{"name": "numcodecs.jenkins_lookup3"}], "'numcodecs.jenkins_lookup3' cannot be computed"),
        (["reshape", *SHARDS["codecs"]], "codec 'reshape' before shards is not known"),
        (
            [{"name": "transpose", "configuration": {"order": [0, 0]}}, *SHARDS["codecs"]],
            "transpose with the order [0, 0]",
        ),
        (
            [{"name": "transpose", "configuration": {"order": ["0", "1"]}}, *SHARDS["codecs"]],
            "transpose with the order ['0', '1']",
        ),
        (
            [{"name": "transpose", "configuration": {"order": [False, True]}}, *SHARDS["codecs"]],
            "transpose with the order [False, True]",
        ),
        (
            set_in(
                SHARDS,
                (*INNER, "index_codecs"),
                ["bytes", {"name": "numcodecs.crc32c", "configuration": {"location": "start"}}],
            )["codecs"],
            "index_codecs ['bytes', {'name': 'numcodecs.crc32c'",
        ),
        (
            set_in(SHARDS, (*INNER, "index_codecs"), ["zstd"])["codecs"],
            "index_codecs ['zstd']",
        ),
        (
            set_in(SHARDS, (*INNER, "index_codecs"), ["bytes", "zstd"])["codecs"],
            "index_codecs ['bytes', 'zstd']",
        ),
    ],
)
def test_chunks_of_unknown_codecs_are_not_good(codecs, text):
    result = examine(SHARD, with_(V3, codecs=codecs))
    assert result.state is State.UNSUPPORTED
    assert text in result.detail


def test_names_stand_for_extensions_without_configuration():
    metadata = with_(V3, codecs=["bytes", "crc32c"], chunk_key_encoding="default")
    assert examine(CHUNK, metadata).state is State.MATCH


def test_a_key_of_many_numbers_is_looked_up_in_few_folders():
    assert len(list(places("/".join("1" * 1000)))) == MOST_AXES
    assert next(places("a/c/" + "/".join("1" * MOST_AXES)))[0] == "a/"


def test_an_index_may_be_big_endian():
    codecs = [{"name": "bytes", "configuration": {"endian": "big"}}, "crc32c"]
    metadata = set_in(SHARDS, (*INNER, "index_codecs"), codecs)
    table = struct.pack(">4Q", 0, 54, 54, 54)
    data = HALF + OTHER + table + numcrc.crc32c(table).to_bytes(4, "little")
    assert examine(data, metadata).detail == "zarr: 3 records"
    assert examine(SHARD, metadata).state is State.DIFFER


def test_shards_in_too_many_levels():
    codec = {"name": "crc32c"}
    for _ in range(20):
        codec = sharding([codec], [10, 10])
    assert examine(CHUNK, with_(V3, codecs=[codec])).state is State.DIFFER
    for levels, state in ((1, State.MATCH), (7, State.MATCH), (8, State.UNSUPPORTED)):
        codec, data = {"name": "crc32c"}, CHUNK
        for _ in range(levels):
            codec = sharding([codec], [10, 10])
            data = shard((0, len(data)), data=data)
        assert examine(data, with_(V3, codecs=[codec])).state is state


def test_an_index_that_is_too_large():
    metadata = with_(
        V3,
        shape=[2**21],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**21]}},
        codecs=[sharding(["bytes", "crc32c"], [1])],
    )
    result = examine(CHUNK, metadata, "a/c/0")
    assert result.state is State.UNSUPPORTED
    assert f"it has 2097152 inner chunks; at most {MOST_INNER} can be checked" in result.detail
    huge = with_(metadata, shape=[2**62])
    huge["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": [2**62]}}
    assert examine(CHUNK, huge, "a/c/0").state is State.UNSUPPORTED


def test_a_large_index_is_read_once():
    count = 1 << 15
    metadata = with_(
        V3,
        shape=[count],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [count]}},
        codecs=[sharding(["bytes", "crc32c"], [1])],
    )
    record = b"\7" + numcrc.crc32c(b"\7").to_bytes(4, "little")
    data = shard(*((5 * i, 5) for i in range(count)), data=record * count)
    siblings = {"a/zarr.json": json.dumps(metadata).encode()}
    body = Body.of(data, "a/c/0", siblings, limit=10_000)
    assert scan_body(body, [FORMAT]).detail == f"zarr: {count + 1} records"
    # All entries for the same bytes: they overlap, and are not read again and again.
    data = shard(*[(0, len(record * count))] * count, data=record * count)
    body = Body.of(data, "a/c/0", siblings, limit=10_000)
    result = scan_body(body, [FORMAT])
    assert result.state is State.DIFFER
    assert "overlap another inner chunk" in result.detail
    assert result.detail.endswith(f"; and {count - 4} more")
    assert len(result.detail) < 1000
    # All entries outside of the shard, or too short: few are named.
    for entry in ((ABSENT, 0), (0, 2)):
        body = Body.of(shard(*[entry] * count, data=record), "a/c/0", siblings)
        result = scan_body(body, [FORMAT])
        assert result.state is State.DIFFER
        assert result.detail.endswith(f"; and {count - 4} more")


def test_metadata_that_is_missing_or_of_a_group():
    group = {"zarr_format": 3, "node_type": "group"}
    assert examine(CHUNK, group).state is State.SKIPPED
    for key in ("b/c/0/0", "x", "c", "0", "2024/05/0"):
        assert scan_body(Body.of(CHUNK, key), [FORMAT]).state is State.SKIPPED


def test_the_metadata_of_a_group_above_does_not_matter():
    good = json.dumps(with_(V3, chunk_key_encoding={"name": "v2"}, shape=[20, 10])).encode()
    others = {"a/5/zarr.json": good}
    result = examine(CHUNK, b"damaged", "a/5/1.0", **others)
    assert result.state is State.MATCH
    separated = {"name": "v2", "configuration": {"separator": "/"}}
    others = {"a/5/zarr.json": json.dumps(with_(V3, chunk_key_encoding=separated)).encode()}
    assert examine(CHUNK, b"damaged", "a/5/1/0", **others).state is State.MATCH


def test_zarr_3_comes_before_zarr_2():
    both = {"a/.zarray": json.dumps(with_(V2, filters=None)).encode()}
    metadata = with_(V3, chunk_key_encoding={"name": "v2"})
    assert examine(CHUNK, metadata, "a/1.0", **both).state is State.MATCH


def test_metadata_is_skipped():
    for name in (".zattrs", ".zgroup", ".zmetadata"):
        assert scan_body(Body.of(b"{", f"a/{name}"), [FORMAT]).state is State.SKIPPED
    long = b" " * (MOST_VIEW + 1)
    assert scan_body(Body.of(long, "zarr.json"), [FORMAT]).state is State.SKIPPED
    result = scan_body(Body.of(json.dumps(V2).encode(), ".zarray"), [FORMAT])
    assert result == result._replace(state=State.SKIPPED)


def mutated(generator, value):
    """Return JSON with one value replaced, removed or repeated."""
    if isinstance(value, dict) and value and generator.random() < 0.9:
        key = generator.choice(list(value))
        found = dict(value)
        if generator.random() < 0.1:
            del found[key]
        else:
            found[key] = mutated(generator, value[key])
        return found
    if isinstance(value, list) and value and generator.random() < 0.8:
        found = list(value)
        place = generator.randrange(len(found))
        if generator.random() < 0.2:
            found.insert(place, found[place])
        else:
            found[place] = mutated(generator, found[place])
        return found
    return generator.choice(
        [None, True, "", "crc32c", "start", [], {}, [[]], 0, -1, 1, 5, 10, 2**40, 2**70, 0.5]
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_gives_a_verdict(seed):
    generator = random.Random(seed)
    nested = with_(V3, codecs=[sharding([sharding(["bytes", "crc32c"], [5, 10])], [10, 10])])
    inner = shard((0, len(SHARD)), data=SHARD)
    samples = [(V3, CHUNK, "a/c/1/0"), (V2, CHUNK, "a/1.0"), (SHARDS, SHARD, "a/c/1/0")]
    samples.append((nested, inner, "a/c/0/0"))
    known = {State.MATCH, State.DIFFER, State.NO_CHECKSUM, State.UNSUPPORTED}
    known |= {State.EXTRA, State.SKIPPED, State.MISSING}
    for metadata, data, key in samples:
        for form in (FORMAT, COMPLETE):
            assert examine(data, metadata, key, form=form).state is State.MATCH
            for _ in range(300):
                result = examine(data, mutated(generator, metadata), key, form=form)
                assert result.state in known, result
                damaged = bytearray(data)
                for _ in range(generator.randrange(1, 4)):
                    damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
                end = generator.choice([len(data), generator.randrange(len(data) + 1)])
                if bytes(damaged[:end]) != data:
                    result = examine(bytes(damaged[:end]), metadata, key, form=form)
                    assert result.state is State.DIFFER, result


@pytest.mark.parametrize("seed", range(4))
def test_random_entries_of_an_index_give_a_verdict(seed):
    generator = random.Random(seed)
    numbers = [0, 1, 4, 53, 54, 55, 107, 108, 109, 2**32, 2**63, 2**64 - 55, ABSENT - 1, ABSENT]
    for _ in range(500):
        entries = [tuple(generator.choice(numbers) for _ in range(2)) for _ in range(2)]
        result = examine(shard(*entries, data=HALF + OTHER), SHARDS)
        good = {(0, 54), (54, 54), (ABSENT, ABSENT)}
        match = set(entries) <= good and (entries[0] != entries[1] or entries[0][0] == ABSENT)
        assert result.state is (State.MATCH if match else State.DIFFER), (entries, result)


def test_verify_needs_no_zarr():
    passes(
        f"""
        import sys; sys.modules["zarr"] = None
        import pathlib, tempfile, numcrc
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            root.joinpath("zarr.json").write_text({json.dumps(V3)!r})
            root.joinpath("c/1").mkdir(parents=True)
            root.joinpath("c/1/0").write_bytes({CHUNK!r})
            report = numcrc.zarr.verify(root)
            assert report.ok and report.absent == 1, report
        try:
            numcrc.zarr.verify(object())
        except ImportError as error:
            assert "a source of type object needs zarr" in str(error)
        print("done")
        """
    )


# Sources that are far away


def test_a_chunk_is_one_request():
    metadata = with_(V3, shape=[200, 10])
    objects = {f"a/c/{i}/0": CHUNK for i in range(20)}
    source = FakeSource({"a/zarr.json": json.dumps(metadata).encode(), **objects})
    report = numcrc.zarr.verify(source, limits=numcrc.store.Limits(threads=1))
    assert report.counts == {State.MATCH: 20, State.SKIPPED: 1}
    assert report.absent == 0
    assert {source.reads[key] for key in objects} == {1}
    assert not source.asks.keys() & objects.keys()
    # For the chunks, as an object, and to count the chunks.
    assert source.reads["a/zarr.json"] == 3
    source.faults["a/c/3/0"] = [RetryError("busy")]
    assert numcrc.zarr.verify(source).ok


def test_a_shard_is_read_once_from_its_index_on():
    inner = 300_000
    body = bytes(inner)
    chunk = body + numcrc.crc32c(body).to_bytes(4, "little")
    metadata = with_(
        V3,
        shape=[10 * inner],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [10 * inner]}},
        codecs=[sharding(["bytes", "crc32c"], [inner])],
    )
    data = shard(*((i * len(chunk), len(chunk)) for i in range(10)), data=chunk * 10)
    source = FakeSource({"a/zarr.json": json.dumps(metadata).encode(), "a/c/0": data})
    limits = numcrc.store.Limits(threads=1, max_in_flight=1 << 20)
    assert numcrc.zarr.verify(source, limits=limits).ok
    assert source.bytes["a/c/0"] < 1.5 * len(data)
    assert source.reads["a/c/0"] <= 8


# The command line


@pytest.fixture
def stored(folder):
    """Write an array of two chunks, of which one exists."""
    chunk = folder / "data/a/c/1/0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(CHUNK)
    folder.joinpath("data/a/zarr.json").write_text(json.dumps(V3))
    return chunk


def test_the_command_counts_absent_chunks(run, stored):
    assert run("scan", "data", "-q") == (0, "", "")
    status, out, err = run("scan", "data", "--format", "zarr")
    assert (status, out) == (0, "")
    assert err.endswith("1 match, 1 skipped; 1 absent chunk\n")


def test_the_command_may_expect_complete_arrays(run, stored):
    status, out, err = run("scan", "data", "--expect-complete")
    assert status == 1
    assert out.startswith("a/c/0/0: missing (")
    assert out.count("\n") == 1
    assert err.endswith("1 match, 1 missing, 1 skipped; 1 absent chunk\n")
    assert run("scan", "data", "--expect-complete", "--format", "zip")[0] == 2


def test_the_command_names_the_chunk(run, stored):
    stored.write_bytes(b"?" + CHUNK[1:])
    status, out, _ = run("scan", "data", "-q")
    assert status == 1
    expected = numcrc.crc32c(BODY)
    actual = numcrc.crc32c(b"?" + BODY[1:])
    assert out == (
        f"a/c/1/0: differ (zarr: chunk (1, 0): crc32c {actual:08x}, expected {expected:08x})\n"
    )
