"""Keep object files on disk, each under the hash of everything that it depends on.

A file is a header (magic, key, length, digest of the body) and the machine code, nothing
else. It is written under a temporary name, flushed to the disk and moved into place, so a
reader sees a whole file or none; it is verified before it is used, and compiled again if it
is damaged. A folder that another user could write to is not used at all. `status` reports
every failure of the cache; no checksum fails because of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import tempfile
from functools import cache

from numcrc.process import imported

_MAGIC = b"numcrc object 1\n"
_HEADER = struct.Struct("<16s32sQ32s")

_faults: list[str] = []


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


def status() -> str:
    """Return the cache folder, or "none", and the reasons why objects were not kept."""
    path = folder()
    return "; ".join([path or "none", *_faults])


def load(key: bytes) -> bytes | None:
    """Return the object stored under *key*; None if it is missing or damaged."""
    path = folder()
    if path is None:
        return None
    try:
        with open(_file(path, key), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        _faults.append(f"{key.hex()}: {error}")
        return None
    body = data[_HEADER.size :]
    if data != _contents(key, body):
        _faults.append(f"{key.hex()}: damaged, compiled again")
        return None
    return body


def store(key: bytes, body: bytes) -> None:
    """Store the object *body* under *key*, or note why it cannot be stored."""
    path = folder()
    if path is None:
        return
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path, prefix="new-")
        with open(descriptor, "wb") as file:
            file.write(_contents(key, body))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, _file(path, key))
    except OSError as error:
        _faults.append(str(error))
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _contents(key: bytes, body: bytes) -> bytes:
    return _HEADER.pack(_MAGIC, key, len(body), hashlib.sha256(body).digest()) + body


def _file(path: str, key: bytes) -> str:
    return os.path.join(path, f"{key.hex()}.o")
