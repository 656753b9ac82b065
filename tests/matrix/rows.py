"""Run the rows, and print them as a table."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

STEPS = Path(__file__).with_name("steps.py")
ROOT = STEPS.parents[2]
CACHE = Path(os.environ.get("NUMCRC_MATRIX", Path.home() / ".cache" / "numcrc-matrix"))
"""Packages of Debian and of Python, fetched once. QEMU is that of Debian 12, whose AArch64
emulation reads the root's /proc/cpuinfo."""

BEFORE_V2 = ("qemu64", "Penryn")
"""CPUs on which NumPy 2.4, which needs x86-64-v2, does not start."""

X86_64 = (
    *BEFORE_V2,
    *("Nehalem", "Westmere", "SandyBridge", "Haswell", "Haswell,-pclmulqdq", "Haswell,-avx,-avx2"),
    *("EPYC-Milan", "Icelake-Server", "Icelake-Server,-avx2", "max"),
    *("max,-avx2", "max,-bmi2", "max,-avx", "max,-fma,-f16c"),
)

_SINCE_N1 = "fp asimd atomics aes pmull sha1 sha2 crc32"
# By name: QEMU's model, the part number of /proc/cpuinfo, and the features there. Models that lack
# eor3 stand for CPUs that are known by their part, and whose eor3 is masked.
AARCH64 = {
    "unknown": ("cortex-a53", None, ""),
    "Cortex-A53": ("cortex-a53", 0xD03, "fp asimd aes pmull sha1 sha2 crc32"),
    "Cortex-A57": ("cortex-a57", 0xD07, "fp asimd aes pmull sha1 sha2 crc32"),
    "Cortex-A72, no pmull": ("cortex-a72", 0xD08, "fp asimd crc32"),
    "Cortex-A72, no crc32": ("cortex-a72", 0xD08, "fp asimd aes pmull sha1 sha2"),
    "Neoverse-N1": ("neoverse-n1", 0xD0C, _SINCE_N1),
    "Neoverse-N1, no atomics": ("cortex-a72", 0xD0C, "fp asimd aes pmull sha1 sha2 crc32"),
    "Neoverse-V1": ("max", 0xD40, f"{_SINCE_N1} sha3 sha512"),
    "Neoverse-V1, no sha3": ("neoverse-n1", 0xD40, _SINCE_N1),
    "Neoverse-V2, no sha3": ("neoverse-n1", 0xD4F, _SINCE_N1),
    "Neoverse-V2, nothing": ("cortex-a53", 0xD4F, "fp asimd"),
}

PACKAGES = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libssl3", "libffi8", "libuuid1"),
    *("libbz2-1.0", "liblzma5", "libpython3.11-minimal", "libpython3.11-stdlib"),
    "python3.11-minimal",
)


class Row(NamedTuple):
    """A CPU, and what has become of it."""

    cpu: str
    llvm: str = ""
    tier: str = ""
    cases: str = ""
    result: str = ""


def emulators() -> Path:
    """Return the folder of QEMU's programs."""
    folder = CACHE / "qemu"
    if not folder.exists():
        _unpack(["qemu-user-static"], folder)
    return folder / "usr" / "bin"


def _unpack(names: list[str], folder: Path, *options: str) -> None:
    packages = folder.with_suffix(".debs")
    packages.mkdir(parents=True)
    subprocess.run(["apt-get", *options, "--quiet", "download", *names], cwd=packages, check=True)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder.with_suffix(".part")], check=True)
    folder.with_suffix(".part").rename(folder)


def old_numpy() -> Path:
    """Return a folder with a NumPy that runs on any x86-64 CPU."""
    folder = CACHE / f"numpy-{sys.implementation.cache_tag}"
    if not folder.exists():
        _install(folder, "numpy==2.3.*")
    return folder


def arm_site() -> Path:
    """Return a folder with this environment's Numba, llvmlite and NumPy for AArch64."""
    folder = CACHE / "aarch64-site"
    if not folder.exists():
        same = [f"{name}=={version(name)}" for name in ("numba", "llvmlite", "numpy")]
        tags = [f"--platform=manylinux{tag}_aarch64" for tag in ("2014", "_2_27", "_2_28")]
        _install(folder, *tags, "--only-binary=:all:", "--python-version=3.11", *same)
    return folder


