"""Ask LLVM which CPU this is, once, and remember the answer under what LLVM reads.

On x86-64 LLVM derives a CPU's name and features from CPUID and XCR0. A small image for any CPU,
made by LLVM too, reads them. On AArch64 LLVM reads ``/proc/cpuinfo`` and the capabilities that the
kernel gives each process. A process finds LLVM's answer in the cache under the hash of these,
without LLVM. A CPU that was not seen before, emulated or not, has another hash.
"""

from __future__ import annotations

import os
import struct
import sys
from _frozen_importlib_external import PathFinder

from numcrc._light import NamedTuple, cache
from numcrc.jit import cache as kernel_cache
from numcrc.jit import cpuid, linker
from numcrc.process import imported, in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Detected(NamedTuple):
    """What LLVM says of the machine that it runs on."""

    triple: str
    name: str
    features: frozenset[str]
    llvm: str
    """LLVM's own version."""


@cache
def cpu() -> Detected:
    """Return LLVM's answer, from the cache if it is there."""
    if (known := _remembered()) is not None:
        return known
    # An interrupt amid llvmlite's functions could free memory twice.
    answers: list[Detected] = []
    in_thread(object(), lambda: answers.append(_asked()))
    return answers[0]


def _asked() -> Detected:
    found = ask_llvm()
    _remember(found)
    return found


def ask_llvm() -> Detected:
    """Return LLVM's answer."""
    llvm = imported("llvmlite.binding")
    llvm.initialize_native_target()
    try:
        listed = {name for name, present in llvm.get_host_cpu_features().items() if present}
    except RuntimeError:  # LLVM does not know this CPU: nothing beyond its baseline
        listed = set()
    version = ".".join(map(str, llvm.llvm_version_info))
    return Detected(llvm.get_process_triple(), llvm.get_host_cpu_name(), frozenset(listed), version)


@cache
def llvmlite_version() -> bytes:
    """Return bytes that differ between releases of llvmlite, without importing it."""
    return package_version("llvmlite")


def _file_of(package: str, *names: str) -> str:
    """Return the path of a package's file.

    Raises
    ------
    FileNotFoundError
        The package is not in a folder.
    """
    spec = PathFinder.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(package)
    return os.path.join(os.path.dirname(spec.origin), *names)


def _llvm_library() -> bytes:
    """Return the size of the library: one release of llvmlite is built with several of LLVM."""
    try:
        size = os.stat(_file_of("llvmlite", "binding", "libllvmlite.so")).st_size
    except OSError:
        size = 0
    return str(size).encode()


def package_version(name: str) -> bytes:
    """Return bytes that differ between releases of a package, without importing it."""
    try:
        with open(_file_of(name, "_version.py"), "rb") as file:
            return file.read()
    except OSError:
        pass
    version: str = imported("importlib.metadata").version(name)
    return version.encode()


def _remembered() -> Detected | None:
    key = _key()
    data = kernel_cache.read(key, "cpu") if key else None
    if key is None or data is None:
        return None
    try:
        triple, name, features, llvm = data.decode().split("\n")
    except ValueError:
        kernel_cache.discard(key, "cpu")
        return None
    return Detected(triple, name, frozenset(features.split()), llvm)


def _remember(found: Detected) -> None:
    key = _key()
    if key is None and _fingerprint() is cpuid.read and kernel_cache.is_writable():
        cpuid.store_image()
        key = _key()
    if key is not None:
        lines = found.triple, found.name, " ".join(sorted(found.features)), found.llvm
        label = f"{found.name}, LLVM {found.llvm}"
        data = kernel_cache.packed(key, "\n".join(lines).encode(), label)
        kernel_cache.store(key, data, "cpu")


def _key() -> bytes | None:
    """Return the key of LLVM's answer; None if it is not known what LLVM reads, or not yet."""
    read = _fingerprint()
    reading = read() if read else None
    if reading is None:
        return None
    parts = kernel_cache.MAGIC, reading, llvmlite_version(), _llvm_library()
    return kernel_cache.digest(*map(kernel_cache.digest, parts))


def _fingerprint() -> Callable[[], bytes | None] | None:
    """Return the function that returns all that LLVM reads to know this CPU."""
    if sys.platform != "linux" or sys.maxsize >> 32 == 0:
        return None
    arch = os.uname().machine
    if not linker.takes_images(f"{arch}-linux"):
        return None
    return {"x86_64": cpuid.read, "aarch64": _capabilities}.get(arch)


_CPUINFO, _AUXILIARY_VECTOR = "/proc/cpuinfo", "/proc/self/auxv"
_HWCAPS = 16, 26, 29, 30
"""AT_HWCAP, AT_HWCAP2, AT_HWCAP3, AT_HWCAP4"""


def _capabilities() -> bytes | None:
    try:
        with open(_CPUINFO, "rb") as file:
            lines = {line for line in file if not line.startswith((b"processor", b"BogoMIPS"))}
        with open(_AUXILIARY_VECTOR, "rb") as file:
            vector = file.read()
    except OSError:
        return None
    pairs = struct.iter_unpack("QQ", vector[: len(vector) & ~15])
    found = [struct.pack("QQ", kind, value) for kind, value in pairs if kind in _HWCAPS]
    return b"".join([*sorted(lines), *found])
