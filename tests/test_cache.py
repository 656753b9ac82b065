"""Test the kernel cache: damaged files are not used, and faults never give a wrong CRC."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import run_python

import numcrc
from numcrc.crc import reference
from numcrc.jit import cache, detect, engine, target
from numcrc.jit.builtins import abi
from numcrc.jit.plan import TABLE, WIDE, ZEROS

KEY, OTHER = bytes(range(32)), bytes(32)
BODY = b"not really machine code." * 2
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX modes and paths")

# The two kernels that compile fastest.
CODE = """
import sys, numcrc
wide = numcrc.algorithms["CRC-82/DARC"](b"123456789")
zeros = numcrc.algorithms["CRC-32C"].zeros(1, 5)
print(wide, zeros, "cold" if "numba" in sys.modules else "warm", numcrc.info()["cache"])
"""
ANSWERS = [
    numcrc.algorithms["CRC-82/DARC"].check,
    reference.crc(numcrc.algorithms["CRC-32C"].model, bytes(5), 1),
]
HOMES = ("HOME", "XDG_CACHE_HOME", "NUMCRC_CACHE_DIR", "LOCALAPPDATA")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Point the cache to a folder that does not exist yet."""
    monkeypatch.setattr(cache, "_faults", [])
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(tmp_path / "made" / "cache"))
    cache.folder.cache_clear()
    yield tmp_path / "made" / "cache"
    cache.folder.cache_clear()


def point_to(path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(path))
    cache.folder.cache_clear()


def store(key: bytes, body: bytes) -> bool:
    return cache.store(key, cache.packed(key, body))


def load(key: bytes) -> bytes | None:
    """Return the body stored under *key*; None if there is none, or it is damaged."""
    descriptor = cache.open_file(key)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        data = file.read()
    return data[cache.HEADER_SIZE :] if cache.is_sound(key, data) else None


def outcome(result: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Return whether CODE ran cold or warm, and the cache's status; check its CRCs."""
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    wide, zeros, how, status = result.stdout.rstrip("\n").split(" ", 3)
    assert [int(wide), int(zeros)] == ANSWERS
    return how, status


# Storing and loading


def test_stored_and_loaded(folder):
    assert load(KEY) is None
    assert store(KEY, BODY)
    assert load(KEY) == BODY
    assert load(OTHER) is None
    assert [path.name for path in folder.iterdir()] == [f"{KEY.hex()}.kernel"]
    store(OTHER, b"")
    assert load(OTHER) == b""
    assert cache.status() == str(folder)


def test_a_sound_file_stays(folder):
    """Another process may run it."""
    store(KEY, BODY)
    before = (folder / f"{KEY.hex()}.kernel").stat()
    assert store(KEY, BODY)
    (path,) = folder.iterdir()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@posix
def test_folder_and_files_are_private(folder):
    old = os.umask(0)
    try:
        store(KEY, BODY)
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{KEY.hex()}.kernel").stat().st_mode) == 0o600


def test_every_flipped_bit_is_noticed(folder):
    store(KEY, BODY)
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    assert len(sound) == 16 + 32 + 32 + 8 + len(BODY)
    for position in range(len(sound)):
        for bit in range(8):
            damaged = bytearray(sound)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            assert load(KEY) is None, (position, bit)
    assert "damaged" in cache.status()
    store(KEY, BODY)
    assert load(KEY) == BODY


def test_every_truncation_is_noticed(folder):
    store(KEY, BODY)
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    for length in range(len(sound)):
        path.write_bytes(sound[:length])
        assert load(KEY) is None, length
    path.write_bytes(sound + b"\0")
    assert load(KEY) is None
    path.write_bytes(sound)
    assert load(KEY) == BODY


def test_file_under_the_key_of_another_is_refused(folder):
    store(KEY, BODY)
    shutil.copy(folder / f"{KEY.hex()}.kernel", folder / f"{OTHER.hex()}.kernel")
    assert load(OTHER) is None
    assert load(KEY) == BODY


@posix
@pytest.mark.parametrize("fault", ["fifo", "link", "writable by others", "another user's", "huge"])
def test_files_that_are_not_used(fault, folder, monkeypatch):
    store(KEY, BODY)
    path = folder / f"{KEY.hex()}.kernel"
    reason = "not a file"
    if fault == "fifo":
        path.unlink()
        os.mkfifo(path, 0o600)
    elif fault == "link":
        path.rename(folder / "elsewhere")
        path.symlink_to("elsewhere")
        reason = "symbolic links"
    elif fault == "writable by others":
        path.chmod(0o620)
        reason = "other users can write to it"
    elif fault == "another user's":
        if os.getuid():
            pytest.skip("needs root")
        os.chown(path, 4711, -1)
        reason = "belongs to another user"
    else:
        os.truncate(path, 1 << 30)
        reason = "damaged"
    assert load(KEY) is None
    assert reason in cache.status()


def test_folder_in_the_place_of_a_file(folder):
    (folder / f"{KEY.hex()}.kernel").mkdir(parents=True)
    folder.chmod(0o700)
    assert load(KEY) is None
    store(KEY, BODY)
    assert [path.name for path in folder.iterdir()] == [f"{KEY.hex()}.kernel"]
    assert load(KEY) is None


@posix
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("/dev/null", "null"),
        ("a file", "file"),
        ("under a file", "file"),
        ("writable by the group", "other users can write"),
        ("writable by all", "other users can write"),
        ("another user's", "belongs to another user"),
    ],
)
def test_folders_that_are_not_used(fault, reason, folder, tmp_path, monkeypatch):
    path = tmp_path / "folder"
    if fault == "/dev/null":
        path = Path("/dev/null")
    elif fault.endswith("a file"):
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "below" if fault.startswith("under") else tmp_path / "file"
    else:
        path.mkdir()
        path.chmod({"writable by the group": 0o770, "writable by all": 0o777}.get(fault, 0o700))
        if fault == "another user's":
            uid = os.getuid()
            monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    point_to(path, monkeypatch)
    assert cache.folder() is None
    assert not store(KEY, BODY)
    assert load(KEY) is None
    assert cache.status().startswith("none; ")
    assert reason in cache.status()
    if path.is_dir():
        assert not list(path.iterdir())