def _install(folder: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    part = folder.with_suffix(".part")
    subprocess.run([*pip, "--target", part, *arguments], check=True)
    part.rename(folder)


def arm_root() -> Path:
    """Return the root of an AArch64 system with Python."""
    folder = CACHE / "aarch64-root"
    if not folder.exists():
        lists = CACHE / "aarch64-lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        settings = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "Dir::State::Lists": lists,
            "Dir::State::status": os.devnull,
        }
        options = [f"-o{name}={value}" for name, value in settings.items()]
        subprocess.run(["apt-get", *options, "--quiet", "update"], check=True)
        _unpack(PACKAGES, folder, *options)
    return folder


def root_of(name: str) -> Path:
    """Return a root with the ``/proc/cpuinfo`` of an AArch64 CPU."""
    _, part, features = AARCH64[name]
    folder = CACHE / f"aarch64-{name}".replace(" ", "")
    (folder / "proc").mkdir(parents=True, exist_ok=True)
    for link in ("lib", "usr", "etc"):
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(arm_root() / link)
    lines = ["processor : 0", f"Features : {features}", "CPU implementer : 0x41"]
    lines += [f"CPU part : {part:#x}"] if part else []
    (folder / "proc" / "cpuinfo").write_text("\n".join([*lines, ""]))
    return folder


def command(cpu: str) -> tuple[list[str], dict[str, str]]:
    """Return how Python is run on *cpu*, natively if that is empty, and in what environment."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(np.__file__).parents[1])]),
        "NUMCRC_CACHE_DIR": str(CACHE / "kernels"),
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment.pop("OPENBLAS_CORETYPE", None)  # NumPy would trap
    environment.pop("NUMCRC_TIER", None)
    python = os.path.realpath(sys.executable)
    if cpu in AARCH64:
        root = root_of(cpu)
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(arm_site())]),
            "PYTHONHOME": "/usr",
        }
        emulated = [str(emulators() / "qemu-aarch64-static"), "-L", str(root)]
        return [*emulated, "-cpu", AARCH64[cpu][0], f"{root}/usr/bin/python3.11"], environment
    if cpu.partition(",")[0] in BEFORE_V2:
        environment["PYTHONPATH"] = f"{old_numpy()}{os.pathsep}{environment['PYTHONPATH']}"
    emulated = [str(emulators() / "qemu-x86_64-static"), "-cpu", cpu] if cpu else []
    return [*emulated, python], environment


def step(cpu: str, *arguments: str) -> tuple[str, str]:
    """Return the output of a step on *cpu*, and what is wrong with it."""
    program, environment = command(cpu)
    done = subprocess.run(
        [*program, str(STEPS), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.strip(), ""
    if done.returncode < 0:
        return "", signal.Signals(-done.returncode).name
    return "", (done.stderr.strip().splitlines() or ["no output"])[-1]


def row(cpu: str) -> Row:
    """Run the three steps for *cpu*."""
    text, wrong = step(cpu, "target")
    if wrong:
        return Row(cpu, result=wrong)
    name = json.loads(text)[1]
    _, wrong = step("", "compile", text)
    if wrong:
        return Row(cpu, name, result=f"compile: {wrong}")
    text, wrong = step(cpu, "cases")
    if wrong:
        return Row(cpu, name, result=wrong)
    cases, numba, tier = text.split()
    return Row(cpu, name, tier, cases, "compiled again" if numba == "True" else "ok")


def main() -> int:
    """Run the rows named in the command line, or all; return 1 if one fails."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        print("the matrix needs Linux on x86-64")
        return 0
    # Objects for Python 3.11 on AArch64 can be made here by the same Python only.
    arm = AARCH64 if sys.version_info[:2] == (3, 11) else ()
    cpus = sys.argv[1:] or [*X86_64, *arm]
    for cpu in cpus:
        command(cpu)  # fetches what it needs
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(row, cpus))
    shown = [Row("CPU", "LLVM's name", "tier", "cases", "result"), *rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0 if all(found.result == "ok" for found in rows) else 1
