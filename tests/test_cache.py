"""Test the kernel cache: damaged files are not used, and faults never give a wrong CRC."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs
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
    monkeypatch.setattr(cache, "_stored", set())
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(tmp_path / "made" / "cache"))
    cache.path.cache_clear()
    yield tmp_path / "made" / "cache"
    cache.path.cache_clear()


def point_to(path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(path))
    cache.path.cache_clear()


def store(key: bytes, body: bytes) -> bool:
    return cache.store(key, cache.packed(key, body))


def load(key: bytes) -> bytes | None:
    """Return the body stored under *key*; None if there is none, or it is damaged."""
    descriptor = cache.open_file(key)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        data = file.read()
    return cache.unpacked(data)[0] if cache.is_sound(key, data) else None


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
@pytest.mark.parametrize(
    ("umask", "given", "modes"),
    [
        (0, True, (0o755, 0o644)),
        (0o027, True, (0o750, 0o640)),
        (0o077, True, (0o700, 0o600)),
        (0, False, (0o700, 0o644)),
        (0o077, False, (0o700, 0o600)),
    ],
)
def test_modes(umask, given, modes, folder, monkeypatch):
    """Others can read a folder that root has chosen, as far as umask lets them."""
    if not given:
        monkeypatch.delenv("NUMCRC_CACHE_DIR")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
        cache.path.cache_clear()
        folder = folder.parent / "numcrc"
    old = os.umask(umask)
    try:
        assert store(KEY, BODY)
    finally:
        os.umask(old)
    (path,) = folder.iterdir()
    expected = modes if os.geteuid() == 0 else (0o700, modes[1])
    for made, mode in zip((folder, path), expected, strict=True):
        assert stat.S_IMODE(made.stat().st_mode) == mode
    assert stat.S_IMODE(folder.parent.stat().st_mode) == expected[0], "made too"
    assert load(KEY) == BODY


def test_a_label_is_not_part_of_the_body(folder):
    assert cache.store(KEY, cache.packed(KEY, BODY, "what it is"))
    assert load(KEY) == BODY
    ((name, size, _, label),) = cache.contents()
    assert (name, label) == (f"{KEY.hex()}.kernel", "what it is")
    assert size == (folder / name).stat().st_size


def test_every_flipped_bit_is_noticed(folder):
    assert cache.store(KEY, cache.packed(KEY, BODY, "label"))
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    assert len(sound) == 16 + 32 + 32 + 8 + len(BODY) + len("label")
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


def test_a_length_beyond_the_end_is_noticed(folder):
    """With the right digest."""
    data = bytearray(cache.packed(KEY, BODY))
    struct.pack_into("<Q", data, 80, len(BODY) + 1)
    data[16:48] = cache.digest(data[48:])
    assert cache.store(KEY, bytes(data))
    assert load(KEY) is None


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
        if os.geteuid():
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
        ("/dev/null", "Not a directory"),
        ("a file", "Not a directory"),
        ("under a file", "Not a directory"),
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
            if os.geteuid():
                pytest.skip("needs root")
            os.chown(path, 4711, -1)
    point_to(path, monkeypatch)
    assert not store(KEY, BODY)
    assert load(KEY) is None
    assert cache.status().startswith("none; ")
    assert reason in cache.status()
    if path.is_dir():
        assert not list(path.iterdir())


@pytest.mark.parametrize(("module", "function"), [(os, "open"), (os, "fsync"), (os, "replace")])
def test_full_disk(module, function, folder, monkeypatch):
    store(OTHER, BODY)

    def full(name: object, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", name)

    with monkeypatch.context() as patch:
        patch.setattr(module, function, full)
        assert not store(KEY, BODY)
        assert not store(bytes([1]) * 32, BODY)
    assert [path.name for path in folder.iterdir()] == [f"{OTHER.hex()}.kernel"]
    # Once for all files.
    assert cache.status() == f"{folder}; [Errno 28] No space left on device: {str(folder)!r}"
    assert load(KEY) is None
    assert load(OTHER) == BODY


# Bounds


def keys(number: int) -> list[bytes]:
    return [bytes([n]) * 32 for n in range(1, number + 1)]


def stored_before(folder: Path, ages: list[float]) -> list[Path]:
    """Return files that another process has stored so many seconds ago, in the order of ages."""
    paths = []
    for key, age in zip(keys(len(ages)), ages, strict=True):
        assert store(key, BODY)
        paths.append(folder / f"{key.hex()}.kernel")
        at = time.time() - age
        os.utime(paths[-1], (at, at))
    cache._stored.clear()
    return paths


def test_files_that_were_not_used_for_long_go(folder, monkeypatch):
    size = len(cache.packed(KEY, BODY))
    ages = [500.0, 100.0, 400.0, 200.0, 300.0]
    first, *rest = stored_before(folder, ages)
    others = [folder / "notes.txt", folder / f"{KEY.hex()}.o", folder / f"{KEY.hex()[:-1]}.kernel"]
    for path in others:
        path.write_bytes(bytes(100_000))
        os.utime(path, (0, 0))
    monkeypatch.setenv("NUMCRC_CACHE_SIZE", str(3 * size))
    os.utime(first)  # used by another process
    assert store(KEY, BODY)
    kept = {first, rest[0], folder / f"{KEY.hex()}.kernel"}
    assert set(folder.iterdir()) == {*kept, *others}
    assert cache.status() == str(folder)


def test_what_this_process_stores_stays(folder, monkeypatch):
    monkeypatch.setenv("NUMCRC_CACHE_SIZE", str(2 * len(cache.packed(KEY, BODY))))
    for key in keys(5):
        assert store(key, BODY)
        os.utime(folder / f"{key.hex()}.kernel", (0, 0))
    assert [load(key) for key in keys(5)] == [BODY] * 5
    cache._stored.clear()
    assert store(OTHER, BODY)
    assert len(list(folder.iterdir())) == 2
    assert load(OTHER) == BODY


def test_a_limit_that_is_less_than_a_file(folder, monkeypatch):
    monkeypatch.setenv("NUMCRC_CACHE_SIZE", "0")
    assert not store(KEY, BODY)
    assert not store(OTHER, BODY + BODY)
    assert not cache.is_writable()
    assert cache.status() == f"{folder}; NUMCRC_CACHE_SIZE=0 is too small"
    assert not folder.exists()


def test_a_process_that_may_store_nothing(tmp_path):
    folder = tmp_path / "cache"
    found = outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder), NUMCRC_CACHE_SIZE="0"))
    assert found == ("cold", f"{folder}; NUMCRC_CACHE_SIZE=0 is too small")
    assert not folder.exists()


@pytest.mark.parametrize("given", ["", "-1", "1e6", "12M", "9" * 5000])
def test_invalid_limits(given, folder, monkeypatch):
    monkeypatch.setenv("NUMCRC_CACHE_SIZE", given)
    assert cache.limit() == 256 << 20
    assert store(KEY, BODY)
    assert ("NUMCRC_CACHE_SIZE: expected a number of bytes" in cache.status()) == bool(given)


def test_processes_that_clean_at_the_same_time(folder):
    stored_before(folder, [100.0] * 50)
    size = len(cache.packed(KEY, BODY))
    code = f"""
