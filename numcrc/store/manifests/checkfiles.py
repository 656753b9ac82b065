"""Check files, as md5sum, sha256sum, rhash, cksfv and ``numcrc sum`` write them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator

from numcrc.checkfiles.formats import line
from numcrc.checkfiles.lines import Parser
from numcrc.checksums import ChecksumAlgorithm, known, of_list_name, unknown
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.streams import Path, Stream, written
from numcrc.store.objects import Checksum, Entry

FORMS = ("gnu", "bsd", "sfv")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def read(stream: Stream, algorithm: str | None, allow_outside: bool) -> Iterator[tuple[int, Entry]]:
    """Yield (line number, entry)."""
    name = os.path.basename(stream.name)
    parser = Parser(chosen(algorithm) if algorithm else of_list_name(name))
    for number, raw in stream.lines():
        text = raw.rstrip(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
        try:
            found = parser(text)
            if found is None:
                continue
            key = inside(found.path, allow_outside)
        except ValueError as error:
            raise ManifestError(stream.name, str(error), number) from None
        checksums = tuple(
            Checksum(kind.name, kind.encode(value))
            for kind, value in zip(found.algorithms, found.values, strict=True)
        )
        yield number, Entry(key, None, checksums)


def inside(path: str, allow_outside: bool = False) -> str:
    """Return the key that *path* means, which may not lead out of the folder.

    Examples
    --------
    >>> inside("./a//b")
    'a/b'
    """
    key = posixpath.normpath(path)
    leaves = (
        key.startswith("/")
        or ".." in path.split("/")
        or _DRIVE.match(path)
        or (os.name == "nt" and ("\\" in path or ":" in path))
    )
    if leaves and not allow_outside:
        raise ValueError(f"{path!r} leads out of the folder")
    if path.endswith("/") or key == ".":
        raise ValueError(f"{path!r} names a folder")
    return key


def write(path: Path | None, form: str, entries: Iterable[Entry]) -> int:
    """Write *entries* as lines of *form*, and return how many they were."""
    count, first = 0, ""
    with written(path) as file:
        for entry in entries:
            count += 1
            for checksum in _plain(entry, form):
                if form != "bsd":
                    first = first or checksum.algorithm
                    if checksum.algorithm != first:
                        raise ValueError(
                            f"a {form} list has one algorithm, not {first} and {checksum.algorithm}"
                        )
                name, width = checksum.algorithm, 8 * len(checksum.value)
                write_line = line(form, [known(name) or unknown(name, width)], base64=False)
                value = int.from_bytes(checksum.value, "big")
                text = write_line(entry.key, 0, [value])
                file.write(text.encode("utf-8", "surrogateescape"))
    return count


def chosen(algorithm: str) -> ChecksumAlgorithm:
    """Return the algorithm called *algorithm*, or raise ValueError."""
    digest = known(algorithm)
    if digest is None:
        raise ValueError(f"no algorithm is called {algorithm!r}")
    return digest


def _plain(entry: Entry, form: str) -> tuple[Checksum, ...]:
    """Return the checksums of *entry* if lines of *form* can hold it."""
    if not entry.checksums:
        problem = "an object without a checksum"
    elif any(checksum.composite for checksum in entry.checksums):
        problem = "a composite checksum"
    elif len(entry.checksums) > 1 and form != "bsd":
        problem = "several checksums of an object"
    elif "\0" in entry.key or inside(entry.key) != entry.key:
        problem = "this key"
    else:
        return entry.checksums
    raise ValueError(f"{entry.key!r}: a {form} list cannot hold {problem}")
