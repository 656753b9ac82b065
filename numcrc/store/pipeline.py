"""Check or hash many objects concurrently, yielding results in order.

Small objects are read in groups, one after another into the buffer of a thread, and hashed
together; large ones in ranges, by all threads. Small local files are read in the calling thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

from numcrc.store.compare import Comparison, Computation, Task
from numcrc.store.examine import Examiner, Outcome
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, Result
from numcrc.store.progress import Progress
from numcrc.store.reader import BodyReader
from numcrc.store.retries import Bandwidth, Retries
from numcrc.store.source import Source
from numcrc.store.workers import Workers
from numcrc.threads import checked_threads, thread_count

MODES = ("full", "stored", "parts")
LOOK_AHEAD = 4096
"""Objects that may be in progress, or finished before one that precedes them."""
RANGE = 8 << 20
"""Bytes of a large object that a thread reads at a time."""
SMALLEST_BUFFER = 64 << 10
"""Bytes."""
GROUP_BYTES = 1 << 20
"""Bytes at which a group of small objects is full."""
UNKNOWN_SIZE = 128 << 10
"""Assumed bytes of an object of unknown size."""
POLL = 0.1
"""Seconds after which *stop* is called again while no result arrives."""


class _Limits(NamedTuple):
    threads: int | None
    max_in_flight: int
    bandwidth: float | None
    attempts: int


class Limits(_Limits):
    """Limits of the resources that a run uses.

    Parameters
    ----------
    threads : int, optional
        How many objects, or ranges of one, to read at a time. By default 8 for remote sources,
        and `numcrc.threads.thread_count` for local ones.
    max_in_flight : int
        Bytes of bodies in memory.
    bandwidth : float, optional
        Bytes per second to read; unlimited by default.
    attempts : int
        How often to try what may work later, such as a request to a busy store.

    Raises
    ------
    ValueError
        A limit is out of range.

    Examples
    --------
    >>> Limits(threads=4, bandwidth=1e6)
    Limits(threads=4, max_in_flight=268435456, bandwidth=1000000.0, attempts=5)
    """

    __slots__ = ()

    def __new__(
        cls,
        threads: int | None = None,
        max_in_flight: int = 256 << 20,
        bandwidth: float | None = None,
        attempts: int = 5,
    ) -> Limits:
        """Return the limits, or raise ValueError."""
        if threads is not None:
            checked_threads(threads)
        if max_in_flight < SMALLEST_BUFFER:
            raise ValueError(
                f"max_in_flight must be at least {SMALLEST_BUFFER} bytes, not {max_in_flight}"
            )
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"bandwidth must be above 0, not {bandwidth}")
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts}")
        return super().__new__(cls, threads, max_in_flight, bandwidth, attempts)


DEFAULT_LIMITS = Limits()


class _Strategy(NamedTuple):
    """The fastest way to read a kind of source."""

    threads: int
    inline: bool
    """Whether the calling thread reads small objects."""
    group: int
    """Small objects in a group."""
    piece: int
    """Bytes to request at a time."""


def _strategy(source: Source, threads: int | None) -> _Strategy:
    scheme, separator, _ = source.url.partition("://")
    if separator and scheme != "file":
        return _Strategy(8 if threads is None else threads, False, 16, RANGE)
    # Reading small files is system calls and Python code, where threads wait for each other.
    # A piece stays in a CPU's second-level cache between the page cache and the checksum.
    return _Strategy(thread_count() if threads is None else threads, True, 256, 512 << 10)


def check_pairs(
    source: Source,
    pairs: Iterable[Pair],
    *,
    mode: str = "full",
    own: bool = False,
    listed: bool | None = None,
    against: Source | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """Yield the result of each pair, in their order.

    Objects are read ahead as far as *limits* allow; closing the iterator stops that. An exception
    of *pairs* is raised after the results of all pairs before it.

    Parameters
    ----------
    mode
        ``"full"``: read bodies. ``"stored"``: compare with the checksums that the source keeps.
        ``"parts"``: also with those that the stored checksums of parts give.
    own
        Whether objects that are not expected are compared with the source's own checksums.
    listed
        Whether objects that are not present are missing, rather than still to be looked up; by
        default, whether the source can be listed.
    against
        The source of the expected objects, which is asked for checksums, and for the body if it
        has none.
    limits
        Threads, memory, bandwidth and attempts.
    progress
        Counts what is done.
    stop
        Called now and then; if it returns true, the iterator ends early.

    Raises
    ------
    ValueError
        An argument is out of range.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from numcrc.store import Checksum, open_source
    >>> expected = Entry("a", 9, (Checksum("crc32c", bytes.fromhex("e3069283")),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     source = open_source(folder)
    ...     pairs = [Pair(entry.key, entry, expected) for entry in source.entries()]
    ...     [(result.key, result.state.value) for result in check_pairs(source, pairs)]
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
    run = _Run(source, against, task, limits, progress, stop)
    return cast("Iterator[Result]", run.outcomes(pairs))  # a Comparison gives results only


def compute_checksums(
    source: Source,
    entries: Iterable[Entry],
    algorithms: Sequence[str] | None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Entry | Result]:
    """Yield each entry with its checksums, or a result that says why it has none, in order.

    If *algorithms* is None, the checksums are those that the source keeps, and no body is read.
    The other parameters and errors are those of `check_pairs`; an algorithm that cannot be
    computed here is a ValueError.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from numcrc.store import open_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"123456789")
    ...     source = open_source(folder)
    ...     for entry in compute_checksums(source, source.entries(), ["crc32c"]):
    ...         print(entry.key, entry.size, entry.checksums[0].value.hex())
    a 9 e3069283
    """
    run = _Run(source, None, Computation(algorithms), limits, progress, stop)
    return run.outcomes(Pair(entry.key, entry, None) for entry in entries)


class _Run:
    """One run over many pairs."""

    def __init__(
        self,
        source: Source,
        against: Source | None,
        task: Task,
        limits: Limits,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._source, self._against = source, against
        self._task = task
        self._max_in_flight = limits.max_in_flight
        self._progress = progress or Progress()
        self._stop = stop or (lambda: False)
        self._strategy = strategy = _strategy(source, limits.threads)
        self._threads = min(strategy.threads, limits.max_in_flight // SMALLEST_BUFFER)
        self._closing = threading.Event()
        self._retries = Retries(limits.attempts, self._closing.wait)
        self._bandwidth = None
        self._range = min(RANGE, limits.max_in_flight // (self._threads + strategy.inline))
        if limits.bandwidth is not None:
            self._bandwidth = Bandwidth(limits.bandwidth, self._closing.wait)
            # So that one range takes no more than about a quarter of a second.
            self._range = min(self._range, max(SMALLEST_BUFFER, int(limits.bandwidth / 4)))

    def outcomes(self, pairs: Iterable[Pair]) -> Iterator[Outcome]:
        # Waiting for bandwidth in this thread would delay results of the others.
        inline = self._strategy.inline and self._bandwidth is None
        readers = [
            BodyReader(
                self._range,
                self._strategy.piece,
                self._retries,
                self._bandwidth,
                self._progress,
                self._closing.is_set,
            )
            for _ in range(self._threads + inline)
        ]
        workers: Workers[Outcome] = Workers(
            readers, self._closing, readers.pop() if inline else None
        )
        examiner = Examiner(
            self._source, self._against, self._task, workers, self._range, self._progress
        )
        try:
            workers.start()
            yield from self._in_order(iter(pairs), workers, examiner)
        finally:
            workers.close()

    def _in_order(
        self, pairs: Iterator[Pair], workers: Workers[Outcome], examiner: Examiner
    ) -> Iterator[Outcome]:
        stop, early_result = self._stop, self._task.early_result
        group_bytes, group_items = min(GROUP_BYTES, self._range), self._strategy.group
        fewest_ahead, most_bytes = 2 * self._threads, self._max_in_flight
        ready: dict[int, Outcome] = {}
        sizes: deque[int] = deque()  # of the objects that are not yielded yet
        bytes_ahead = taken = yielded = 0
        group: list[tuple[int, Pair]] = []
        weight = 0
        failure: Exception | None = None
        more = True
        while more or yielded < taken:
            if stop():
                return
            while more and (
                len(sizes) < fewest_ahead or (len(sizes) < LOOK_AHEAD and bytes_ahead < most_bytes)
            ):
                if workers.inline and yielded in ready:
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
                size = UNKNOWN_SIZE if known is None or known.size is None else known.size
                sizes.append(size)
                bytes_ahead += size
                outcome = early_result(pair, pair.present)
                if outcome is None:
                    group.append((taken, pair))
                    weight += size
                else:
                    ready[taken] = outcome
                    self._progress.add(1, 0)
                taken += 1
                if weight >= group_bytes or len(group) >= group_items:
                    full, group, weight = group, [], 0
                    if workers.run(partial(examiner.examine_group, full)):
                        break
            if yielded in ready:
                yield ready.pop(yielded)
                yielded += 1
                bytes_ahead -= sizes.popleft()
            elif yielded < taken:
                # A group need not be full if a thread would idle, or if it holds the next result.
                if group and (not more or workers.idle or group[0][0] == yielded):
                    workers.run(partial(examiner.examine_group, group))
                    group, weight = [], 0
                ready.update(workers.wait(POLL))
        if failure is not None:
            raise failure