import os
from numcrc.jit import cache
for n in range(20):
    key = os.urandom(32)
    assert cache.store(key, cache.packed(key, {BODY!r}))
    assert cache.read(key, "kernel") == {BODY!r}
    cache._stored.clear()
print(cache.status())
"""
    settings = {"NUMCRC_CACHE_SIZE": str(60 * size), "NUMCRC_CACHE_DIR": str(folder)}
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run_python, code, **settings) for _ in range(2)]
    for process in running:
        assert process.result().stdout == f"{folder}\n", process.result().stderr
    assert 58 <= len(list(folder.iterdir())) <= 60, "each may take one more than needed"


def test_what_killed_processes_left_is_removed_after_an_hour(folder):
    store(OTHER, BODY)
    old, new = folder / f"new-{'0a' * 8}", folder / f"new-{'0b' * 8}"
    others = [folder / "new-file", folder / f"new-{'0c' * 8}.txt", folder / "new-"]
    for path in (old, new, *others):
        path.touch()
        os.utime(path, (time.time() - 3700,) * 2)
    os.utime(new)
    assert store(KEY, BODY)
    kept = {path.name for path in folder.iterdir() if path.name.startswith("new-")}
    assert kept == {path.name for path in (new, *others)}


def test_a_use_is_noted_once_a_day(folder):
    store(KEY, BODY)
    (path,) = folder.iterdir()
    for age, noted in ((80_000, False), (90_000, True), (0, False)):
        before = time.time() - age
        os.utime(path, (before, before))
        assert load(KEY) == BODY
        assert (path.stat().st_mtime > before + 1) == noted
    before = time.time() - 1e6
    os.utime(path, (before, before))
    assert cache.contents()[0][2] == pytest.approx(before)
    assert path.stat().st_mtime == pytest.approx(before), "a list is not a use"


def test_only_files_of_the_cache_are_cleared(folder):
    stored_before(folder, [1.0, 2.0])
    old, new = folder / f"new-{'0a' * 8}", folder / f"new-{'0b' * 8}"
    others = [new, folder / "notes.txt", folder / f"{KEY.hex()}.kernel", folder / "x.kernel"]
    for path in (old, *others[:2], others[3]):
        path.touch()
    os.utime(old, (0, 0))
    others[2].mkdir()
    size = len(cache.packed(KEY, BODY))
    assert cache.clear() == (3, 2 * size)
    assert set(folder.iterdir()) == set(others)
    assert cache.clear() == (0, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_file_cut_short_by_the_system(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    how, status = outcome(run_python(limit + CODE, NUMCRC_CACHE_DIR=str(tmp_path / "cache")))
    assert how == "cold"
    assert "File too large" in status
    assert not list((tmp_path / "cache").iterdir())


def test_without_descriptors_of_folders(folder, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr("numcrc.jit.folder._DESCRIPTORS", False)
    assert load(KEY) is None
    assert cache.status() == str(folder)
    first, *_ = stored_before(folder, [100.0, 10.0])
    size = len(cache.packed(KEY, BODY))
    monkeypatch.setenv("NUMCRC_CACHE_SIZE", str(2 * size))
    assert store(KEY, BODY)
    assert load(KEY) == BODY
    assert not first.exists()
    assert len(cache.contents()) == 2
    assert cache.clear() == (2, 2 * size)
    assert not list(folder.iterdir())
    assert cache.status() == str(folder)


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


@posix
@pytest.mark.parametrize("kind", ["fifo", "zeros", "sparse", "does not link", "no function"])
def test_hostile_files_are_replaced(kind, warm, tmp_path):
    folder = tmp_path / "cache"
    shutil.copytree(warm, folder)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".kernel", ".cpu"))
    for path in files:
        body = cache.unpacked(path.read_bytes())[0]
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "zeros":
            path.symlink_to("/dev/zero")
        elif kind == "sparse":
            path.touch()
            os.truncate(path, 1 << 40)
        else:
            # With the right digest.
            wrong = b"\xff" * 100 if kind == "does not link" else body[:7]
            path.write_bytes(cache.packed(bytes.fromhex(path.stem), wrong))
            path.chmod(0o600)
    how, _ = outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder)))
    assert how == "cold"
    assert outcome(run_python(CODE, NUMCRC_CACHE_DIR=str(folder))) == ("warm", str(folder))
    assert all(path.is_file() and not path.is_symlink() for path in files)


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
def test_a_current_folder_that_was_removed():
    gone = "import os, tempfile; at = tempfile.mkdtemp(); os.chdir(at); os.rmdir(at)"
    code = f"import numcrc; {gone}{CODE}"
    how, status = outcome(run_python(code, NUMCRC_CACHE_DIR="relative"))
    assert how == "cold"
    assert status.startswith("none; cannot find the cache folder: ")


@posix
@pytest.mark.parametrize("given", ["", "/absolute"])
@pytest.mark.parametrize("home", ["/home/someone", "/", None])
def test_the_folder_is_that_of_platformdirs(given, home, folder, monkeypatch):
    """On Linux, a warm start does without it."""
    monkeypatch.delenv("NUMCRC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    cache.path.cache_clear()
    assert cache.path() == platformdirs.user_cache_dir("numcrc", appauthor=False)


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
