"""Fuzz the calls on buffers and arrays against zlib, or another algorithm's definition."""

from __future__ import annotations

import array
import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from support import ALL_DTYPES, KERNELS

import numcrc
from fuzz import models
from fuzz.kinds import CallTarget

DTYPES = [*ALL_DTYPES, "V0", "S0", "O"]
OTHERS = [*KERNELS, "CRC-40/GSM", "CRC-24/OPENPGP", "CRC-82/DARC"]
NAMES = {
    **{name: getattr(models, name) for name in dir(models) if not name.startswith("_")},
    "np": np,
    "pa": pa,
    "array": array,
    "numcrc": numcrc,
    "models": models,
    "random": random,
    "operator": operator,
}


class Writer:
    """Writes the source code of one call and of its check."""

    def __init__(self, numbers: random.Random) -> None:
        self.random = numbers
        self.lines: list[str] = []
        self.names = dict(NAMES)
        name = models.CRC32 if numbers.random() < 0.7 else numbers.choice(OTHERS)
        self.quick = name == models.CRC32
        self.let("crc", f"numcrc.algorithms[{name!r}]")
        self.crc: numcrc.Algorithm = self.names["crc"]

    def let(self, name: str, expression: str) -> Any:
        """Assign an expression to a name, here and in the source code."""
        self.lines.append(f"{name} = {expression}")
        self.names[name] = value = eval(expression, self.names)
        return value

    def often(self, chance: float) -> bool:
        """Return True with a chance."""
        return self.random.random() < chance

    def pick(self, *several: Any) -> Any:
        """Return one of *several*."""
        return self.random.choice(several)

    def size(self, most: int) -> int:
        """Return a size up to *most*, small ones more often."""
        return int(2 ** self.random.uniform(0, np.log2(most + 1))) - 1 if most else 0

    def number(self) -> int:
        """Return a CRC of the right width, often an extreme one."""
        mask = self.crc.model.mask
        return self.pick(0, 1, mask, mask >> 1, *[self.random.randint(0, mask)] * 4)

    def view(self) -> str:
        """Return an expression of an array of any shape, strides and dtype."""
        dtype = self.random.choice(DTYPES)
        room = (1 << 20 if self.often(0.05) else 4096) if self.quick else 200
        room = max(1, room // max(1, models.dtype_named(dtype).itemsize))
        shape = []
        for _ in range(self.random.randrange(5)):
            shape.append(self.size(min(room, self.pick(3, 8, room))))
            room //= max(1, shape[-1])
        self.random.shuffle(shape)
        if dtype == "O":
            return f"np.full({tuple(shape)}, None)"
        offset = self.pick(0, 0, 0, 1, 3)
        text = f"filled({dtype!r}, {tuple(shape)}, {self.random.getrandbits(32)}, {offset})"
        if shape and self.often(0.6):
            steps = ("", "", "::2", "::3", "::-1", "::-2", "1:", ":-1", "2:3", "0:0")
            text += f"[{', '.join(self.pick(*steps) or ':' for _ in shape)}]"
        if self.often(0.4):
            order = list(range(len(shape)))
            self.random.shuffle(order)
            text += f".transpose({order})"
        if self.often(0.15):
            text = f"np.broadcast_to({text}, (3, *{text}.shape))"
        if self.often(0.1):
            text = f"overlapping({text})"
        return text

    def buffer(self, most: int | None = None) -> str:
        """Return an expression of a buffer."""
        size = self.size(most or (1 << 20 if self.often(0.05) else 3000))
        size = size if self.quick else min(size, 100)
        data = f"random.Random({self.random.getrandbits(32)}).randbytes({size})"
        kinds = ["{}", "bytearray({})", "memoryview({})", "memoryview({})[1:]"]
        kinds += ["np.frombuffer({}, np.uint8)", "array.array('B', {})", "pa.py_buffer({})"]
        if self.often(0.2):
            kinds += ["memoryview({})[::-1]", "memoryview({})[::2]", "{}.hex()", "None", "5"]
            kinds += ["np.frombuffer({}, np.uint8)[::2]", "[1, 2]"]
        if size and not size % 4:
            kinds += [f"memoryview({{}}).cast('B', ({size // 4}, 4))"]
            kinds += ["memoryview({}).cast('I')", "np.frombuffer({}, '>f4')"]
        return self.random.choice(kinds).format(data)

    def value(self, shape: tuple[int, ...] = ()) -> str:
        """Return an expression of values to continue from."""
        if self.often(0.4):
            return "None"
        if self.often(0.08):
            wrong = (-1, self.crc.model.mask + 1, 1.5, "'1'", "[None]", "np.zeros(2)", 2**64, "[]")
            return str(self.pick(*wrong))
        if self.often(0.3):
            number = self.number()
            return self.pick(f"{number}", f"np.array({number})", f"np.uint64({number % 2**64})")
        kept = tuple(self.pick(size, size, 1) for size in shape)
        kept = kept[self.random.randint(0, len(kept)) if self.often(0.3) else 0 :]
        if self.often(0.03):
            kept = (*kept, 2)
        numbers = [self.number() for _ in range(int(np.prod(kept)))]
        if len(numbers) > 300:
            return str(self.number())
        if len(kept) == 1 and self.often(0.3):
            return repr(numbers)
        dtype = "object"
        if self.crc.width < 64:
            size = next(size for size in (1, 2, 4, 8) if self.crc.width <= 8 * size)
            dtype = self.pick("object", f"u{size}", f">u{size}", "<i8", "u8")
        dtype = "i8" if dtype == "<i8" and self.crc.width > 63 else dtype
        text = f"np.array({numbers}, {dtype!r}).reshape({kept})"
        return f"np.repeat({text}, 2, -1)[..., ::2]" if kept and self.often(0.2) else text

    def out(self, shape: tuple[int, ...]) -> str:
        """Return an expression of an array for results of this shape."""
        if self.often(0.6):
            return "None"
        dtype = models.dtype_of(self.crc)
        if self.often(0.1):
            shape = self.pick((*shape, 1), shape[1:], tuple(size + 1 for size in shape))
            dtype = self.pick(dtype, dtype.newbyteorder(), np.dtype("i4"), np.dtype("f8"))
        if self.often(0.03):
            return "[0]"
        kind = self.pick("C", "C", "F", "strided", "reversed")
        kind = "read-only" if self.often(0.05) else kind
        return f"output({kind!r}, {shape}, {dtype.str!r})"

    def threads(self) -> str:
        """Return an expression of a number of threads."""
        return str(self.pick(None, None, 1, 2, 3, 8))

    def check(self, call: str, model: str, out: bool = True) -> str:
        """Return the source code, which ends with a call and its model."""
        if "threads" in call and self.often(0.02):
            self.let("threads", repr(self.pick(0, -1, 2.5, "1")))
            model = "refuse()"
        text = f"same(lambda: {call}, lambda: {model}{', out' if out else ''})"
        if self.often(0.3):
            names = ("SCRATCH", "_MOST_OFFSETS", "CHUNK", "SPLIT", "_SCRATCH")
            small = {name: self.pick(1, 20, 100, 1000) for name in names if self.often(0.5)}
            given = ", ".join(f"{name}={value}" for name, value in small.items())
            text = f"with sizes({given}):\n    {text}"
        return "\n".join([*self.lines, text, ""])


def _rows(write: Writer) -> str:
    a = write.let("a", write.view() if write.often(0.9) else write.buffer())
    ndim = np.ndim(a) if isinstance(a, np.ndarray) else getattr(a, "ndim", 1)
    some = [axis - ndim * write.pick(0, 1) for axis in range(ndim) if write.often(0.5)]
    write.random.shuffle(some)
    axis = write.pick(None, tuple(some), *some[:1])
    if write.often(0.05):
        axis = write.pick(ndim, -ndim - 1, (0, 0), 1.5, (0, -ndim))
    axis = write.let("axis", repr(axis))
    try:
        shape = models.rows(write.crc, a, axis).shape
    except (TypeError, ValueError):
        shape = (2,)
    write.let("value", write.value(shape))
    write.let("out", write.out(shape))
    write.let("threads", write.threads())
    call = "crc.rows(a, axis, value, out, threads=threads)"
    if write.often(0.05):
        call = call.replace("crc.rows(a, axis, value, out, ", "crc.rows(a, axis, value, out=out, ")
    return write.check(call, "models.rows(crc, a, axis, value)")


def _call(write: Writer) -> str:
    write.let("a", write.view() if write.often(0.6) else write.buffer())
    write.let("value", write.value())
    call = "crc"
    if write.quick:
        call = write.pick("crc", "numcrc.crc32", "crc.function")
    if call == "numcrc.crc32" and write.names["value"] is None:
        return write.check("numcrc.crc32(a)", "crc_of(crc, bytes_of(a))", out=False)
    model = "crc_of(crc, bytes_of(a), checked(crc, value))"
    if isinstance(write.names["value"], (np.ndarray, list, str)):
        model = "crc_of(crc, bytes_of(a), checked(crc, operator.index(value)))"
    if call == "numcrc.crc32":  # reduces the value as zlib does
        model = model.replace("checked(crc, ", "masked(")
        model = model.replace("operator.index(value))", "value)")
    return write.check(f"{call}(a, value)", model, out=False)


def _batch(write: Writer) -> str:
    count = write.size(60)
    good = write.often(0.7)
    items = [
        write.buffer(write.pick(8, 100, 300)) if write.often(0.8) else write.view()
        for _ in range(count)
    ]
    write.let("items", f"[{', '.join(items)}]")
    if good:
        kept = [i for i, item in enumerate(write.names["items"]) if _is_buffer(item)]
        write.let("items", f"[items[i] for i in {kept}]")
    number = len(write.names["items"])
    write.let("value", write.value((number,)))
    write.let("out", write.out((number,)))
    write.let("threads", write.threads())
    holder = write.pick("items", "tuple(items)", "iter(items)", "objects(items)")
    call = f"crc.batch({holder}, value, out, threads)"
    return write.check(call, "models.batch(crc, items, value)")


def _is_buffer(item: Any) -> bool:
    try:
        models.bytes_of(item)
    except TypeError:
        return False
    return True


def _arrow(write: Writer) -> str:
    kind = write.pick("pa.binary()", "pa.large_binary()", "pa.string()", "pa.large_string()")
    size = write.size(30)
    texts = [
        None if write.often(0.1) else "é" * write.size(20) + "a" * write.size(9)
        for _ in range(size)
    ]
    cut = write.pick("", "", "[1:]", "[2:5]", "[:0]")
    write.let("a", f"pa.array({texts!r}, {kind}){cut}")
    if write.often(0.2):
        write.let("a", "pa.chunked_array([a, a])")
    write.let(
        "items",
        "[(item or '').encode() if item is None or isinstance(item, str) else item"
        " for item in a.to_pylist()]",
    )
    number = len(write.names["items"])
    write.let("value", write.value((number,)))
    write.let("threads", write.threads())
    model = "masked_array(models.batch(crc, items, value), a)"
    return write.check("crc.batch(a, value, None, threads)", model, out=False)


def _segments(write: Writer) -> str:
    data = write.let("data", write.buffer())
    size = len(models.bytes_of(data)) if _is_buffer(data) else 9
    size = min(size, 200) if not write.quick else size
    count = write.size(40)
    ends = sorted(write.random.randint(0, size) for _ in range(count + 1))
    lengths = "None"
    shape: tuple[int, ...] = (count,)
    if write.often(0.5):
        ends = [write.random.randint(0, size) for _ in range(count)]
        wanted = [write.random.randint(0, size - end) for end in ends]
        if write.often(0.3):
            wanted, lengths = [], str(min((size - end for end in ends), default=0))
        else:
            lengths = _integers(write, wanted)
    if ends and write.often(0.1):
        place = write.random.randrange(len(ends))
        ends[place] = write.pick(-1, size + 1, -(2**63), 2**63 - 1, 2**63, 2**64 - 1, 2**70)
    if lengths != "None" and write.often(0.05):
        lengths = str(write.pick(-1, size + 1, 2**63 - 1, -(2**63), 2**64, [1, 2], 1.5))
    write.let("offsets", _integers(write, ends))
    write.let("lengths", lengths)
    write.let("value", write.value(shape))
    write.let("out", write.out(shape))
    write.let("threads", write.threads())
    call = "crc.segments(data, offsets, lengths, value, out, threads)"
    return write.check(call, "models.segments(crc, data, offsets, lengths, value)")


def _integers(write: Writer, numbers: list[int]) -> str:
    """Return an expression of integers in some form."""
    low, high = min(numbers, default=0), max(numbers, default=0)
    fitting = [
        dtype
        for dtype in ("u1", "i2", ">i4", "i8", ">i8", "u8", "object")
        if dtype == "object" or (np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max)
    ]
    forms = [repr(numbers), repr(tuple(numbers))]
    forms += [f"np.array({numbers}, {write.random.choice(fitting)!r})"] * 2
    forms += [f"np.repeat(np.array({numbers}, {write.random.choice(fitting)!r}), 2)[::2]"]
    if fitting != ["object"]:
        forms += [f"pa.array({numbers}, pa.int64())"] if high < 2**63 and low >= -(2**63) else []
    if write.often(0.03):
        return f"np.array({numbers}, float)"
    return write.random.choice(forms)


def _blocks(write: Writer) -> str:
    data = write.let("data", write.buffer())
    length = len(models.bytes_of(data)) if _is_buffer(data) else 9
    size = write.pick(1 + write.size(300), 1 + length, max(1, length), length + 5, 2**70)
    if write.often(0.1):
        size = write.pick(0, -1, 1.5, "'1'")
    if isinstance(size, int) and 0 < size * 300 < length:
        size = 1 + length // 300
    size = write.let(
        "size", f"np.int64({size})" if write.often(0.1) and size != 2**70 else f"{size}"
    )
    number = -(-length // int(size)) if isinstance(size, (int, np.integer)) and size > 0 else 1
    write.let("value", write.value((number,)))
    write.let("out", write.out((number,)))
    write.let("threads", write.threads())
    call = "crc.blocks(data, size, value, out, threads)"
    return write.check(call, "models.blocks(crc, data, size, value)")


def _prefixes(write: Writer) -> str:
    data = write.let("data", write.buffer(2000))
    length = len(models.bytes_of(data)) if _is_buffer(data) else 9
    ends = [write.random.randint(0, length) for _ in range(write.size(30))]
    if ends and write.often(0.1):
        ends[-1] = write.pick(-1, length + 1, 2**63 - 1, -(2**63), 2**70)
    write.let("offsets", _integers(write, ends))
    shape: tuple[int, ...] = (len(ends),)
    if len(ends) % 2 == 0 and write.often(0.3):
        shape = (2, len(ends) // 2)
        write.let("offsets", f"np.asarray(offsets).reshape({shape})")
    write.let("value", write.value())
    write.let("out", write.out(shape))
    call = "crc.prefixes(data, offsets, value, out)"
    model = "models.prefixes(crc, data, offsets, value)"
    text = f"same(lambda: {call}, lambda: {model}, out)"
    return "\n".join([*write.lines, text, ""])


def _hasher(write: Writer) -> str:
    parts = [write.view() if write.often(0.3) else write.buffer() for _ in range(write.size(5))]
    write.let("parts", f"[{', '.join(parts)}]")
    kept = [i for i, item in enumerate(write.names["parts"]) if _is_buffer(item)]
    write.let("parts", f"[parts[i] for i in {kept}]")
    return write.check("hashed(crc, parts)", "crc_of(crc, b''.join(map(bytes_of, parts)))", False)


KINDS: dict[Callable[[Writer], str], int] = {
    _rows: 5,
    _call: 3,
    _batch: 3,
    _segments: 3,
    _arrow: 1,
    _blocks: 1,
    _prefixes: 2,
    _hasher: 1,
}


def source(numbers: random.Random) -> str:
    """Return the source code of one call."""
    (kind,) = numbers.choices(list(KINDS), list(KINDS.values()))
    return kind(Writer(numbers))


TARGETS = (CallTarget("arrays", "calls on arrays and buffers, against zlib", source, NAMES),)
