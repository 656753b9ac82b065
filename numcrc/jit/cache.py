"""Object files on disk, each under the hash of all that made it.

A file is a header (magic, key, length, digest of the body) and the machine code, nothing
else. It is written under a temporary name, flushed to the disk and moved into place, so a
reader sees a whole file or none; it is verified before it is used, and what fails is
compiled again. A folder that another user could write to is not used at all. Whatever the
cache cannot do it says in `status`; no failure of it is a failure of a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import tempfile
from functools import cache

_MAGIC = b"numcrc object 1\n"
_HEADER = struct.Struct("<16s32sQ32s")

_faults: list[str] = []


@cache
def folder() -> str | None:
    """Return the cache folder, made if need be; None if there is none to be trusted."""
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
        _faults.append(f"{path}: others may write to it")
    else:
        return path
    return None


def _default() -> str | None:
    from platformdirs import user_cache_dir

    try:
        path = user_cache_dir("numcrc", appauthor=False)
    except (OSError, RuntimeError, KeyError) as error:
        _faults.append(f"no user cache folder: {error}")
        return None
    if not os.path.isabs(path):  # neither HOME nor a user of that number
        _faults.append(f"no home folder for {path}")
        return None
    return path


def status() -> str:
    """Return the cache folder, or why objects are not kept."""
    path = folder()
    return "; ".join(([path] if path else ["none"]) + _faults)


def load(key: bytes) -> bytes | None:
    """Return the object stored under *key*, or None if there is none that is sound."""
    path = folder()
    if path is None:
        return None
    try:
        with open(_file(path, key), "rb") as file:
            data = file.read()
        magic, stored_key, length, digest = _HEADER.unpack_from(data)
    except FileNotFoundError:
        return None
    except (OSError, struct.error) as error:
        _faults.append(f"{key.hex()}: {error}")
        return None
    body = data[_HEADER.size :]
    if (magic, stored_key, length) != (_MAGIC, key, len(body)) or hashlib.sha256(
        body
    ).digest() != digest:
        _faults.append(f"{key.hex()}: damaged, compiled again")
        return None
    return body


def store(key: bytes, body: bytes) -> None:
    """Store the object *body* under *key*, or note why not."""
    path = folder()
    if path is None:
        return
    digest = hashlib.sha256(body).digest()
    data = _HEADER.pack(_MAGIC, key, len(body), digest) + body
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path, prefix="new-")
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, _file(path, key))
    except OSError as error:
        _faults.append(str(error))
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _file(path: str, key: bytes) -> str:
    return os.path.join(path, f"{key.hex()}.o")
