"""Test that a process imports as few modules as possible."""

from __future__ import annotations

import importlib

import pytest
from support import run_python

import numcrc
from numcrc.jit import linker
from numcrc.jit.target import host

SETTINGS = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX", "NUMCRC_TIER")


def imported_by(code: str, cwd: object) -> set[str]:
    """Return the top-level modules that a fresh process has after *code*."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    result = run_python(code, cwd=str(cwd), unset=SETTINGS)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def test_import_is_lazy(tmp_path):
    heavy = {"numba", "llvmlite", "numpy", "platformdirs", "rich", "json", "ctypes", "typing"}
    before = imported_by("", tmp_path)
    after = imported_by("import numcrc", tmp_path)
    assert after - before <= {"numcrc", "__future__", "atexit"}
    assert not after & heavy


@pytest.mark.parametrize(
    "code",
    [
        "from numcrc import crc32c; assert crc32c(b'123456789') == 0xE3069283",
        "import numcrc; assert numcrc.new('crc32c', b'1').copy().hexdigest()",
        "import numcrc; assert numcrc.algorithms['crc32c'].zeros(1, 2)",
    ],
)
def test_a_warm_process_imports_no_compiler(code, tmp_path):
    exec(code)  # compiles into the cache of all processes here
    after = imported_by(code, tmp_path)
    if linker.takes_images(host().triple):
        assert not after & {"numba", "llvmlite", "numpy", "_hashlib"}
        added = after - imported_by("", tmp_path)
        assert not added & {
            "contextlib",
            "ctypes",
            "functools",
            "json",
            "re",
            "threading",
            "typing",
        }


@pytest.mark.parametrize(
    ("command", "unused"),
    [
        (["sum", "file"], {"threading", "shutil", "json", "rich", "typing"}),
        (["check", "file.crc32"], {"threading", "shutil", "json", "rich", "typing"}),
        (["--version"], {"argparse", "re", "typing"}),
        (["explore", "describe", "crc32c"], {"numba", "llvmlite", "numpy", "rich"}),
    ],
)
def test_commands_import_what_they_use(command, unused, tmp_path):
    (tmp_path / "file").write_bytes(b"123456789")
    (tmp_path / "file.crc32").write_text("cbf43926  file\n")
    code = f"from numcrc.cli import main; assert not main({command})"
    assert numcrc.crc32(b"") == numcrc.crc32c(b"") == 0
    if linker.takes_images(host().triple):
        assert not (imported_by(code, tmp_path) - imported_by("", tmp_path)) & unused


def test_looking_up_algorithms_imports_no_compiler(tmp_path):
    code = "import numcrc; assert numcrc.algorithms['crc32c'].check == 0xE3069283"
    assert not imported_by(code, tmp_path) & {"numba", "numpy", "llvmlite"}


def test_names_are_there_before_they_are_imported():
    assert set(numcrc.__all__) <= set(dir(numcrc))
    for name in numcrc.__all__:
        assert getattr(numcrc, name) is not None
    with pytest.raises(AttributeError, match="module 'numcrc' has no attribute 'crc31'"):
        numcrc.crc31  # noqa: B018


def test_modules_are_imported_when_first_used():
    code = (
        "import numcrc, sys\n"
        "assert not {'numcrc.store', 'numcrc.files'} & set(sys.modules)\n"
        "assert numcrc.store is sys.modules['numcrc.store']\n"
        "assert issubclass(numcrc.files.FileChangedError, OSError)\n"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["numcrc", "numcrc.store", "numcrc.dask", "numcrc.explore"])
def test_packages_have_every_public_name(name):
    if name == "numcrc.dask":
        pytest.importorskip("dask")
    package = importlib.import_module(name)
    for each in package.__all__:
        assert each == "plot" or getattr(package, each) is not None


def test_dir_shows_public_names_only():
    """Also after modules have been imported, which are attributes then."""
    assert numcrc.algorithms["crc32c"].rows(b"abc") == numcrc.crc32c(b"abc")
    assert dir(numcrc) == sorted(
        [*numcrc.__all__, "dask", "explore", "files", "store", "xarray", "zarr"]
    )


def test_a_crc_needs_nothing_that_windows_lacks(folder):
    code = """
import os, signal, sys
sys.modules.update(dict.fromkeys(["fcntl", "pwd", "resource", "termios"]))
for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "fork", "geteuid", "getuid", "mkfifo",
        "preadv", "register_at_fork", "sched_getaffinity", "sysconf"):
    vars(os).pop(name, None)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "pthread_sigmask", "setitimer"):
    vars(signal).pop(name, None)
import numcrc, numcrc.cli.sums, numcrc.cli.check, numcrc.cli.store_commands, numcrc.store
crc = numcrc.algorithms["crc32c"]
assert crc(b"123456789") == crc.check
assert crc.batch([b"123456789"] * 2).tolist() == [crc.check] * 2
assert numcrc.cli.main(["manifest", ".", "-o", "manifest.csv"]) == 0
assert numcrc.cli.main(["verify", ".", "--manifest", "manifest.csv", "--state", "state"]) == 0
"""
    (folder / "file").write_bytes(b"123456789")
    result = run_python(code)
    assert result.returncode == 0, result.stderr
