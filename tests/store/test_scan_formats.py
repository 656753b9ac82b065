"""What every format finds in good, damaged, cut and hostile files, in memory and by ranges."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numcrc.store.formats import (
    OWN,
    Batch,
    Body,
    Finding,
    Format,
    FormatError,
    Records,
    formats,
    scan_body,
)
from numcrc.store.formats import tfrecord as formats_tfrecord
from numcrc.store.formats.body import MOST_VIEW
from numcrc.store.objects import Result, State
from store.scan_files import (
    FILES,
    bgzf,
    checkpoint,
    damaged,
    gzip_file,
    leveldb,
    masked,
    parquet,
    png,
    tfrecord,
    zip_file,
)

KNOWN = formats(OWN)
LIMITS = 1 << 20, 1 << 15
ANSWERS = {State.MATCH, State.DIFFER, State.NO_CHECKSUM, State.UNSUPPORTED, State.SKIPPED}
every_file = pytest.mark.parametrize("name", FILES)


def scanned(data: bytes, key: str = "") -> Result:
    """Return the result for a file, which is the same whether it is in memory or not."""
    one, other = (scan_body(Body.of(data, key, limit=limit), KNOWN) for limit in LIMITS)
    assert one == other
    assert one.state in ANSWERS, one
    return one


@every_file
def test_a_good_file_matches_and_is_recognised_by_its_content(name: str) -> None:
    key, data, _, _ = FILES[name]()
    assert scanned(data, key).state is State.MATCH
    assert scanned(data, "db/000003.log" if name == "leveldb" else "x").state is State.MATCH


@every_file
def test_the_damaged_record_is_named(name: str) -> None:
    key, data, at, record = FILES[name]()
    result = scanned(damaged(data, at), key)
    assert result.state is State.DIFFER
    assert f": {record}: " in result.detail
    assert result.detail.count("expected") <= 1


@every_file
def test_no_flipped_bit_in_a_record_goes_unnoticed(name: str) -> None:
    key, data, at, _ = FILES[name]()
    numbers = random.Random(name)
    for place in (*range(at - 20, at + 20), *numbers.sample(range(len(data)), 60)):
        result = scanned(damaged(data, place, 1 << numbers.randrange(8)), key)
        if result.state is not State.DIFFER:
            assert place not in range(at - 20, at + 20)


@every_file
def test_a_cut_file_is_never_an_error(name: str) -> None:
    key, data, _, _ = FILES[name]()
    for size in (*range(60), *range(60, len(data), 397)):
        result = scanned(data[:size], key)
        if name not in ("tfrecord", "leveldb", "gzip") and size >= 4:
            assert result.state is State.DIFFER, (size, result)


@every_file
def test_hostile_numbers_are_never_an_error(name: str) -> None:
    key, data, _, _ = FILES[name]()
    numbers = random.Random(name)
    for place in (*range(0, 64, 4), *range(max(len(data) - 120, 0), len(data) - 8, 4)):
        for junk in (b"\xff" * 8, b"\0" * 8, b"\x80", b"\x7f\xff\xff\xff", numbers.randbytes(4)):
            scanned(data[:place] + junk + data[place + len(junk) :], key)


def test_objects_of_no_known_format_are_skipped() -> None:
    for data in (b"", b"text", bytes(1000), random.Random(1).randbytes(100_000)):
        result = scanned(data, "a.jpg")
        assert (result.state, result.detail) == (State.SKIPPED, "not of a known format")


@pytest.mark.parametrize("name", ["npz", "png", "bgzf", "parquet"])
def test_a_name_is_enough_when_the_first_byte_is_damaged(name: str) -> None:
    key, data, _, _ = FILES[name]()
    assert scanned(damaged(data, 0), key).state is State.DIFFER
    assert scanned(b"", key).state in (State.DIFFER, State.NO_CHECKSUM)


def test_several_damaged_records_are_counted() -> None:
    data = tfrecord((100,) * 200)
    for record in range(0, 200, 10):
        data = damaged(data, record * 116 + 50)
    detail = scanned(data).detail
    assert detail.startswith("tfrecord: record 0 at byte 0: crc32c ")
    assert detail.endswith("; and 16 more")


# ZIP


def descriptors(archive: bytes) -> bytes:
    """Return the members of an archive, written where nothing can be sought."""

    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:  # type: ignore[no-untyped-def]
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(pipe, "w") as new:
        for number, info in enumerate(old.infolist()):
            with new.open(info.filename, "w", force_zip64=number == 1) as member:
                member.write(old.read(info))
    return pipe.written


def test_zip_with_descriptors_and_zip64() -> None:
    data = descriptors(zip_file())
    assert scanned(data).state is State.MATCH
    assert scanned(damaged(data, data.index(b"PK\7\x08") + 5)).detail == (
        "zip: member '0': the CRC or size after its data is not as in the central directory"
    )


def test_zip_of_many_members() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"%d" % number)
    data = file.getvalue()
    assert scanned(data).detail == "zip: 66000 records"
    assert (
        "member '12345'"
        in scanned(data.replace(b"12345", b"1234X", 2).replace(b"1234X", b"12345", 1)).detail
    )


def test_zip_says_what_cannot_be_checked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"a" * 100, zipfile.ZIP_BZIP2)
    assert scanned(file.getvalue())[1:2] == (State.UNSUPPORTED,)
    assert scanned(file.getvalue()).detail == "zip: member 'a': compression method 12"
    data = bytearray(zip_file(members=1))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    assert scanned(bytes(data)).detail == "zip: member '0': it is encrypted"


def test_zip_whose_writer_computes_no_crc() -> None:
    data = checkpoint()
    for member in (b"m/data.pkl", b"m/data/0", b"m/version"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            crc = archive.getinfo(member.decode()).CRC
        data = data.replace(struct.pack("<L", crc), bytes(4))
    result = scanned(data)
    assert (result.state, result.detail) == (
        State.NO_CHECKSUM,
        "zip: the CRC of all members is 0",
    )
    # If only one has none, it is damaged.
    crc = zipfile.ZipFile(io.BytesIO(checkpoint())).getinfo("m/data/0").CRC
    result = scanned(checkpoint().replace(struct.pack("<L", crc), bytes(4)))
    assert result.state is State.DIFFER
    assert "member 'm/data/0': crc32" in result.detail


def test_zip_whose_comment_has_the_mark_of_an_end() -> None:
    file = io.BytesIO(zip_file())
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"PK\5\6" + bytes(30)
    assert scanned(file.getvalue()).detail == "zip: 3 records"
    assert scanned(file.getvalue() + b"?").state is State.DIFFER
    assert scanned(zip_file() + b"?").detail == "zip: 1 bytes follow its end, expected 0"


def test_zip_with_an_empty_member_that_is_called_deflated() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"")
    data = bytearray(file.getvalue())
    data[8] = data[data.index(b"PK\1\2") + 10] = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    assert scanned(bytes(data)).state is State.MATCH
    data[22] = data[data.index(b"PK\1\2") + 24] = 1
    assert scanned(bytes(data)).detail == "zip: member 'a': it has 0 bytes, expected 1"


def test_an_empty_zip_matches() -> None:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    assert scanned(file.getvalue()).state is State.MATCH


def test_a_zip_bomb_ends_early() -> None:
    """Many entries that share one member, and one that inflates to more than it says."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(50 << 20))
    data = file.getvalue()
    start = data.index(b"PK\1\2")
    entry, count = data[start : start + 47], 1000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, 47 * count, start, 0)
    assert scanned(data[:start] + entry * count + end).detail == "zip: its members overlap"
    small = struct.pack("<L", 1000)
    lying = data.replace(struct.pack("<L", 50 << 20), small)
    assert scanned(lying).detail == "zip: member 'a': it inflates to more than 1000 bytes"


