"""Prove a kernel of another form than the builtin for one message, when it is first loaded.

`numcrc.jit.engine` proves that one.
"""

from __future__ import annotations

from numcrc.crc import reference
from numcrc.crc.model import Model
from numcrc.jit import constants
from numcrc.jit.builtins import abi
from numcrc.jit.native import Pointer, Word, function
from numcrc.jit.plan import JOIN, ZEROS, ZEROS_MANY, Plan
from numcrc.process import imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    # ``(n, size)``: the CRC of the first n bytes of the message, size bytes at a time.
    InPieces: TypeAlias = Callable[[int, int], int]
    # ``(value, n)``: the CRC after n more zero bytes of a message whose CRC is value.
    Zeros: TypeAlias = Callable[[int, int], int]


def is_right(plan: Plan, model: Model, made: Any) -> bool:
    """Return whether *plan*'s kernel computes *model*.

    Parameters
    ----------
    made
        The builtin for *model*; for the form "raw" the addresses of the function and the block.
    """
    if plan in _ZEROS:
        return all(_zeros_are_right(model, as_zeros(model, made)) for as_zeros in _ZEROS[plan])
    lengths = plan.lengths
    message = reference.sample(lengths[-1])
    in_pieces = _IN_PIECES["wide" if plan.family == "wide" else plan.form](model, made, message)
    return reference.is_computed(model, message, lengths, in_pieces) and (
        plan.form != "records" or _fours_are_right(plan, model, made, message)
    )


def _raw(model: Model, made: tuple[int, int], message: bytes) -> InPieces:
    address, block = made
    crc = function(address, Word, Pointer, Pointer, Word, Word)
    data, empty = id(message) + abi.BYTES_DATA, reference.value_of(model, model.init)

    def in_pieces(n: int, size: int) -> int:
        value = crc(block, data, min(size, n), empty)
        for start in range(size, n, size or 1):
            value = crc(block, data + start, min(size, n - start), value)
        return int(value)

    return in_pieces


def _wide(model: Model, feed: Callable[..., bytes], message: bytes) -> InPieces:
    def in_pieces(n: int, size: int) -> int:
        state = constants.wide_register(model, model.init)
        for start in range(0, n, size or 1):
            state = feed(message[start : min(start + size, n)], state)
        return reference.value_of(model, constants.register_of_wide(model, state))

    return in_pieces


def _record(model: Model, run: Callable[[int, int], int], message: bytes) -> InPieces:
    def in_pieces(n: int, size: int) -> int:
        lengths = [min(size, n - start) for start in range(0, n, size or 1)] or [0]
        *_, last = _records(model, run, message, size, lengths, chain=True)
        return last

    return in_pieces


_IN_PIECES: dict[str, Callable[..., InPieces]] = {"raw": _raw, "records": _record, "wide": _wide}


def _fours_are_right(
    plan: Plan, model: Model, run: Callable[[int, int], int], message: bytes
) -> bool:
    """Compare records that are computed four at a time with the same ones alone."""
    for size in plan.windows:
        for lengths in ([size] * 5, [size, size - 1, size - 2, size - 3, size]):
            # A record that continues from a CRC is computed alone.
            alone = _records(model, run, message, size, lengths, continued=True)
            if _records(model, run, message, size, lengths) != alone:
                return False
    return True


def _records(
    model: Model,
    run: Callable[[int, int], int],
    message: bytes,
    stride: int,
    lengths: Sequence[int],
    *,
    chain: bool = False,
    continued: bool = False,
) -> list[int]:
    """Return the CRCs of records, *stride* bytes apart, by the builtin *run*."""
    array = imported("array").array  # 0.4 ms, which records take for NumPy anyway

    code = next(code for code in "BHIQ" if model.width <= 8 * array(code).itemsize)
    alike = min(lengths) == max(lengths)
    each, bounds = array("q", lengths), array("q", (0, len(lengths)))
    empty = array("Q", (reference.value_of(model, model.init),) if continued else ())
    out = array(code, [0]) * len(lengths)
    work = abi.Work(
        base=id(message) + abi.BYTES_DATA,
        stride=stride,
        lengths=0 if alike else _address(each),
        length=lengths[0],
        values=_address(empty) if continued else 0,
        out=_address(out),
        out_size=out.itemsize,
        chain=int(chain),
        bounds=_address(bounds),
        chunks=1,
    )
    words = array("Q", work)
    run(_address(words), 1)
    found: list[int] = out.tolist()
    return found


def _address(values: array[int]) -> int:
    return values.buffer_info()[0]


def _zeros_are_right(model: Model, zeros: Zeros) -> bool:
    """Compare 5 zero bytes with the definition, and many of them with sums that give as many."""
    value, far = model.mask // 3, 0x5555_5555_5555
    register = reference.divide(model, reference.register_of(model, value), bytes(5))
    found = zeros(value, far)
    return (
        zeros(value, 5) == reference.value_of(model, register)
        and zeros(zeros(value, 5), far) == zeros(found, 5) == zeros(value, far + 5)
        and zeros(found, far + 1) == zeros(value, 2 * far + 1)
        and (not model.poly & 1 or zeros(found, -far) == value)
    )


def _one(model: Model, zeros: Zeros) -> Zeros:
    return zeros


def _many(model: Model, run: Callable[..., int]) -> Zeros:
    array = imported("array").array

    def zeros(value: int, n: int) -> int:
        values, counts = array("Q", (value,)), array("q", (n,))
        run(_address(values), _address(counts), _address(values), 1)
        return int(values[0])

    return zeros


def _joining(equal: bool) -> Callable[[Model, Callable[..., int]], Zeros]:
    """Return a function that gives zeros by a join, its lengths in an array or one for all."""

    def joining(model: Model, run: Callable[..., int]) -> Zeros:
        array = imported("array").array

        def zeros(value: int, n: int) -> int:
            # reg(AB) = reg(B) + (reg(A) + init) * x^(8n); reg(B) = init leaves the product and
            # init.
            first = reference.value_of(model, reference.register_of(model, value) ^ model.init)
            values = array("Q", (first, reference.value_of(model, model.init)))
            lengths, out = array("q", (0, n)), array("Q", (0,))
            run(_address(values), 0 if equal else _address(lengths), _address(out), 1, 2, n)
            register = reference.register_of(model, out[0]) ^ model.init
            return reference.value_of(model, register)

        return zeros

    return joining


_ZEROS: dict[Plan, tuple[Callable[..., Zeros], ...]] = {
    ZEROS: (_one,),
    ZEROS_MANY: (_many,),
    JOIN: (_joining(equal=False), _joining(equal=True)),
}
