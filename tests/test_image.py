"""Test images: nothing is left to relocate, and a file runs as it is or not at all."""

from __future__ import annotations

import mmap
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding as llvm
from support import run_python

import numcrc
from numcrc.crc import catalogue
from numcrc.jit import cache, choice, compiler, engine, features, image, linker, mapping, target
from numcrc.jit.builtins import capi
from numcrc.jit.plan import JOIN, WIDE, ZEROS, Plan
from numcrc.jit.target import Target
from numcrc.jit.tiers import TIERS

TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
CPUS = {"x86_64": "icelake-server", "aarch64": "neoverse-v1"}
# References to what the image holds, and to the table of addresses.
RELATIVE = {
    "x86_64": {2, 4, 9, 41, 42},
    "aarch64": {261, 275, 277, 278, 284, 285, 286, 299, 282, 283, 311, 312},
}

images = pytest.mark.skipif(
    not linker.takes_images(target.host().triple), reason="has object files, not images"
)


def host(arch: str, tier_name: str = "") -> Target:
    """Return a CPU whose best tier has this name, or is the architecture's."""
    tier = next(t for t in reversed(TIERS[arch]) if t.name == tier_name or not tier_name)
    return Target(TRIPLES[arch], CPUS[arch], features.closed(arch, tier.needs | tier.generation))


@pytest.fixture(autouse=True, scope="module")
def all_targets():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def object_of(ir: str, arch: str) -> bytes:
    machine = compiler.target_machine(host(arch))
    module = llvm.parse_assembly(ir)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    return bytes(machine.emit_object(module))


def relocations(elf: bytes) -> set[int]:
    """Return the types of the relocations of code and constants in an object file."""
    (sections_at,) = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, sections_at + size * i) for i in range(count)]
    names = elf[headers[struct.unpack_from("<H", elf, 0x3E)[0]][4] :]
    found = set()
    for name, kind, _, _, offset, length, *_ in headers:
        if kind == 4 and not names[name:].startswith(b".rela.eh_frame\0"):
            for at in range(offset, offset + length, 24):
                found.add(struct.unpack_from("<8xQ", elf, at)[0] & 0xFFFFFFFF)
    return found


def names_in(made: bytes) -> list[str]:
    """Return the functions that an image calls."""
    entry, length = linker.HEADER.unpack_from(made)
    assert linker.START + linker.HEADER.size + length <= entry < linker.START + len(made)
    return made[linker.HEADER.size :][:length].decode().split("\0") if length else []


# From object files


TIER_NAMES = [(arch, tier.name) for arch in TRIPLES for tier in TIERS[arch]]


@pytest.mark.parametrize(("arch", "tier"), TIER_NAMES, ids="-".join)
def test_nothing_is_left_to_relocate(arch, tier):
    """For each tier, a form of each of three algorithms; no function but the C API is called."""
    cpu, forms = host(arch, tier), ("call", "records", "raw")
    names = ("CRC-32/ISCSI", "CRC-64/NVME", "CRC-32/BZIP2")
    turn = TIER_NAMES.index((arch, tier))
    for number, name in enumerate(names):
        plan = choice.plan(catalogue.find(name).model, cpu, cpu.tiers[-1])
        form = forms[(turn + number) % 3]
        compiled = compiler.compile_object(plan._replace(form=form), cpu, linker.SYMBOL)
        assert relocations(compiled) <= RELATIVE[arch]
        called = names_in(image.image(compiled, linker.SYMBOL))
        assert bool(called) == (form != "raw")
        assert set(called) <= capi.C_API.keys()


@pytest.mark.parametrize("arch", TRIPLES)
@pytest.mark.parametrize("plan", [WIDE, ZEROS, JOIN], ids=lambda plan: plan.name)
def test_images_of_tools(plan, arch):
    made = compiler.compile_kernel(plan, host(arch))
    assert set(names_in(made)) <= capi.C_API.keys()


REFUSED = {
    "variable": ("@v = global i64 1\ndefine ptr @f() {{\n  ret ptr @v\n}}", "section .data"),
    "zero variable": ("@v = global i64 0\ndefine ptr @f() {{\n  ret ptr @v\n}}", "section .bss"),
    "address": ("@v = constant ptr @f\ndefine ptr @f() {{\n  ret ptr @v\n}}", "not constant"),
    "initialiser": (
        "@llvm.global_ctors = appending global [1 x {{i32, ptr, ptr}}]"
        " [{{i32, ptr, ptr}} {{i32 1, ptr @f, ptr null}}]\ndefine void @f() {{\n  ret void\n}}",
        "section .(init_array|ctors)",
    ),
    "thread's variable": (
        "@v = thread_local constant i64 1\ndefine ptr @f() {{\n  ret ptr @v\n}}",
        "section .tdata",
    ),
    "call of a library": (
        "declare void @g()\ndefine void @f() {{\n  call void @g()\n  ret void\n}}",
        "cannot resolve relocation (4|283|282) of symbol 'g'",
    ),
    "no function": ("define void @h() {{\n  ret void\n}}", "function f is not in the object"),
}


