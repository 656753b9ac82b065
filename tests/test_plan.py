"""Test that a plan's name gives the plan, and that other names are rejected."""

from __future__ import annotations

import pytest

import numcrc
from numcrc.jit import choice, plan
from numcrc.jit.plan import Plan, Streams
from numcrc.jit.target import Target
from numcrc.jit.tiers import TIERS

TOOLS = [value for value in vars(plan).values() if isinstance(value, Plan)]


def targets() -> list[Target]:
    """Return CPUs that together have every plan that `choice` gives."""
    made_up = []
    for arch, cpus in {
        "x86_64": ("znver5", "icelake-server", "generic"),
        "aarch64": ("generic",),
        "riscv64": ("generic",),
    }.items():
        tiers = TIERS.get(arch, ())
        everything = frozenset({"gfni", "crc32", "crc"}.union(*(tier.needs for tier in tiers)))
        for usable in (everything, everything - {"gfni"}, everything - {"crc32", "crc"}):
            made_up += [Target(f"{arch}-unknown-linux-gnu", cpu, usable) for cpu in cpus]
    return made_up


def shipped() -> set[Plan]:
    """Return the plans of all algorithms in the catalogue on all `targets`, in every form."""
    messages = {
        choice.plan(crc.model, target, tier)
        for target in targets()
        for tier in target.tiers
        for crc in numcrc.algorithms.values()
    }
    forms = ("call", "records", "raw")
    several = {found for found in messages if found.family != "wide"}
    return messages | {found._replace(form=form) for found in several for form in forms}


def test_the_name_of_every_plan_that_ships_gives_the_plan():
    plans = shipped().union(TOOLS)
    assert {found.family for found in plans} >= {"table", "fold", "crc32", "wide", "zeros", "join"}
    assert len(plans) > 200
    for found in plans:
        assert Plan.parse(found.name) == found
    assert len({found.name for found in plans}) == len(plans)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("table-raw", Plan("table", form="raw")),
        (
            "fold128-16.64.128-by2-00c0c0cc-mirrored-x86_64-records",
            Plan(
                *("fold", "x86_64", 128, (), (16, 64, 128), "00c0c0cc", 2, "mirrored"),
                form="records",
            ),
        ),
        (
            "crc32-s4x1.128,v48s4x2.1024-clmul128-aarch64",
            Plan("crc32", "aarch64", 128, streams=(Streams(4, 128), Streams(4, 1024, 2, 48))),
        ),
        (
            "crc32c-chain-fold512-w16.w64.64.256-reflected-x86_64",
            Plan("crc32", "x86_64", 512, (16, 64), (64, 256), castagnoli=True),
        ),
    ],
)
def test_names_that_are_parsed(name, expected):
    assert Plan.parse(name) == expected
    assert expected.name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Table",
        "table ",
        "table-x86_64",
        "zeros-raw",
        "fold128-16.64-reflected",
        "fold128-16.64-x86_64",
        "fold128--reflected-x86_64",
        "fold128-16.64-reflected-riscv64",
        "fold128-16.64-reflected-x86_64-call",
        "fold100-16.64-reflected-x86_64",
        "fold128-016.64-reflected-x86_64",
        "fold128-64.16-reflected-x86_64",
        "fold128-0.16-reflected-x86_64",
        "fold128-16.60-reflected-x86_64",
        "fold128-64.w16-reflected-x86_64",
        "fold128-64-reflected-x86_64",
        "fold128-32.64-reflected-x86_64",
        "fold256-16.48-reflected-x86_64",
        "fold128-16.64-by2-reflected-x86_64",
        "fold128-16-0-reflected-x86_64",
        "fold128-w16.64-reflected-x86_64",
        "fold256-w16.w32.128-reflected-x86_64",
        "fold512-w16.w64-reflected-x86_64",
        "fold512-w16.w64.128-reflected-x86_64",
        "fold512-w16.w32.w64.64-reflected-x86_64",
        "fold512-w16.w64.w128.64-reflected-x86_64",
        "fold256-16.32-reflected-aarch64",
        "fold512-w16.w64.64-reflected-aarch64",
        "fold128-16.64.128-01234567-reflected-aarch64",
        "fold128-16.64.128-00c0-reflected-x86_64",
        "fold128-16.64.80-0c001-reflected-x86_64",
        "fold128-16.64.128-cccccccc-reflected-x86_64",
        "fold128-16.64.128-by1-01234567-reflected-x86_64",
        "soft-x86_64",
        "clmul128-x86_64",
        "crc32c-x86_64",
        "crc32c-s4x1.128-x86_64",
        "crc32c--soft-x86_64",
        "crc32c-s0x1.128-soft-x86_64",
        "crc32c-s4x0.128-soft-x86_64",
        "crc32c-s4x3.128-soft-x86_64",
        "crc32c-s4x1.1024,s4x1.128-soft-x86_64",
        "crc32c-s4x1.128,-soft-x86_64",
        "crc32c-v64s4x1.128-soft-x86_64",
        "crc32c-v24s4x1.128-clmul128-x86_64",
        "crc32c-chain-fold128-16.64-mirrored-x86_64",
        "crc32-chain-soft-x86_64",
    ],
)
def test_names_that_are_refused(name):
    with pytest.raises(ValueError, match=f"^invalid plan name: '{name}'$"):
        Plan.parse(name)


@pytest.mark.parametrize("text", ["", "s4", "s4x1", "v128", "s4x1.128 ", "-s4x1.128"])
def test_streams_that_are_refused(text):
    with pytest.raises(ValueError, match=f"^invalid streams: '{text}'$"):
        Streams.parse(text)


def test_a_plan_suits_the_models_that_its_kernel_computes():
    plans = {
        "table": {"CRC-3/GSM", "CRC-32/ISCSI", "CRC-32/ISO-HDLC", "CRC-32/BZIP2", "CRC-64/NVME"},
        "wide": {"CRC-82/DARC"},
        "zeros": set(),
        "fold128-16.64-reflected-x86_64": {"CRC-32/ISCSI", "CRC-32/ISO-HDLC", "CRC-64/NVME"},
        "fold128-16.64-normal-x86_64": {"CRC-3/GSM", "CRC-32/BZIP2"},
        "fold128-16.64-mirrored-x86_64": {"CRC-3/GSM", "CRC-32/BZIP2"},
        "fold128-16.64.128-01234567-mirrored-x86_64": {"CRC-3/GSM"},
        "crc32c-chain-soft-x86_64": {"CRC-32/ISCSI"},
        "crc32-chain-soft-aarch64": {"CRC-32/ISO-HDLC"},
    }
    models = {name: numcrc.algorithms[name].model for name in plans["table"] | plans["wide"]}
    for name, suited in plans.items():
        found = Plan.parse(name)
        assert {model for model in models if found.suits(models[model])} == suited, name
