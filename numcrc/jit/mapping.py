"""Map machine code from a file, read-only and executable.

Processes that map a file share its pages. No page is writable and executable, and none that was
writable becomes executable, which systemd's MemoryDenyWriteExecute and SELinux forbid: without a
cache folder, code is in a file in memory. Only where that is refused, it is copied to pages that
are made executable later. Linux makes the instruction cache coherent when it maps pages of a file,
and `_publish` after a copy.

A process that reads a page beyond the end of its file is ended (SIGBUS), so a file of the cache is
never truncated or written in place: another takes its name, and the old one stays mapped.

In front of the code is a page for the addresses of functions that it calls.
"""

from __future__ import annotations

import errno
import mmap
import os

from numcrc.jit.native import Bytes, Char, Int, Pointer, Word, c_function, get_errno
from numcrc.process import imported

_FIXED = 0x10  # MAP_FIXED, which the module mmap lacks
_FAILED = Pointer(-1).value
_CLOEXEC = 1  # MFD_CLOEXEC

_mmap = c_function("mmap", Pointer, Pointer, Word, Int, Int, Int, Word)
_mprotect = c_function("mprotect", Int, Pointer, Word, Int)
_munmap = c_function("munmap", Int, Pointer, Word)
_memmove = c_function("memmove", None, Pointer, Bytes, Word)


def map_file(descriptor: int, size: int) -> int:
    """Return the address of *size* bytes of a file, a writable page being in front of them.

    Raises
    ------
    OSError
        The system does not execute this file, as on a file system that is mounted with noexec.
    MemoryError
        The system has too little memory at the moment.
    """
    address = _reserve(size)
    try:
        _map(address, size, mmap.PROT_READ | mmap.PROT_EXEC, _FIXED, descriptor)
    except (OSError, MemoryError):
        unmap(address, size)
        raise
    return address


def map_bytes(data: bytes, anonymous: bool = False) -> int:
    """Return the address of *data* in a file in memory, mapped like that of `map_file`.

    Parameters
    ----------
    anonymous
        Use pages of no file, if the system makes them executable.

    Raises
    ------
    OSError
        The system does not execute anything that this process makes.
    MemoryError
        The system has too little memory at the moment.
    """
    if anonymous:
        try:
            return _map_copy(data)
        except OSError:
            pass
    try:
        descriptor = _memory_file()
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            return map_file(descriptor, len(data))
        finally:
            os.close(descriptor)
    except OSError:
        return _map_copy(data)


def protect(address: int, words: bytes) -> None:
    """Write *words* at the end of the page in front of *address*, and make it read-only.

    Raises
    ------
    ValueError
        They are more than a page.
    """
    if len(words) > mmap.PAGESIZE:
        raise ValueError(f"{len(words)} bytes of addresses are more than a page")
    _memmove(address - len(words), words, len(words))
    _protect(address - mmap.PAGESIZE, mmap.PAGESIZE, mmap.PROT_READ)


def unmap(address: int, size: int) -> None:
    """Undo `map_file` or `map_bytes`."""
    _munmap(address - mmap.PAGESIZE, mmap.PAGESIZE + size)


def origin(address: int) -> str:
    """Return the file that *address* is mapped from, as ``/proc`` names it; "" without a file."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            span, _, _, _, _, *path = line.rstrip("\n").split(maxsplit=5)
            first, last = (int(end, 16) for end in span.split("-"))
            if first <= address < last:
                return "".join(path)
    return ""


def view(address: int, size: int) -> memoryview:
    """Return the bytes at *address*, in place."""
    return memoryview((Char * size).from_address(address)).cast("B")


def _memory_file() -> int:
    try:  # Python's is not there in all builds
        create = c_function("memfd_create", Int, Bytes, Int)
    except AttributeError as error:
        raise OSError("the C library has no memfd_create") from error
    descriptor: int = create(b"numcrc", _CLOEXEC)
    if descriptor < 0:
        raise _error()
    return descriptor


def _map_copy(data: bytes) -> int:
    """Return the address of a copy of *data*, written before it is made executable."""
    address = _reserve(len(data))
    _memmove(address, data, len(data))
    try:
        _publish(address, len(data))
        _protect(address, len(data), mmap.PROT_READ | mmap.PROT_EXEC)
    except (OSError, MemoryError):
        unmap(address, len(data))
        raise
    return address


def _publish(address: int, size: int) -> None:
    """Make code that was written visible to instruction fetches; x86 needs nothing."""
    if os.uname().machine not in ("x86_64", "i686"):
        ctypes = imported("ctypes")
        ctypes.CDLL("libgcc_s.so.1").__clear_cache(
            ctypes.c_void_p(address), ctypes.c_void_p(address + size)
        )


def _reserve(size: int) -> int:
    """Return an address for *size* bytes, behind a page; all of it is writable."""
    return _map(None, mmap.PAGESIZE + size, mmap.PROT_READ | mmap.PROT_WRITE) + mmap.PAGESIZE


def _map(
    address: int | None, size: int, protection: int, flags: int = 0, descriptor: int = -1
) -> int:
    flags |= mmap.MAP_PRIVATE | (mmap.MAP_ANONYMOUS if descriptor < 0 else 0)
    mapped: int = _mmap(address, size, protection, flags, descriptor, 0)
    if mapped == _FAILED:
        raise _error()
    return mapped


def _protect(address: int, size: int, protection: int) -> None:
    if _mprotect(address, size, protection):
        raise _error()


def _error() -> OSError | MemoryError:
    number = get_errno()
    if number in (errno.ENOMEM, errno.EAGAIN):  # EAGAIN: no more may be locked
        return MemoryError(f"cannot map a kernel: {os.strerror(number)}")
    return OSError(number, os.strerror(number))
