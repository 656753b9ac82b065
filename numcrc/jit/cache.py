"""Keep compiled kernels on disk, each under the hash of everything that it depends on.

A file is a header (magic, digest of all that follows, key, length), the body, an image that is
mapped as it is, and a label for readers of a list. It is written under a temporary name, flushed to
the disk and moved into place, so a reader sees a whole file or none; `numcrc.jit.linker` verifies
it where it is mapped, and it is compiled again if it is damaged. `numcrc.jit.folder` opens the
folder; one that belongs to root is read by other users, and not written to. When the folder has
reached its limit, the files that were not used for the longest time go.

`status` reports every failure of the cache; no checksum fails because of one.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import time

from numcrc._light import cache
from numcrc.jit.folder import READ, WRITE, Folder, distrust
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAGIC = b"numcrc kernel 1\n"
"""The format of files. It is part of each key, so versions keep apart."""
_HEADER = struct.Struct("<16s32s32sQ")
_DIGESTED = 16 + 32
"""Where the part of a file begins that its digest covers."""

HEADER_SIZE = _HEADER.size
_LARGEST = 1 << 24
"""Bytes of a file. Images have some 10 000."""

_KINDS = ("kernel", "cpu", "cpuid")
_TEMPORARY = "new-"
_HOUR, _DAY = 3600.0, 86400.0
_LIMIT = 256 << 20
"""Bytes of all files, unless NUMCRC_CACHE_SIZE says otherwise."""

_faults: list[str] = []
_stored: set[str] = set()
"""The files that this process has written."""


# Digests


def _sha256() -> Any:
    """Return the hash without OpenSSL, whose import takes 4 MB and a tenth of a warm start."""
    for name in ("_sha2", "_sha256", "hashlib"):  # _sha256 before Python 3.12
        try:
            return __import__(name).sha256
        except ImportError:
            continue
    raise ImportError("Python has no SHA-256")


_new_sha256 = _sha256()


def digest(*parts: bytes | memoryview) -> bytes:
    """Return the SHA-256 of *parts*, one after the other."""
    found = _new_sha256()
    for part in parts:
        found.update(part)
    result: bytes = found.digest()
    return result


# The folder


@cache
def path() -> str | None:
    """Return the path of the cache folder; None if the home folder is not known."""
    try:
        if given := os.environ.get("NUMCRC_CACHE_DIR"):
            # Not abspath, which takes away a ".." that may follow a link.
            return given if os.path.isabs(given) else os.path.join(os.getcwd(), given)
        found = _default()
    except (OSError, RuntimeError, KeyError) as error:  # no HOME, and no user of that number
        note(f"cannot find the cache folder: {error}")
        return None
    if os.path.isabs(found):
        return found
    note(f"cannot find the home folder: {found} is not absolute")
    return None


def _default() -> str:
    if sys.platform != "linux":
        found: str = imported("platformdirs").user_cache_dir("numcrc", appauthor=False)
        return found
    # As platformdirs, whose import takes longer than a warm start.
    folder = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(folder):
        home = os.environ.get("HOME", "")
        if not os.path.isabs(home):
            home = imported("pwd").getpwuid(os.getuid()).pw_dir
        folder = os.path.join(home, ".cache")
    return os.path.join(folder, "numcrc")


def _open_folder(place: str, make: bool = False) -> Folder:
    folder = Folder(place, _mode() if make else None)
    if not folder.is_ours:
        note(f"{place}: read-only: belongs to root")
    return folder


def _mode() -> int:
    """Return the mode of a new folder: others may read one that root has chosen for them."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return 0o755 if is_root and os.environ.get("NUMCRC_CACHE_DIR") else 0o700


def _folder(make: bool = False) -> Folder | None:
    """Return the cache folder, open; None if it is missing or cannot be trusted."""
    place = path()
    try:
        return None if place is None else _open_folder(place, make)
    except OSError as error:
        if make or not isinstance(error, FileNotFoundError):
            note(str(error))
        return None


def is_writable() -> bool:
    """Return whether files can be stored; the folder is made if it is missing."""
    folder = _folder(make=True) if _has_room(1) else None
    if folder is None:
        return False
    folder.close()
    return folder.is_ours


def note(fault: str) -> None:
    """Add *fault* to what `status` reports, once."""
    if fault not in _faults:
        _faults.append(fault)


