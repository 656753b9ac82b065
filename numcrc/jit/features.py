"""Limit the CPU features that code uses to a closed set.

LLVM switches on all that a feature implies, and all that a CPU's name stands for. A CPU may list
VAES without AVX2 (a virtual machine that masks AVX2 does), or go by a name and lack what the name
stands for. So code is generated for the baseline of the architecture and the features named here,
each only if the CPU lists it and all that it implies; the name of the CPU is for tuning.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_X86_64 = {
    "sse3": "",
    "ssse3": "sse3",
    "sse4.1": "ssse3",
    "sse4.2": "sse4.1",
    "crc32": "",
    "popcnt": "",
    "pclmul": "",
    "movbe": "",
    "lzcnt": "",
    "bmi": "",
    "bmi2": "",
    "gfni": "",
    "avx": "sse4.2",
    "avx2": "avx",
    "fma": "avx",
    "f16c": "avx",
    "vpclmulqdq": "avx pclmul",
    "avx512f": "avx2 fma f16c",
    "avx512bw": "avx512f",
    "avx512cd": "avx512f",
    "avx512dq": "avx512f",
    "avx512ifma": "avx512f",
    "avx512vl": "avx512f",
    "avx512vnni": "avx512f",
    "avx512vpopcntdq": "avx512f",
    "avx512bitalg": "avx512bw",
    "avx512vbmi": "avx512bw",
    "avx512vbmi2": "avx512bw",
}
_AARCH64 = {"crc": "", "lse": "", "aes": "", "sha2": "", "sha3": "sha2"}

IMPLIED = {
    arch: {name: frozenset(others.split()) for name, others in features.items()}
    for arch, features in (("x86_64", _X86_64), ("aarch64", _AARCH64))
}
"""By architecture, every feature that code may use beyond the baseline, and those it implies."""

BASELINE = {"x86_64": "x86-64", "aarch64": "generic"}
"""The name that LLVM has for a CPU with the architecture's baseline and nothing else."""


def closed(arch: str, listed: Iterable[str]) -> frozenset[str]:
    """Return the features of *listed* that may be used: those whose implied ones are listed too.

    Examples
    --------
    >>> sorted(closed("x86_64", ["sse3", "ssse3", "sse4.2", "vaes", "bmi2"]))
    ['bmi2', 'sse3', 'ssse3']
    """
    implied = IMPLIED.get(arch, {})
    found = set(listed) & implied.keys()
    while broken := {name for name in found if not implied[name] <= found}:
        found -= broken
    return frozenset(found)


# LLVM 22 lacks parts of their scheduling models, and aborts when it needs them.
_INCOMPLETE = {"oryon-1"}


def tuning(cpu: str) -> str:
    """Return the name of a CPU by which code for *cpu* can be tuned."""
    return "generic" if cpu in _INCOMPLETE else cpu


def llvm_string(arch: str, features: frozenset[str]) -> str:
    """Return the closed set *features* as LLVM takes it: what is on, then what is off.

    LLVM reads from left to right. So a feature that is off at the end stays off, even if one before
    it implies it.
    """
    off = IMPLIED.get(arch, {}).keys() - features
    signed = [("+", name) for name in sorted(features)] + [("-", name) for name in sorted(off)]
    return ",".join(sign + name for sign, name in signed)
