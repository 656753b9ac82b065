"""Test images in many processes, and in processes that may not make memory executable."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import run_python

import numcrc
from numcrc.jit import engine, linker, target

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not linker.takes_images(target.host().triple),
    reason="has object files, not images",
)

WAITING = """
import sys, numcrc
assert numcrc.crc32c(b"123456789") == 0xE3069283
assert "numba" not in sys.modules
(loaded,) = numcrc.info(verbose=True)["loaded"].values()
print(loaded["address"], flush=True)
sys.stdin.read()
"""
PROCESSES = 20


def proportional(pid: int, address: int) -> tuple[int, int]:
    """Return Rss and Pss, in KiB, of the mapping of *address* in a process."""
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *rest = line.split()
        if "-" in name:
            first, last = (int(end, 16) for end in name.split("-"))
        elif first <= address < last and rest[-1:] == ["kB"]:
            sizes[name[:-1]] = int(rest[0])
    return sizes["Rss"], sizes["Pss"]


def test_processes_share_the_pages_of_a_kernel():
    """The proportional sizes (Pss) of all mappings add up to no more than the size of one."""
    numcrc.crc32c(b"")
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", WAITING], stdin=-1, stdout=-1, text=True)
            )
            for _ in range(PROCESSES)
        ]
        addresses = [int(process.stdout.readline(), 16) for process in processes]
        sizes = [
            proportional(process.pid, address)
            for process, address in zip(processes, addresses, strict=True)
        ]
        for process in processes:
            process.stdin.close()
    assert all(rss > 0 and pss * PROCESSES <= rss for rss, pss in sizes), sizes


# Without memory that becomes executable, as under systemd's MemoryDenyWriteExecute

REFUSING = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    raise SystemExit("no such prctl")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
REFUSED_ALL = """
import sys
from numcrc.jit import mapping

def refused(*arguments):
    raise PermissionError(13, "Permission denied")

mapping.map_file = mapping._map_copy = refused
from numcrc.cli import main
sys.argv[0] = "numcrc"
sys.exit(main())
"""
PYTHON = (
    "cannot execute kernels: [Errno 13] Permission denied: CRCs are computed in Python, very slowly"
)


def refusing(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python with *arguments* in a process that may not make memory executable."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "no such prctl" in done.stderr:
        pytest.skip("needs Linux 6.3")
    return done


ENTRIES = """
import random, sys, warnings, zlib
warnings.simplefilter("error")
import numpy as np
import numcrc
from numcrc.crc import reference

data = random.Random(1).randbytes(3000)
assert numcrc.crc32(data) == zlib.crc32(data)
for name in ("CRC-32C", "CRC-82/DARC"):
    crc = numcrc.algorithms[name]
    expected = reference.crc(crc.model, data)
    parts = [reference.crc(crc.model, data[i : i + 1000]) for i in (0, 1000, 2000)]
    assert crc(data) == expected
    assert int(crc.new(data).hexdigest(), 16) == expected
    assert crc.combine(crc.combine(parts[0], parts[1], 1000), parts[2], 1000) == expected
    if crc.width <= 64:
        assert crc.function(data) == expected
        assert crc.rows(np.frombuffer(data, "u1").reshape(3, 1000)).tolist() == parts
        assert crc.batch([data[:1000], data[1000:2000], data[2000:]]).tolist() == parts
        assert crc.join(parts, 1000) == expected
try:
    import numba
except PermissionError as error:
    print("no Numba", error)
