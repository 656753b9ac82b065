"""Map kernels into the process, and make builtins of their functions.

On Linux, on x86-64 and AArch64, a kernel is an image (`numcrc.jit.image`): it is mapped as it is,
in a cold process as in a warm one, without Numba and LLVM. On other systems it is an object file,
which LLVM's ORC links; ``NUMCRC_LINKER=orc`` chooses that on Linux too, for tests.
"""

from __future__ import annotations

import os
import struct
import sys
from itertools import count

from numcrc._light import cache
from numcrc.jit import cache as kernel_cache
from numcrc.jit.native import (
    Bytes,
    Int,
    Pointer,
    PythonObject,
    Structure,
    addressof,
    python_address,
    python_function,
)
from numcrc.process import imported

if sys.platform == "linux":
    from numcrc.jit import mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SYMBOL = "numcrc_entry"
"""The only function that a kernel exports."""

START = kernel_cache.HEADER_SIZE
"""Where the image begins in its file."""
HEADER = struct.Struct("<QQ")
"""Of an image: where its function is in the file, and the number of bytes of names that follow."""

code: dict[int, tuple[int, int]] = {}
"""The first address and the number of bytes of each image's code, by its function's address."""

_METH_FASTCALL_KEYWORDS = 0x0080 | 0x0002


class NoMachineCodeError(RuntimeError):
    """The system does not let this process compile kernels, or execute them."""


class _MethodDefinition(Structure):
    """CPython's PyMethodDef."""

    _fields_ = (("name", Bytes), ("function", Pointer), ("flags", Int), ("doc", Bytes))


def takes_images(triple: str) -> bool:
    """Return whether kernels for *triple* are images, not object files."""
    arch, _, system = triple.partition("-")
    known = arch in ("x86_64", "aarch64") and "linux" in system and "x32" not in system
    return known and os.environ.get("NUMCRC_LINKER") != "orc"


def is_for_perf() -> bool:
    """Return whether kernels are named for perf: see `numcrc.jit.perfmap`."""
    return os.environ.get("NUMCRC_PERF", "") not in ("", "0")


def link_file(key: bytes, descriptor: int, image: bool) -> int | None:
    """Return the address of the function in a file of the cache; None if it cannot be used."""
    size = os.fstat(descriptor).st_size
    if image and not is_for_perf():
        try:
            return _checked(key, mapping.map_file(descriptor, size), size)
        except OSError:  # not executed there
            pass
    with open(descriptor, "rb", closefd=False) as file:
        return _link_data(key, file.read(), image)


def link_bytes(key: bytes, data: bytes, image: bool) -> int:
    """Return the address of the function in *data*, the contents of a file of the cache.

    Raises
    ------
    NoMachineCodeError
        They are not executed, or call a function that is not there.
    """
    address = _link_data(key, data, image)
    if address is None:
        raise NoMachineCodeError("cannot link kernels")
    return address


def _link_data(key: bytes, data: bytes, image: bool) -> int | None:
    try:
        if image:
            return _checked(key, mapping.map_bytes(data, is_for_perf()), len(data))
    except OSError as error:
        raise NoMachineCodeError(f"cannot execute kernels: {error}") from error
    if not kernel_cache.is_sound(key, data):
        return None
    try:
        return _link_object(kernel_cache.unpacked(data)[0])
    except RuntimeError as error:  # LLVM's linker
        kernel_cache.note(f"{key.hex()}: {error}")
        return None


def _checked(key: bytes, address: int, size: int) -> int | None:
    """Return the address of the function of an image, verified where it is mapped."""
    data = mapping.view(address, size)
    if not kernel_cache.is_sound(key, data):
        mapping.unmap(address, size)
        return None
    try:
        entry, length = HEADER.unpack_from(data, START)
        if not START < entry < size:
            raise ValueError(f"no function at {entry}")
        names = bytes(data[START + HEADER.size :][:length]).decode().split("\0")
        addresses = [python_address(name) for name in names if name]
        mapping.protect(address, struct.pack(f"{len(addresses)}Q", *addresses))
    except (ValueError, struct.error) as error:
        kernel_cache.note(f"{key.hex()}: {error}")
        mapping.unmap(address, size)
        return None
    start = START + HEADER.size + length
    code[address + entry] = address + start, size - start
    return address + int(entry)


@cache
def _orc() -> Any:
    llvm = imported("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return kept(llvm.create_lljit_compiler())


_serial = count()


def _link_object(object_file: bytes) -> int:
    library = (
        imported("llvmlite.binding")
        .JITLibraryBuilder()
        .add_object_img(object_file)
        .add_current_process()
        .export_symbol(SYMBOL)
        .link(_orc(), f"numcrc{next(_serial)}")
    )
    return int(kept(library)[SYMBOL])


def kept(thing: Any) -> Any:
    """Return *thing*, never to be freed.

    Machine code and method definitions must outlive every builtin, and the destruction order at
    the end of an interpreter is undefined.
    """
    python_function("Py_IncRef", None, PythonObject)(thing)
    return thing


@cache
def _definition(address: int, name: str, doc: str) -> Any:
    """Return the method definition that all builtins of this function share."""
    return kept(_MethodDefinition(name.encode(), address, _METH_FASTCALL_KEYWORDS, doc.encode()))


def builtin(address: int, name: str, doc: str, data: bytes) -> Callable[..., Any]:
    """Return the builtin of this package at *address*, called *name*, whose ``self`` is *data*.

    *doc* begins with its signature as CPython's Argument Clinic writes it.
    """
    definition = _definition(address, name, doc)
    make = python_function("PyCFunction_NewEx", PythonObject, Pointer, PythonObject, PythonObject)
    made: Callable[..., Any] = make(addressof(definition), data, "numcrc")
    return made
