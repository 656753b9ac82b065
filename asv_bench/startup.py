"""Compare whole processes, from start to exit: Python alone, its rivals, and numcrc.

    python asv_bench/startup.py
    python asv_bench/startup.py --rounds 100 crc32c

The programs take turns, and the best of many rounds counts. The first round, which does not count,
fills the cache of kernels. Memory is the largest resident set, at least that of this process: so
it imports no more than it needs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from importlib.util import find_spec

_COMMAND = "import sys; sys.argv[1:] = {!r}.split(); from numcrc.cli import entry; entry()"
_ROWS = "import numcrc, numpy; numcrc.algorithms['crc32c'].rows(numpy.zeros((100, 16), 'u1'))"
_RIVALS = {
    "fastcrc": "import fastcrc; fastcrc.crc32.iscsi(b'x')",
    "google_crc32c": "import google_crc32c; google_crc32c.value(b'x')",
    "numpy": "import numpy",
}


def main() -> None:
    """Print the table; the arguments are parts of the names of programs."""
    names = sys.argv[1:]
    rounds = 40
    if "--rounds" in names:
        at = names.index("--rounds")
        rounds = int(names[at + 1])
        del names[at : at + 2]
    with tempfile.TemporaryDirectory() as folder:
        data, sums = os.path.join(folder, "data"), os.path.join(folder, "sums.crc32c")
        os.mkdir(data)
        with open(os.path.join(data, "file"), "wb") as file:
            file.write(bytes(1000))
        with open(sums, "w") as lines:
            lines.write("d84dda57  file\n")
        programs = _programs(data, sums)
        chosen = {
            name: code
            for name, code in programs.items()
            if not names or name in ("python", *_RIVALS) or any(part in name for part in names)
        }
        _print(_measured(chosen, rounds))


def _programs(data: str, sums: str) -> dict[str, str]:
    """Return the code of each program."""
    found = {"python": "pass"}
    found |= {name: code for name, code in _RIVALS.items() if find_spec(name)}
    return found | {
        "import numcrc": "import numcrc",
        "crc32c": "import numcrc; numcrc.crc32c(b'x')",
        "crc64nvme": "import numcrc; numcrc.crc64nvme(b'x')",
        "CRC-16/ARC": "import numcrc; numcrc.algorithms['CRC-16/ARC'](b'x')",
        "new": "import numcrc; numcrc.new('crc32c', b'x')",
        "rows": _ROWS,
        "numcrc sum": _COMMAND.format(f"sum {data}/file"),
        "numcrc check": _COMMAND.format(f"check -C {data} {sums}"),
        "numcrc verify": _COMMAND.format(f"verify {data} --manifest {sums}"),
        "numcrc explore": _COMMAND.format("explore describe crc32c"),
        "numcrc --version": _COMMAND.format("--version"),
        "numcrc --help": _COMMAND.format("--help"),
    }


def _measured(programs: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return the least wall time, processor time and memory of each program."""
    best: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, code in programs.items():
            measured = _run(code)
            known = best.get(name, measured) if turn > 1 else measured
            best[name] = list(map(min, known, measured))
    return best


def _run(code: str) -> list[float]:
    """Return the wall and processor times of a fresh Python in ms, and its memory in MiB."""
    quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
    start = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-c", code], os.environ, file_actions=quiet
    )
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"status {os.waitstatus_to_exitcode(status)}: {code}")
    return [wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3, used.ru_maxrss / 1024]


def _print(measured: dict[str, list[float]]) -> None:
    peers = [name for name in ("python", "fastcrc", "numpy") if name in measured]
    ratios = "".join(f"{f'of {peer}':>12}" for peer in peers)
    print(f"{'':18}{'wall, ms':>10}{'CPU, ms':>10}{'MiB':>7}{ratios}")
    for name, (wall, processor, memory) in measured.items():
        shares = "".join(f"{wall / measured[peer][0]:12.2f}" for peer in peers)
        print(f"{name:18}{wall:10.1f}{processor:10.1f}{memory:7.1f}{shares}")


if __name__ == "__main__":
    main()