@pytest.mark.parametrize(("module", "function"), [(os, "open"), (os, "fsync"), (os, "replace")])
def test_full_disk(module, function, folder, monkeypatch):
    store(OTHER, BODY)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, function, full)
        assert not store(KEY, BODY)
    assert [path.name for path in folder.iterdir()] == [f"{OTHER.hex()}.kernel"]
    assert "No space left" in cache.status()
    assert load(KEY) is None
    assert load(OTHER) == BODY


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_file_cut_short_by_the_system(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    how, status = outcome(run_python(limit + CODE, NUMCRC_CACHE_DIR=str(tmp_path / "cache")))
    assert how == "cold"
    assert "File too large" in status
    assert not list((tmp_path / "cache").iterdir())


# Whole processes


def test_cold_then_warm(tmp_path):
    """Also the kernels of messages, not only those of `CODE`."""
    folder = tmp_path / "cache"
    code = "import numcrc; assert numcrc.crc32c(b'123456789') == 0xE3069283\n" + CODE
    how, status = outcome(run_python(code, NUMCRC_CACHE_DIR=str(folder)))
    assert (how, status) == ("cold", str(folder))
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len([path for path in files if path.suffix == ".kernel"]) == 3
    assert outcome(run_python(code, NUMCRC_CACHE_DIR=str(folder))) == ("warm", str(folder))
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """Return a folder with the kernels that CODE needs."""
    folder = tmp_path_factory.mktemp("warm") / "cache"
    assert outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder)))[0] == "cold"
    return folder


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 0x10
    return bytes(changed)


DAMAGE = {
    "empty": lambda data, other: b"",
    "truncated": lambda data, other: data[:-100],
    "garbage": lambda data, other: os.urandom(len(data)),
    "another's": lambda data, other: other,
    "bit of the digest": lambda data, other: flipped(data, 20),
    "bit of the key": lambda data, other: flipped(data, 50),
    "bit of the length": lambda data, other: flipped(data, 82),
    "bit of the machine code": lambda data, other: flipped(data, len(data) // 2),
}


@pytest.mark.parametrize("names", list(zip(*[iter(DAMAGE)] * 2, strict=True)), ids=" and ".join)
def test_damaged_files_are_replaced(names, warm, tmp_path):
    folder = tmp_path / "cache"
    shutil.copytree(warm, folder)
    files = list(folder.glob("*.kernel"))
    sound = [path.read_bytes() for path in files]
    for name, path, data, other in zip(names, files, sound, reversed(sound), strict=True):
        path.write_bytes(DAMAGE[name](data, other))
    how, status = outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder)))
    assert how == "cold"
    assert all(path.stem in status for path in files)
    assert set(folder.glob("*.kernel")) == set(files)
    assert outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder))) == ("warm", str(folder))