@pytest.mark.parametrize("arch", TRIPLES)
@pytest.mark.parametrize("reason", REFUSED)
def test_objects_that_are_refused(reason, arch):
    ir, message = REFUSED[reason]
    with pytest.raises(image.ImageError, match=message):
        image.image(object_of(ir.format(), arch), "f")


def test_other_files_are_refused():
    elf = object_of("define void @f() {\n  ret void\n}", "x86_64")
    assert len(image.image(elf, "f")) > linker.HEADER.size
    for at in (0, 4, 5, 16, 18):
        changed = bytearray(elf)
        changed[at] ^= 0xFF
        with pytest.raises(image.ImageError, match="not an object file"):
            image.image(bytes(changed), "f")


def test_instructions_of_aarch64():
    code = bytearray(struct.pack("<4I", 0x90000010, 0xF9400210, 0x94000000, 0x3DC00000))
    image._adrp(code, 0, -8)
    image._low12(3)(code, 4, -8)
    image._branch26(code, 8, 0)
    image._low12(4)(code, 12, 0x12340)
    # adrp x16, -4096; ldr x16, [x16, 4088]; bl .-8; ldr q0, [x0, 832]
    assert struct.unpack("<4I", code) == (0xF0FFFFF0, 0xF947FE10, 0x97FFFFFE, 0x3DC0D000)
    with pytest.raises(image.ImageError, match="not aligned to 16"):
        image._low12(4)(code, 12, 0x12348)


# In memory

CODE = """
import sys, zlib, numcrc
data = bytes(range(256)) * 99
assert numcrc.crc32(data) == zlib.crc32(data)
assert numcrc.crc32c(b"123456789") == 0xE3069283
assert numcrc.algorithms["CRC-32C"].zeros(1, 5) == numcrc.algorithms["CRC-32C"](bytes(5), 1)
assert numcrc.crc32(bytearray(data), value=5) == zlib.crc32(data, 5)
print("cold" if "numba" in sys.modules else "warm", numcrc.info()["cache"])
"""
MAPS = """
import re
maps = open("/proc/self/maps").read()
kernels = re.findall(r"^(\\S+) (r\\S+) .*(?:[.]kernel|memfd:numcrc.*)$", maps, re.M)
assert {flags for _, flags in kernels} == {"r-xp"}, kernels
ends = {range.split("-")[0] for range, _ in kernels}
table = [flags for range, flags in re.findall(r"^(\\S+) (\\S+)", maps, re.M)
         if range.split("-")[1] in ends]
assert len(table) == len(ends) and set(table) <= {"r--p"}, table
print(len(ends))
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
REFUSING_GAINS = """
import ctypes
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    raise SystemExit("no such prctl")
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Path:
    """Return a folder with the kernels that CODE needs."""
    folder = tmp_path_factory.mktemp("images") / "cache"
    assert outcome(CODE, NUMCRC_CACHE_DIR=str(folder)) == [f"cold {folder}"]
    return folder


def outcome(code: str, **env: str) -> list[str]:
    """Return the lines that *code* prints in a new process, without a warning."""
    done = run_python(code, **env)
    if "no such prctl" in done.stderr:
        pytest.skip("needs Linux 6.3")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@images
@LINUX
def test_code_is_never_writable(warm):
    assert outcome(CODE + MAPS, NUMCRC_CACHE_DIR=str(warm)) == [f"warm {warm}", "3"]


SHARES = """
sizes, kernel = {"Shared_Clean": 0, "Private_Dirty": 0}, False
for line in open("/proc/self/smaps"):
    name, *rest = line.split()
    if "-" in name:
        kernel = line.rstrip().endswith(".kernel")
    elif kernel and name[:-1] in sizes:
        sizes[name[:-1]] += int(rest[0])
print(*sizes.values())
"""


@images
@LINUX
def test_two_processes_share_pages(warm):
    waits = [sys.executable, "-c", f"{CODE}\nsys.stdout.flush(); sys.stdin.read()"]
    environment = os.environ | {"NUMCRC_CACHE_DIR": str(warm)}
    with subprocess.Popen(waits, stdin=-1, stdout=-1, env=environment, text=True) as other:
        assert other.stdout.readline() == f"warm {warm}\n"
        how, sizes = outcome(CODE + SHARES, NUMCRC_CACHE_DIR=str(warm))
        other.stdin.close()
    assert how == f"warm {warm}"
    shared, written = map(int, sizes.split())
    assert shared >= 3 * mmap.PAGESIZE // 1024
    assert written == 0


