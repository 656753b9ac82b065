"""Run the rows, and print them as a table."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from numcrc.jit import features
from numcrc.jit.target import Target
from numcrc.jit.tiers import TIERS

STEPS = Path(__file__).with_name("steps.py")
ROOT = STEPS.parents[2]
CACHE = Path(os.environ.get("NUMCRC_MATRIX", Path.home() / ".cache" / "numcrc-matrix"))
"""Packages of Debian and of Python, fetched once. QEMU is that of Debian 12, whose AArch64
emulation reads the root's /proc/cpuinfo."""

SHARED = CACHE / "kernels"
"""The cache that all CPUs share."""

ONE = "CRC-32/ISCSI"
"""The algorithm of rows that compile under emulation, a minute or more for each kernel."""

BEFORE_V2 = ("qemu64", "Penryn")
"""CPUs on which NumPy 2.4, which needs x86-64-v2, does not start."""

SETTINGS = (
    "NUMBA_CPU_NAME=generic",
    "NUMBA_CPU_NAME=nehalem NUMBA_CPU_FEATURES=",
    "NUMBA_CPU_FEATURES=+sse3,+ssse3,+sse4.1,+sse4.2,+crc32,+pclmul",
    "NUMBA_CPU_FEATURES=+crc32,+avx2",
    "NUMBA_ENABLE_AVX=0",
)
"""Settings under which this machine's own CPU is a row."""

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

FORCED = {
    "Nehalem": "crc32",
    "Westmere": "sse4.2-pclmul",
    "Cortex-A72, no pmull": "crc32",
    "Cortex-A57": "pmull",
}
"""CPUs whose code is also that of a better CPU on which ``NUMCRC_TIER`` names this tier."""

OTHERS = {
    "x86_64": (
        "Nehalem + Haswell: at once",
        "Westmere: alone",
        "Nehalem: read-only cache of AVX-512",
    ),
    "aarch64": (
        "Cortex-A72, no pmull + Neoverse-V1: at once",
        "Cortex-A53: alone",
        "Neoverse-V1: alone",
    ),
}
"""By architecture, rows with a cache of their own."""

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
        _unpack(["qemu-user-static"], folder, "amd64")
    return folder / "usr" / "bin"


def _unpack(names: list[str], folder: Path, architecture: str) -> None:
    """Unpack packages of Debian; neither root's rights nor its lists of packages are needed."""
    lists, packages, cache = map(folder.with_suffix, (".lists", ".debs", ".cache"))
    for made in (lists / "partial", packages, cache):
        made.mkdir(parents=True, exist_ok=True)
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::Cache": cache,
        "Dir::State::Lists": lists,
        "Dir::State::status": os.devnull,
    }
    apt = ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in settings.items())]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *names], cwd=packages, check=True)
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
        _unpack(PACKAGES, folder, "arm64")
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


def command(cpu: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return how Python is run on *cpu*, and in what environment.

    It runs natively if *cpu* is empty or consists of settings. The cache is in *folder*.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(np.__file__).parents[1])]),
        "NUMCRC_CACHE_DIR": str(folder),
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment.pop("OPENBLAS_CORETYPE", None)  # NumPy would trap
    environment.pop("NUMCRC_TIER", None)
    if "=" in cpu:
        environment |= dict(setting.split("=", 1) for setting in cpu.split())
        cpu = ""
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


def step(cpu: str, folder: Path, *arguments: str) -> tuple[str, str]:
    """Return the output of a step on *cpu*, and what is wrong with it."""
    program, environment = command(cpu, folder)
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


def carried(cpu: str, folder: Path = SHARED) -> Row:
    """Run the three steps for *cpu*."""
    text, wrong = step(cpu, folder, "target")
    if wrong:
        return Row(cpu, result=wrong)
    triple, name, usable = json.loads(text)
    if cpu in FORCED and not _is_forced(FORCED[cpu], Target(triple, name, frozenset(usable))):
        return Row(cpu, name, result=f"not the CPU for NUMCRC_TIER={FORCED[cpu]}")
    _, wrong = step("", folder, "compile", text)
    if wrong:
        return Row(cpu, name, result=f"compile: {wrong}")
    return cases(cpu, name, folder, compiles=False)


def _is_forced(tier: str, cpu: Target) -> bool:
    """Whether *cpu* is the one that a better CPU makes code for if *tier* is forced."""
    better = cpu._replace(usable=frozenset(features.IMPLIED[cpu.arch]))
    return better.lowered({each.name: each for each in better.tiers}[tier]) == cpu


