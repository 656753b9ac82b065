"""Make builtins for many records: one collects their buffers, one computes their CRCs.

A record is a run of bytes with a CRC of its own. The work (`numcrc.jit.builtins.abi.Work`) is cut
into chunks. Each call takes the next chunks, so any number of threads share one work evenly,
and a caller that asks for a few chunks at a time can be interrupted between calls.
"""

from __future__ import annotations

from numcrc.jit.builtins import abi
from numcrc.jit.builtins.abi import Work
from numcrc.jit.builtins.capi import (
    as_int64,
    as_pointer,
    failed,
    from_uint64,
    hold,
    is_bytes,
    release_buffer,
    restore_thread,
    save_thread,
    shape_of,
    shown,
    state_of,
)
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import (
    LINE,
    advance,
    atomic_add,
    i64,
    is_null,
    load8,
    load16,
    load32,
    load64,
    load_pointer,
    null,
    prefetch,
    store8,
    store16,
    store32,
    store64,
    store_pointer,
    u64,
)

_AT = Work(*range(0, 8 * len(Work._fields), 8))
"""The offset of each field of the work, in bytes."""
_AHEAD, _SOON = 16, 8
"""Records ahead: for the first, two cache lines are prefetched; for the second, all lines."""
_ROWS_AHEAD = 2048
"""Bytes ahead that are prefetched of records side by side."""
_MOST = 4096
"""Bytes of a record that are prefetched here; its kernel prefetches the rest."""


@inline
def _load_out(out, size, i):
    if size == 8:
        return load64(out, 8 * i)
    if size == 4:
        return load32(out, 4 * i)
    if size == 2:
        return load16(out, 2 * i)
    return load8(out, i)


@inline
def _store_out(out, size, i, value):
    if size == 8:
        store64(out, 8 * i, value)
    elif size == 4:
        store32(out, 4 * i, value)
    elif size == 2:
        store16(out, 2 * i, value)
    else:
        store8(out, i, value)


def records_entry(kernel, quad=None, behind=None, longest_quad=0):
    """Return the builtin ``run(work_address, limit) -> chunks done``, without the GIL.

    It takes chunks until it has done *limit* of them or all are taken. *quad*, if given, is
    a kernel of four records at a time, of up to *longest_quad* bytes each, and *behind* makes
    the terms that it adds for their states (`numcrc.jit.kernels.quad`).
    """

    @inline
    def place(base, stride, pointers, offsets, lengths, length, i):
        """Return the address and the length of record *i*."""
        if not is_null(lengths):
            length = i64(load64(lengths, 8 * i))
        if not is_null(pointers):
            return load_pointer(pointers, abi.POINTER * i), length
        if not is_null(offsets):
            return advance(base, i64(load64(offsets, 8 * i))), length
        return advance(base, stride * i), length

    @inline
    def store_four(out, size, i, a, b, c, d, shape):
        _store_out(out, size, i, shown(a, shape))
        _store_out(out, size, i + 1, shown(b, shape))
        _store_out(out, size, i + 2, shown(c, shape))
        _store_out(out, size, i + 3, shown(d, shape))

    @inline
    def rows(block, base, stride, length, out, size, first, last, shape):
        """Compute quads of records that are all alike; return the first record left."""
        k = advance(block, abi.CONSTANTS)
        added = behind(k, length, length, length, length, load64(block, abi.INIT))
        i = first
        while i + 4 <= last:
            p = advance(base, stride * i)
            p2, p3 = advance(p, stride), advance(p, 2 * stride)
            p4 = advance(p, 3 * stride)
            for line in range(0, 4 * length, LINE):
                prefetch(p, _ROWS_AHEAD + line)
            a, b, c, d = quad(k, p, p2, p3, p4, length, length, length, length, length, added)
            store_four(out, size, i, a, b, c, d, shape)
            i += 4
        return i

    @inline
    def chunk(block, work, first, last):
        k = advance(block, abi.CONSTANTS)
        base, stride = load_pointer(work, _AT.base), i64(load64(work, _AT.stride))
        pointers, offsets = load_pointer(work, _AT.pointers), load_pointer(work, _AT.offsets)
        lengths, length = load_pointer(work, _AT.lengths), i64(load64(work, _AT.length))
        values, value_step = load_pointer(work, _AT.values), i64(load64(work, _AT.value_step))
        has_values, chain = not is_null(values), load64(work, _AT.chain) != u64(0)
        out, size = load_pointer(work, _AT.out), i64(load64(work, _AT.out_size))
        shape = shape_of(block)
        i = first
        if quad is not None:
            scattered = not is_null(pointers) or not is_null(offsets)
            unlike = not is_null(lengths) or has_values or chain
            if not scattered and not unlike and 0 < length <= longest_quad:
                i = rows(block, base, stride, length, out, size, first, last, shape)
        alone = ahead = i
        while i < last:
            state = load64(block, abi.INIT)
            while ahead < last and ahead < i + _AHEAD:
                p, n = place(base, stride, pointers, offsets, lengths, length, ahead)
                prefetch(p, 0)
                prefetch(p, LINE)
                ahead += 1
            p, n = place(base, stride, pointers, offsets, lengths, length, i)
            if quad is not None and i >= alone and i + 4 <= last and not has_values and not chain:
                p2, n2 = place(base, stride, pointers, offsets, lengths, length, i + 1)
                p3, n3 = place(base, stride, pointers, offsets, lengths, length, i + 2)
                p4, n4 = place(base, stride, pointers, offsets, lengths, length, i + 3)
                longest, shortest = n, n
                for other in (n2, n3, n4):
                    longest = other if other > longest else longest
                    shortest = other if other < shortest else shortest
                if shortest > 0 and longest <= longest_quad:
                    a, b, c, d = quad(
                        k, p, p2, p3, p4, n, n2, n3, n4, longest,
                        behind(k, n, n2, n3, n4, state),
                    )  # fmt: skip
                    store_four(out, size, i, a, b, c, d, shape)
                    i += 4
                    continue
                alone = i + 4
            if i + _SOON < last:
                q, m = place(base, stride, pointers, offsets, lengths, length, i + _SOON)
                for line in range(2 * LINE, m if m < _MOST else _MOST, LINE):
                    prefetch(q, line)
            if chain and i > 0:
                state = state_of(block, _load_out(out, size, i - 1))
            elif has_values:
                state = state_of(block, load64(values, value_step * i))
            _store_out(out, size, i, shown(kernel(k, p, n, state), shape))
            i += 1

    def entry(self, args, nargs, kwnames):
        block = advance(self, abi.BYTES_DATA)
        work = as_pointer(load_pointer(args, 0))
        limit = as_int64(load_pointer(args, abi.POINTER))
        if failed():
            return null()
        thread = save_thread()
        bounds, chunks = load_pointer(work, _AT.bounds), i64(load64(work, _AT.chunks))
        done = 0
        while done < limit:
            taken = atomic_add(advance(work, _AT.next), 1)
            if taken >= chunks:
                break
            first, last = load64(bounds, 8 * taken), load64(bounds, 8 * taken + 8)
            chunk(block, work, i64(first), i64(last))
            done += 1
        restore_thread(thread)
        return from_uint64(u64(done))

    return entry