@images
@LINUX
def test_code_without_a_folder_is_in_memory_files():
    how, number = outcome(CODE + MAPS, NUMCRC_CACHE_DIR="/dev/null")
    assert how.startswith("cold none; ")
    assert number == "3"


COPIES = """
from numcrc.jit import mapping
def refused(*arguments):
    raise PermissionError("refused")
mapping.map_file = refused
"""


@images
def test_code_is_copied_where_no_file_is_executed(warm):
    assert outcome(COPIES + CODE, NUMCRC_CACHE_DIR=str(warm)) == [f"warm {warm}"]


FOLDER_WITHOUT_CODE = """
import os
from numcrc.jit import mapping
map_file = mapping.map_file
def refused(descriptor, size):
    if ".kernel" in os.readlink(f"/proc/self/fd/{descriptor}"):
        raise PermissionError("mounted with noexec")
    return map_file(descriptor, size)
mapping.map_file = refused
"""


@images
@LINUX
def test_folder_whose_files_are_not_executed(warm):
    code = FOLDER_WITHOUT_CODE + CODE + MAPS
    assert outcome(code, NUMCRC_CACHE_DIR=str(warm)) == [f"warm {warm}", "3"]


@images
@LINUX
def test_hosts_that_refuse_to_make_memory_executable(warm):
    """As systemd's MemoryDenyWriteExecute does."""
    code = REFUSING_GAINS + CODE
    assert outcome(code, NUMCRC_CACHE_DIR=str(warm)) == [f"warm {warm}"]


@images
@LINUX
def test_hosts_that_refuse_it_and_have_files_that_are_not_executed(warm):
    code = REFUSING_GAINS + FOLDER_WITHOUT_CODE + CODE
    assert outcome(code, NUMCRC_CACHE_DIR=str(warm)) == [f"warm {warm}"]


@images
@LINUX
def test_hosts_that_refuse_it_and_have_no_folder():
    """Numba cannot be imported there, but a child compiles."""
    (line,) = outcome(REFUSING_GAINS + CODE, NUMCRC_CACHE_DIR="/dev/null")
    assert line.startswith("warm none; ")


@images
def test_read_only_folder(warm, tmp_path):
    folder = tmp_path / "cache"
    shutil.copytree(warm, folder)
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o500)
    try:
        assert outcome(CODE, NUMCRC_CACHE_DIR=str(folder)) == [f"warm {folder}"]
    finally:
        folder.chmod(0o700)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_orc_by_the_setting(tmp_path):
    settings = {"NUMCRC_LINKER": "orc", "NUMCRC_CACHE_DIR": str(tmp_path / "cache")}
    assert outcome(CODE, **settings) == [f"cold {tmp_path / 'cache'}"]
    assert outcome(CODE, **settings) == [f"warm {tmp_path / 'cache'}"]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".kernel"}
    for path in (tmp_path / "cache").iterdir():
        assert path.read_bytes()[cache.HEADER_SIZE :].startswith(b"\x7fELF")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    (line,) = outcome(CODE, **settings)
    assert line.startswith("cold ")
    assert line.count("damaged") == 3


# Damage


def kernel_of(plan: Plan) -> tuple[bytes, bytes]:
    """Return the key and the file of a kernel for this machine."""
    engine.function_address(plan)
    key = engine.key(plan, target.host())
    descriptor = cache.open_file(key)
    assert descriptor is not None
    with open(descriptor, "rb") as file:
        return key, file.read()


@images
def test_a_file_runs_at_any_address(monkeypatch):
    plan = ZEROS
    key, data = kernel_of(plan)
    crc = numcrc.algorithms["CRC-32C"]
    expected = crc.zeros(1, 1000)
    addresses = set()
    for _ in range(3):
        address = linker.link_bytes(key, data, True)
        addresses.add(address)
        monkeypatch.setitem(engine._addresses, plan, address)
        assert engine.builtin(crc.model, plan, None, "zeros")(1, 1000) == expected
    assert len(addresses) == 3


@images
def test_every_flipped_bit_is_noticed_where_the_file_is_mapped(tmp_path):
    key, data = kernel_of(ZEROS)
    path = tmp_path / "kernel"
    path.write_bytes(data)
    with open(path, "r+b", buffering=0) as file:
        assert linker.link_file(key, file.fileno(), True)
        for at in range(len(data)):
            for sent in (data[at] ^ 1 << at % 8, data[at]):
                os.pwrite(file.fileno(), bytes((sent,)), at)
                address = mapping.map_file(file.fileno(), len(data))
                sound = cache.is_sound(key, mapping.view(address, len(data)))
                mapping.unmap(address, len(data))
                assert sound == (sent == data[at])
        os.pwrite(file.fileno(), bytes((data[-1] ^ 4,)), len(data) - 1)
        assert linker.link_file(key, file.fileno(), True) is None


