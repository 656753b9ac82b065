"""Test that code has no instruction beyond the features of its target.

A few kernels for a few CPUs; all that ship for all CPUs if ``NUMCRC_TEST_TARGETS=all`` is set,
which takes an hour.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from unittest.mock import patch

import pytest
from instructions import instructions, needed
from llvmlite import binding as llvm

from numcrc.crc import catalogue
from numcrc.jit import choice, compiler, detect, plan, target
from numcrc.jit.features import IMPLIED, tuning
from numcrc.jit.plan import TABLE, WIDE, Plan
from numcrc.jit.target import Target

ALL = os.environ.get("NUMCRC_TEST_TARGETS") == "all"
TOOLS = [value for value in vars(plan).values() if isinstance(value, Plan)]

# By architecture, the names by which LLVM knows CPUs.
NAMES = {
    "x86_64": (
        "alderlake amdfam10 arrowlake atom athlon64 barcelona bdver1 bdver2 bdver3 bdver4 broadwell"
        " btver1 btver2 cannonlake cascadelake clearwaterforest cooperlake core2 corei7 corei7-avx"
        " diamondrapids emeraldrapids generic goldmont goldmont-plus gracemont grandridge"
        " graniterapids haswell icelake-client icelake-server ivybridge k8 knl knm lunarlake"
        " meteorlake nehalem nocona novalake opteron-sse3 pantherlake penryn raptorlake rocketlake"
        " sandybridge sapphirerapids sierraforest silvermont skylake skylake-avx512 tigerlake"
        " tremont westmere x86-64-v2 x86-64-v3 x86-64-v4 znver1 znver2 znver3 znver4 znver5"
    ),
    "aarch64": (
        "a64fx ampere1 ampere1a ampere1b apple-a10 apple-a12 apple-a14 apple-a16 apple-a18"
        " apple-m1 apple-m2 apple-m3 apple-m4 carmel cobalt-100 cortex-a35 cortex-a53 cortex-a55"
        " cortex-a57 cortex-a65 cortex-a72 cortex-a73 cortex-a75 cortex-a76 cortex-a78 cortex-a510"
        " cortex-a520 cortex-a710 cortex-a715 cortex-a720 cortex-a725 cortex-r82 cortex-x1"
        " cortex-x2 cortex-x3 cortex-x4 cortex-x925 exynos-m4 falkor fujitsu-monaka generic grace"
        " kryo neoverse-512tvb neoverse-e1 neoverse-n1 neoverse-n2 neoverse-n3 neoverse-v1"
        " neoverse-v2 neoverse-v3 olympus oryon-1 saphira thunderx thunderx2t99 thunderx3t110"
        " tsv110"
    ),
}

# By architecture, what CPUs list, each set with the one before.
GENERATIONS = {
    "x86_64": (
        *("", "sse3", "ssse3", "sse4.1", "sse4.2 crc32 popcnt", "pclmul", "avx", "f16c", "gfni"),
        *("avx2 fma bmi bmi2 lzcnt movbe", "vpclmulqdq", "avx512f avx512cd"),
        "avx512bw avx512dq avx512vl",
        "avx512vbmi avx512vbmi2 avx512ifma avx512vnni avx512bitalg avx512vpopcntdq",
    ),
    "aarch64": ("", "crc", "aes sha2", "lse", "sha3"),
}

# Features of which code makes no use, though some imply others. Every CPU here lists them.
OTHERS = {
    "x86_64": "aes vaes sha sha512 sm4 avxvnni avxifma avx512fp16 avx512bf16",
    "aarch64": "neon fp-armv8 dotprod fullfp16 rcpc",
}


def detected(arch: str, cpu: str, listed: set[str]) -> Target:
    """Return the target of a CPU of this name whose list of features is *listed* and `OTHERS`."""
    others = OTHERS[arch].split()
    # On AArch64, LLVM says of these alone that they are missing.
    lacking = {"x86_64": [*IMPLIED[arch], *others], "aarch64": ["aes", "sha2"]}[arch]
    found = dict.fromkeys(lacking, False) | dict.fromkeys([*listed, *others], True)
    with (
        patch.object(llvm, "get_host_cpu_features", lambda: found),
        patch.object(llvm, "get_host_cpu_name", lambda: cpu),
        patch.object(llvm, "get_process_triple", lambda: f"{arch}-unknown-linux-gnu"),
        patch.object(detect, "cpu", detect.ask_llvm),
        patch.object(target, "numba_settings", dict),
    ):
        return target.machine.__wrapped__()


def targets(arch: str) -> list[Target]:
    """Return each CPU with some generation's features, and each feature struck out."""
    sets: list[set[str]] = []
    for more in GENERATIONS[arch]:
        sets.append((sets[-1] if sets else set()) | set(more.split()))
    everything = set(IMPLIED[arch])
    assert sets[-1] == everything
    struck = [everything - {name} for name in IMPLIED[arch]]
    names = NAMES[arch].split()
    found = [detected(arch, cpu, sets[at % len(sets)]) for at, cpu in enumerate(names)]
    found += [detected(arch, cpu, everything) for cpu in names]
    best = {"x86_64": ("znver5", "icelake-server"), "aarch64": ("neoverse-v1", "apple-m1")}[arch]
    found += [detected(arch, cpu, listed) for cpu in best for listed in struck]
    whole = detected(arch, best[0], everything)
    return found + [whole.lowered(tier) for tier in whole.tiers]


