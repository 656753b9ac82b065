"""Run one target in this process, which may crash, hang or run out of memory."""

from __future__ import annotations

import faulthandler
import importlib.util
import itertools
import linecache
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

INSTRUMENTED = ("numcrc.checkfiles", "numcrc.checksums", "numcrc.store.manifests")
INSTRUMENTED += ("numcrc.store.keys", "numcrc.store.state", "numcrc.store.sources")
"""The modules whose branches guide libFuzzer. Others would only make it slow, and Numba cannot
compile functions with instrumentation."""
INPUT, SOURCE = "input", "source.py"
"""Names of files in which the process leaves what it is doing."""
SECONDS_PER_INPUT, MEGABYTES, LONGEST = 20, 1024, 1 << 14
SECONDS_TO_SHRINK = 20


def parse(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Let libFuzzer run a `ByteTarget`; it ends the process, and leaves `INPUT` if that fails."""
    import resource

    import atheris

    # The largest size of a process counts that of its parent when it was started.
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    with atheris.instrument_imports(["numcrc"], _not_instrumented()):
        target = _target(name)
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    options = {
        "max_total_time": seconds,
        "seed": seed,
        "timeout": SECONDS_PER_INPUT,
        "report_slow_units": SECONDS_PER_INPUT,
        "rss_limit_mb": inherited + MEGABYTES,
        "max_len": LONGEST,
        "exact_artifact_path": folder / INPUT,
    }
    if target.tokens:
        options["dict"] = words
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([name, *arguments, str(corpus)], target.run)
    atheris.Fuzz()


def _not_instrumented() -> list[str]:
    """Return the names of all other modules."""
    spec = importlib.util.find_spec("numcrc")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    paths = [path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if not name.startswith(INSTRUMENTED)]


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _target(name: str) -> Any:
    from fuzz.targets import TARGETS  # here, so that `parse` can instrument what it imports

    return TARGETS[name]


def shrink(name: str, folder: Path) -> None:
    """Replace `INPUT` by a small input with the same error, and print the error."""
    faulthandler.enable()
    run, path = _target(name).run, folder / INPUT
    data = smallest(run, path.read_bytes())
    path.write_bytes(data)
    error = _error(run, data)
    if error is not None:
        traceback.print_exception(error)


def smallest(run: Callable[[bytes], object], data: bytes) -> bytes:
    """Return a part of *data* that gives the same error, or *data* if it gives none.

    Examples
    --------
    >>> def run(data):
    ...     assert b"la" not in data
    >>> smallest(run, b"much bla, as it happens"), smallest(run, b"fine")
    (b'la', b'fine')
    """
    expected = _place(_error(run, data))
    if expected is None:
        return data
    end, size = time.monotonic() + SECONDS_TO_SHRINK, len(data)
    while size and time.monotonic() < end:
        start = 0
        while start < len(data) and time.monotonic() < end:
            shorter = data[:start] + data[start + size :]
            if _place(_error(run, shorter)) == expected:
                data = shorter
            else:
                start += size
        size //= 2
    return data


def _error(run: Callable[[bytes], object], data: bytes) -> Exception | None:
    try:
        run(data)
    except Exception as error:
        return error
    return None


def _place(error: Exception | None) -> tuple[type, str, int | None] | None:
    """Return the type of an error, and the file and line that raised it."""
    if error is None:
        return None
    *_, last = traceback.extract_tb(error.__traceback__)
    return type(error), last.filename, last.lineno


def call(name: str, folder: Path, seconds: int, seed: int, only: int | None = None) -> None:
    """Make calls of a `CallTarget` for some time, or the one with the number *only*."""
    faulthandler.enable()
    target, path = _target(name), folder / SOURCE
    start = None
    for number in itertools.count() if only is None else (only,):
        source = target.source(random.Random(f"{seed} {number}"))
        path.write_text(source)  # known even if this process dies
        file = f"<{name} --seed {seed} --case {number}>"
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
        exec(compile(source, file, "exec"), dict(target.names))
        del linecache.cache[file]
        start = start or time.monotonic()  # after the first call has compiled a kernel
        if time.monotonic() > start + seconds:
            break
    print(f"Done {number + 1} calls")


def main() -> None:
    """Call the function that the command line names, with a target, a folder and numbers."""
    action, name, folder, *numbers = sys.argv[1:]
    tempfile.tempdir = folder  # libFuzzer ends the process without removing files
    actions: dict[str, Callable[..., None]] = {"parse": parse, "shrink": shrink, "call": call}
    actions[action](name, Path(folder), *map(int, numbers))


if __name__ == "__main__":
    main()
