"""Search for error patterns that a CRC does not detect, and count them.

An error pattern is a polynomial with a term for each flipped bit; it is undetected if P divides it.
``s[i] = x^i mod P`` are the syndromes of single bits. The *words* of a kernel are its arguments,
64 bits each, as its docstring lists them; arrays are given by their addresses.

A pattern of weight w that starts at bit 0 and ends at bit d is
``1 + x^d = sum of p + q = w - 2 of s[1:d]``: the sums of p syndromes are in a table, those of q
are looked up. A sum of zero is a lighter pattern; there is none where these kernels are used.
"""

from __future__ import annotations

from numcrc.jit.emit.parts import inline
from numcrc.jit.emit.scalars import (
    count_ones,
    i64,
    load8,
    load64,
    load_pointer,
    store8,
    store64,
    u64,
)

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio


@inline
def times_x(value, poly, top):
    """Return ``value * x mod P``, where P has degree ``top + 1``."""
    carry = u64(0) - (value >> top & u64(1))
    return (value << u64(1) & ((u64(2) << top) - u64(1))) ^ poly & carry


@inline
def syndromes_kernel(words):
    """Store n syndromes, the first given, and return the next one.

    Words: poly, width, first, out, n.
    """
    poly, top = load64(words, 0), load64(words, 8) - u64(1)
    value, out = load64(words, 16), load_pointer(words, 24)
    for i in range(i64(load64(words, 32))):
        store64(out, 8 * i, value)
        value = times_x(value, poly, top)
    return value


@inline
def walk_kernel(words):
    """Return the least weight of the codewords whose data are ``x^(k-1)`` and lower terms.

    All data from the *start*-th to before the *end*-th are tried, in Gray code: one term changes
    at a time. The data of the first one found of that weight are stored. Words: the syndromes
    from ``x^width`` on, k, start, end, out.
    """
    s, k = load_pointer(words, 0), i64(load64(words, 8))
    start, end, out = load64(words, 16), load64(words, 24), load_pointer(words, 32)
    data = start ^ start >> u64(1) | u64(1) << u64(k - 1)
    crc = u64(0)
    for bit in range(k):
        if data >> u64(bit) & u64(1):
            crc ^= load64(s, 8 * bit)
    least = u64(128)
    while True:
        weight = count_ones(crc) + count_ones(data)
        if weight < least:
            least = weight
            store64(out, 0, data)
        start += u64(1)
        if start >= end:
            return least
        lowest = start & (u64(0) - start)
        data ^= lowest
        crc ^= load64(s, 8 * i64(count_ones(lowest - u64(1))))


# Sets of sums


@inline
def hash_of(key, bits):
    """Return the place of *key* among ``2^bits``."""
    return key * u64(_MULTIPLIER) >> (u64(64) - bits)


@inline
def put_hash(table, bits, key):
    """Add *key* to the set; return whether it is new."""
    mask = (u64(1) << bits) - u64(1)
    place = hash_of(key, bits)
    while True:
        found = load64(table, 8 * i64(place))
        if found == key:
            return 0
        if found == u64(0):
            store64(table, 8 * i64(place), key)
            return 1
        place = place + u64(1) & mask


@inline
def has_hash(table, bits, key):
    """Return whether *key* is in the set."""
    mask = (u64(1) << bits) - u64(1)
    place = hash_of(key, bits)
    while True:
        found = load64(table, 8 * i64(place))
        if found == u64(0):
            return False
        if found == key:
            return True
        place = place + u64(1) & mask


@inline
def put_seen(table, bits, key):
    """Add *key* to the set and to the filter behind it; return whether it is new.

    The filter has a bit for each of 8 times as many hashes as the set has slots.
    """
    place = hash_of(key, bits + u64(3))
    at = i64((u64(8) << bits) + (place >> u64(3)))
    store8(table, at, load8(table, at) | u64(1) << (place & u64(7)))
    return put_hash(table, bits, key)


@inline
def has_seen(table, bits, key):
    """Return whether *key* is in the set; mostly the filter, in a nearer cache, has the answer."""
    place = hash_of(key, bits + u64(3))
    at = i64((u64(8) << bits) + (place >> u64(3)))
    if load8(table, at) >> (place & u64(7)) & u64(1) == u64(0):
        return False
    return has_hash(table, bits, key)


@inline
def put_bit(table, bits, key):
    """Add *key*, less than ``2^bits``, to the set; return 0, since the set never grows."""
    place = i64(key >> u64(3))
    store8(table, place, load8(table, place) | u64(1) << (key & u64(7)))
    return 0


@inline
def has_bit(table, bits, key):
    """Return whether *key* is in the set."""
    return load8(table, i64(key >> u64(3))) >> (key & u64(7)) & u64(1) != u64(0)