print(numcrc.info()["execution"])
"""


@pytest.mark.parametrize("folder", [None, "/dev/null"], ids=["cached", "no folder"])
def test_every_entry_is_right_where_memory_is_not_made_executable(folder):
    """Of Numba there is only its own error."""
    env = {"NUMCRC_CACHE_DIR": folder} if folder else {}
    done = refusing("-c", ENTRIES, **env)
    assert (done.returncode, done.stderr) == (0, "")
    error, execution = done.stdout.splitlines()
    assert error.startswith("no Numba [Errno 13] cannot allocate executable memory.")
    assert execution == "machine code"


@pytest.fixture(scope="module", params=["cached", "no folder", "refused"])
def command(request, tmp_path_factory):
    """Return a function that runs numcrc, and what its standard error is to hold."""
    env = {"NUMCRC_CACHE_DIR": "/dev/null"} if request.param == "no folder" else {}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        if request.param == "refused":
            return subprocess.run(
                [sys.executable, "-c", REFUSED_ALL, *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        return refusing("-m", "numcrc", *arguments, **env)

    return run, PYTHON if request.param == "refused" else ""


def test_commands_where_memory_is_not_made_executable(command, tmp_path):
    run, warning = command
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "file"
    file.write_bytes(b"123456789")

    def printed(*arguments: str) -> str:
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("Warning") == bool(warning), done.stderr
        assert warning in done.stderr
        return done.stdout

    assert printed("sum", str(file)) == f"e3069283  {file}\n"
    (tmp_path / "list").write_text(f"CRC32C ({file}) = e3069283\n")
    assert printed("check", str(tmp_path / "list")) == f"{file}: OK\n"
    (tmp_path / "sums").write_text("CRC32C (file) = e3069283\n")
    printed("verify", str(tmp_path / "data"), "--manifest", str(tmp_path / "sums"))
    info = json.loads(printed("info", "--verbose", "--json"))
    if warning:
        assert info["loaded"] == {}
        assert info["execution"].startswith("in Python, very slowly: cannot execute kernels: ")
    else:
        places = {entry["from"] for entry in info["loaded"].values()}
        assert info["execution"] == "machine code"
        if info["cache"].startswith("none; "):
            assert places == {"a file in memory"}
        else:
            assert {Path(place).suffix for place in places} == {".kernel"}


# The process that compiles there

COMPILED_APART = """
assert numcrc.crc32c(b"123456789") == 0xE3069283
assert "numba" not in sys.modules
print(numcrc.info()["execution"])
"""


def test_an_interrupt_does_not_end_the_process_that_compiles():
    """As by Ctrl-C, which all processes of the terminal get."""
    code = """
import os, signal, subprocess, sys
import numcrc

os.setsid()
signal.signal(signal.SIGINT, lambda *arguments: None)
communicate = subprocess.Popen.communicate

def interrupted(self, *arguments, **more):
    os.killpg(0, signal.SIGINT)
    return communicate(self, *arguments, **more)

subprocess.Popen.communicate = interrupted
"""
    done = refusing("-c", code + COMPILED_APART, NUMCRC_CACHE_DIR="/dev/null")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "machine code\n")


def test_the_process_that_compiles_may_print(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit\nprint('at start', flush=True)\natexit.register(print, 'at end')\n"
    )
    path = os.pathsep.join([str(tmp_path), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    code = "import sys, numcrc" + COMPILED_APART
    done = refusing("-c", code, NUMCRC_CACHE_DIR="/dev/null", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "machine code" in done.stdout.splitlines()


def test_the_process_that_compiles_has_the_same_flags(tmp_path):
    """With ``-E`` Python executes nothing that the environment names."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif sys.flags.ignore_environment or 'apart' in str(sys.orig_argv):"
        f"\n  open({str(tmp_path / 'executed')!r}, 'w')\n"
    )
    code = f"import sys; sys.path.insert(0, {os.getcwd()!r}); import numcrc" + COMPILED_APART
    done = refusing("-E", "-c", code, NUMCRC_CACHE_DIR="/dev/null", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "machine code\n")
    assert not (tmp_path / "executed").exists()


def test_the_process_that_compiles_has_any_path():
    """Path objects in it, which Python passes over, and more text than an argument may have."""
    code = "import pathlib, sys; sys.path += [pathlib.Path('a'), *['/none' * 100] * 500]\n"
    done = refusing("-c", code + "import numcrc" + COMPILED_APART, NUMCRC_CACHE_DIR="/dev/null")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "machine code\n")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("frozen = True; sys.executable = '/bin/false'", "the program is frozen"),
        ("executable = ''", "sys.executable is not set"),
        ("executable = None", "sys.executable is not set"),
    ],
)
def test_only_python_is_started(setting, why):
    """Not a frozen program again, nor one that embeds Python."""
    code = f"import sys; sys.{setting}; import numcrc\n"
    done = refusing("-c", code + COMPILED_APART, NUMCRC_CACHE_DIR="/dev/null")
    reason = f"cannot compile kernels: {why}"
    assert f"{reason}: CRCs are computed in Python" in done.stderr
    assert done.stdout == f"in Python, very slowly: {reason}\n"


