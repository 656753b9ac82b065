"""Make builtins that change CRCs without their messages: appending zeros, concatenating."""

from __future__ import annotations

from numcrc.jit.builtins import abi
from numcrc.jit.builtins.capi import (
    as_int64,
    as_pointer,
    as_uint64,
    failed,
    fall_back,
    from_uint64,
    restore_thread,
    save_thread,
    state_of,
    value_of,
)
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import advance, i64, is_null, load64, load_pointer, null, store64, u64
from numcrc.jit.kernels.zeros import (
    complete_digits,
    digit_table,
    look_up_digits,
    multiply,
    store_bit,
    times_x,
    zeros_factor,
    zeros_kernel,
)


def zeros_entry(self, args, nargs, kwnames):
    """Implement the builtin ``zeros(value, n) -> int``."""
    block = advance(self, abi.BYTES_DATA)
    if is_null(kwnames) and nargs == 2:
        value = as_uint64(load_pointer(args, 0))
        if value <= load64(block, abi.MASK) and not failed():
            n = as_int64(load_pointer(args, abi.POINTER))
            if not failed():
                state = zeros_kernel(advance(block, abi.CONSTANTS), n, state_of(block, value))
                return from_uint64(value_of(block, state))
    return fall_back(block, args, nargs, kwnames)


def zeros_many_entry(self, args, nargs, kwnames):
    """Implement the builtin ``zeros_many(values, counts, out, number)``, without the GIL.

    All but *number* are addresses of 64-bit integers; *out* may be *values*.
    """
    block = advance(self, abi.BYTES_DATA)
    values = as_pointer(load_pointer(args, 0))
    counts = as_pointer(load_pointer(args, abi.POINTER))
    out = as_pointer(load_pointer(args, 2 * abi.POINTER))
    number = as_int64(load_pointer(args, 3 * abi.POINTER))
    if failed():
        return null()
    thread = save_thread()
    k = advance(block, abi.CONSTANTS)
    latest, factor = 0, zeros_factor(k, 0)
    for i in range(number):
        n = i64(load64(counts, 8 * i))
        if n != latest:  # equal counts often follow each other
            latest, factor = n, zeros_factor(k, n)
        state = multiply(k, state_of(block, load64(values, 8 * i)), factor)
        store64(out, 8 * i, value_of(block, state))
    restore_thread(thread)
    return from_uint64(u64(number))


def join_entry(self, args, nargs, kwnames):
    """Implement the builtin ``join(values, lengths, out, number, each, length)``, without the GIL.

    Each of *number* results is the CRC of the concatenation of *each* messages, given by their
    CRCs and lengths in bytes; the first three arguments are addresses of 64-bit integers. If
    *lengths* is 0, each message has *length* bytes.
    """
    block = advance(self, abi.BYTES_DATA)
    values = as_pointer(load_pointer(args, 0))
    lengths = as_pointer(load_pointer(args, abi.POINTER))
    out = as_pointer(load_pointer(args, 2 * abi.POINTER))
    number = as_int64(load_pointer(args, 3 * abi.POINTER))
    each = as_int64(load_pointer(args, 4 * abi.POINTER))
    length = as_int64(load_pointer(args, 5 * abi.POINTER))
    if failed():
        return null()
    thread = save_thread()
    if is_null(lengths):
        _join_equal(block, values, out, number, each, length)
    else:
        _join_each(block, values, lengths, out, number, each)
    restore_thread(thread)
    return from_uint64(u64(number))


@inline
def _join_each(block, values, lengths, out, number, each):
    k, init = advance(block, abi.CONSTANTS), load64(block, abi.INIT)
    latest, factor = 0, zeros_factor(k, 0)
    for result in range(number):
        state = init
        for i in range(result * each, (result + 1) * each):
            n = i64(load64(lengths, 8 * i))
            if n != latest:
                latest, factor = n, zeros_factor(k, n)
            # reg(AB) = reg(B) + (reg(A) + init) * x^(8n)
            behind = state_of(block, load64(values, 8 * i))
            state = behind ^ multiply(k, state ^ init, factor)
        store64(out, 8 * result, value_of(block, state))


@inline
def _join_equal(block, values, out, number, each, length):
    table = digit_table()
    _fill_table(block, table, length)
    empty = value_of(block, load64(block, abi.INIT))
    for result in range(number):
        crc = empty
        for i in range(result * each, (result + 1) * each):
            # crc(AB) = crc(B) + L(crc(A) + crc of nothing), L of _fill_table
            crc = load64(values, 8 * i) ^ look_up_digits(table, crc ^ empty)
        store64(out, 8 * result, crc)


@inline
def _fill_table(block, table, n):
    """Store L(v) of each hexadecimal digit v of a CRC at each place; see `look_up_digits`.

    L, which is linear, multiplies by ``x^(8n)`` what v is without xorout.
    """
    k, xorout = advance(block, abi.CONSTANTS), load64(block, abi.XOROUT)
    reflected, scale = load64(block, abi.FLIP), load64(k, 8)
    width = i64(u64(64) - scale)
    for bit in range(64):
        store_bit(table, bit, u64(0))
    product = zeros_factor(k, n) << scale
    for exponent in range(width):  # x^exponent is this bit of a CRC
        bit = width - 1 - exponent if reflected else exponent
        store_bit(table, bit, value_of(block, product) ^ xorout)
        product = times_x(k, product)
    complete_digits(table)
