"""Test the features for kernels: at most those of this CPU, fewer if settings say so."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from llvmlite import binding as llvm
from support import prefix_crcs, run_python

from numcrc.crc import catalogue
from numcrc.jit import choice, detect, target
from numcrc.jit.features import IMPLIED, closed, llvm_string
from numcrc.jit.plan import TABLE
from numcrc.jit.target import NumbaSettingError, Target, TierError
from numcrc.jit.tiers import TABLE_TIER, TIERS

UNSET = (
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX", "NUMBA_DISABLE_JIT"),
    *("NUMCRC_TIER", "OPENBLAS_CORETYPE"),
)
NAMES = ["CRC-32/ISO-HDLC", "CRC-32/ISCSI", "CRC-32/BZIP2"]

# The features that each tier's kernels use.
NEEDS = {
    "x86_64": {
        "table": "",
        "crc32": "crc32",
        "sse4.2-pclmul": "pclmul sse4.1 ssse3",
        "avx2-vpclmul": "avx avx2 pclmul vpclmulqdq sse4.1 ssse3",
        "avx512-vpclmul": (
            "avx avx2 avx512f avx512bw avx512vbmi2 avx512vl"
            " pclmul vpclmulqdq sse4.1 ssse3 crc32 gfni"
        ),
    },
    "aarch64": {
        "table": "",
        "crc32": "crc",
        "pmull": "aes",
        "pmull+sha3": "aes sha3",
    },
}
OPTIONAL = {"crc32", "gfni"}


def made_up(features: str | set[str], arch: str = "x86_64") -> Target:
    names = features.split() if isinstance(features, str) else features
    return Target(f"{arch}-unknown-linux-gnu", "made-up", frozenset(names))


# Closed sets of features


@pytest.mark.parametrize("arch", IMPLIED)
def test_a_feature_counts_only_with_those_it_implies(arch):
    everything = IMPLIED[arch].keys()
    assert closed(arch, everything) == everything
    assert closed(arch, []) == closed("riscv64", everything) == set()
    for tier in TIERS[arch]:
        assert closed(arch, tier.needs | tier.generation) >= tier.needs
    for missing in everything:
        found = closed(arch, everything - {missing})
        assert found >= {name for name in everything if not IMPLIED[arch][name]} - {missing}
        assert all(IMPLIED[arch][name] <= found for name in found)


def test_a_masked_feature_takes_all_that_imply_it_along():
    everything = IMPLIED["x86_64"].keys()
    found = closed("x86_64", (everything | {"vaes", "avx512fp16"}) - {"avx2"})
    assert {name for name in found if name.startswith("avx")} == {"avx"}
    assert {"vpclmulqdq", "fma", "gfni", "bmi2"} <= found


def test_what_is_off_comes_last():
    assert llvm_string("aarch64", frozenset({"crc", "aes"})) == "+aes,+crc,-lse,-sha2,-sha3"
    assert llvm_string("riscv64", frozenset()) == ""


# Tiers by features


@pytest.mark.parametrize(
    ("arch", "tier"), [(arch, tier) for arch, tiers in NEEDS.items() for tier in tiers]
)
def test_a_tier_needs_each_of_its_features(arch, tier):
    features = set(NEEDS[arch][tier].split())
    assert tier in [t.name for t in made_up(features, arch).tiers]
    needed = features - OPTIONAL if tier != "crc32" else features
    for missing in needed:
        lesser = made_up(features - {missing}, arch)
        assert tier not in [t.name for t in lesser.tiers], missing


def test_every_tier_is_known_here():
    assert {arch: [tier.name for tier in tiers] for arch, tiers in TIERS.items()} == {
        arch: list(tiers) for arch, tiers in NEEDS.items()
    }


def test_unknown_architectures_have_tables():
    for arch in ("riscv64", "powerpc64le", "s390x"):
        host = made_up("pclmul crc32 crc aes neon", arch)
        assert [tier.name for tier in host.tiers] == ["table"]
        assert not host.crc32_instruction
        assert choice.plan(catalogue.find("CRC-32C").model, host, host.tiers[-1]) == TABLE


@pytest.mark.parametrize(
    ("spelled", "arch"), [("amd64", "x86_64"), ("arm64", "aarch64"), ("aarch64", "aarch64")]
)
def test_spellings_of_architectures(spelled, arch):
    assert made_up("", spelled).arch == arch


def test_plans_use_what_is_usable_only():
    everything = set(NEEDS["x86_64"]["avx512-vpclmul"].split())
    crc32c, bzip2 = (catalogue.find(name).model for name in ("CRC-32C", "CRC-32/BZIP2"))

    def plan(model, missing, tier=-1):
        host = made_up(everything - missing)
        return choice.plan(model, host, host.tiers[tier])

    assert plan(crc32c, set()).family == "crc32"
    assert plan(crc32c, {"crc32"}).family == "fold"
    assert plan(crc32c, set(), tier=0) == TABLE
    assert plan(bzip2, set()).order == "mirrored"
    assert plan(bzip2, {"gfni"}).order == "normal"
    for tier, bits in ((-1, 512), (-2, 256), (-3, 128)):
        assert plan(bzip2, set(), tier).bits == bits


def test_one_record_is_a_new_tier(monkeypatch):
    """A new tier may have the width of another one."""
    monkeypatch.delenv("NUMCRC_TIER", raising=False)
    *below, best = TIERS["x86_64"]
    newer = best._replace(
        name="avx512-newer",
        needs=best.needs | {"avx1024"},
        windows=(),
        blocks=(16, 512),
        mixtures=(),
        streams=(),
    )
    monkeypatch.setitem(TIERS, "x86_64", (*below, best, newer))
    features = set(NEEDS["x86_64"]["avx512-vpclmul"].split())
    model = catalogue.find("CRC-32C").model
    for usable, tier, name in (
        (features, best, "avx512-vpclmul"),
        (features | {"avx1024"}, newer, "avx512-newer"),
    ):
        host = made_up(usable)
        monkeypatch.setattr(target, "machine", lambda host=host: host)
        assert target.best.__wrapped__() == target.tier("512") == host.tiers[-1] == tier
        assert target.tier("avx512-vpclmul") == best
        plan = choice.plan(model, host, target.tier(name))
        assert (plan.windows, plan.blocks) == (tier.windows, tier.blocks)
    assert plan.name == "fold512-16.512-reflected-x86_64"


# Numba's settings


def test_settings_are_taken_as_numba_takes_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    assert target.numba_settings() == {}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    assert target.numba_settings() == {"NUMBA_CPU_FEATURES": ""}
    monkeypatch.setenv("NUMBA_ENABLE_AVX", "0")
    file = tmp_path / ".numba_config.yaml"
    file.write_text("cpu_name: generic\ncpu_features: +avx\nopt: 3\n")
    assert target.numba_settings() == {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",  # the environment goes first
        "NUMBA_ENABLE_AVX": "0",
    }
    for unusable in (b"", b"- a\n- b\n", b"cpu_name: generic \xff", b"a: b: c", b"a: 2026-99-99"):
        file.write_bytes(unusable)
        assert "NUMBA_CPU_NAME" not in target.numba_settings()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_not_a_config_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(".numba_config.yaml")
    assert set(target.numba_settings()) <= set(os.environ)


LISTED = {"sse4.2", "avx", "avx2", "vpclmulqdq", "pclmul"}


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, LISTED),
        ({"NUMBA_CPU_NAME": "nehalem"}, LISTED),
        ({"NUMBA_CPU_NAME": "generic"}, set()),
        ({"NUMBA_CPU_NAME": "Generic", "NUMBA_CPU_FEATURES": "+avx"}, {"avx"}),
        ({"NUMBA_CPU_FEATURES": ""}, set()),
        ({"NUMBA_CPU_FEATURES": "+a,-b,,+c,-c,-d,+d, +e"}, {"a", "d", "e"}),
        ({"NUMBA_ENABLE_AVX": "0"}, LISTED - {"avx", "avx2"}),
        ({"NUMBA_ENABLE_AVX": "1"}, LISTED),
        ({"NUMBA_ENABLE_AVX": "0", "NUMBA_CPU_FEATURES": "+avx"}, {"avx"}),
    ],
)
def test_features_that_settings_allow(settings, allowed):
    assert target.allowed_features(settings, LISTED) == allowed


@pytest.mark.parametrize("text", ["foo", "+avx,foo", "foo,+avx", "+avx, foo"])
def test_a_feature_without_a_sign_is_an_error(text):
    message = "invalid NUMBA_CPU_FEATURES: 'foo' does not begin with '\\+' or '-'"
    with pytest.raises(NumbaSettingError, match=message):
        target.allowed_features({"NUMBA_CPU_FEATURES": text}, LISTED)


def test_settings_take_away_and_never_add(monkeypatch):
    before = target.machine.__wrapped__()
    kept = set(sorted(before.usable)[::2])
    text = ",".join(f"+{name}" for name in kept | {"sse9", "avx1024"})
    monkeypatch.setattr(target, "numba_settings", lambda: {"NUMBA_CPU_FEATURES": text})
    after = target.machine.__wrapped__()
    assert after.usable == closed(before.arch, kept) <= kept
    assert after.cpu == before.cpu


def test_losing_every_tier_to_a_setting_is_said_once(monkeypatch):
    if target.machine().tiers[-1].name == "table":
        pytest.skip("this CPU has tables only")
    monkeypatch.setattr(target, "numba_settings", lambda: {"NUMBA_CPU_NAME": "generic"})
    with pytest.warns(RuntimeWarning, match="NUMBA_CPU_NAME=generic leaves no features"):
        assert target.machine.__wrapped__().tiers[-1].name == "table"


def test_a_host_that_llvm_does_not_know(monkeypatch):
    def unknown():
        raise RuntimeError

    monkeypatch.setattr(llvm, "get_host_cpu_features", unknown)
    monkeypatch.setattr(detect, "cpu", detect.ask_llvm)
    host = target.machine.__wrapped__()
    assert host.usable == frozenset()
    assert [tier.name for tier in host.tiers] == ["table"]


# NUMCRC_TIER


@pytest.fixture
def pretend(monkeypatch):
    """Return a function that replaces this CPU by another one."""

    def pretend(features: str, arch: str = "x86_64") -> None:
        monkeypatch.setattr(target, "machine", lambda: made_up(features, arch))

    return pretend


def test_tiers_by_name_and_by_width(pretend, monkeypatch):
    pretend(NEEDS["x86_64"]["avx512-vpclmul"])
    best = target.best.__wrapped__
    monkeypatch.delenv("NUMCRC_TIER", raising=False)
    assert best().name == "avx512-vpclmul"
    for name in NEEDS["x86_64"]:
        monkeypatch.setenv("NUMCRC_TIER", name)
        assert best().name == name
    for width, name in (("128", "sse4.2-pclmul"), ("256", "avx2-vpclmul")):
        monkeypatch.setenv("NUMCRC_TIER", width)
        assert best().name == name
    monkeypatch.setenv("NUMCRC_TIER", "")
    assert best().name == "avx512-vpclmul"


def test_the_best_tier_of_a_width(pretend):
    pretend("aes sha3 crc", "aarch64")
    assert target.tier("128").name == "pmull+sha3"
    assert target.tier("pmull").name == "pmull"
    pretend("aes crc", "aarch64")
    assert target.tier("128").name == "pmull"


def test_a_higher_tier_is_refused_with_what_it_lacks(pretend):
    pretend(NEEDS["x86_64"]["sse4.2-pclmul"])
    for name in ("avx2-vpclmul", "256"):
        with pytest.raises(TierError) as caught:
            target.tier(name)
        assert str(caught.value) == (
            "cannot run tier 'avx2-vpclmul': missing features: avx avx2 vpclmulqdq"
            " (the best tier here is 'sse4.2-pclmul')"
        )


@pytest.mark.parametrize("name", ["best", "AVX2", "0", "pmull", "x" * 5000])
def test_an_unknown_tier_is_refused_with_those_there_are(name, pretend):
    pretend(NEEDS["x86_64"]["avx512-vpclmul"])
    with pytest.raises(TierError) as caught:
        target.tier(name)
    names = ", ".join(NEEDS["x86_64"])
    assert str(caught.value) == f"invalid tier: {name[:80]!r}; expected one of {names}"


# Whole processes

DATA = bytes(range(256)) * 9
LENGTHS = [0, 9, 100, len(DATA)]
CODE = f"""
import numcrc
data = bytes(range(256)) * 9
crcs = [numcrc.algorithms[name] for name in {NAMES}]
print(numcrc.info()["tier"], *[crc(data[:n]) for crc in crcs for n in {LENGTHS}])
"""


@pytest.fixture(scope="module")
def expected():
    """Return the CRCs that CODE prints, by the definition."""
    found = [prefix_crcs(catalogue.find(name).model, DATA) for name in NAMES]
    return [str(crcs[length]) for crcs in found for length in LENGTHS]


def run(settings: dict[str, str], cache: str, cwd: str) -> tuple[int, str, list[str], str]:
    """Return CODE's exit status, its tier and CRCs, and its errors."""
    result = run_python(CODE, cwd=cwd, unset=UNSET, NUMCRC_CACHE_DIR=cache, **settings)
    tier, *crcs = result.stdout.split() or [""]
    return result.returncode, tier, crcs, result.stderr