def usable_path() -> str | None:
    """Return the path of the cache folder; None if it cannot be used."""
    place = path()
    if place is not None:
        try:
            _open_folder(place).close()
        except FileNotFoundError:  # it is made when a kernel is stored
            return place
        except OSError as error:
            note(str(error))
            return None
    return place


def faults() -> list[str]:
    """Return the reasons why kernels were not kept or found, and why settings were not used."""
    return _faults.copy()


def status() -> str:
    """Return the cache folder, or "none", and its `faults`."""
    return "; ".join([usable_path() or "none", *_faults])


def limit() -> int:
    """Return how many bytes all files may have."""
    given = os.environ.get("NUMCRC_CACHE_SIZE", "")
    if given.isdecimal() and len(given) < 20:
        return int(given)
    if given:
        note(f"NUMCRC_CACHE_SIZE: expected a number of bytes, got {given[:20]!r}")
    return _LIMIT


def _has_room(size: int) -> bool:
    """Return whether a file of *size* bytes is within the limit; if not, note it."""
    if size <= (most := limit()):
        return True
    note(f"NUMCRC_CACHE_SIZE={most} is too small")
    return False


# Files


def packed(key: bytes, body: bytes, label: str = "") -> bytes:
    """Return the file of *body*."""
    data = _HEADER.pack(MAGIC, bytes(32), key, len(body)) + body + label.encode()
    return MAGIC + digest(data[_DIGESTED:]) + data[_DIGESTED:]


def is_sound(key: bytes, data: memoryview | bytes) -> bool:
    """Return whether *data* are what was stored under *key*; if not, note it."""
    if len(data) >= HEADER_SIZE:
        magic, stored_digest, stored_key, length = _HEADER.unpack_from(data)
        found = magic, stored_digest, stored_key
        expected = MAGIC, digest(memoryview(data)[_DIGESTED:]), key
        if found == expected and length <= len(data) - HEADER_SIZE:
            return True
    note(f"{key.hex()}: {_DAMAGED}")
    return False


_DAMAGED = "damaged, compiled again"


def unpacked(data: bytes) -> tuple[bytes, str]:
    """Return the body and the label of *data*, a sound file."""
    end = HEADER_SIZE + _HEADER.unpack_from(data)[-1]
    return data[HEADER_SIZE:end], data[end:].decode(errors="replace")


def open_file(key: bytes, kind: str = "kernel") -> int | None:
    """Return a descriptor of the file stored under *key*; None if it is missing or untrusted.

    Its contents are to be verified by `is_sound`.
    """
    folder = _folder()
    if folder is None:
        return None
    with folder:
        descriptor = _opened(folder, key, kind)
        if descriptor is not None and folder.is_ours:
            _mark_used(descriptor)
        return descriptor


