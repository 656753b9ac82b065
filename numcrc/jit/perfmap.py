"""Name kernels for Linux's perf, which reads ``/tmp/perf-PID.map``.

It reads this file for code in pages of no file only, so where `numcrc.jit.linker.is_for_perf` is
true, kernels are copied to such pages. Python and other compilers of the process append to the
same file. Anyone can write to ``/tmp``: a file there is used only if it is this user's own.
"""

from __future__ import annotations

import os
import stat
import warnings

from numcrc import process

_lines: list[bytes] = []
_faults: list[str] = []


def add(name: str, start: int, size: int) -> None:
    """Name the code of *size* bytes at *start* in the file of this process.

    A file that cannot be written causes one warning.
    """
    line = f"{start:x} {size:x} numcrc_{name}\n".encode()
    _lines.append(line)
    _append(line)


def _append(lines: bytes) -> None:
    path = f"/tmp/perf-{os.getpid()}.map"
    try:
        _write(path, lines)
    except OSError as error:
        if not _faults:
            _faults.append(str(error))
            warnings.warn(
                f"cannot name kernels for perf in {path}: {error}", RuntimeWarning, stacklevel=2
            )


def _write(path: str, lines: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o600)  # a FIFO is not waited for
    try:
        found = os.fstat(descriptor)
        # Another user may make a link to any of this user's files.
        own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
        if not own:
            raise PermissionError("not a file of this user")
        os.write(descriptor, lines)
    finally:
        os.close(descriptor)


def _write_all() -> None:
    """Name the kernels that the parent has loaded in the file of the child."""
    if _lines:
        _append(b"".join(_lines))


process.in_child.append(_write_all)