def read_only_folder(tmp_path: Path) -> str:
    """Return a folder in which not even root can make a file."""
    if os.geteuid():
        (tmp_path / "read-only").mkdir(0o500)
        return str(tmp_path / "read-only")
    if not os.path.isdir("/proc/self"):
        pytest.skip("root may write to any folder here")
    return "/proc"


@posix
@pytest.mark.parametrize("fault", ["/dev/null", "under a file", "read-only", "writable by all"])
def test_right_answers_without_a_cache(fault, tmp_path):
    path = fault
    if fault == "under a file":
        (tmp_path / "file").touch()
        path = str(tmp_path / "file" / "below")
    elif fault == "read-only":
        path = read_only_folder(tmp_path)
    elif fault == "writable by all":
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        path = str(tmp_path / "open")
    how, status = outcome(run_python(CODE, NUMCRC_CACHE_DIR=path))
    assert how == "cold"
    assert ";" in status, "the status says why"
    assert not list(tmp_path.rglob("*.kernel"))


@posix
def test_home_that_is_not_a_folder(tmp_path):
    (tmp_path / "home").touch()
    result = run_python(CODE, unset=HOMES, HOME=str(tmp_path / "home"))
    assert outcome(result)[1].startswith("none; ")


@posix
def test_no_home_and_no_such_user(tmp_path):
    no_user = """
import pwd
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
"""
    result = run_python(no_user + CODE, cwd=str(tmp_path), unset=HOMES)
    assert outcome(result)[1].startswith("none; cannot find ")
    assert not list(tmp_path.iterdir()), "no folder called ~"


@posix
def test_no_home_in_the_environment(tmp_path):
    home = f"""
import pwd
entry = list(pwd.getpwuid(0))
entry[5] = {str(tmp_path)!r}
pwd.getpwuid = lambda uid: pwd.struct_passwd(entry)
"""
    how, status = outcome(run_python(home + CODE, unset=HOMES))
    assert how == "cold"
    assert Path(status).is_relative_to(tmp_path)
    assert {path.parent for path in tmp_path.rglob("*.kernel")} == {Path(status)}
    assert outcome(run_python(home + CODE, unset=HOMES)) == ("warm", status)


def test_six_processes_racing(tmp_path):
    folder = tmp_path / "cache"
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(run_python, CODE, NUMCRC_CACHE_DIR=str(folder)) for _ in range(6)]
    assert {outcome(process.result())[1] for process in running} == {str(folder)}
    assert len(list(folder.glob("*.kernel"))) == 2
    assert {path.suffix for path in folder.iterdir()} <= {".kernel", ".cpu", ".cpuid"}
    assert outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder))) == ("warm", str(folder))


# Keys


def test_the_key_is_that_of_all_that_makes_machine_code(monkeypatch):
    host = target.host()
    first = engine.key(WIDE, host)
    assert engine.key(WIDE, host) == first
    assert len(first) == 32
    keys = [
        first,
        engine.key(ZEROS, host),
        engine.key(TABLE, host),
        engine.key(TABLE._replace(castagnoli=True), host),
        engine.key(WIDE, host._replace(cpu=host.cpu + "x")),
        engine.key(WIDE, host._replace(usable=host.usable | {"sse9"})),
        engine.key(WIDE, host._replace(triple="x86_64-unknown-elsewhere")),
        engine.key(WIDE, host._replace(usable=frozenset())),
    ]
    for holder, name, value in (
        (engine, "__version__", "9.9.9"),
        (detect, "llvmlite_version", lambda: b"9.9.9"),
        (detect, "cpu", lambda: detect.ask_llvm()._replace(llvm="99.0.0")),
        (abi, "identity", lambda: "another interpreter"),
        (engine, "_sources", lambda: b"other sources, or another Numba"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(holder, name, value)
            keys.append(engine.key(WIDE, host))
    assert len(set(keys)) == len(keys)
    assert engine.key(WIDE, host) == first


def test_the_key_changes_with_every_source_and_with_numba(monkeypatch):
    sources, read = engine._sources.__wrapped__, engine.read
    found = {sources()}
    for changed in engine._SOURCES:
        with monkeypatch.context() as patch:
            contents = {name: read(name) for name in engine._SOURCES} | {changed: b"changed"}
            patch.setattr(engine, "read", contents.__getitem__)
            found.add(sources())
    with monkeypatch.context() as patch:
        patch.setattr(detect, "package_version", lambda name: b"9.9.9")
        found.add(sources())
    assert len(found) == len(engine._SOURCES) + 2
    assert len(detect.package_version("numba")) > 3