# gzip


def test_gzip_pads_with_zeros_and_nothing_else() -> None:
    data = gzip_file()
    assert scanned(data.rstrip(b"\0")).state in (State.MATCH, State.DIFFER)  # a size ends with 0
    assert scanned(data + bytes(100_000)).state is State.MATCH
    assert scanned(data + b"\1").state is State.DIFFER
    assert "not a header" in scanned(data[:-50] + b"garbage at the end").detail


def test_gzip_with_a_name_a_comment_and_a_crc_of_the_header() -> None:
    packed = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packed.compress(b"123456789") + packed.flush()
    header = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\3\0abc" + b"name\0" + b"comment\0"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    data = header + body + struct.pack("<LL", zlib.crc32(b"123456789"), 9)
    assert scanned(data).state is State.MATCH
    assert "header crc16" in scanned(damaged(data, 16)).detail
    assert "it inflates to 9 bytes, expected 8" in scanned(damaged(data, len(data) - 4)).detail


def test_bgzf_names_each_damaged_block_and_misses_its_end() -> None:
    data = bgzf((1000, 2000, 3000, 0))
    places = [at for at in range(len(data)) if data[at : at + 4] == b"\x1f\x8b\x08\x04"]
    twice = damaged(damaged(data, places[0] + 100), places[2] + 100)
    detail = scanned(twice).detail
    assert "block 1 at byte 0: " in detail
    assert f"block 3 at byte {places[2]}: " in detail
    assert "block 2" not in detail
    assert "may be cut" in scanned(data[: places[3]]).detail