def test_numbas_settings_lower_the_tier_and_change_no_crc(tmp_path, expected):
    """Each process compiles, since its settings are part of the key."""
    cpus = ["generic", "x86-64-v2", "nehalem", "haswell", "skylake-avx512", "znver4"]
    cpus += ["icelake-server"]
    settings = {cpu: {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""} for cpu in cpus} | {
        "name only": {"NUMBA_CPU_NAME": "nehalem"},
        "no AVX": {"NUMBA_ENABLE_AVX": "0"},
        "no multiply": {"NUMBA_CPU_FEATURES": "-pclmul"},
        "no JIT": {"NUMBA_DISABLE_JIT": "1", "NUMCRC_TIER": "table"},
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {
            name: pool.submit(run, changes, str(tmp_path / name), str(tmp_path))
            for name, changes in settings.items()
        }
    tiers = [tier.name for tier in target.host().tiers]
    found = {name: process.result() for name, process in running.items()}
    for name, (status, tier, crcs, errors) in found.items():
        assert (status, crcs) == (0, expected), name
        assert (errors == "") == (tier != "table" or name == "no JIT"), errors
        assert tier in tiers, name
    for name in ("generic", "no multiply", "no JIT"):
        assert "clmul" not in found[name][1], name
        assert "pmull" not in found[name][1], name
    assert not found["no AVX"][1].startswith("avx")


def test_config_file_of_numbas(tmp_path, expected):
    (tmp_path / ".numba_config.yaml").write_text("cpu_name: generic\ncpu_features: ''\n")
    status, tier, crcs, errors = run({}, str(tmp_path / "cache"), str(tmp_path))
    assert (status, tier, crcs) == (0, "table", expected)
    assert "RuntimeWarning: NUMBA_CPU_NAME=generic, NUMBA_CPU_FEATURES= leaves no" in errors


@pytest.mark.parametrize("name", [tier.name for tier in target.host().tiers])
def test_every_tier_can_be_forced(name, tmp_path, expected):
    shared = os.environ["NUMCRC_CACHE_DIR"]
    assert run({"NUMCRC_TIER": name}, shared, str(tmp_path)) == (0, name, expected, "")


def test_a_process_with_settings_imports_no_numba(tmp_path):
    code = "import sys, numcrc; numcrc.crc32c(b''); print('numba' in sys.modules)"
    environment = {"NUMBA_ENABLE_AVX": "0", "NUMCRC_CACHE_DIR": str(tmp_path)}
    found = [run_python(code, unset=UNSET, **environment).stdout for _ in range(2)]
    assert found == ["True\n", "False\n"]


@pytest.mark.parametrize("tier", target.machine().tiers, ids=lambda tier: tier.name)
def test_a_forced_tier_has_the_code_of_a_lesser_cpu(tier, monkeypatch):
    monkeypatch.setenv("NUMCRC_TIER", tier.name)
    monkeypatch.setattr(target, "best", target.best.__wrapped__)
    forced, machine = target.host.__wrapped__(), target.machine()
    assert forced.tiers[-1] == tier
    if tier == machine.tiers[-1]:
        assert forced == machine
    else:
        assert tier.needs <= forced.usable <= tier.needs | tier.generation
        assert forced.cpu == tier.cpu or tier.name == "table"


# What LLVM reports of CPUs of the matrix.
_NEHALEM = "cx16 fxsr mmx popcnt sahf sse sse2 sse3 ssse3 sse4.1 sse4.2 crc32"
LESSER = [
    ("x86_64", "crc32", "nehalem", _NEHALEM),
    ("x86_64", "sse4.2-pclmul", "westmere", f"{_NEHALEM} aes pclmul"),
    ("aarch64", "crc32", "cortex-a72", "fp-armv8 neon crc"),
    ("aarch64", "pmull", "cortex-a57", "fp-armv8 neon aes sha2 crc"),
]


@pytest.mark.parametrize(("arch", "tier", "cpu", "listed"), LESSER)
def test_a_lower_tier_is_a_cpu_of_the_matrix(arch, tier, cpu, listed):
    best = made_up(set(IMPLIED[arch]), arch)
    lowered = best.lowered({each.name: each for each in best.tiers}[tier])
    assert lowered == Target(best.triple, cpu, closed(arch, listed.split()))
    assert lowered.tiers[-1].name == tier


def test_the_best_tier_is_the_cpu_itself():
    for arch, tiers in TIERS.items():
        best = made_up(set(IMPLIED[arch]), arch)
        assert best.lowered(tiers[-1]) is best
    assert made_up("", "riscv64").lowered(TABLE_TIER).cpu == "made-up"


def test_a_lower_tier_has_the_plans_of_a_lesser_cpu():
    zen5 = made_up(set(IMPLIED["x86_64"]))._replace(cpu="znver5")
    tier = zen5.tiers[2]
    lowered = zen5.lowered(tier)
    for name, kept in (
        ("CRC-32/ISCSI", tier.streams),
        ("CRC-32/ISO-HDLC", ()),
        ("CRC-8/SMBUS", ()),
    ):
        plan = choice.plan(catalogue.find(name).model, lowered, tier)
        assert (plan.streams, plan.units) == (kept, "")
        assert plan != choice.plan(catalogue.find(name).model, zen5, tier)


def test_info_says_which_cpu_code_is_made_for():
    found = run_python(
        "import numcrc; info = numcrc.info(); print(info['cpu'], info['why'])", NUMCRC_TIER="table"
    ).stdout
    made_for = target.machine().lowered(TABLE_TIER).cpu
    assert found == f"{target.machine().cpu} NUMCRC_TIER=table: code is made for {made_for}\n"


def test_a_setting_that_would_abort_is_an_error_in_a_process(tmp_path):
    code = "import numcrc; numcrc.crc32c(b'')"
    result = run_python(code, cwd=str(tmp_path), unset=UNSET, NUMBA_CPU_FEATURES="+avx,foo")
    assert result.returncode == 1
    assert "NumbaSettingError: invalid NUMBA_CPU_FEATURES: 'foo' does not begin" in result.stderr


@pytest.mark.skipif(target.host().arch not in TIERS, reason="has tables only")
def test_refusals_in_a_process(tmp_path):
    highest = TIERS[target.host().arch][-1].name
    for wanted, message in (
        ("fastest", "invalid tier: 'fastest'; expected one of table, "),
        (highest, f"cannot run tier {highest!r}: missing features: "),
    ):
        for code in ("numcrc.crc32c(b'')", "numcrc.algorithms['crc8'](b'')", "numcrc.info()"):
            result = run_python(
                f"import numcrc\ntry:\n    {code}\nexcept numcrc.TierError as e:\n    print(e)",
                cwd=str(tmp_path),
                unset=UNSET,
                NUMBA_CPU_NAME="generic",
                NUMCRC_TIER=wanted,
            )
            assert result.returncode == 0, result.stderr
            assert result.stdout.startswith(message)