@images
def test_damaged_kernels_are_compiled_again(warm, tmp_path):
    folder = tmp_path / "cache"
    shutil.copytree(warm, folder)
    files = sorted(folder.glob("*.kernel"))
    sound = [path.read_bytes() for path in files]
    damaged = bytearray(sound[0])
    damaged[len(damaged) // 2] ^= 8  # in the code
    files[0].write_bytes(damaged)
    files[1].write_bytes(sound[1][:-1])
    files[2].write_bytes(b"numcrc object 1\n" + sound[2][16:])
    (line,) = outcome(CODE, NUMCRC_CACHE_DIR=str(folder))
    assert line.startswith("cold ")
    assert all(path.stem in line for path in files)
    assert [path.read_bytes() for path in files] == sound


@images
def test_a_call_of_a_function_that_is_not_there(tmp_path):
    ir = (
        "declare void @PyNumcrc_No() nonlazybind\n"
        "define void @numcrc_entry() {\n  call void @PyNumcrc_No()\n  ret void\n}"
    )
    made = image.image(object_of(ir, target.host().arch), linker.SYMBOL)
    data = cache.packed(bytes(32), made)
    with pytest.raises(linker.NoMachineCodeError, match="cannot link"):
        linker.link_bytes(bytes(32), data, True)
    assert "PyNumcrc_No" in cache.status()
    (tmp_path / "kernel").write_bytes(data)
    with open(tmp_path / "kernel", "rb") as file:
        assert linker.link_file(bytes(32), file.fileno(), True) is None


# Without machine code

REFUSED_ALL = """
from numcrc.jit import mapping
def refused(*arguments):
    raise PermissionError(13, "Permission denied")
mapping.map_file = mapping._map_copy = refused
"""
IN_PYTHON = """
import random, warnings, zlib
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numcrc
    from numcrc.crc import reference
    data = random.Random(3).randbytes(60)
    assert numcrc.crc32(data * 999, 7) == zlib.crc32(data * 999, 7)
    spread = np.frombuffer(data, "<u4")[::2]
    assert numcrc.crc32(spread) == zlib.crc32(spread.tobytes())
    assert numcrc.crc32(b"", -1) == 0xFFFFFFFF
    assert numcrc.crc32c(b"123456789") == 0xE3069283
    for name in ("CRC-32", "CRC-64/NVME", "CRC-16/ARC", "CRC-5/USB", "CRC-8/SMBUS", "CRC-82/DARC"):
        crc = numcrc.algorithms[name]
        expected = [reference.crc(crc.model, data[i : i + 20]) for i in (0, 20, 40)]
        whole = reference.crc(crc.model, data)
        assert crc(data) == crc(bytearray(data)) == whole, name
        assert crc(memoryview(data)[20:], value=expected[0]) == whole, name
        assert crc.combine(expected[0], reference.crc(crc.model, data[20:]), 40) == whole
        assert crc.zeros(expected[0], 9) == reference.crc(crc.model, data[:20] + bytes(9))
        assert crc.bits(data, 160) == expected[0]
        for value in ("x", crc.model.mask + 1):
            try:
                crc(data, value)
            except (TypeError, ValueError):
                continue
            raise AssertionError(value)
        if crc.width > 64:
            continue
        rows = np.frombuffer(data, np.uint8).reshape(3, 20)
        assert crc.rows(rows).tolist() == expected, name
        assert crc.rows(rows.astype("<u2"), threads=2).size == 3
        assert crc.batch([data[:20], bytearray(data[20:40]), np.frombuffer(data, "u1")[40:]]
            ).tolist() == expected, name
        assert crc.batch([data[:20], data[20:]], [0, 1][:1] * 2).size == 2
        assert crc.segments(data, [0, 20, 40, 60]).tolist() == expected, name
        assert crc.prefixes(data, [20, 60]).tolist() == [expected[0], whole], name
        assert crc.blocks(data, 20).tolist() == expected, name
        assert crc.join(expected, 20) == whole, name
        found = crc.zeros(np.array(expected, "u8"), 3).tolist()
        assert found == [crc.zeros(value, 3) for value in expected], name
print(len(caught), caught[0].category.__name__, caught[0].message, numcrc.info()["cache"], sep="|")
"""


@images
def test_all_is_right_without_machine_code(warm):
    (line,) = outcome(REFUSED_ALL + IN_PYTHON, NUMCRC_CACHE_DIR=str(warm))
    number, category, message, status = line.split("|")
    assert (number, category) == ("1", "RuntimeWarning")
    reason = "cannot execute kernels: [Errno 13] Permission denied"
    assert message == f"{reason}: CRCs are computed in Python, very slowly"
    assert status == f"{warm}; {reason}"
