"""Test that machine code has the plans' instructions, on this CPU and on AArch64."""

from __future__ import annotations

import re

import pytest
from llvmlite import binding as llvm
from support import run_python

from numcrc.crc import catalogue
from numcrc.jit import choice, compiler, target
from numcrc.jit.emit.vectors import clmul
from numcrc.jit.features import IMPLIED
from numcrc.jit.plan import TABLE, Plan
from numcrc.jit.target import Target


def model(name):
    return catalogue.find(name).model


def loops(assembly: str) -> list[str]:
    """Return the bodies of the innermost loops."""
    found = []
    lines = assembly.splitlines()
    starts = {}
    for number, line in enumerate(lines):
        if match := re.match(r"(\.LBB\w+):", line):
            starts[match[1]] = number
        jump = re.match(r"\s+(?:j\w+|b\.\w+|cbn?z|tbn?z)\s.*?(\.LBB\w+)", line)
        if jump and jump[1] in starts:
            body = "\n".join(lines[starts[jump[1]] : number + 1])
            if not any(inner in body for inner in found):
                found.append(body)
    return found


def made_up(arch: str, cpu: str, features: str) -> Target:
    """Return a CPU with *features* and those that they imply."""
    names = set(features.split())
    while more := frozenset().union(*(IMPLIED[arch][name] for name in names)) - names:
        names |= more
    return Target(f"{arch}-unknown-linux-gnu", cpu, frozenset(names))


@pytest.mark.parametrize("name", ["CRC-32/ISO-HDLC", "CRC-64/NVME", "CRC-32/BZIP2"])
def test_the_512_bit_loop_is_multiplies_and_three_way_xors(name):
    host = made_up("x86_64", "icelake-server", " ".join(IMPLIED["x86_64"].keys() - {"gfni"}))
    plan = choice.plan(model(name), host, host.tiers[-1])
    assert plan.bits == 512
    wide = [body for body in loops(compiler.assembly(plan, host)) if "prefetch" in body]
    assert wide
    for body in wide:
        folded = re.findall(r"vpclmulqdq\s+\$(?:0|17), .*%zmm", body)
        assert len(folded) == body.count("vpclmulqdq")
        assert len(re.findall(r"vpternlogq\s+\$150, .*%zmm", body)) == len(folded) // 2
        assert "call" not in body
        assert not re.search(r"\(%r[sb]p", body), "spill"


@pytest.mark.parametrize(("bits", "register"), [(128, "xmm"), (256, "ymm")])
def test_narrower_tiers_use_their_own_registers(bits, register):
    host = made_up("x86_64", "icelake-server", "avx avx2 pclmul sse4.1 ssse3 vpclmulqdq")
    tier = next(t for t in host.tiers if t.bits == bits)
    assembly = compiler.assembly(choice.plan(model("CRC-64/NVME"), host, tier), host)
    wider = {"xmm": "[yz]mm", "ymm": "zmm"}[register]
    assert re.search(rf"v?pclmul\w*\s.*%{register}", assembly)
    assert not re.search(rf"clmul.*%{wider}", assembly)


def test_the_crc32_instruction_on_x86():
    host = made_up("x86_64", "nehalem", "crc32 sse4.1 ssse3")
    plan = choice.plan(model("CRC-32C"), host, host.tiers[-1])
    assembly = compiler.assembly(plan, host)
    assert "crc32q" in assembly
    assert "clmul" not in assembly


@pytest.mark.parametrize(
    ("name", "instructions"),
    [
        ("CRC-32/ISO-HDLC", {"crc32x", "pmull"}),
        ("CRC-32/ISCSI", {"crc32cx", "pmull"}),
        ("CRC-64/NVME", {"pmull", "pmull2"}),
        ("CRC-32/BZIP2", {"pmull", "pmull2"}),
    ],
)
@pytest.mark.parametrize("three_way", [False, True])
def test_aarch64(name, instructions, three_way):
    host = made_up("aarch64", "cortex-a57", "aes crc" + " sha3" * three_way)
    plan = choice.plan(model(name), host, host.tiers[-1])
    assembly = compiler.assembly(plan, host)
    used = set(re.findall(r"^\s+([a-z]\w*)", assembly, re.MULTILINE))
    assert instructions <= used
    assert ("eor3" in used) == three_way
    for body in loops(assembly):
        if re.search(r"\s(pmull|crc32c?x)\b", body):
            assert not re.search(r"\bblr?\b", body)


def test_aarch64_without_carry_less_multiply():
    host = made_up("aarch64", "cortex-a72", "crc")
    plan = choice.plan(model("CRC-32C"), host, host.tiers[-1])
    assembly = compiler.assembly(plan, host)
    assert "crc32cx" in assembly
    assert "pmull" not in assembly
    assert choice.plan(model("CRC-64/NVME"), host, host.tiers[-1]) == TABLE


def test_the_product_is_refused_on_other_architectures():
    with pytest.raises(KeyError, match="riscv64"):
        clmul("riscv64", 0, 0)


def test_an_object_that_would_call_anything_else_is_refused():
    plan = Plan("zeros")
    machine = compiler.target_machine(target.host())
    module = compiler.emit_module(plan, "entry", "generic")
    module.link_in(
        llvm.parse_assembly(
            "declare void @elsewhere()\n"
            "define void @other() {\n  call void @elsewhere()\n  ret void\n}\n"
        )
    )
    with pytest.raises(AssertionError, match="elsewhere"):
        compiler.optimised(module, "other", machine)


def test_a_cpu_whose_model_llvm_lacks_is_not_a_death():
    """In a child: LLVM aborts on loads of pairs for an Oryon."""
    code = (
        "from numcrc.crc import catalogue; from numcrc.jit import choice, compiler\n"
        "from numcrc.jit.target import Target\n"
        "host = Target('aarch64-unknown-linux-gnu', 'oryon-1', frozenset({'aes', 'crc', 'lse'}))\n"
        "plan = choice.plan(catalogue.find('CRC-64/NVME').model, host, host.tiers[-1])\n"
        "print(compiler.assembly(plan._replace(form='raw'), host).count('pmull'))"
    )
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0
