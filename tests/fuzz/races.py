"""Fuzz calls whose arguments change meanwhile: by another thread, or by an ``__index__``.

A call may then raise TypeError, ValueError or BufferError, or return any CRC, but reads no other
memory. Once the arguments are as before, it is right again.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

import numcrc
from fuzz import models
from fuzz.kinds import CallTarget
from fuzz.models import crc_of, filled, same, sizes

EXTREMES = (0, -1, 1 << 20, 1 << 44, -(1 << 44), (1 << 63) - 1, -(1 << 63))


def allowed() -> Any:
    """Suppress the errors of arguments that are wrong."""
    return suppress(TypeError, ValueError, BufferError)


@contextmanager
def changing(*changed: Any) -> Iterator[None]:
    """Let another thread fill arrays, and resize lists and bytearrays; restore them at the end."""
    before = [each.copy() for each in changed]
    ended = threading.Event()

    def change() -> None:
        numbers = random.Random(1)
        while not ended.is_set():
            for each, good in zip(changed, before, strict=True):
                if isinstance(each, np.ndarray):
                    extreme = numbers.choice(EXTREMES)
                    each.fill(extreme % 256 if each.dtype.kind == "u" else extreme)
                    each[...] = good
                else:
                    with suppress(BufferError):
                        each.clear()
                    with suppress(BufferError):
                        each[:] = good

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=change)
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(interval)
        for each, good in zip(changed, before, strict=True):
            each[:] = good


class Index:
    """An integer that calls a function when it is asked for its value."""

    def __init__(self, number: int, function: Callable[[], object]) -> None:
        self._number, self._function = number, function

    def __index__(self) -> int:
        self._function()
        return self._number


NAMES: dict[str, object] = {
    "np": np,
    "numcrc": numcrc,
    "random": random,
    "models": models,
    "same": same,
    "filled": filled,
    "changing": changing,
    "allowed": allowed,
    "Index": Index,
    "sizes": sizes,
    "crc_of": crc_of,
}


def _segments(numbers: random.Random) -> str:
    size, count = numbers.choice((100, 5000, 100_000)), numbers.choice((3, 100, 3000))
    changed = numbers.choice(("offsets", "lengths", "offsets, lengths", "value", "data", "out"))
    call = "crc.segments(data, offsets, lengths, value, out, threads={})"
    call = call.format(numbers.choice((None, 1, 2)))
    model = "models.segments(crc, data, offsets, lengths, value)"
    if numbers.random() < 0.5:
        call, model = call.replace("lengths,", "None,"), model.replace("lengths,", "None,")
    return (
        f"data = filled('u1', ({size},), 1)\n"
        f"offsets = np.sort(filled('u4', ({count},), 2) % {size}).astype('i8')\n"
        f"lengths = np.minimum(50, {size} - offsets)\n"
        f"value = filled('u4', (len(offsets) - {int('None,' in call)},), 3).astype('i8')\n"
        f"out = np.zeros(len(value), 'u4')\n{_repeated(changed, call, model)}"
    )


def _prefixes(numbers: random.Random) -> str:
    size, count = numbers.choice((100, 100_000)), numbers.choice((3, 3000))
    changed = numbers.choice(("offsets", "data"))
    return (
        f"data = filled('u1', ({size},), 1)\n"
        f"offsets = (filled('u4', ({count},), 2) % {size}).astype('i8')\n"
        + _repeated(changed, "crc.prefixes(data, offsets)", "models.prefixes(crc, data, offsets)")
    )


def _rows(numbers: random.Random) -> str:
    shape = numbers.choice(((10, 10), (100, 1000), (3000, 8)))
    changed = numbers.choice(("data", "value", "out"))
    array = numbers.choice(("data", "data[:, ::2]", "data.T[:, ::-1].T"))
    call = f"crc.rows({array}, -1, value, out, threads={numbers.choice((1, 2, 3))})"
    return (
        f"data = filled('u1', {shape}, 1)\nvalue = filled('u4', ({shape[0]},), 3).astype('i8')\n"
        f"out = np.zeros({shape[0]}, 'u4')\n"
        + _repeated(changed, call, f"models.rows(crc, {array}, -1, value)")
    )


def _batch(numbers: random.Random) -> str:
    count, size = numbers.choice((2, 50, 1000)), numbers.choice((3, 300, 20_000))
    size = min(size, 1_000_000 // count)
    kind = numbers.choice(("bytearray(b'x' * {})", "bytes({})", "np.zeros({}, 'i8')"))
    changed = numbers.choice(("items", "items[0]", "*items", "value"))
    if kind.startswith("bytes") and "items" in changed:
        changed = "items"
    return (
        f"items = [{kind.format(size)} for _ in range({count})]\n"
        f"value = filled('u4', ({count},), 3).astype('i8')\n"
        + _repeated(
            changed,
            f"crc.batch(items, value, None, {numbers.choice((None, 1, 2))})",
            "models.batch(crc, items, value)",
        )
    )


def _algebra(numbers: random.Random) -> str:
    count = numbers.choice((3, 300, 20_000))
    call = numbers.choice(
        ("crc.join(crcs, lengths)", "crc.zeros(crcs, lengths)", "crc.combine(crcs, crcs, lengths)")
    )
    changed = numbers.choice(("crcs", "lengths", "crcs, lengths"))
    return (
        f"crcs = filled('u4', ({count},), 2).astype('i8')\n"
        f"lengths = filled('u4', ({count},), 3).astype('i8')\nright = {call}\n"
        + _repeated(changed, call, "right")
    )


def _one(numbers: random.Random) -> str:
    """Write a call on one buffer, which cannot be resized meanwhile."""
    size = numbers.choice((3, 5000, 300_000))
    call = numbers.choice(("crc(data)", "numcrc.crc32(data)", "crc.new(data).value"))
    return f"data = bytearray(b'x' * {size})\n" + _repeated(
        "data", call, "crc_of(crc, bytes(data))"
    )


def _index(numbers: random.Random) -> str:
    """Write a call with an ``__index__`` that changes other arguments."""
    act = numbers.choice(
        (
            *("offsets.fill(1 << 44)", "lengths.fill(1 << 44)", "lengths.fill(-1)"),
            *("data.clear()", "data.extend(data)", "out.fill(7)", "parts.clear()"),
            *("parts.__setitem__(0, b'')", "parts.__delitem__(0)", "parts.append(None)"),
        )
    )
    call = numbers.choice(
        (
            "crc.segments(data, offsets, lengths, value=indices(8))",
            "crc.segments(data, offsets, value=indices(7))",
            "crc.segments(data, offsets, lengths, Index(7, act), out)",
            "crc.segments(data, indices(8), lengths)",
            "crc.segments(data, offsets, indices(8))",
            "crc.prefixes(data, offsets, Index(7, act))",
            "crc.prefixes(data, indices(8))",
            "crc.blocks(data, Index(3, act), value=Index(9, act))",
            "crc.batch(parts, indices(8))",
            "crc.batch(parts, Index(5, act), threads=Index(2, act))",
            "crc.rows(data, value=Index(5, act))",
            "crc.rows(np.frombuffer(data, 'u1').reshape(8, -1), value=indices(8), out=out)",
            "crc.rows(data, axis=Index(0, act))",
            "crc.join(indices(8), lengths)",
            "crc.join([1] * 8, indices(8))",
            "crc.combine(indices(8), offsets, lengths)",
            "crc.zeros(indices(8), lengths)",
            "crc.zeros(Index(3, act), 2)",
            "crc(data, Index(3, act))",
            "numcrc.crc32(data, Index(3, act))",
            "crc.bits(data, Index(3, act))",
        )
    )
    return (
        f"data = bytearray({numbers.choice((80, 80_000))})\n"
        "offsets = np.arange(8) * 10\nlengths = np.full(8, 10)\nout = np.zeros(8, 'u4')\n"
        "parts = [bytearray(b'x' * 9) for _ in range(8)]\n"
        f"act = lambda: {act}\n"
        "indices = lambda n: [Index(5, act) for _ in range(n)]\n"
        f"with allowed():\n    {call}\n"
        "crc.batch([b'1' * 99] * 99)\n"
    )


def _repeated(changed: str, call: str, model: str) -> str:
    out = ", out" if " out" in call else ""
    return (
        f"with changing({changed}):\n    for _ in range(30):\n        with allowed():\n"
        f"            {call}\nsame(lambda: {call}, lambda: {model}{out})\n"
    )


KINDS = (_segments, _prefixes, _rows, _batch, _algebra, _one, _index, _index)


def source(numbers: random.Random) -> str:
    """Return the source code of some calls."""
    return f"crc = numcrc.algorithms[{models.CRC32!r}]\n{numbers.choice(KINDS)(numbers)}"


TARGETS = (CallTarget("races", "calls whose arguments change", source, NAMES),)
