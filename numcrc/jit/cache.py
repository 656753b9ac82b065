"""Keep compiled kernels on disk, each under the hash of everything that it depends on.

A file is a header (magic, digest of all that follows, key, length) and the body, an image that is
mapped as it is. It is written under a temporary name, flushed to the disk and moved into place, so
a reader sees a whole file or none; `numcrc.jit.linker` verifies it where it is mapped, and it is
compiled again if it is damaged. A folder or a file that another user could write to is not used at
all. `status` reports every failure of the cache; no checksum fails because of one.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from functools import cache
from typing import Any

from numcrc.process import imported

_MAGIC = b"numcrc kernel 1\n"
_HEADER = struct.Struct("<16s32s32sQ")
_DIGESTED = 16 + 32
"""Where the part of a file begins that its digest covers."""

HEADER_SIZE = _HEADER.size
_LARGEST = 1 << 24
"""Bytes of a file. Images have some 10 000."""

_faults: list[str] = []


def digest(*parts: bytes | memoryview) -> bytes:
    """Return the SHA-256 of *parts*, one after the other."""
    found = _new_sha256()
    for part in parts:
        found.update(part)
    result: bytes = found.digest()
    return result


def _sha256() -> Any:
    """Return the hash without OpenSSL, whose import takes 4 MB and a tenth of a warm start."""
    for name in ("_sha2", "_sha256", "hashlib"):  # _sha256 before Python 3.12
        with contextlib.suppress(ImportError):
            return __import__(name).sha256
    raise ImportError("Python has no SHA-256")


_new_sha256 = _sha256()


@cache
def folder() -> str | None:
    """Return the cache folder, made if it does not exist; None if it cannot be trusted."""
    path = os.environ.get("NUMCRC_CACHE_DIR") or _default()
    if path is None:
        return None
    path = os.path.abspath(path)
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.stat(path)
    except (OSError, ValueError) as error:
        _faults.append(str(error))
        return None
    if not stat.S_ISDIR(found.st_mode):
        _faults.append(f"{path}: not a folder")
    elif hasattr(os, "getuid") and found.st_uid != os.getuid():
        _faults.append(f"{path}: belongs to another user")
    elif os.name == "posix" and found.st_mode & 0o022:
        _faults.append(f"{path}: other users can write to it")
    else:
        return path
    return None


def _default() -> str | None:
    try:
        path: str = imported("platformdirs").user_cache_dir("numcrc", appauthor=False)
    except (OSError, RuntimeError, KeyError) as error:
        _faults.append(f"cannot find the user's cache folder: {error}")
        return None
    if not os.path.isabs(path):  # neither HOME nor a user of that number
        _faults.append(f"cannot find the home folder: {path} is not absolute")
        return None
    return path


def note(fault: str) -> None:
    """Add *fault* to what `status` reports, once."""
    if fault not in _faults:
        _faults.append(fault)


def status() -> str:
    """Return the cache folder, or "none", and the reasons why kernels were not kept."""
    path = folder()
    return "; ".join([path or "none", *_faults])


def open_file(key: bytes, kind: str = "kernel") -> int | None:
    """Return a descriptor of the file stored under *key*; None if it is missing or not ours.

    Its contents are to be verified by `is_sound`.
    """
    path = folder()
    if path is None:
        return None
    try:
        descriptor = os.open(_file(path, key, kind), _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        note(f"{key.hex()}: {error}")
        return None
    fault = _fault(os.fstat(descriptor))
    if fault is None:
        return descriptor
    os.close(descriptor)
    note(f"{key.hex()}: {fault}")
    return None


def read(key: bytes, kind: str) -> bytes | None:
    """Return the body stored under *key*; None if it is missing or damaged."""
    descriptor = open_file(key, kind)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        data = file.read()
    return data[HEADER_SIZE:] if is_sound(key, data) else None


def _flags(*names: str) -> int:
    return sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", *names))


_READ = _flags("O_RDONLY", "O_NONBLOCK")  # a FIFO is not waited for
_WRITE = _flags("O_WRONLY", "O_CREAT", "O_EXCL")


def _fault(found: os.stat_result) -> str | None:
    """Return why a file cannot be used."""
    if not stat.S_ISREG(found.st_mode):
        return "not a file"
    if not HEADER_SIZE <= found.st_size <= _LARGEST:
        return _DAMAGED
    if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
        return "belongs to another user"
    if os.name == "posix" and found.st_mode & 0o022:
        return "other users can write to it"
    return None


_DAMAGED = "damaged, compiled again"


def is_sound(key: bytes, data: memoryview | bytes) -> bool:
    """Return whether *data* are what was stored under *key*; if not, note it."""
    if len(data) >= HEADER_SIZE:
        magic, stored_digest, stored_key, length = _HEADER.unpack_from(data)
        found = digest(memoryview(data)[_DIGESTED:])
        expected = _MAGIC, found, key, len(data) - HEADER_SIZE
        if (magic, stored_digest, stored_key, length) == expected:
            return True
    note(f"{key.hex()}: {_DAMAGED}")
    return False


def packed(key: bytes, body: bytes) -> bytes:
    """Return the file of *body*."""
    data = _HEADER.pack(_MAGIC, bytes(32), key, len(body)) + body
    return _MAGIC + digest(data[_DIGESTED:]) + data[_DIGESTED:]


def store(key: bytes, data: bytes, kind: str = "kernel") -> bool:
    """Store *data*, the file of *key*; if it cannot be stored, note why and return False.

    A sound file that another process has stored stays: other machines may run it, from which NFS
    would take it away.
    """
    path = folder()
    if path is None:
        return False
    # Not by tempfile, which takes 10 ms to import: a fork in a compile would have to wait for it.
    temporary = os.path.join(path, f"new-{os.urandom(8).hex()}")
    try:
        with open(os.open(temporary, _WRITE, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if read(key, kind) is None:
            os.replace(temporary, _file(path, key, kind))
        else:
            os.unlink(temporary)
        return True
    except OSError as error:
        note(str(error))
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        return False


def _file(path: str, key: bytes, kind: str) -> str:
    return os.path.join(path, f"{key.hex()}.{kind}")
