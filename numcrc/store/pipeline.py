"""Objects, many at a time, in order: whether they are as expected, or what their checksums are.

Small objects go in groups, one after another into the buffer of a thread, and are computed
together; large ones in ranges, by all threads. Small local files are read where they are listed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

from numcrc.store.compare import Comparison, Computation, Task
from numcrc.store.examine import Outcome, Settler
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, Result
from numcrc.store.reader import Meter, Reader
from numcrc.store.retries import Bandwidth, Retries
from numcrc.store.source import Source
from numcrc.store.workers import Crew
from numcrc.threads import checked_threads, thread_count

__all__ = ["MAX_IN_FLIGHT", "MODES", "Meter", "computed", "results"]

MODES = ("full", "stored", "parts")
MAX_IN_FLIGHT = 256 << 20
AHEAD = 4096
"""Objects that may be under way or wait for one before them."""
RANGE = 8 << 20
"""Bytes of a large object that a thread reads at a time."""
LEAST = 64 << 10
"""Bytes that a thread's buffer has at least."""
GROUP_BYTES = 1 << 20
"""A group of small objects is full when it has so many bytes."""
UNKNOWN = 128 << 10
"""What an object of unknown size counts as."""
POLL = 0.1
"""Seconds between two looks at whether the user wants to go on."""


class _Options(NamedTuple):
    threads: int | None
    max_in_flight: int
    bandwidth: float | None
    attempts: int
    meter: Meter
    stop: Callable[[], bool] | None


class _Lane(NamedTuple):
    """How a kind of source is read fastest."""

    threads: int
    inline: bool
    """Whether small objects are read where they are listed, in one thread."""
    group: int
    """Small objects to a group."""
    piece: int
    """Bytes to ask for at a time."""


def _lane(source: Source, threads: int | None) -> _Lane:
    scheme, separator, _ = source.url.partition("://")
    if separator and scheme != "file":
        threads = 8 if threads is None else checked_threads(threads)
        return _Lane(threads, False, 16, RANGE)
    # Small files are all system calls and Python code: threads get into each other's way.
    # Pieces stay in a CPU's second-level cache from the page cache to the checksum.
    threads = thread_count() if threads is None else checked_threads(threads)
    return _Lane(threads, True, 256, 512 << 10)