def _insertion(put):
    @inline
    def insert(table, bits, base, s, end, k):
        """Add *base* plus each sum of k of ``s[1:end]``; return how many are new."""
        new = 0
        if k == 0:
            new += put(table, bits, base)
        elif k == 1:
            for a in range(1, end):
                new += put(table, bits, base ^ load64(s, 8 * a))
        elif k == 2:
            for a in range(2, end):
                one = base ^ load64(s, 8 * a)
                for b in range(1, a):
                    new += put(table, bits, one ^ load64(s, 8 * b))
        else:
            for a in range(3, end):
                one = base ^ load64(s, 8 * a)
                for b in range(2, a):
                    two = one ^ load64(s, 8 * b)
                    for c in range(1, b):
                        new += put(table, bits, two ^ load64(s, 8 * c))
        return new

    return insert


def _search(has):
    @inline
    def find(table, bits, base, s, end, k):
        """Return *base* plus the first sum of k of ``s[1:end]`` that is in the table; else 0."""
        if k == 0:
            if has(table, bits, base):
                return base
        elif k == 1:
            for a in range(1, end):
                one = base ^ load64(s, 8 * a)
                if has(table, bits, one):
                    return one
        elif k == 2:
            for a in range(2, end):
                one = base ^ load64(s, 8 * a)
                for b in range(1, a):
                    two = one ^ load64(s, 8 * b)
                    if has(table, bits, two):
                        return two
        else:
            for a in range(3, end):
                one = base ^ load64(s, 8 * a)
                for b in range(2, a):
                    two = one ^ load64(s, 8 * b)
                    for c in range(1, b):
                        three = two ^ load64(s, 8 * c)
                        if has(table, bits, three):
                            return three
        return u64(0)

    return find


_insert_seen, _find_seen = _insertion(put_seen), _search(has_seen)
_insert_bit, _find_bit = _insertion(put_bit), _search(has_bit)


@inline
def choices(n, k):
    """Return the number of ways to choose k <= 3 of n."""
    if k == 0:
        return 1
    if k == 1:
        return n
    if k == 2:
        return (n * (n - 1)) >> 1
    half = n >> 1
    pairs = half * (n - 1) if n == 2 * half else n * ((n - 1) >> 1)
    return i64(float(pairs) * (n - 2) / 3)


@inline
def rehash_kernel(words):
    """Add all keys of one table to another with a filter and return their number.

    Words: table, slots, new table, its bits.
    """
    table, new, bits = load_pointer(words, 0), load_pointer(words, 16), load64(words, 24)
    used = 0
    for i in range(i64(load64(words, 8))):
        key = load64(table, 8 * i)
        if key:
            used += put_seen(new, bits, key)
    return u64(used)


@inline
def span_kernel(words):
    """Find the least d below n at which a pattern of weight p + q + 2 ends, p > 0.

    Returns 0 if there is none, 1 if d is found, 2 if the table must grow first, 3 if more steps
    than the limit are done: a probe is 4, an insertion 128, which waits for memory. The state
    (d, end of what is inserted, used slots, steps, sum found, last index of the next sum of q > 1)
    is read and stored. Words: s, n, p, q, table with a filter, bits, state, limit.
    """
    s, n = load_pointer(words, 0), i64(load64(words, 8))
    p, q = i64(load64(words, 16)), i64(load64(words, 24))
    table, bits, state = load_pointer(words, 32), load64(words, 40), load_pointer(words, 48)
    limit = i64(load64(words, 56))
    d, inserted = i64(load64(state, 0)), i64(load64(state, 8))
    used, steps = i64(load64(state, 16)), i64(load64(state, 24))
    a = i64(load64(state, 40))
    result, most = 0, 3 * (1 << i64(bits)) >> 2
    done = 0
    while d < n:
        while inserted < d:
            sums = choices(inserted - 1, p - 1)
            if used + sums > most:
                result = 2
                break
            used += _insert_seen(table, bits, load64(s, 8 * inserted), s, inserted, p - 1)
            done += 128 * sums
            inserted += 1
        if result:
            break
        if done > limit:
            result = 3
            break
        base = u64(1) ^ load64(s, 8 * d)
        found = u64(0)
        if q < 2:
            found = _find_seen(table, bits, base, s, d, q)
            done += 4 * choices(d - 1, q)
        else:
            while a < d and not found and done <= limit:
                found = _find_seen(table, bits, base ^ load64(s, 8 * a), s, a, q - 1)
                done += 4 * choices(a - 1, q - 1)
                a += 1
        if found:
            store64(state, 32, found)
            result = 1
            break
        if q < 2 or a == d:
            d += 1
            a = q
    store64(state, 0, u64(d))
    store64(state, 8, u64(inserted))
    store64(state, 16, u64(used))
    store64(state, 24, u64(steps + done))
    store64(state, 40, u64(a))
    return u64(result)


@inline
def filter_kernel(words):
    """Put ``s[1:n]`` into a table, and into a filter that has a bit for each of more hashes.

    Words: s, n, table, bits, filter, its bits.
    """
    s, table, bits = load_pointer(words, 0), load_pointer(words, 16), load64(words, 24)
    seen, seen_bits = load_pointer(words, 32), load64(words, 40)
    for i in range(1, i64(load64(words, 8))):
        key = load64(s, 8 * i)
        put_hash(table, bits, key)
        put_bit(seen, seen_bits, hash_of(key, seen_bits))
    return u64(0)