def test_cached_kernels_are_used_where_others_cannot_be_compiled(tmp_path):
    env = {"NUMCRC_CACHE_DIR": str(tmp_path / "cache")}
    assert run_python("import numcrc; numcrc.crc32c(b'')", **env).returncode == 0
    code = """
import sys
sys.frozen = True
import numcrc
for name in ("CRC-82/DARC", "CRC-32C", "CRC-64/NVME"):
    crc = numcrc.algorithms[name]
    assert crc(b"123456789") == crc.check
    print(len(numcrc.info(verbose=True)["loaded"]))
print(numcrc.info()["execution"])
"""
    done = refusing("-c", code, **env)
    assert (done.returncode, done.stderr.count("Warning")) == (0, 1)
    *loaded, execution = done.stdout.splitlines()
    assert loaded == ["0", "1", "1"]
    reason = "cannot compile kernels: the program is frozen"
    python = f"in Python, very slowly: {reason}"
    assert execution == f"machine code of files in the cache, else {python}"


# Without memory at the moment


@pytest.mark.parametrize("number", ["ENOMEM", "EAGAIN"])
@pytest.mark.parametrize("folder", [None, "/dev/null"], ids=["cached", "no folder"])
def test_the_next_call_tries_again_when_there_was_no_memory(folder, number):
    numcrc.crc32c(b"")
    code = f"""
import errno, warnings
from _ctypes import set_errno
warnings.simplefilter("error")
import numcrc
from numcrc.jit import mapping

def refused(*arguments):
    set_errno(errno.{number})
    return mapping._FAILED

mmap, mapping._mmap = mapping._mmap, refused
for _ in range(2):
    try:
        numcrc.crc32c(b"")
    except MemoryError as error:
        print(error)
mapping._mmap = mmap
assert numcrc.crc32c(b"123456789") == 0xE3069283
print(numcrc.info()["execution"])
"""
    env = {"NUMCRC_CACHE_DIR": folder} if folder else {}
    done = run_python(code, **env)
    assert (done.returncode, done.stderr) == (0, "")
    error = f"cannot map a kernel: {os.strerror(getattr(errno, number))}"
    assert done.stdout.splitlines() == [error, error, "machine code"]


# Where kernels are


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"NUMCRC_CACHE_DIR": "/dev/null"}, "a file in memory"),
        ({"NUMCRC_PERF": "1"}, "a copy in memory"),
        ({"NUMCRC_LINKER": "orc"}, "LLVM's linker"),
    ],
)
def test_info_says_where_kernels_are(env, place):
    code = """
import os, numcrc
numcrc.crc32c(b"")
info = numcrc.info(verbose=True)
((name, loaded),) = info["loaded"].items()
assert f"  {name}: key {loaded['key']}, address 0x" in str(info)
if "NUMCRC_PERF" in os.environ:
    os.unlink(f"/tmp/perf-{os.getpid()}.map")
print(loaded["from"], info["execution"], sep="|")
"""
    done = run_python(code, **env)
    assert (done.returncode, done.stderr) == (0, "")
    execution = "machine code, linked by LLVM" if "NUMCRC_LINKER" in env else "machine code"
    assert done.stdout == f"{place}|{execution}\n"


def test_info_of_loaded_kernels():
    crc = numcrc.algorithms["CRC-32C"]
    crc(b"")
    plan = engine.plan_of(crc.model)
    loaded = numcrc.info(verbose=True)["loaded"][plan.name]
    key = engine.key(plan, target.host()).hex()
    assert loaded["key"] == key
    start = int(loaded["address"], 16)
    assert start <= engine.function_address(plan) < start + loaded["size"]
    assert loaded["from"].endswith(f"/{key}.kernel")
    assert "loaded" not in numcrc.info()


def test_info_imports_no_compiler():
    numcrc.crc32c(b"")
    code = "import sys, numcrc; numcrc.info(); print({'numba', 'llvmlite'} & sys.modules.keys())"
    assert run_python(code).stdout == "set()\n"