def results(
    source: Source,
    pairs: Iterable[Pair],
    *,
    mode: str = "full",
    own: bool = False,
    listed: bool | None = None,
    against: Source | None = None,
    threads: int | None = None,
    max_in_flight: int = MAX_IN_FLIGHT,
    bandwidth: float | None = None,
    attempts: int = 5,
    meter: Meter | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """Yield what becomes of each pair, in their order.

    Objects are read ahead, as far as memory and order allow; closing the iterator ends that. An
    exception of *pairs* comes after the results of all pairs before it.

    Parameters
    ----------
    mode
        ``"full"``: read bodies. ``"stored"``: compare with the checksums that the source keeps;
        ``"parts"``: with those, too, that the stored ones of parts make up.
    own
        What is not expected elsewhere is compared with the source's own checksums.
    listed
        Whether what is not present is missing, rather than to be looked for; by default if the
        source can be listed.
    against
        The source that *expected* is of: asked for checksums, and for the body without any.
    threads
        How many objects or ranges to read at a time.
    max_in_flight
        Bytes in all buffers.
    bandwidth
        Bytes a second.
    attempts
        How often to try in all what may work later.
    meter
        Where to count what is done.
    stop
        Asked now and then: True ends the iterator early.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from numcrc.store.objects import Checksum
    >>> from numcrc.store import open_source
    >>> expected = Entry("a", 9, (Checksum("crc32c", bytes.fromhex("e3069283")),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     source = open_source(folder)
    ...     pairs = [Pair(entry.key, entry, expected) for entry in source.entries()]
    ...     [(result.key, result.state.value) for result in results(source, pairs)]
    [('a', 'match')]
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    task = Comparison(
        mode,
        own=own,
        listed=source.listable if listed is None else listed,
        against=against is not None,
    )
    options = _Options(threads, max_in_flight, bandwidth, attempts, meter or Meter(), stop)
    # A Comparison's outcomes are results.
    return cast("Iterator[Result]", _Checker(source, against, task, options).outcomes(pairs))


def computed(
    source: Source,
    entries: Iterable[Entry],
    algorithms: Sequence[str] | None,
    *,
    threads: int | None = None,
    max_in_flight: int = MAX_IN_FLIGHT,
    bandwidth: float | None = None,
    attempts: int = 5,
    meter: Meter | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Entry | Result]:
    """Yield each entry with its computed checksums, or why there are none, in their order.

    Without *algorithms*, with all checksums that the source keeps, and no body is read. Parameters
    and errors are those of `results`; an algorithm that cannot be computed here is a
    ValueError.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from numcrc.store import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     source = open_source(folder)
    ...     for entry in computed(source, source.entries(), ["crc32c"]):
    ...         print(entry.key, entry.size, entry.checksums[0].value.hex())
    a 9 e3069283
    """
    options = _Options(threads, max_in_flight, bandwidth, attempts, meter or Meter(), stop)
    checker = _Checker(source, None, Computation(algorithms), options)
    return checker.outcomes(Pair(entry.key, entry, None) for entry in entries)


class _Checker:
    """One run over many pairs."""

    def __init__(
        self, source: Source, against: Source | None, task: Task, options: _Options
    ) -> None:
        if options.max_in_flight < LEAST:
            raise ValueError(f"max_in_flight must be at least {LEAST} bytes")
        self._source, self._against = source, against
        self._task = task
        self._options = options
        self._lane = _lane(source, options.threads)
        self._threads = min(self._lane.threads, options.max_in_flight // LEAST)
        self._closing = threading.Event()
        self._retries = Retries(options.attempts, self._closing.wait)
        self._bandwidth = None
        self._range = min(RANGE, options.max_in_flight // (self._threads + self._lane.inline))
        if options.bandwidth is not None:
            self._bandwidth = Bandwidth(options.bandwidth, self._closing.wait)
            # Nobody waits long for leave to read.
            self._range = min(self._range, max(LEAST, int(options.bandwidth / 4)))

    def outcomes(self, pairs: Iterable[Pair]) -> Iterator[Outcome]:
        meter, stop = self._options.meter, self._options.stop
        # Who waits for leave to read must not keep others from being heard.
        inline = self._lane.inline and self._bandwidth is None
        readers = [
            Reader(
                self._range,
                self._lane.piece,
                self._retries,
                self._bandwidth,
                meter,
                self._closing.is_set,
            )
            for _ in range(self._threads + inline)
        ]
        crew: Crew[Outcome] = Crew(readers, self._closing, readers.pop() if inline else None)
        try:
            settler = Settler(self._source, self._against, self._task, crew, self._range, meter)
            yield from self._in_order(iter(pairs), crew, settler, meter, stop or (lambda: False))
        finally:
            crew.close()

    def _in_order(
        self,
        pairs: Iterator[Pair],
        crew: Crew[Outcome],
        settler: Settler,
        meter: Meter,
        stop: Callable[[], bool],
    ) -> Iterator[Outcome]:
        before, largest_group = self._task.before, self._lane.group
        group_bytes = min(GROUP_BYTES, self._range)
        some, most = 2 * self._threads, self._options.max_in_flight
        ready: dict[int, Outcome] = {}
        sizes: deque[int] = deque()  # of all that is not yielded
        ahead = count = turn = 0
        group: list[tuple[int, Pair]] = []
        weight = 0
        failure: Exception | None = None
        more = True
        while more or turn < count:
            if stop():
                return
            while more and (len(sizes) < some or (len(sizes) < AHEAD and ahead < most)):
                if crew.inline and turn in ready:
                    break
                try:
                    pair = next(pairs)
                except StopIteration:
                    more = False
                    break
                except Exception as error:
                    failure, more = error, False
                    break
                known = pair.present or pair.expected
                size = UNKNOWN if known is None or known.size is None else known.size
                sizes.append(size)
                ahead += size
                outcome = before(pair, pair.present)
                if outcome is None:
                    group.append((count, pair))
                    weight += size
                else:
                    ready[count] = outcome
                    meter.add(1, 0)
                count += 1
                if weight >= group_bytes or len(group) >= largest_group:
                    full, group, weight = group, [], 0
                    if crew.do(partial(settler.group, full)):
                        break
            if turn in ready:
                yield ready.pop(turn)
                turn += 1
                ahead -= sizes.popleft()
            elif turn < count:
                if group and (not more or crew.idle):
                    crew.do(partial(settler.group, group))
                    group, weight = [], 0
                ready.update(crew.wait(POLL))
        if failure is not None:
            raise failure
