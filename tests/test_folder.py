"""Test that other users can put nothing into the cache, and that root's is used by others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import run_python

from numcrc.crc import reference
from numcrc.crc.catalogue import find
from numcrc.jit import cache
from numcrc.jit.folder import READ, Folder, UntrustedError

if os.name != "posix":
    pytest.skip("POSIX users and modes", allow_module_level=True)

KEY = bytes(range(32))
NAME = f"{KEY.hex()}.kernel"
BODY = b"not really machine code."
OTHER_USER = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("setpriv") and shutil.which("unshare")),
    reason="needs root, setpriv and unshare",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point the cache to a folder that does not exist yet."""
    monkeypatch.setattr(cache, "_faults", [])
    monkeypatch.setattr(cache, "_stored", set())
    yield point_to(tmp_path / "parent" / "cache", monkeypatch)
    cache.path.cache_clear()


def point_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMCRC_CACHE_DIR", str(path))
    cache.path.cache_clear()
    return path


def store(key: bytes = KEY) -> bool:
    return cache.store(key, cache.packed(key, BODY))


def is_loaded() -> bool:
    return cache.read(KEY, "kernel") == BODY


def run_as(user: int, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run *code* as another user that can read all files, since pytest's folders are private."""
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return run_command([*command, sys.executable, "-c", code], **env)


def run_mounted(mount: str, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run *code* where the command *mount* has changed what is mounted."""
    script = f'{mount} || exit 77; exec "$0" -c "$1"'
    found = run_command(["unshare", "--mount", "sh", "-c", script, sys.executable, code], **env)
    if found.returncode == 77:
        pytest.skip(f"cannot mount: {found.stderr}")
    return found


def run_command(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# Who can write


def test_a_parent_that_all_can_write_to(folder, monkeypatch):
    folder.parent.mkdir()
    folder.parent.chmod(0o777)
    assert not store()
    assert cache.status() == f"none; {folder.parent}: other users can write to it"
    assert not list(folder.parent.iterdir())
    folder.parent.chmod(0o1777)
    assert store()
    assert is_loaded()


def test_a_parent_that_a_group_can_write_to(folder):
    assert store()
    folder.parent.chmod(0o775)
    private = folder.parent.stat().st_uid == folder.parent.stat().st_gid != 0
    assert is_loaded() == private


@root
def test_the_private_group_of_a_user(folder):
    for above in (folder.parent, folder):
        above.mkdir(mode=0o700)
        os.chown(above, OTHER_USER, OTHER_USER)
    folder.parent.chmod(0o775)
    code = "import sys; from numcrc.jit.folder import Folder; print(Folder(sys.argv[1]).is_ours)"
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    found = run_as(OTHER_USER, code.replace("sys.argv[1]", repr(str(folder))))
    assert found.stdout == "True\n", found.stderr


@root
def test_a_parent_of_another_user(folder):
    assert store()
    os.chown(folder.parent, OTHER_USER, -1)
    assert not is_loaded()
    assert f"{folder.parent}: belongs to another user" in cache.status()


@as_root
@pytest.mark.parametrize("closed_again", [False, True])
def test_a_folder_that_another_user_has_swapped(closed_again, folder):
    """The machine code of that user is not run, although its digest is right."""
    assert store()
    folder.parent.chmod(0o777)
    attack = f"""
import os, sys
os.rename({str(folder)!r}, {str(folder) + "-before"!r})
os.mkdir({str(folder)!r}, 0o755)
with open({str(folder / NAME)!r}, "wb") as file:
    file.write({cache.packed(KEY, b"of another user")!r})
"""
    assert run_as(OTHER_USER, attack).returncode == 0
    assert (folder / NAME).exists()
    if closed_again:
        folder.parent.chmod(0o755)
    assert cache.read(KEY, "kernel") is None
    assert not store()
    reason = "belongs to another user" if closed_again else "other users can write to it"
    assert reason in cache.status()


@root
def test_a_file_of_another_user_with_the_right_digest(folder):
    assert store()
    (folder / NAME).chmod(0o666)
    assert not is_loaded()
    os.chown(folder / NAME, OTHER_USER, -1)
    assert not is_loaded()
    assert store(), "another file takes its place"
    assert is_loaded()


def test_an_open_folder_stays_the_same_one(folder):
    assert store()
    with Folder(str(folder)) as opened:
        folder.rename(folder.parent / "before")
        folder.mkdir(mode=0o700)
        os.close(opened.open(NAME, READ))
        with Folder(str(folder)) as other, pytest.raises(FileNotFoundError):
            other.open(NAME, READ)


# Links


def test_links_that_lead_to_the_folder(folder, monkeypatch):
    assert store()
    absolute, relative = folder.parent / "absolute", folder.parent / "relative"
    absolute.symlink_to(folder)
    relative.symlink_to("../parent/./absolute")
    for path in (absolute, relative, folder / ".." / "relative"):
        with Folder(str(path)) as opened:
            os.close(opened.open(NAME, READ))
    loop = folder.parent / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        Folder(str(loop))


def test_a_link_through_a_folder_that_all_can_write_to(folder):
    assert store()
    shared = folder.parent / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(folder)
    (folder.parent / "first").symlink_to(shared / "link")
    shared.chmod(0o777)
    for path in (shared / "link", folder.parent / "first"):
        with pytest.raises(UntrustedError, match="shared: other users can write to it"):
            Folder(str(path))
    shared.chmod(0o1777)
    Folder(str(shared / "link")).close()
    if os.geteuid() == 0:
        os.chown(shared / "link", OTHER_USER, -1, follow_symlinks=False)
        with pytest.raises(UntrustedError, match="link: belongs to another user"):
            Folder(str(folder.parent / "first"))


@root
def test_a_folder_of_another_user_in_a_sticky_one(folder):
    folder.mkdir(parents=True)
    folder.parent.chmod(0o1777)
    os.chown(folder, OTHER_USER, -1)
    assert not store()
    assert cache.status() == f"none; {folder}: belongs to another user"


# Root's folder


WIDE = """
import os, sys, numcrc
from numcrc.jit import cache
wide = numcrc.algorithms["CRC-82/DARC"]
assert wide(b"123456789") == wide.check
print("cold" if "llvmlite" in sys.modules else "warm", cache.status())
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of root that has one kernel."""
    path = tmp_path_factory.mktemp("warm") / "cache"
    found = run_python(WIDE, NUMCRC_CACHE_DIR=str(path))
    assert found.stdout == f"cold {path}\n", found.stderr
    return path


def files_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


@as_root
def test_others_use_the_folder_of_root_without_a_compile(warm):
    before = files_of(warm)
    found = run_as(2000, WIDE, NUMCRC_CACHE_DIR=str(warm))
    assert found.stdout == f"warm {warm}; {warm}: read-only: belongs to root\n", found.stderr
    assert files_of(warm) == before


@as_root
def test_others_compile_what_the_folder_of_root_lacks(warm):
    code = WIDE + "print(numcrc.algorithms['CRC-32C'].zeros(1, 5))\n" + WIDE
    before = files_of(warm)
    found = run_as(2000, code, NUMCRC_CACHE_DIR=str(warm))
    status = f"{warm}; {warm}: read-only: belongs to root"
    expected = f"warm {status}\n{zeros()}\ncold {status}\n"
    assert found.stdout == expected, found.stderr
    assert files_of(warm) == before


def zeros() -> int:
    return reference.crc(find("CRC-32C").model, bytes(5), 1)


@as_root
def test_a_folder_of_a_third_user(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o700)
    os.chown(tmp_path / "cache", 4711, -1)
    found = run_as(2000, WIDE, NUMCRC_CACHE_DIR=str(tmp_path / "cache"))
    assert found.stdout.startswith("cold none; "), found.stderr
    assert "belongs to another user" in found.stdout


@as_root
def test_a_user_makes_a_folder_for_itself(tmp_path):
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", 2000, 2000)
    place = tmp_path / "home" / ".cache" / "numcrc"
    settings = {"HOME": str(tmp_path / "home"), "NUMCRC_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
    for how in ("cold", "warm"):
        found = run_as(2000, WIDE, **settings)
        assert found.stdout == f"{how} {place}\n", found.stderr
    assert [path.stat().st_mode & 0o777 for path in (place, place.parent)] == [0o700] * 2


# File systems


@as_root
def test_a_read_only_file_system(warm):
    code = WIDE + "print(numcrc.algorithms['CRC-32C'].zeros(1, 5))\n" + WIDE
    found = run_mounted(f"mount --bind -o ro '{warm}' '{warm}'", code, NUMCRC_CACHE_DIR=str(warm))
    first, value, last = found.stdout.splitlines()
    assert (first, int(value)) == (f"warm {warm}", zeros())
    assert last.startswith(f"cold {warm}; [Errno 30] Read-only file system")


@as_root
def test_a_full_file_system(tmp_path):
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    code = WIDE + f"print(os.listdir({str(place)!r}))"
    mount = f"mount -t tmpfs -o size=4k,mode=700 none '{place}'"
    found = run_mounted(mount, code, NUMCRC_CACHE_DIR=str(place))
    how, names = found.stdout.splitlines()
    assert how.startswith(f"cold {place}; [Errno 28] No space left on device")
    assert "new-" not in names


@as_root
def test_a_file_system_without_execution(warm):
    mount = f"mount --bind '{warm}' '{warm}' && mount -o remount,bind,noexec '{warm}'"
    found = run_mounted(mount, WIDE, NUMCRC_CACHE_DIR=str(warm))
    assert found.stdout == f"warm {warm}\n", found.stderr


# Processes


def test_a_folder_that_is_removed_is_made_again(folder):
    assert store()
    shutil.rmtree(folder.parent)
    assert not is_loaded()
    assert cache.status() == str(folder)
    assert store()
    assert is_loaded()


def test_permissions_that_change(folder, monkeypatch):
    assert store()
    folder.chmod(0o777)
    assert not is_loaded()
    assert not store()
    folder.chmod(0o700)
    assert is_loaded()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_descriptor_stays_open(folder, tmp_path, monkeypatch):
    before = os.listdir("/proc/self/fd")
    store()
    is_loaded()
    cache.status()
    (tmp_path / "closed").mkdir(mode=0o777)
    (tmp_path / "closed").chmod(0o777)
    with pytest.raises(UntrustedError):
        Folder(str(tmp_path / "closed"))
    if os.geteuid() == 0:
        with monkeypatch.context() as patch:
            patch.setattr(os, "geteuid", lambda: OTHER_USER)  # root's folder
            assert not store(bytes(32))
            assert not cache.is_writable()
            assert "read-only: belongs to root" in cache.status()
            assert cache.clear() == (0, 0)
            assert is_loaded()
            cache.discard(KEY)
        assert is_loaded()
    assert os.listdir("/proc/self/fd") == before


def test_descriptors_that_a_daemon_closes(warm, tmp_path):
    """Those that it opens afterwards are not taken for the cache's."""
    code = f"""
import os, numcrc
assert numcrc.algorithms["CRC-32C"].check
{WIDE}
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.closerange(3, 256)
held = [os.open({str(tmp_path)!r}, os.O_RDONLY) for _ in range(20)]
print(numcrc.algorithms["CRC-32C"].zeros(1, 5), cache.status(), flush=True)
os._exit(len(os.listdir({str(tmp_path)!r})))
"""
    place = tmp_path.parent / f"{tmp_path.name}-cache"
    shutil.copytree(warm, place)
    found = run_python(code, NUMCRC_CACHE_DIR=str(place))
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == f"{zeros()} {place}"
    assert len(list(place.glob("*.kernel"))) == 2


def test_processes_that_are_killed_beside_others(tmp_path):
    place = tmp_path / "cache"
    command = [sys.executable, "-c", WIDE]
    environment = os.environ | {"NUMCRC_CACHE_DIR": str(place)}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    killed = [start() for _ in range(3)]
    others = [start() for _ in range(3)]
    for delay, process in zip((0.3, 0.6, 0.6), killed, strict=True):
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    found = {process.communicate(timeout=300)[0].partition(" ")[2] for process in others}
    for process in killed:
        process.communicate(timeout=300)
    assert found == {f"{place}\n"}
    allowed = {".kernel", ".cpu", ".cpuid"}
    assert {path.suffix for path in place.iterdir() if not path.name.startswith("new-")} <= allowed
    assert run_python(WIDE, NUMCRC_CACHE_DIR=str(place)).stdout == f"warm {place}\n"
