"""Fold messages by the carry-less multiply or bit matrices, for any width, tier and bit order.

Let G be the polynomial of degree 64 that a narrower P is scaled to, ``G = P * x^(64-w)``.
A message M of n bits takes the state R to ``(R*x^n + M*x^64) mod G``;
so R is added to the first eight bytes of M, and what is left is to reduce M:

* **Fold.** A 128-bit pair ``A = H*x^64 + L`` that is D bits before the end of the next
  load may be replaced by ``H*(x^(D+64) mod G) + L*(x^D mod G)``: congruent, and
  not longer than a pair. A *block* is several pairs side by side, a number that the plan
  gives, all folded over the same distance, the block's length.
* **Rest.** When n is not a multiple of the block, the first block is folded over the r
  bytes left over, and the r bytes behind it are added, from a load that overlaps it: whole
  vector loads at any alignment, no byte loop, nothing read outside the message. A long
  message has a rest at each end, so that the loads between are aligned.
* **Tail.** Multiplying every lane of the last block by its own weight ``x^(d+64)`` and
  adding all products leaves 128 bits T with ``T = M*x^64 (mod G)``.
* **Barrett reduction** takes T to its 64-bit remainder by two more products.

Messages shorter than the smallest block take the same last steps from scalar registers. Or,
where bytes can be masked, from a *window*: the message at the end of a vector with zeros in front
is a last block already, and R, which may start anywhere in it, gets a weight of its own:
``T = M * x^64 + R * x^(8n)``. Only a mask and an address depend on n.

Sources: Gopal et al., "Fast CRC computation for generic polynomials using PCLMULQDQ"
(Intel, 2009), for folding; P. Barrett (CRYPTO '86) for the reduction.
"""

from __future__ import annotations

from itertools import pairwise

from numcrc.jit.emit.gfni import mixture, pick
from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import LINE, address, i64, load64, prefetch, u64
from numcrc.jit.emit.vectors import PAIR, Vector, and_, clmul, lane, load_vector, only, splat, xor
from numcrc.jit.kernels.reduce import ORDERS, as_loaded, barrett_reduction, tail_of
from numcrc.jit.kernels.short import below_16_bytes, choose, empty, window
from numcrc.jit.plan import Plan

ALIGNED_FROM = 4096
"""From this many bytes on, the loop's loads are aligned to cache lines: a tenth faster or more in
the first two caches, at the cost of a second rest at the end."""
FAR = 5 << 18
"""From this many bytes on, a message is prefetched, as it hardly fits the second cache. Within
that cache prefetches cost a tenth; beyond it they gain as much or more."""
AHEAD, RECORDS_AHEAD = 8192, 4096
"""Bytes to prefetch ahead: from main memory, 6 to 8 KiB are a tenth faster than 3 or 12 KiB. Where
threads share records, and the memory's whole throughput, 3 to 4 KiB are best."""


def fold_kernel(plan: Plan):
    """Return ``kernel(constants, p, n, state) -> state``.

    A message is folded in the largest of the plan's blocks that it is long enough for. If the
    plan has windows, the message must be longer than they are.
    """
    if plan.windows:
        first, *larger = plan.blocks
        to_tail = _fold_blocks(plan, first)
    else:
        to_tail, larger = below_16_bytes(plan), list(plan.blocks)
    for size in larger:
        to_tail = choose(plan.least(size), _fold_blocks(plan, size), to_tail)
    return _reduced(plan, to_tail)


def window_kernel(plan: Plan):
    """Return the kernel for messages that fit a window: each is in the smallest that holds it."""
    to_tail = empty(plan)
    for below, size in pairwise((0, *plan.windows)):
        to_tail = choose(below + 1, window(plan, size, below), to_tail)
    return _reduced(plan, to_tail)


def _reduced(plan: Plan, to_tail):
    """Return the kernel that takes a message to T by *to_tail*, then T to its remainder."""
    reduce, remainder = barrett_reduction(plan, PAIR), lane(int(plan.high_terms_first))

    @inline
    def kernel(k, p, n, state):
        return remainder(reduce(k, to_tail(k, p, n, state)))

    return kernel


