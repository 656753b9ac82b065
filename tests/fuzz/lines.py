"""Fuzz the parser of lines of check files."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.kinds import ByteTarget, Choices
from numcrc.checkfiles.formats import line_writer
from numcrc.checkfiles.lines import Expected, Line, Parser
from numcrc.checksums import find, known
from numcrc.store.keys import key_bytes, key_text

CHOSEN = (None, "crc32c", "crc32", "crc64nvme", "md5", "sha256", "CRC-12/UMTS", "CRC-3/GSM")
TOKENS = (
    *(b"SHA256 (", b"CRC32C (", b"XXH64 (", b"BLAKE2b-256 (", b") = ", b"\\n", b"\\\\", b" *"),
    *(b'{"path": "', b'"path_base64": "', b'"size": ', b'"crc": {"', b'CRC-32/ISCSI": "'),
    *(b"e3069283", b"4waSgw==", b"d41d8cd98f00b204e9800998ecf8427e", b"\r\n", b"; ", b"# "),
    *(b"ERROR  ", b"\t", b".\\a\\"),
)


def run(data: bytes) -> None:
    """Parse each line; what a line says can be written in every format, and read back."""
    choices = Choices(data)
    name = choices.pick(CHOSEN)
    parser = Parser(None if name is None else find(name), sfv=choices.below(2) == 1)
    for raw in choices.rest().split(b"\n"):
        try:
            found = parser(key_text(raw))
        except UnicodeError:
            raise  # is a ValueError, but has no message for a user
        except ValueError:
            continue
        if found is not None:
            _check(found)


def _check(found: Line) -> None:
    assert found.path
    assert "\0" not in found.path
    assert key_text(key_bytes(found.path)) == found.path
    assert found.checksums
    for expected in found.checksums:
        assert 0 <= expected.value < 1 << expected.algorithm.width
    # The parser can only know the width of algorithms that it knows, which base64 needs.
    base64 = all(known(expected.algorithm.name) for expected in found.checksums)
    for form in ("gnu", "bsd", "sfv"):
        for expected in found.checksums:
            _check_written(found.path, (expected,), form, False)
            _check_written(found.path, (expected,), form, base64)
    _check_written(found.path, found.checksums, "json", False)
    _check_written(found.path, found.checksums, "json", base64)


def _check_written(path: str, checksums: tuple[Expected, ...], form: str, base64: bool) -> None:
    """Check that a line is parsed as what was written, if it can be written."""
    algorithms = [expected.algorithm for expected in checksums]
    try:
        write = line_writer(form, algorithms, base64)
        written = write(path, 9, [expected.value for expected in checksums])
    except ValueError:
        assert form in ("bsd", "sfv")
        return
    parser = Parser(None if form in ("bsd", "json") else algorithms[0])
    try:
        again = parser(written.removesuffix("\n"))
    except ValueError as error:
        again = error
    kind = "a known" if all(known(algorithm.name) for algorithm in algorithms) else "an unknown"
    problem = f"a {form} line of {kind} algorithm: {written!r} is read as {again!r}"
    assert isinstance(again, Line), problem
    assert path in (again.path, again.path.removeprefix("./")), problem
    found = [(one.algorithm.name, one.value) for one in again.checksums]
    assert found == [(one.algorithm.name, one.value) for one in checksums], problem


def seeds() -> Iterator[bytes]:
    """Yield lines in all formats, of paths that are hard to write."""
    for path in ("a", "a b", "a\nb\\", "caf\udce9", "{x}", " *x"):
        for name in ("crc32c", "sha256", "blake2b-256", "CRC-12/UMTS"):
            algorithm = find(name)
            value = (1 << algorithm.width) // 3
            for form in ("gnu", "bsd", "json"):
                text = line_writer(form, [algorithm], bool(len(path) % 2))(path, 9, [value])
                yield b"\0\0" + key_bytes(text)
    yield b"\0\0" + key_bytes(line_writer("sfv", [find("crc32")], False)("a b", 9, [0xCBF43926]))
    yield b"\0\1a\\b 39\n; comment\n"
    yield b"\0\0BLAKE3 (a) = 0011\n# comment\ne3069283 a\n"


TARGETS = (ByteTarget("lines", "lines of check files: GNU, BSD, SFV, JSON", run, seeds, TOKENS),)