def cases(cpu: str, name: str, folder: Path, *algorithms: str, compiles: bool) -> Row:
    """Run the last step: it *compiles* if the folder has no objects for *cpu*."""
    text, wrong = step(cpu, folder, "cases", *algorithms)
    if wrong:
        return Row(cpu, name, result=wrong)
    count, numba, tier = text.split()
    if (numba == "True") != compiles:
        wrong = "did not compile" if compiles else "compiled again"
    return Row(cpu, name, tier, count, wrong or "ok")


def alone(cpu: str) -> Row:
    """Run one algorithm's cases in an empty folder: all is compiled on *cpu*.

    The object must be the one that is compiled natively.
    """
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as native:
        found = _beside(cpu, Path(own), Path(native))
    return found._replace(cpu=f"{cpu}: alone")


def _beside(cpu: str, own: Path, native: Path) -> Row:
    text, wrong = step(cpu, own, "target")
    if wrong:
        return Row(cpu, result=wrong)
    name = json.loads(text)[1]
    _, wrong = step("", native, "compile", text, ONE)
    if wrong:
        return Row(cpu, name, result=f"compile: {wrong}")
    found = cases(cpu, name, own, ONE, compiles=True)
    if found.result == "ok" and _objects(own) != _objects(native):
        return found._replace(result="another object than natively")
    return found


def _objects(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.kernel")}


def read_only(cpu: str) -> Row:
    """Run one algorithm's cases in a read-only folder with objects for CPUs with AVX-512."""
    best = TIERS["x86_64"][-1]
    usable = features.closed("x86_64", best.needs | best.generation)
    target = Target("x86_64-unknown-linux-gnu", best.cpu, usable)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, wrong = step("", folder, "compile", json.dumps([*target[:2], sorted(target.usable)]))
        before = _objects(folder)
        folder.chmod(0o500)
        found = cases(cpu, "", folder, ONE, compiles=True)
        folder.chmod(0o700)
        kept = before.items() <= _objects(folder).items()  # root may add to it
    wrong = wrong or ("" if before and kept else "the folder has changed")
    label = f"{cpu}: read-only cache of AVX-512"
    return found._replace(cpu=label, result=wrong or found.result)


def together(cpus: str) -> Row:
    """Run the rows of two CPUs at the same time, in one folder that is empty, and again."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            both = list(pool.map(lambda cpu: carried(cpu, Path(folder)), cpus.split(" + ")))
    names, tiers, counts = (" + ".join(column) for column in list(zip(*both, strict=True))[1:4])
    wrong = next((found.result for found in both if found.result != "ok"), "ok")
    return Row(f"{cpus}: at once", names, tiers, counts, wrong)


def row(name: str) -> Row:
    """Run the row called *name*."""
    cpu, _, kind = name.partition(": ")
    kinds = {"alone": alone, "read-only cache of AVX-512": read_only, "at once": together}
    return kinds[kind](cpu) if kind else carried(cpu)


def fetch(name: str) -> str:
    """Fetch what the row called *name* needs; return why it cannot be run, "" if it can."""
    for cpu in name.partition(": ")[0].split(" + "):
        if cpu in AARCH64 and sys.version_info[:2] != (3, 11):
            return "skipped: objects for Python 3.11 are made by the same Python"
        try:
            command(cpu, SHARED)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"skipped: {error}"
    return ""


def main() -> int:
    """Run the rows named in the command line, or all; return 1 if one fails.

    A row that cannot be run is a failure if ``NUMCRC_REQUIRE_MATRIX`` is set, as in CI.
    """
    required = "NUMCRC_REQUIRE_MATRIX" in os.environ
    if platform.machine() != "x86_64" or sys.platform != "linux":
        print("skipped: the matrix needs Linux on x86-64")
        return int(required)
    # The longest first.
    all_names = [*OTHERS["aarch64"], *OTHERS["x86_64"], *X86_64, *AARCH64, *SETTINGS]
    names = sys.argv[1:] or all_names
    skipped = {name: reason for name in names if (reason := fetch(name))}

    def run(name: str) -> Row:
        return Row(name, result=skipped[name]) if name in skipped else row(name)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(run, names))
    shown = [Row("CPU", "LLVM's name", "tier", "cases", "result"), *rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for line in shown:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    failed = [name for name, found in zip(names, rows, strict=True) if found.result != "ok"]
    return int(bool(failed if required else set(failed) - skipped.keys()))