def folding(plan: Plan):
    """Return ``fold(block, high_power, low_power)``: each lane of a pair times its power of x."""
    high = 1 - plan.high_terms_first
    high_by, low_by = clmul(plan.arch, high, high), clmul(plan.arch, 1 - high, 1 - high)

    @inline
    def fold(block, high_power, low_power):
        return xor(high_by(block, high_power), low_by(block, low_power))

    return fold


def _fold_blocks(plan: Plan, size: int):
    """Return the function that takes a message of *size* bytes or more to T."""
    layout, in_order = plan.layout, ORDERS[plan.order].vector
    block_type = Vector(size, plan.bits)
    high = 1 - plan.high_terms_first
    load, put_first, spread = load_vector(block_type), only(block_type, high), splat(block_type)
    aligns = size == plan.blocks[-1] and size >= LINE
    powers, end_mask = layout.powers, layout.end_masks + layout.block - size
    step = powers + 8 * size
    fold, tail = folding(plan), tail_of(plan, size)
    shared = plan.form == "records"  # prefetches the next records, though each is short
    ahead = RECORDS_AHEAD if shared else AHEAD
    loaded, mixed, ordered, turned = (_mixing if plan.mixes(size) else _multiplying)(plan)

    @inline
    def over(k, p, i, rest, block):
        """Take the *rest* bytes at i into the block before them, from a load that overlaps it."""
        power = powers + 8 * rest
        high_power, low_power = spread(load64(k, power + 64)), spread(load64(k, power))
        behind = and_(load(p, i + rest - size), load(k, end_mask + rest))
        return xor(fold(block, high_power, low_power), in_order(behind))

    @inline
    def to_tail(k, p, n, state):
        block = xor(in_order(load(p, 0)), put_first(state))
        i = size
        rest = i64(u64(n) % u64(size))
        if aligns and n >= ALIGNED_FROM:
            rest = i64(u64(0) - address(p)) & (LINE - 1)
        if rest:
            block = over(k, p, i, rest, block)
            i += rest
        high_power, low_power = spread(load64(k, step + 64)), spread(load64(k, step))
        by, far = loaded(k), shared or n >= FAR
        block = turned(block)
        while i + size <= n:
            if far:
                for line in range(0, size, LINE):
                    prefetch(p, i + ahead + line)
            folded = mixed(block, high_power, low_power, by)
            block = xor(folded, ordered(load(p, i)))
            i += size
        block = turned(block)
        if aligns and i < n:
            block = over(k, p, i, n - i, block)
        return tail(k, block)

    return to_tail


def _mixing(plan: Plan):
    """Return the functions that fold a block by the units, where matrices take bytes as loaded.

    They are ``loaded(constants)``, the matrices; ``mixed``, which folds; ``ordered``, which takes
    loaded bytes to the loop's order; and ``turned``, which takes a block to that order and back.
    """
    matrices = plan.layout.size
    load = load_vector(Vector(plan.bits // 8 * plan.matrix_count, plan.bits), plan.lanes)
    mixed = mixture(plan.units, plan.groups, plan.lanes, plan.high_terms_first, plan.bits)
    in_order, take = ORDERS[plan.order].vector, pick([unit == "c" for unit in plan.units])

    @inline
    def loaded(k):
        return load(k, matrices)

    @inline
    def ordered(block):
        return take(in_order(block), block)

    @inline
    def turned(block):
        return take(block, in_order(block))

    return loaded, mixed, ordered, turned


def _multiplying(plan: Plan):
    """Return the four functions of `_mixing` that fold a block by the multiplier alone."""
    in_order, fold = ORDERS[plan.order].vector, folding(plan)

    @inline
    def loaded(k):
        return 0

    @inline
    def mixed(block, high_power, low_power, by):
        return fold(block, high_power, low_power)

    return loaded, mixed, in_order, as_loaded