@inline
def span_4_kernel(words):
    """Return the least d, first <= d < last, at which a pattern of weight 4 ends; else 0.

    Most probes end at the filter, which is in a nearer cache than the table. Words: s, first,
    last, table, bits, filter, its bits.
    """
    s, last = load_pointer(words, 0), i64(load64(words, 16))
    table, bits = load_pointer(words, 24), load64(words, 32)
    seen, seen_bits = load_pointer(words, 40), load64(words, 48)
    for d in range(i64(load64(words, 8)), last):
        base = u64(1) ^ load64(s, 8 * d)
        for c in range(2, d):
            key = base ^ load64(s, 8 * c)
            if has_bit(seen, seen_bits, hash_of(key, seen_bits)) and has_hash(table, bits, key):
                for b in range(1, c):
                    if load64(s, 8 * b) == key:
                        return u64(d)
    return u64(0)


@inline
def places_kernel(words):
    """Put ``s[1:n]`` into a table of keys, and each index into a table beside it.

    Words: s, n, keys, indices, bits, filter, its bits.
    """
    s, keys, indices = load_pointer(words, 0), load_pointer(words, 16), load_pointer(words, 24)
    bits, seen, seen_bits = load64(words, 32), load_pointer(words, 40), load64(words, 48)
    for i in range(1, i64(load64(words, 8))):
        place = place_of(keys, bits, load64(s, 8 * i))
        store64(keys, place, load64(s, 8 * i))
        store64(indices, place, u64(i))
        put_bit(seen, seen_bits, hash_of(load64(s, 8 * i), seen_bits))
    return u64(0)


@inline
def place_of(keys, bits, key):
    """Return the offset of *key* in a table, or of the empty slot where it belongs."""
    mask = (u64(1) << bits) - u64(1)
    place = hash_of(key, bits)
    while True:
        found = load64(keys, 8 * i64(place))
        if found == key or found == u64(0):
            return 8 * i64(place)
        place = place + u64(1) & mask


@inline
def count_kernel(words):
    """Count the patterns of weight 3 and 4 from bit 0 to bit d, for each d, first <= d < last.

    Words: s, first, last, keys, indices, bits, numbers (for each d, two),
    filter, its bits.
    """
    s, last = load_pointer(words, 0), i64(load64(words, 16))
    keys, indices, bits = load_pointer(words, 24), load_pointer(words, 32), load64(words, 40)
    out, seen, seen_bits = load_pointer(words, 48), load_pointer(words, 56), load64(words, 64)
    for d in range(i64(load64(words, 8)), last):
        base = u64(1) ^ load64(s, 8 * d)
        place = place_of(keys, bits, base)
        index = i64(load64(indices, place))
        store64(out, 16 * d, u64(1) if 0 < index < d else u64(0))
        number = u64(0)
        for c in range(2, d):
            key = base ^ load64(s, 8 * c)
            if has_bit(seen, seen_bits, hash_of(key, seen_bits)):
                index = i64(load64(indices, place_of(keys, bits, key)))
                if 0 < index < c:
                    number += u64(1)
        store64(out, 16 * d + 8, number)
    return u64(0)


@inline
def profile_kernel(words):
    """Store the bits of the longest codewords that each polynomial protects with a distance.

    0 if that is less than *least*. Words: polynomials (without their highest term), their number,
    width, distance, least, syndromes (room for ``2^width``), set (``2^width`` bits, whole words),
    out, 0 (a variable, since LLVM would clear the set by calling memset).
    """
    polys, width = load_pointer(words, 0), load64(words, 16)
    distance, least = i64(load64(words, 24)), i64(load64(words, 32))
    s, table, out = load_pointer(words, 40), load_pointer(words, 48), load_pointer(words, 56)
    zero = load64(words, 64)
    for number in range(i64(load64(words, 8))):
        poly = load64(polys, 8 * number)
        longest = _order(poly, width, s)  # a pattern of weight 2 has one bit more
        even = count_ones(poly) & u64(1) == u64(1)  # with the highest term
        weight = 3
        while weight < distance and longest >= least:
            if not (even and weight & 1):
                longest = _least_span(s, longest, weight, table, width, zero)
            weight += 1
        store64(out, 8 * number, u64(longest) if longest >= least else u64(0))
    return u64(0)


@inline
def _order(poly, width, s):
    """Store the powers of x and return their number."""
    value, n, top = u64(1), 0, width - u64(1)
    while True:
        store64(s, 8 * n, value)
        n += 1
        value = times_x(value, poly, top)
        if value == u64(1):
            return n


@inline
def _least_span(s, n, weight, table, width, zero):
    """Return the least d below n at which a pattern ends, or n."""
    p = (weight - 1) >> 1
    q = weight - 2 - p
    for i in range(1 << (i64(width) - 6) if width > u64(6) else 1):
        store64(table, 8 * i, zero)
    for d in range(2, n):
        _insert_bit(table, width, load64(s, 8 * (d - 1)), s, d - 1, p - 1)
        if _find_bit(table, width, u64(1) ^ load64(s, 8 * d), s, d, q):
            return d
    return n