def shipped(found: Target) -> set[Plan]:
    """Return the plans for *found*: all, or the kernels of a few algorithms."""
    names = catalogue.entries() if ALL else ["CRC-32/ISCSI", "CRC-32/BZIP2"]
    plans = {choice.plan(catalogue.find(name).model, found, found.tiers[-1]) for name in names}
    if not ALL:
        return {each._replace(form="raw") for each in plans}
    several = {each for each in plans | {TABLE} if each.family != "wide"}
    forms = ("call", "records", "raw")
    return {each._replace(form=form) for each in several for form in forms} | {WIDE, *TOOLS}


def examine(each: Plan, cpus: list[Target], assembler: str | None) -> list[str]:
    """Return what is wrong with the code of a plan for *cpus*, compiled in this process."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    ir = str(compiler.emit_module(each, "numcrc_entry", "TUNED"))
    wrong = []
    for cpu in cpus:
        machine = compiler.target_machine(cpu)
        module = llvm.parse_assembly(ir.replace('"TUNED"', f'"{tuning(cpu.cpu)}"'))
        optimised = compiler.optimised(module, "numcrc_entry", machine)
        assembly = str(machine.emit_assembly(optimised))
        for mnemonic, operands in set(instructions(assembly)):
            if beyond := needed(cpu.arch, mnemonic, operands) - cpu.usable:
                wrong.append(f"{mnemonic} {operands} needs {beyond}: {each.name}, {cpu}")
        if assembler and cpu.arch == "x86_64":
            errors = assemble(assembler, assembly, cpu.usable)
            wrong += [f"{error}: {each.name}, {cpu}" for error in errors]
    return wrong


def assemble(assembler: str, assembly: str, usable: frozenset[str]) -> list[str]:
    """Return the errors of GNU's assembler, which rejects instructions of other features."""
    spelled = {"sse4.2": "sse4.2", "pclmul": "pclmul", "avx512vpopcntdq": "avx512_vpopcntdq"}
    spelled |= {"avx512vbmi2": "avx512_vbmi2", "avx512vnni": "avx512_vnni"}
    spelled |= {"avx512bitalg": "avx512_bitalg"}
    names = [spelled.get(name, name) for name in sorted(usable - {"crc32"})]
    # It has no name for crc32 alone.
    names += ["sse4.2"] if "crc32" in usable else []
    done = subprocess.run(
        [assembler, "--64", "-march=" + "+".join(["generic64", *names]), "-o", os.devnull, "-"],
        input=assembly,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[1:]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("addq %rax, %rcx", ""),
        ("pxor %xmm0, %xmm1", ""),
        ("rorxq $1, %rax, %rcx", "bmi2"),
        ("pclmulqdq $17, %xmm0, %xmm1", "pclmul"),
        ("vpxor %xmm0, %xmm1, %xmm1", "avx"),
        ("vpxor %ymm0, %ymm1, %ymm1", "avx2"),
        ("vxorps %ymm0, %ymm1, %ymm1", "avx"),
        ("vpbroadcastq (%rdi), %xmm1", "avx2"),
        ("vpbroadcastq %rdi, %xmm1", "avx512f avx512vl"),
        ("vpshufb %xmm0, %xmm1, %xmm17", "avx512f avx512bw avx512vl"),
        ("vpternlogq $150, %xmm0, %xmm1, %xmm2", "avx512f avx512vl"),
        ("vpclmulqdq $0, %ymm0, %ymm1, %ymm2", "avx vpclmulqdq"),
        ("vpclmulqdq $0, %zmm0, %zmm1, %zmm2", "avx512f vpclmulqdq"),
        ("gf2p8affineqb $0, %xmm0, %xmm1", "gfni"),
        ("vgf2p8affineqb $0, %zmm0, %zmm1, %zmm2", "avx512f gfni"),
        ("vpexpandb (%rdi), %zmm1 {%k1} {z}", "avx512f avx512vbmi2"),
        ("kmovq %rax, %k1", "avx512f avx512bw"),
        ("vpperm %xmm0, %xmm1, %xmm2, %xmm3", "of vpperm"),
    ],
)
def test_the_judge_knows_x86_64(code, expected):
    ((mnemonic, operands),) = instructions(f"\t{code}  # comment\n.LBB0_1:\n")
    found = needed("x86_64", mnemonic, operands)
    assert found == (set(expected.split()) if expected[:3] != "of " else {expected})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("eor x0, x1, x2", set()),
        ("pmull v0.8h, v1.8b, v2.8b", set()),
        ("pmull v0.1q, v1.1d, v2.1d", {"aes"}),
        ("crc32cx w0, w1, x2", {"crc"}),
        ("eor3 v0.16b, v1.16b, v2.16b, v3.16b", {"sha3"}),
        ("ldaddal x0, x1, [x2]", {"lse"}),
        ("eor z0.d, z1.d, z2.d", {"sve"}),
        ("ldapr x0, [x1]", {"of ldapr"}),
    ],
)
def test_the_judge_knows_aarch64(code, expected):
    mnemonic, operands = code.split(None, 1)
    assert needed("aarch64", mnemonic, operands) == expected


@pytest.mark.parametrize("arch", NAMES)
def test_no_instruction_is_beyond_the_features_of_its_target(arch):
    by_plan: dict[Plan, list[Target]] = defaultdict(list)
    for found in dict.fromkeys(targets(arch)):
        for each in shipped(found):
            by_plan[each].append(found)
    if not ALL:  # the same number of CPUs for each plan, from the whole range of them
        by_plan = {each: cpus[:: 1 + len(cpus) // 8] for each, cpus in by_plan.items()}
    assembler = shutil.which("as") if os.uname().machine == "x86_64" else None
    # In children: LLVM aborts when asked for an instruction that its target lacks.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(examine, *item, assembler) for item in by_plan.items()]
        wrong = [line for future in running for line in future.result()]
    cpus = {cpu for several in by_plan.values() for cpu in several}
    pairs = sum(map(len, by_plan.values()))
    print(f"{arch}: {len(cpus)} targets, {len(by_plan)} plans, {pairs} pairs")
    assert not wrong, "\n".join(wrong[:20])
