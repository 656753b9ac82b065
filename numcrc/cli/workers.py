"""The same work on many items, in order, by several processes.

Processes, because small files are all system calls and Python code: under the interpreter's
lock two threads take longer for them than one. Forked, because a fork shares the machine code
that is already linked and needs no second start of the interpreter.
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
    # Made in the process that uses it, by its number; the result must be marshal's to carry.
    Start: TypeAlias = Callable[[int], Callable[[Sequence[T]], Any]]

# macOS has fork, but its frameworks do not survive it.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
BATCH = 256
# What a process must have to do to be worth its fork, and what doing takes: so long a file,
# and so long a byte of those too short for several threads.
WORTHWHILE, PER_FILE, PER_BYTE = 5e-3, 5e-6, 1.2e-10
SAMPLE = 32
_HEADER = 8  # bytes for the length of a result


def shares(paths: Sequence[str], jobs: int | None) -> tuple[int, int]:
    """Return how many processes should share *paths*, and how many threads each may use.

    *jobs* is their product when the user has a wish.
    """
    most = thread_count(jobs)
    count = 1
    if CAN_FORK:
        worthwhile = most if jobs else int(_seconds(paths) / WORTHWHILE)
        count = max(1, min(most, worthwhile, len(paths)))
    return count, most // count


def _seconds(paths: Sequence[str]) -> float:
    """Return about how long *paths* keep one process, judged by some of them."""
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
    """Work on *items* by *count* processes, which exist while in the ``with`` block.

    What it gives iterates over the results of ``start(number)(batch)``, *number* being the
    process's, for consecutive batches of at most *largest* items.
    """
    size = max(1, min(largest, len(items) // (4 * count)))
    batches = [items[i : i + size] for i in range(0, len(items), size)]
    if count == 1:
        yield map(start(0), batches)
        return
    children: list[tuple[int, BinaryIO]] = []
    gc.freeze()  # a collection in a child would copy every page it looks at
    try:
        for number in range(count):
            children.append(_child(start, number, batches[number::count], children))
        # Each child has every count-th batch, so taking turns gives back the order; a child
        # that is ahead waits on its full pipe.
        yield (_receive(children[turn % count][1]) for turn in range(len(batches)))
    finally:
        for pid, pipe in children:
            _end(pid, pipe)
        gc.unfreeze()


def ahead(work: Callable[[Any], Any], item: Any) -> Callable[[], Any]:
    """Begin ``work(item)`` in a process of its own, and return what waits for its result."""
    if not CAN_FORK:
        return lambda: work(item)
    pid, pipe = _child(lambda number: work, 0, [item], [])

    def result() -> Any:
        try:
            return _receive(pipe)
        finally:
            _end(pid, pipe)

    return result


def _child(
    start: Start[T], number: int, batches: Sequence[Sequence[T]], older: list[tuple[int, BinaryIO]]
) -> tuple[int, BinaryIO]:
    """Fork a process that works on *batches*, and return its id and the pipe of its results."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:  # whatever happens now must end in _work's exit: the stack is the parent's
        os.close(reading)
        for _, pipe in older:
            pipe.close()
        _work(start, number, batches, writing)
    os.close(writing)
    return pid, open(reading, "rb")


def _work(start: Start[T], number: int, batches: Sequence[Sequence[T]], fd: int) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work = start(number)
        with open(fd, "wb") as pipe:
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
        os._exit(status)  # never into the parent's finalisers and buffers


def _end(pid: int, pipe: BinaryIO) -> None:
    pipe.close()
    os.kill(pid, signal.SIGKILL)  # needless unless we are called off
    os.waitpid(pid, 0)


def _receive(pipe: BinaryIO) -> Any:
    # Not marshal.load, which in old Pythons makes an interrupt look like the end of the file.
    size = int.from_bytes(pipe.read(_HEADER), "little")
    data = pipe.read(size)
    if not size or len(data) < size:
        raise ChildProcessError("a worker process ended before its work was done")
    return marshal.loads(data)
