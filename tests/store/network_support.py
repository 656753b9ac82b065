"""Servers that answer with any bytes, for tests of connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

L = TypeVar("L", bound="Listener")


class Listener:
    """A server on loopback that calls `serve` with each connection, in a thread of its own."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        """Set when the test ends."""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self: L) -> L:
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.disconnect()
        for thread in self._threads:
            thread.join(10)

    def serve(self, connection: socket.socket) -> None:
        """Serve a client until the connection ends."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """End the connections that do not end by `stopping`."""

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()


class RawServer(Listener):
    """Calls *respond* with each connection, in a thread of its own, after the head of a request.

    *respond* gets the connection, the head, and an event that is set when the test ends.
    """

    def __init__(self, respond: Callable[[socket.socket, bytes, threading.Event], object]) -> None:
        super().__init__()
        self.respond = respond
        self.heads: list[bytes] = []
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        """Pass the connection on after each head of a request."""
        connection.settimeout(30)
        with connection, suppress(OSError):
            while head := self._head(connection):
                self.heads.append(head)
                self.respond(connection, head, self.stopping)
                if b"\r\nconnection: keep-alive" not in head.lower():
                    return

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = connection.recv(1 << 16)
            if not data:
                return b""
            head += data
        return head


def answer(text: bytes) -> Callable[[socket.socket, bytes, threading.Event], None]:
    """Return a function that sends *text* and ends the connection."""

    def respond(connection: socket.socket, head: bytes, stopping: threading.Event) -> None:
        connection.sendall(text)

    return respond


def endless(
    start: bytes, piece: bytes, pause: float = 0.0
) -> Callable[[socket.socket, bytes, threading.Event], None]:
    """Return a function that sends *start*, then *piece* for ever, with a *pause* in seconds."""

    def respond(connection: socket.socket, head: bytes, stopping: threading.Event) -> None:
        connection.sendall(start)
        while not stopping.wait(pause) if pause else not stopping.is_set():
            connection.sendall(piece)

    return respond


def silent(connection: socket.socket, head: bytes, stopping: threading.Event) -> None:
    """Send nothing until the test ends."""
    stopping.wait(60)