# PNG


def test_png_with_bytes_after_the_end() -> None:
    result = scanned(png() + b"more")
    assert (result.state, result.detail) == (State.NO_CHECKSUM, "png: 4 bytes after the end")


# TFRecord and LevelDB


def test_tfrecord_with_a_damaged_length() -> None:
    data = tfrecord()
    assert "record 1 at byte 116: length: crc32c" in scanned(damaged(data, 118)).detail
    assert "is unknown" in scanned(damaged(data, 118)).detail
    # The checksum of the length is damaged, but not the length: the other records are checked.
    result = scanned(damaged(data, 116 + 9))
    assert result.detail.startswith("tfrecord: record 1 at byte 116: length: crc32c")
    assert "unknown" not in result.detail
    assert "more" not in result.detail


@pytest.mark.parametrize(
    "key",
    ["a.tfrecord", "mnist-train.tfrecord-00000-of-00001", "logs/events.out.tfevents.17.host.1.0"],
)
def test_tfrecord_is_recognised_by_its_name(key: str) -> None:
    data = tfrecord()
    for place in range(12):
        assert scanned(damaged(data, place), key).state is State.DIFFER
    assert scanned(damaged(data, 0), "tfevents").state is State.SKIPPED


def test_tfrecord_with_many_damaged_lengths_is_walked_over_about_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walked, ends = 0, formats_tfrecord._ends

    def counted(*arguments: Any) -> list[int]:
        nonlocal walked
        found = ends(*arguments)
        walked += len(found)
        return found

    monkeypatch.setattr(formats_tfrecord, "_ends", counted)
    data = bytearray(tfrecord((0,) * 1000))
    for place in range(8, len(data), 16):
        data[place] ^= 1
    assert scanned(bytes(data), "a.tfrecord").detail.endswith("and 996 more")
    assert walked < 100_000  # in memory and by ranges


def test_tfrecord_compressed_by_zlib_cannot_be_checked() -> None:
    for level in (0, 1, 6, 9):
        result = scanned(zlib.compress(tfrecord(), level), "a.tfrecord")
        assert result.state is State.UNSUPPORTED
        assert result.detail == "tfrecord: it is compressed by zlib"
    data = tfrecord((0x9C78,))
    for place in range(12):
        assert scanned(damaged(data, place), "a.tfrecord").state is State.DIFFER


def test_tfrecord_with_records_that_are_longer_than_memory() -> None:
    data = tfrecord((10, 3 << 20, 5, 40_000, 100_000))
    assert scanned(data).detail == "tfrecord: 10 records"
    assert "record 1 at byte 26: crc32c" in scanned(damaged(data, 2 << 20)).detail