def collect_entry(self, args, nargs, kwnames):
    """Implement the builtin ``collect(items, pointers, lengths, views, start) -> index``.

    Store the address and length of each item of the tuple *items*, from *start* on, at the
    addresses *pointers* and *lengths*. If *views* is 0, only bytes objects are taken. Otherwise
    it is the address of a count and as many Py_buffers, in which other plain buffers are held.
    Returns the index of the first item that was not taken.
    """
    block = advance(self, abi.BYTES_DATA)
    items = load_pointer(args, 0)
    pointers = as_pointer(load_pointer(args, abi.POINTER))
    lengths = as_pointer(load_pointer(args, 2 * abi.POINTER))
    views = as_pointer(load_pointer(args, 3 * abi.POINTER))
    i = as_int64(load_pointer(args, 4 * abi.POINTER))
    if failed():
        return null()
    count = i64(load64(items, abi.OB_SIZE))
    while i < count:
        if i + _AHEAD < count:  # objects are scattered: each is a cache miss of its own
            prefetch(load_pointer(items, abi.TUPLE_ITEMS + abi.POINTER * (i + _AHEAD)), 0)
        item = load_pointer(items, abi.TUPLE_ITEMS + abi.POINTER * i)
        if is_bytes(block, item):
            store_pointer(pointers, abi.POINTER * i, advance(item, abi.BYTES_DATA))
            store64(lengths, 8 * i, load64(item, abi.OB_SIZE))
        elif not is_null(views):
            held = load64(views, 0)
            view = advance(views, 8 + abi.BUFFER_SIZE * i64(held))
            if not hold(block, item, view):
                if failed():
                    return null()
                break
            store64(views, 0, held + u64(1))
            store_pointer(pointers, abi.POINTER * i, load_pointer(view, abi.BUFFER_BUF))
            store64(lengths, 8 * i, load64(view, abi.BUFFER_LEN))
        else:
            break
        i += 1
    return from_uint64(u64(i))


def release_entry(self, args, nargs, kwnames):
    """Implement the builtin ``release(views) -> count``, which releases the buffers in *views*."""
    views = as_pointer(load_pointer(args, 0))
    if failed():
        return null()
    held = i64(load64(views, 0))
    for i in range(held):
        release_buffer(advance(views, 8 + abi.BUFFER_SIZE * i))
    store64(views, 0, u64(0))
    return from_uint64(u64(held))