def _opened(folder: Folder, key: bytes, kind: str) -> int | None:
    try:
        descriptor = folder.open(_name(key, kind), READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        note(f"{key.hex()}: {error}")
        return None
    found = os.fstat(descriptor)
    if fault := _fault(found):
        os.close(descriptor)
        note(f"{key.hex()}: {fault}")
        return None
    return descriptor


def _mark_used(descriptor: int) -> None:
    """Let `_clean` know that a file is used: once a day, since most starts should write nothing."""
    if os.utime in os.supports_fd and time.time() - os.fstat(descriptor).st_mtime > _DAY:
        try:
            os.utime(descriptor)
        except OSError:  # mounted read-only, or root's file
            return


def _fault(found: os.stat_result) -> str | None:
    """Return why a file cannot be used."""
    if not stat.S_ISREG(found.st_mode):
        return "not a file"
    if not HEADER_SIZE <= found.st_size <= _LARGEST:
        return _DAMAGED
    return distrust(found)


def read(key: bytes, kind: str) -> bytes | None:
    """Return the body stored under *key*; None if it is missing or damaged."""
    descriptor = open_file(key, kind)
    data = None if descriptor is None else _sound(key, descriptor)
    return None if data is None else unpacked(data)[0]


def _sound(key: bytes, descriptor: int) -> bytes | None:
    """Return what is in a file, which is closed; None if it is damaged."""
    with open(descriptor, "rb") as file:
        data = file.read(_LARGEST)
    return data if is_sound(key, data) else None


def _read(folder: Folder, key: bytes, kind: str) -> bytes | None:
    descriptor = _opened(folder, key, kind)
    return None if descriptor is None else _sound(key, descriptor)


def store(key: bytes, data: bytes, kind: str = "kernel") -> bool:
    """Store *data*, the file of *key*; if it cannot be stored, note why and return False.

    A sound file that another process has stored stays: other machines may run it, from which NFS
    would take it away.
    """
    folder = _folder(make=True) if _has_room(len(data)) else None
    if folder is None:
        return False
    with folder:
        return folder.is_ours and _store(folder, key, data, kind)


def _store(folder: Folder, key: bytes, data: bytes, kind: str) -> bool:
    # Not by tempfile, which takes 10 ms to import: a fork in a compile would have to wait for it.
    temporary = _TEMPORARY + os.urandom(8).hex()
    try:
        with open(folder.open(temporary, WRITE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            now = os.fstat(file.fileno()).st_mtime
        if _read(folder, key, kind) is None:
            folder.replace(temporary, _name(key, kind))
            _stored.add(_name(key, kind))
        else:
            folder.remove(temporary)
    except OSError as error:
        _note_error(error)
        _remove(folder, temporary)
        return False
    _clean(folder, now)
    return True


def discard(key: bytes, kind: str = "kernel") -> None:
    """Remove the file stored under *key*, which cannot be used."""
    folder = _folder()
    if folder is not None:
        with folder:
            _remove(folder, _name(key, kind))


def _remove(folder: Folder, name: str) -> bool:
    """Remove a file; return whether it was there and could be removed."""
    try:
        return folder.is_ours and folder.remove(name)
    except OSError as error:
        _note_error(error)
        return False


def _note_error(error: OSError) -> None:
    """Note an error about the folder, not the file, so that it is noted once for all files."""
    note(str(OSError(error.errno, error.strerror, path())))


def _name(key: bytes, kind: str) -> str:
    return f"{key.hex()}.{kind}"


# All files


def _is_stored(name: str) -> bool:
    """Return whether a file of this name is one that `store` has finished."""
    stem, _, kind = name.partition(".")
    return len(stem) == 64 and _is_hex(stem) and kind in _KINDS


def _is_left(name: str, found: os.stat_result, now: float) -> bool:
    """Return whether a file is one that a killed process has not finished."""
    rest = name.removeprefix(_TEMPORARY)
    is_temporary = len(rest) == 16 == len(name) - len(_TEMPORARY) and _is_hex(rest)
    return is_temporary and found.st_mtime < now - _HOUR


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789abcdef")


def _clean(folder: Folder, now: float) -> None:
    """Remove what killed processes left, and files unused for the longest time above the limit."""
    files = []
    try:
        for name, found in folder.files():
            if _is_left(name, found, now):
                _remove(folder, name)
            elif _is_stored(name):
                files.append((found.st_mtime, name, found.st_size))
    except OSError as error:
        _note_error(error)
        return
    total, most = sum(size for _, _, size in files), limit()
    for _, name, size in sorted(files):
        if total <= most:
            break
        if name not in _stored:
            _remove(folder, name)
            total -= size


def contents() -> list[tuple[str, int, float, str]]:
    """Return the name, the bytes, the last use and the label of each file, the last used first.

    Uses of one day count as one. A file that would not be loaded has the label "unusable".
    """
    result = []
    folder = _folder()
    if folder is not None:
        with folder:
            for name, found in folder.files():
                if _is_stored(name):
                    stem, _, kind = name.partition(".")
                    data = _read(folder, bytes.fromhex(stem), kind)
                    label = "unusable" if data is None else unpacked(data)[1]
                    result.append((name, found.st_size, found.st_mtime, label))
    return sorted(result, key=lambda file: (-file[2], file[0]))


def clear() -> tuple[int, int]:
    """Remove all files; return how many were removed, and their bytes."""
    count = size = 0
    folder = _folder()
    if folder is not None:
        with folder:
            now = time.time()
            for name, found in folder.files():
                if _is_stored(name) or _is_left(name, found, now):
                    removed = _remove(folder, name)
                    count, size = count + removed, size + removed * found.st_size
    return count, size
