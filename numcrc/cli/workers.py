"""Do the same work on many items in several processes, with results in order.

Small files cost system calls and Python code: two threads take longer for them than one, because
of the interpreter lock, so there are processes. They are forked, which shares the machine code
that is already loaded, and starts no second interpreter.
"""

from __future__ import annotations

import gc
import marshal
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from numcrc.files import LARGE
from numcrc.threads import thread_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO, TypeAlias, TypeVar

    T = TypeVar("T")
    # Called in each process with its number; returns the function that works on a batch, whose
    # results marshal can dump.
    Start: TypeAlias = Callable[[int], Callable[[Sequence[T]], Any]]
    Child: TypeAlias = tuple[int, BinaryIO]

# macOS has fork, but its frameworks do not survive it.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
BATCH = 256
# Seconds of work that are worth a fork, and the cost of a file and of a byte in it. Bytes of
# large files do not count, since threads share those.
WORTHWHILE, PER_FILE, PER_BYTE = 5e-3, 5e-6, 1.2e-10
SAMPLE = 32
_HEADER = 8  # bytes for the length of a result


def shares(paths: Sequence[str], jobs: int | None) -> tuple[int, int]:
    """Return how many processes should share *paths*, and how many threads each may use.

    *jobs* is the limit of their product, if the user gives one.
    """
    most = thread_count(jobs)
    count = 1
    if CAN_FORK:
        worthwhile = most if jobs else int(_seconds(paths) / WORTHWHILE)
        count = max(1, min(most, worthwhile, len(paths)))
    return count, most // count


def _seconds(paths: Sequence[str]) -> float:
    """Return an estimate of the time for *paths* in one process, from a sample of them."""
    sample = paths[:: -(-len(paths) // SAMPLE) or 1]
    seconds = PER_FILE * len(paths)
    for path in sample:
        with suppress(OSError):
            size = os.stat(path).st_size
            if size < LARGE:
                seconds += PER_BYTE * size * len(paths) / len(sample)
    return seconds


@contextmanager
def in_order(
    start: Start[T], items: Sequence[T], count: int, largest: int = BATCH
) -> Iterator[Iterator[Any]]:
    """Work on *items* in *count* processes, which live as long as the ``with`` block.

    The target of the ``with`` block iterates over the results of ``start(number)(batch)`` for
    consecutive batches of at most *largest* items; *number* is that of the process.
    """
    size = max(1, min(largest, len(items) // (4 * count)))
    batches = [items[i : i + size] for i in range(0, len(items), size)]
    if count == 1:
        yield map(start(0), batches)
        return
    children: list[Child] = []
    gc.freeze()  # a collection in a child would copy every page that it visits
    try:
        for number in range(count):
            _fork(start, number, batches[number::count], children)
        # Each child has every count-th batch, so taking turns restores the order; a child that
        # is ahead waits on its full pipe.
        yield (_receive(children[turn % count][1]) for turn in range(len(batches)))
    finally:
        for child in children:
            _end(child)
        gc.unfreeze()


def in_background(work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
    """Start ``work(item)`` in a child process; return a function that waits for its result."""
    if not CAN_FORK:
        return lambda: work(item)
    children: list[Child] = []
    _fork(lambda number: work, 0, [item], children)

    def result() -> Any:
        try:
            return _receive(children[0][1])
        finally:
            _end(children[0])

    return result


def _fork(
    start: Start[T], number: int, batches: Sequence[Sequence[T]], children: list[Child]
) -> None:
    """Fork a process that works on *batches*, and append it to *children*."""
    reading, writing = os.pipe()
    # An interrupt between the fork and the append would leave the child behind.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pid = os.fork()
        if not pid:  # never returns, since the stack is the parent's
            _run_child(start, number, batches, children, reading, writing, mask)
        os.close(writing)
        children.append((pid, os.fdopen(reading, "rb")))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _run_child(
    start: Start[T],
    number: int,
    batches: Sequence[Sequence[T]],
    older: list[Child],
    reading: int,
    writing: int,
    mask: set[int],
) -> NoReturn:
    """Write the results of *batches* to a pipe, and end the process."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(reading)
        for _, pipe in older:
            pipe.close()
        work = start(number)
        with open(writing, "wb") as pipe:
            for batch in batches:
                data = marshal.dumps(work(batch))
                pipe.write(len(data).to_bytes(_HEADER, "little") + data)
                pipe.flush()
        status = 0
    except BrokenPipeError:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)  # without the parent's finalisers and buffers


def _end(child: Child) -> None:
    pid, pipe = child
    pipe.close()
    os.kill(pid, signal.SIGKILL)  # for the case that not all results were received
    os.waitpid(pid, 0)


def _receive(pipe: BinaryIO) -> Any:
    # Not marshal.load, which takes an interrupt for the end of the file in old Pythons.
    size = int.from_bytes(pipe.read(_HEADER), "little")
    data = pipe.read(size)
    if not size or len(data) < size:
        raise ChildProcessError("a worker process ended before its work was done")
    return marshal.loads(data)
