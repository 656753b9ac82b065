"""Read objects in order, each in one answer, for several threads that want its ranges."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from numcrc.store.objects import Entry
from numcrc.store.source import ChangedError, RetryError
from numcrc.store.sources.transport import Answer, Stream

_MOST = 16
"""Answers that are kept open, although nothing is being read from them."""
_PATIENCE = 0.2
"""Seconds for which a thread waits for another to read what precedes its range."""


class Sequences:
    """The objects of a server without ranges, each from *opened*.

    A range that follows the last one is read on in the same answer. A thread whose range comes
    later waits for its turn; an earlier range takes an answer of its own.
    """

    def __init__(self, opened: Callable[[Entry], Stream]) -> None:
        self._opened = opened
        self._changed = threading.Condition()
        self._sequences: dict[tuple[str, str], _Sequence] = {}
        self._interruptions = 0

    def read(
        self, entry: Entry, start: int, into: memoryview, answer: Answer | None = None
    ) -> memoryview:
        """Return bytes of an object, fewer at its end.

        If *answer* is a `Stream` of the object from its first byte, it is used or closed.
        """
        if isinstance(answer, Stream):
            self._add(entry, answer)
        sequence = self._take(entry, start)
        try:
            if sequence.stream is None or sequence.at > start:
                sequence.close()
                sequence.stream = self._opened(entry)
            stream = sequence.stream
            stream.skip(start - sequence.at)
            data = stream.readinto(into)
            sequence.at = start + len(data)
            if sequence.at == entry.size and stream.readinto(memoryview(bytearray(1))):
                raise ChangedError(f"expected {entry.size} bytes, got more")
        except BaseException:
            sequence.close()
            raise
        else:
            if len(data) < len(into) or sequence.at == stream.length:
                sequence.close()
        finally:
            with self._changed:
                if self._sequences.get((entry.key, entry.version)) is not sequence:
                    sequence.close()  # `close` was called meanwhile
                sequence.busy = False
                self._changed.notify_all()
        return data

    def interrupt(self) -> None:
        """Let threads that wait for their turn raise RetryError."""
        with self._changed:
            self._interruptions += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Close the answers that are not being read."""
        with self._changed:
            for sequence in self._sequences.values():
                if not sequence.busy:
                    sequence.close()
            self._sequences.clear()

    def _add(self, entry: Entry, stream: Stream) -> None:
        """Begin the sequence of an object with *stream*, or close that if there is one already."""
        with self._changed:
            if (entry.key, entry.version) in self._sequences:
                stream.close()
            else:
                sequence = self._sequences[entry.key, entry.version] = _Sequence()
                sequence.stream = stream

    def _take(self, entry: Entry, start: int) -> _Sequence:
        """Return the sequence of an object when it is the turn of the range at *start*."""
        with self._changed:
            interruptions = self._interruptions
            sequence = self._sequences.get((entry.key, entry.version))
            if sequence is None:
                self._make_room()
                sequence = self._sequences[entry.key, entry.version] = _Sequence()
            sequence.waiting.append(start)
            give_up = 0.0
            try:
                while sequence.busy or sequence.at < start:
                    now = time.monotonic()
                    if sequence.busy:
                        give_up = now + _PATIENCE
                    elif start == min(sequence.waiting):
                        give_up = give_up or now + _PATIENCE
                        if now >= give_up:
                            break
                    self._changed.wait(_PATIENCE)
                    if self._interruptions != interruptions:
                        raise RetryError("interrupted")
            finally:
                sequence.waiting.remove(start)
            sequence.busy = True
            return sequence

    def _make_room(self) -> None:
        """Close the oldest sequences that no thread uses, so that one more is not too many."""
        excess = max(0, len(self._sequences) + 1 - _MOST)
        idle = [name for name, one in self._sequences.items() if not one.busy and not one.waiting]
        for name in idle[:excess]:
            self._sequences.pop(name).close()


class _Sequence:
    """An object of which one thread at a time reads."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.at = 0
        """The offset of the next byte of `stream`."""
        self.busy = False
        self.waiting: list[int] = []
        """Where the ranges begin whose threads wait."""

    def close(self) -> None:
        """Close the answer; the next range begins another."""
        if self.stream is not None:
            self.stream.close()
        self.stream, self.at = None, 0
