"""Do the same work on many items in several processes, with results in order.

Small files cost system calls and Python code: two threads take longer for them than one, because
of the interpreter lock, so there are processes. They are forked, which shares the machine code
that is already loaded, and starts no second interpreter. A child ends when its parent does.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import gc
import marshal
import os
import sys
from contextlib import contextmanager, suppress

from numcrc.files import LARGE
from numcrc.threads import thread_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, BinaryIO, NoReturn, TypeAlias, TypeVar

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
_SIGNALS = {_signal.SIGINT, _signal.SIGTERM}


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
    consecutive batches of at most *largest* items; *number* is that of the process. There are
    fewer processes if the system refuses to start *count* of them.
    """
    size = max(1, min(largest, len(items) // (4 * count)))
    batches = [items[i : i + size] for i in range(0, len(items), size)]
    children: list[Child] = []
    if count > 1:
        gc.freeze()  # a collection in a child would copy every page that it visits
    try:
        while count > 1 and not children:
            try:
                for number in range(count):
                    _fork(start, number, batches[number::count], children)
            except OSError:  # half of the descriptors or processes are left for other uses
                count = len(children) // 2
                while children:
                    _end(children.pop())
        if count > 1:
            # Each child has every count-th batch, so taking turns restores the order; a child
            # that is ahead waits on its full pipe.
            yield (_receive(children[turn % count][1]) for turn in range(len(batches)))
        else:
            yield map(start(0), batches)
    finally:
        for child in children:
            _end(child)
        gc.unfreeze()


def in_child(work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
    """Start ``work(item)`` in a child process; return a function that waits for its result."""
    if not CAN_FORK:
        return lambda: work(item)
    children: list[Child] = []
    try:
        _fork(lambda number: work, 0, [item], children)
    except OSError:  # too few descriptors or processes
        return lambda: work(item)

    def result() -> Any:
        try:
            return _receive(children[0][1])
        finally:
            _end(children[0])

    return result


_lifeline: tuple[int, int] | None = None
"""A pipe whose writing end only the parent holds: it closes when the parent ends, in any way."""


def _fork(
    start: Start[T], number: int, batches: Sequence[Sequence[T]], children: list[Child]
) -> None:
    """Fork a process that works on *batches*, and append it to *children*."""
    global _lifeline
    if _lifeline is None:
        _lifeline = os.pipe()
    reading, writing = os.pipe()
    pipe = os.fdopen(reading, "rb")
    # An interrupt between the fork and the append would leave the child behind.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _SIGNALS)
    try:
        pid = os.fork()
        if not pid:  # never returns, since the stack is the parent's
            older = [pipe, *(other for _, other in children)]
            _run_child(start, number, batches, older, writing, mask)
        children.append((pid, pipe))
    except OSError:
        pipe.close()
        raise
    finally:
        os.close(writing)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)


def _run_child(
    start: Start[T],
    number: int,
    batches: Sequence[Sequence[T]],
    unused: Sequence[BinaryIO],
    writing: int,
    mask: set[int],
) -> NoReturn:
    """Write the results of *batches* to a pipe, and end the process."""
    status = 1
    try:
        _end_with_parent()
        for each in _SIGNALS:
            _signal.signal(each, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        for pipe in unused:
            pipe.close()
        work = start(number)
        with open(writing, "wb") as output:
            for batch in batches:
                data = marshal.dumps(work(batch))
                output.write(len(data).to_bytes(_HEADER, "little") + data)
                output.flush()
        status = 0
    except BrokenPipeError:
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)  # without the parent's finalisers and buffers


def _end_with_parent() -> None:
    """Let a thread wait for the end of the parent, and end this process then."""
    assert _lifeline is not None
    reading, writing = _lifeline
    os.close(writing)

    def wait() -> NoReturn:
        os.read(reading, 1)  # nothing is ever written
        os._exit(1)

    with suppress(RuntimeError):  # no thread can be started
        _thread.start_new_thread(wait, ())


def _end(child: Child) -> None:
    pid, pipe = child
    pipe.close()
    os.kill(pid, _signal.SIGKILL)  # for the case that not all results were received
    os.waitpid(pid, 0)


def _receive(pipe: BinaryIO) -> Any:
    # Not marshal.load, which takes an interrupt for the end of the file in old Pythons.
    size = int.from_bytes(pipe.read(_HEADER), "little")
    data = pipe.read(size)
    if not size or len(data) < size:
        raise ChildProcessError("a worker process ended before its work was done")
    return marshal.loads(data)
