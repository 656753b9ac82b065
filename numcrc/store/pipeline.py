"""Check or hash many objects concurrently, yielding results in order.

Small objects are read in groups, one after another into the buffer of a thread, and hashed
together; large ones in ranges, by all threads. One thread takes pairs from the listing; it also
reads small local files. The calling thread only waits for results, so that an interrupt
ends it at once.
"""

from __future__ import annotations

from _thread import start_new_thread
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat
from queue import Empty, SimpleQueue
from typing import Protocol, cast

from numcrc._light import NamedTuple
from numcrc.store.background import POLL, Failure, Flag
from numcrc.store.compare import Comparison, Computation, Outcome, Task
from numcrc.store.examine import Examiner
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, Result
from numcrc.store.progress import Progress
from numcrc.store.reader import BodyReader
from numcrc.store.retries import Bandwidth, Retries, StoppedError
from numcrc.store.source import Source
from numcrc.store.state import StateFile
from numcrc.store.workers import IDLE, Workers
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
DELIVERY = 256
"""Results that need no work, or yielded ones, of which the other thread is informed together."""


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
        and the number of usable CPUs for local ones, at most ``NUMCRC_NUM_THREADS``.
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
    """Whether the thread that takes pairs reads small objects."""
    group: int
    """Small objects in a group."""
    piece: int
    """Bytes to request at a time."""


def _strategy(source: Source, threads: int | None) -> _Strategy:
    if not source.local:
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
    state: StateFile | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of each pair, in their order.

    Objects are read ahead as far as *limits* allow; closing the iterator stops that. A thread
    takes the *pairs*. An exception that they raise comes after the results of all pairs before it.

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
    state
        Has results that are known, and records others as soon as they arrive, in any order.
    stop
        Called now and then; if it returns true, the iterator ends early.

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
    task = Comparison(
        mode,
        own=own,
        listed=source.listable if listed is None else listed,
        against=against is not None,
    )
    run = _Run(source, against, task, limits, progress, stop)
    # A Comparison gives results only.
    return cast("Generator[Result, None, None]", run.outcomes(pairs, state))


def compute_checksums(
    source: Source,
    entries: Iterable[Entry],
    algorithms: Sequence[str] | None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Entry | Result, None, None]:
    """Yield each entry with its checksums, or a result that says why it has none, in order.

    If *algorithms* is None, the checksums are those that the source keeps, and no body is read.
    The other parameters are those of `check_pairs`. An algorithm that cannot be computed here is a
    ValueError.

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


class EarlyTask(Protocol):
    """Decides which objects need not be examined."""

    def early_result(self, pair: Pair, entry: Entry | None) -> Outcome | None:
        """Return the outcome of a pair, or None if its object must be examined."""
        ...


class GroupExaminer(Protocol):
    """Examines objects in the threads of `Workers`, and delivers the outcomes to them."""

    def examine_group(self, items: Sequence[tuple[int, Pair]], reader: BodyReader) -> None:
        """Examine objects by the numbers of their pairs."""
        ...


def examine_pairs(
    source: Source,
    pairs: Iterable[Pair],
    task: EarlyTask,
    examiner: Callable[[Workers[Outcome], int, Progress], GroupExaminer],
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    state: StateFile | None = None,
    stop: Callable[[], bool] | None = None,
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each pair, in their order, as *task* and an examiner find it.

    *examiner* returns an examiner, given the workers, the bytes of a reader's buffer, and the
    progress. The other parameters are those of `check_pairs`.
    """
    run = _Run(source, None, task, limits, progress, stop, examiner)
    return run.outcomes(pairs, state)


