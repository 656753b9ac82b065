"""Read and write check files as manifests: lines of md5sum, sha256sum, rhash and cksfv."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from numcrc.checkfiles import reader
from numcrc.checkfiles.formats import line_writer
from numcrc.checkfiles.lines import Basis, Line
from numcrc.checksums import ChecksumAlgorithm, known, unknown
from numcrc.store.keys import key_bytes, key_of_path, key_text
from numcrc.store.manifests.errors import ManifestError
from numcrc.store.manifests.format import Format, NumberedEntry, Options
from numcrc.store.manifests.output import written
from numcrc.store.manifests.streams import FileStream
from numcrc.store.objects import Checksum, Entry
from numcrc.store.sources import StrPath


def algorithm_named(name: str) -> ChecksumAlgorithm:
    """Return the algorithm called *name*, or raise ValueError."""
    found = known(name)
    if found is None:
        raise ValueError(f"unknown algorithm {name!r}")
    return found


def _recognises(_stream: FileStream) -> bool:
    return True  # lines have no mark; one that cannot be parsed is an error


def _read(stream: FileStream, options: Options) -> Iterator[NumberedEntry]:
    """Yield the entries of a check file; each line says which format it has."""
    chosen = algorithm_named(options.algorithm) if options.algorithm else None
    key_of = _Keys(options)
    skip: Callable[[int, str], object] | None = None
    if options.on_malformed is not None:
        skip = partial(_report, stream.name, options.on_malformed)
    lines = reader.read(stream.lines(), stream.name, chosen, skip, key_text)
    try:
        for number, line in lines:
            try:
                key = key_of(line)
            except ValueError as error:
                raise reader.ListError(str(error), number) from None
            checksums = tuple(
                Checksum(
                    algorithm.name,
                    algorithm.encode(value),
                    guessed=basis is Basis.DIGITS,
                )
                for algorithm, value, basis in line.checksums
            )
            yield NumberedEntry(number, Entry(key, None, checksums), stream.name)
        stream.unmarked = True
    except reader.ListError as error:
        raise ManifestError(stream.name, error.why, error.line) from None


def _report(
    name: str, on_malformed: Callable[[ManifestError], object], number: int, why: str
) -> None:
    on_malformed(ManifestError(name, why, number))


class _Keys:
    r"""Returns the keys of lines, whose paths may have ``\`` between folders, as on Windows.

    The first line whose file exists by either path decides for the list.
    """

    def __init__(self, options: Options) -> None:
        self._exists = options.exists
        self._allow_outside = options.allow_outside
        self._made_on_windows = True if os.name == "nt" else None

    def __call__(self, line: Line) -> str:
        """Return the key of *line*, or raise ValueError."""
        windows = line.windows_path
        if windows and self._made_on_windows is None and self._exists is not None:
            if self._exists(line.path):
                self._made_on_windows = False
            else:
                with suppress(ValueError):
                    if self._exists(key_of_path(windows, self._allow_outside)):
                        self._made_on_windows = True
        path = windows if windows and self._made_on_windows else line.path
        return key_of_path(path, self._allow_outside)


def _write(list_format: str, path: StrPath | None, entries: Iterable[Entry]) -> int:
    count, first = 0, ""
    with written(path) as file:
        for entry in entries:
            count += 1
            for checksum in _checksums(entry, list_format):
                name = checksum.algorithm
                first = first or name
                if name != first and list_format != "bsd":
                    raise ValueError(
                        f"a {list_format} list has one algorithm, not {first} and {name}"
                    )
                write_line = line_writer(
                    list_format,
                    [known(name) or unknown(name, 8 * len(checksum.value))],
                    base64=False,
                )
                value = int.from_bytes(checksum.value, "big")
                file.write(key_bytes(write_line(entry.key, 0, [value])))
    return count


def _checksums(entry: Entry, list_format: str) -> tuple[Checksum, ...]:
    """Return the checksums of *entry*, or raise ValueError if *list_format* cannot hold it."""
    if not entry.checksums:
        problem = "an object without a checksum"
    elif any(checksum.composite for checksum in entry.checksums):
        problem = "a composite checksum"
    elif len(entry.checksums) > 1 and list_format != "bsd":
        problem = "several checksums of an object"
    elif "\0" in entry.key or key_of_path(entry.key) != entry.key:
        problem = "this key"
    else:
        return entry.checksums
    raise ValueError(f"{entry.key!r}: a {list_format} list cannot hold {problem}")


def _format(name: str, summary: str, *suffixes: str) -> Format:
    return Format(name, summary, _recognises, _read, partial(_write, name), suffixes)


FORMATS = (
    _format("gnu", "lines of sha256sum"),
    _format("bsd", "lines of sha256sum --tag, which name their algorithm"),
    _format("sfv", "lines of cksfv", ".sfv"),
)