def test_an_empty_file_of_records_has_no_checksum() -> None:
    assert scanned(b"", "a.tfrecord")[1] is State.NO_CHECKSUM


@pytest.mark.parametrize("key", ["db/000003.log", "MANIFEST-000002"])
def test_leveldb_is_recognised_when_its_first_header_is_damaged(key: str) -> None:
    data = leveldb((20,))
    for bit in range(7 * 8):
        assert scanned(damaged(data, bit // 8, 1 << bit % 8), key).state is State.DIFFER
    assert scanned(b"2026-11-28 started\n" * 9, key).state is State.SKIPPED


def test_leveldb_checks_the_blocks_behind_a_damaged_one() -> None:
    data = leveldb()
    wrong = damaged(damaged(data, 106), 40_000)  # a type that does not exist
    wrong = damaged(wrong, 106 + 7 + 6, 0xF0)
    assert scanned(wrong, "000003.log").detail.count("record ") >= 2
    assert scanned(data + bytes(100_000), "MANIFEST-000003").state is State.MATCH
    assert scanned(b"not a log of LevelDB\n" * 9, "000003.log").state is State.SKIPPED


# Parquet


def test_parquet_without_checksums() -> None:
    result = scanned(parquet(checksums=False))
    assert result.state is State.NO_CHECKSUM
    assert "pages have no CRC" in result.detail


def test_parquet_that_is_encrypted_or_not_parquet() -> None:
    assert scanned(b"PARE" + bytes(20) + b"PARE").state is State.UNSUPPORTED
    assert scanned(b"PARENT_DIRECTORY is a property").state is State.SKIPPED
    assert scanned(b"PAR1" + bytes(20) + b"PAR2").state is State.DIFFER
    assert scanned(b"PAR1" + bytes(4) + b"\xff\xff\xff\x7fPAR1").state is State.DIFFER


def test_parquet_without_rows_matches() -> None:
    for rows in ([0], [5, 0, 3], [0, 0, 2]):
        file, schema = io.BytesIO(), pa.schema({"a": pa.int64(), "b": pa.string()})
        with pq.ParquetWriter(file, schema, write_page_checksum=True) as writer:
            for count in rows:
                numbers = list(range(count))
                writer.write_table(pa.table([numbers, list(map(str, numbers))], schema=schema))
        assert scanned(file.getvalue()).state is State.MATCH
    file = io.BytesIO()
    pq.write_table(schema.empty_table(), file, use_dictionary=False)
    assert scanned(file.getvalue()).detail == "parquet: no records"


def test_parquet_of_both_versions_of_pages() -> None:
    for version in ("1.0", "2.0"):
        for compression in ("none", "snappy", "zstd"):
            data = parquet(data_page_version=version, compression=compression)
            assert scanned(data).state is State.MATCH


# The engine


def made(*found: Finding | Records, error: Exception | None = None) -> Format:
    """Return a format of which each object contains what is *found*."""

    def check(_: Body) -> Iterator[Finding | Records]:
        yield from found
        if error is not None:
            raise error

    return Format("made", "for tests", lambda body: True, check)


def records(offsets: list[int], lengths: list[int], stored: list[int]) -> Records:
    """Return records of CRC-32C."""
    return Records("crc32c", offsets, lengths, stored, lambda i: f"record {i}")


def test_records_in_any_order_and_of_any_length() -> None:
    numbers = random.Random(9)
    data = numbers.randbytes(300_000)
    for count in (5, 500):
        starts = [numbers.randrange(len(data)) for _ in range(count)]
        sizes = [min(numbers.choice((0, 1, 900, 90_000)), len(data) - at) for at in starts]
        while sum(sizes) > 4 * len(data):
            sizes[sizes.index(max(sizes))] = 3
        stored = [masked_free(data[at : at + n]) for at, n in zip(starts, sizes, strict=True)]
        for limit in (4096, 65536, 1 << 20):
            body = Body.of(data, limit=limit)
            assert scan_body(body, [made(records(starts, sizes, stored))]).state is State.MATCH
            stored[3] ^= 1
            result = scan_body(body, [made(records(starts, sizes, stored))])
            assert result.detail.startswith("made: record 3: crc32c")
            stored[3] ^= 1


def masked_free(data: bytes) -> int:
    """Return the CRC-32C of *data*."""
    value = int.from_bytes(masked(data), "little") - 0xA282EAD8 & 0xFFFFFFFF
    return (value >> 17 | value << 15) & 0xFFFFFFFF


@pytest.mark.parametrize("count", [1, 100])
def test_records_outside_of_an_object_are_damage(count: int) -> None:
    for start, length in ((0, 11), (10, 1), (-1, 1), (2, -1), (2**62, 2**62), (0, 2**62)):
        found = records([start] * count, [length] * count, [0] * count)
        assert scan_body(Body.of(bytes(10)), [made(found)]).state is State.DIFFER


def test_records_that_cover_an_object_too_often_are_damage() -> None:
    for count in (10, 1000):
        found = records([0] * count, [1000] * count, [masked_free(bytes(1000))] * count)
        detail = scan_body(Body.of(bytes(1000)), [made(found)]).detail
        assert detail.endswith("its records overlap")


def test_the_worst_record_decides() -> None:
    good, bad = Finding(State.MATCH), Finding(State.DIFFER, "r")
    without, sealed = Finding(State.NO_CHECKSUM, "n"), Finding(State.UNSUPPORTED, "u")
    body = Body.of(b"x")
    for found, state in (
        ((good,), State.MATCH),
        ((good, without), State.NO_CHECKSUM),
        ((good, without, sealed), State.UNSUPPORTED),
        ((good, without, sealed, bad), State.DIFFER),
        ((), State.NO_CHECKSUM),
    ):
        assert scan_body(body, [made(*found)]).state is state


def test_a_defect_of_a_format_is_an_error_of_the_object() -> None:
    result = scan_body(Body.of(b"x"), [made(error=KeyError("no"))])
    assert (result.state, result.detail) == (
        State.ERROR,
        "made: defect of format made: KeyError: 'no'",
    )
    damage = scan_body(Body.of(b"x"), [made(error=FormatError("cut"))])
    assert (damage.state, damage.detail) == (State.DIFFER, "made: cut")


def test_a_sibling_is_parsed_once() -> None:
    parsed = []

    def parse(content: bytes | None) -> int:
        parsed.append(content)
        if content == b"bad":
            raise FormatError("damaged")
        return len(content or b"")

    body = Body.of(b"", siblings={"a": b"xyz", "b": b"bad"})
    for _ in range(3):
        assert body.sibling("a", parse) == 3
        assert body.sibling("none", parse) == 0
        with pytest.raises(FormatError, match=r"^b: damaged$"):
            body.sibling("b", parse)
    assert parsed == [b"xyz", None, b"bad"]


def test_a_structure_has_a_limit() -> None:
    body = Body.of(bytes(MOST_VIEW + 1), limit=4096)
    with pytest.raises(FormatError, match="too long"):
        body.view(0, MOST_VIEW + 1)
    assert sum(map(len, body.pieces(0, body.size))) == body.size


def test_values_in_memory_and_elsewhere() -> None:
    numbers = np.arange(50_000, dtype="<u4")
    body = Body.of(numbers.tobytes(), limit=4096)
    body.window(400)
    assert body.values([400, 404, 800], "<u4").tolist() == [100, 101, 200]
    assert body.values([196_000, 0], "<u4").tolist() == [49_000, 0]
    assert body.values([], "<u4").tolist() == []
    with pytest.raises(FormatError):
        body.values([199_999], "<u4")


def test_a_batch_is_empty_after_its_records() -> None:
    batch = Batch("crc32")
    assert not list(batch.records())
    batch.add("a", 0, 1, 2)
    batch.add("b", 3, 4, 5)
    ((_, offsets, lengths, stored, name),) = batch.records()
    assert (offsets, lengths, stored) == ([0, 3], [1, 4], [2, 5])
    assert not list(batch.records())
    assert [name(0), name(1)] == ["a", "b"]