class _Run:
    """One run over many pairs."""

    examiner: GroupExaminer

    def __init__(
        self,
        source: Source,
        against: Source | None,
        task: EarlyTask,
        limits: Limits,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
        examiner: Callable[[Workers[Outcome], int, Progress], GroupExaminer] | None = None,
    ) -> None:
        self._sources = source, against
        self.task = task
        self.max_in_flight = limits.max_in_flight
        self.progress = progress = progress or Progress()
        self._stop = stop or (lambda: False)
        strategy = _strategy(source, limits.threads)
        if examiner is not None:  # which may compute for long, so that threads should share it
            strategy = strategy._replace(inline=False, group=16)
        self.strategy = strategy
        self.threads = min(strategy.threads, limits.max_in_flight // SMALLEST_BUFFER)
        self.closing = closing = Flag()
        size = min(RANGE, limits.max_in_flight // (self.threads + strategy.inline))
        bandwidth = None
        if limits.bandwidth is not None:
            bandwidth = Bandwidth(limits.bandwidth, closing.wait)
            # So that one range takes no more than about a quarter of a second.
            size = min(size, max(SMALLEST_BUFFER, int(limits.bandwidth / 4)))
        self.buffer_size = size
        # Waiting for bandwidth would keep the feeder from taking pairs.
        inline = strategy.inline and bandwidth is None
        retries = Retries(limits.attempts, closing.wait)
        readers = [
            BodyReader(size, strategy.piece, retries, bandwidth, progress, closing.is_set)
            for _ in range(self.threads + inline)
        ]
        self.reader = readers.pop() if inline else None
        """Reads small objects in the thread that takes pairs."""
        self.workers: Workers[Outcome] = Workers(readers, closing)
        if examiner is not None:
            self.examiner = examiner(self.workers, size, progress)
        else:
            self.examiner = Examiner(
                source, against, cast("Task", task), self.workers, size, progress
            )

    def outcomes(
        self, pairs: Iterable[Pair], state: StateFile | None = None
    ) -> Generator[Outcome, None, None]:
        workers = self.workers
        feeder = _Feeder(self, pairs, state)
        del pairs  # see `_Feeder.take_all`
        order = _Order(feeder, workers, state)
        try:
            workers.start(feeder.take_all)
            yield from order.outcomes(self._stop)
        finally:
            # Each thread sees this in a second at most, even if interrupts keep the rest from
            # being done.
            self.closing.on = True
            interrupt = None
            while True:
                try:
                    feeder.wake()
                    if not order.complete:
                        self._interrupt_requests()
                    workers.close()
                    break
                except BaseException as error:
                    interrupt = error
            try:
                with suppress(OSError):
                    order.record_rest()
                if interrupt is not None:
                    raise interrupt
            finally:
                del interrupt  # the exception refers to this frame; a circle would keep both

    def _interrupt_requests(self) -> None:
        """End the requests that threads wait for, if they go through the network."""
        for source in self._sources:
            if (interrupt := getattr(source, "interrupt", None)) is not None:
                with suppress(RuntimeError):  # there are too many threads
                    # It takes locks, which an interrupt of this thread could leave held.
                    start_new_thread(interrupt, ())


class _Feeder:
    """Takes pairs, in a thread, as far ahead of the yielded outcomes as limits allow.

    Parameters
    ----------
    run : _Run
        Has the task, the limits and the threads.
    pairs : iterable of Pair
        They are taken in `take_all`.
    state : StateFile, optional
        Has known results.
    """

    def __init__(self, run: _Run, pairs: Iterable[Pair], state: StateFile | None) -> None:
        self._run = run
        self._pairs = pairs
        self._state = state
        self._group_bytes = min(GROUP_BYTES, run.buffer_size)
        self._group_items = run.strategy.group
        self._group: list[tuple[int, Pair]] = []
        self._weight = 0
        self._early: dict[int, Outcome] = {}
        self._taken = self._ahead = self._bytes = 0
        self._sizes: dict[int, int] = {}  # of the objects that are being examined
        self._room: SimpleQueue[tuple[int, int]] = SimpleQueue()
        self.count: int | None = None
        """How many pairs there are, once all are taken."""
        self.failure: Failure | None = None
        """The exception after the last pair."""

    def take_all(self) -> None:
        """Take all pairs."""
        # This thread has the only reference, so it ends the iterators, and closes their files.
        pairs, self._pairs = iter(self._pairs), ()
        closing = self._run.closing
        while not closing.on:
            try:
                pair = next(pairs, None)
            except StoppedError:
                return
            except Exception as error:
                self.failure, pair = Failure(error), None
            if pair is None:
                self._flush()
                self.count = self._taken
                self._run.workers.deliver({})  # so that the caller looks
                return
            self._take(pair)
            while not self._has_room():
                self._flush()
                self._wait()

    def arrived(self, outcomes: Iterable[int]) -> None:
        """Note, in the caller's thread, that objects with these numbers are examined."""
        if size := sum(map(self._sizes.pop, outcomes, repeat(0))):
            self._room.put((0, size))

    def wake(self) -> None:
        """Let the thread that takes pairs look whether the run is closing."""
        self._room.put((0, 0))

    def yielded(self, count: int) -> None:
        """Note, in the caller's thread, that *count* more outcomes are yielded."""
        self._room.put((count, 0))

    def _take(self, pair: Pair) -> None:
        number = self._taken
        self._taken += 1
        self._ahead += 1
        outcome: Outcome | None = None
        if self._state is not None:
            outcome = self._state.known(number, pair)
        if outcome is None:
            outcome = self._run.task.early_result(pair, pair.present)
        if outcome is not None:
            self._early[number] = outcome
            self._run.progress.finish((pair,))
            if len(self._early) >= DELIVERY:
                self._deliver_early()
            return
        known = pair.present or pair.expected
        size = UNKNOWN_SIZE if known is None or known.size is None else known.size
        self._group.append((number, pair))
        self._weight += size
        self._sizes[number] = size = min(size, self._run.buffer_size)  # what is in memory of it
        self._bytes += size
        full = self._weight >= self._group_bytes or len(self._group) >= self._group_items
        # A group need not be full if a thread would idle.
        if full or (self._run.reader is None and self._run.workers.idle):
            self._flush()

    def _flush(self) -> None:
        """Hand over everything that was taken."""
        self._deliver_early()
        if not self._group:
            return
        group, self._group, self._weight = self._group, [], 0
        if self._run.reader is None:
            self._run.workers.submit(partial(self._run.examiner.examine_group, group))
        else:
            self._run.examiner.examine_group(group, self._run.reader)

    def _deliver_early(self) -> None:
        if self._early:
            early, self._early = self._early, {}
            self._run.workers.deliver(early)

    def _has_room(self) -> bool:
        if self._ahead < 2 * self._run.threads:
            return True
        return self._ahead < LOOK_AHEAD and self._bytes < self._run.max_in_flight

    def _wait(self) -> None:
        """Wait until outcomes have arrived or are yielded."""
        try:
            count, size = self._room.get(timeout=IDLE)
        except Empty:
            count = size = 0
        self._ahead -= count
        self._bytes -= size
        if self._run.closing.is_set():
            raise StoppedError


class _Order:
    """Yields outcomes in order, and has them recorded as they arrive."""

    def __init__(self, feeder: _Feeder, workers: Workers[Outcome], state: StateFile | None) -> None:
        self._feeder = feeder
        self._workers = workers
        self._state = state
        self._last = ""  # the key of the last outcome that was yielded
        self.complete = False
        """Whether all outcomes are yielded."""

    def outcomes(self, stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield all outcomes, or return once *stop* returns true."""
        feeder, ready = self._feeder, dict[int, Outcome]()
        following = noted = 0
        while feeder.count is None or following < feeder.count:
            if stop():
                return
            outcome = ready.pop(following, None)
            if outcome is not None:
                if self._state is not None:
                    self._state.count(following)
                following += 1
                self._last = outcome.key
                yield outcome
                if following - noted < DELIVERY:
                    continue
            if following > noted:
                feeder.yielded(following - noted)
                noted = following
            if following not in ready:
                arrived = self._workers.wait(POLL)
                self._record(arrived)
                feeder.arrived(arrived)
                ready.update(arrived)
        self.complete = True
        if feeder.failure is not None:
            feeder.failure.reraise()

    def record_rest(self) -> None:
        """Record outcomes that have arrived since."""
        for arrived in self._workers.rest():
            self._record(arrived)

    def _record(self, arrived: Mapping[int, Outcome]) -> None:
        if self._state is not None and arrived:
            self._state.record(cast("Mapping[int, Result]", arrived), self._last)
