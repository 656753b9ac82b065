"""Test that LLVM's answer about the CPU is remembered, under all that LLVM reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support import run_python

from numcrc.jit import cpuid, detect, target

remembers = pytest.mark.skipif(
    detect._fingerprint() is None, reason="does not know what LLVM reads here"
)
on_x86_64 = pytest.mark.skipif(
    detect._fingerprint() is not cpuid.read, reason="needs CPUID on Linux"
)

CODE = """
import sys
from numcrc.jit import detect
found = detect.cpu()
print(*found[:2], found.llvm, "asked" if "llvmlite" in sys.modules else "remembered")
assert found == detect.ask_llvm()
"""


def outcome(folder: Path, code: str = CODE) -> str:
    """Return how *code* got the answer, which must be LLVM's."""
    done = run_python(code, NUMCRC_CACHE_DIR=str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    *answer, how = done.stdout.split()
    asked = detect.ask_llvm()
    assert answer == [*asked[:2], asked.llvm]
    return how


@remembers
def test_asked_once(tmp_path):
    folder = tmp_path / "cache"
    assert [outcome(folder) for _ in range(3)] == ["asked", "remembered", "remembered"]
    for path in folder.iterdir():
        assert path.suffix in (".cpu", ".cpuid")
        path.write_bytes(path.read_bytes()[:-1])
    assert [outcome(folder) for _ in range(2)] == ["asked", "remembered"]


def test_asked_always_without_a_folder():
    assert outcome(Path("/dev/null")) == "asked"


@remembers
@pytest.mark.parametrize("changed", ["fingerprint", "llvmlite", "library"])
def test_another_cpu_or_llvmlite_is_asked_about(changed, tmp_path):
    folder = tmp_path / "cache"
    assert outcome(folder) == "asked"
    change = {
        "fingerprint": "detect._fingerprint = lambda: lambda: b'another CPU'\n",
        "library": "detect._llvm_library = lambda: b'12345'\n",
        "llvmlite": "detect.llvmlite_version = lambda: b'9.9.9'\n",
    }[changed]
    code = f"from numcrc.jit import detect\n{change}" + CODE
    assert [outcome(folder, code) for _ in range(2)] == ["asked", "remembered"]
    assert outcome(folder) == "remembered"


def test_files_of_the_current_folder_are_not_those_of_a_package(tmp_path, monkeypatch):
    """Where a finder of an installer's own knows the package, and Python's does not."""
    (tmp_path / "_version.py").write_text("9.9.9")
    (tmp_path / "binding").mkdir()
    (tmp_path / "binding" / "libllvmlite.so").write_text("library")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name} 1.2.3")
    assert detect.package_version("llvmlite") == b"llvmlite 1.2.3"
    assert detect._llvm_library() == b"0"


@on_x86_64
def test_the_fingerprint_is_that_of_every_core():
    target.machine()
    cores = os.sched_getaffinity(0)
    try:
        found = set()
        for core in cores:
            os.sched_setaffinity(0, {core})
            found.add(cpuid.read())
    finally:
        os.sched_setaffinity(0, cores)
    assert len(found) == 1
    assert len(found.pop()) > 100


@on_x86_64
def test_cpuid_says_what_the_kernel_says():
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    flags = {name.strip(): value.split() for name, value in lines.items()}["flags"]
    words = memoryview(cpuid.read()).cast("I")
    features = words[6]  # ECX of leaf 1
    for bit, flag in ((0, "pni"), (1, "pclmulqdq"), (20, "sse4_2"), (28, "avx")):
        if flag in flags:
            assert features >> bit & 1
    vendor = b"".join(words[at].to_bytes(4, "little") for at in (1, 3, 2)).decode()
    assert vendor == lines["vendor_id\t"].strip()


def test_the_fingerprint_of_aarch64(monkeypatch, tmp_path):
    """Neither the numbers of cores nor their speed count."""

    def read(text: str, **words: int) -> bytes | None:
        (tmp_path / "cpuinfo").write_text(text)
        vector = [16, words.get("hwcap", 7), 33, words.get("vdso", 1), 0, 0]
        (tmp_path / "auxv").write_bytes(b"".join(word.to_bytes(8, "little") for word in vector))
        monkeypatch.setattr(detect, "_CPUINFO", str(tmp_path / "cpuinfo"))
        monkeypatch.setattr(detect, "_AUXILIARY_VECTOR", str(tmp_path / "auxv"))
        return detect._capabilities()

    core = "processor : {}\nBogoMIPS : {}\nFeatures : fp asimd\nCPU part : 0xd40\n"
    first = read(core.format(0, 50))
    assert read(core.format(0, 50) + core.format(1, 51.5), vdso=2) == first
    assert read(core.format(0, 50).replace("d40", "d4f")) != first
    assert read(core.format(0, 50).replace("asimd", "asimd sha3")) != first
    assert read(core.format(0, 50), hwcap=15) != first
    monkeypatch.setattr(detect, "_CPUINFO", str(tmp_path / "missing"))
    assert detect._capabilities() is None
