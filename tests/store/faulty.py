"""Run a small S3 in this process, with faults that tests inject."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol

from store import stub_s3
from store.faults import Fault, Reply
from store.stub_objects import DictOfObjects, Objects, StubObject
from store.stub_s3 import Request, span

ALWAYS = -1
EVERYTHING = ("GetObject", "HeadObject", "GetObjectAttributes", "ListObjectsV2")


class Stub(Protocol):
    """The module of one kind of store: stub_s3, stub_gcs, stub_azure or stub_web."""

    def env(self, endpoint: str, /) -> dict[str, str]:
        """Return the environment variables that lead a client to this server."""

    def url(self, endpoint: str, /) -> str:
        """Return the URL of a source."""

    def parse(self, method: str, target: str, headers: dict[str, str]) -> Request:
        """Return the request."""

    def answer(self, request: Request, stored: StubObject | None, objects: Objects) -> Reply:
        """Return the right answer."""


@dataclass
class Queued:
    """A fault, how often it will still occur, and to which operations."""

    fault: Fault
    times: int
    operations: Collection[str]


class FaultyServer:
    """Serves ``objects`` from every bucket as one kind of store, and records requests.

    Each request takes the first fault in the queue of its key that applies to it, and only that
    one. Signatures are ignored, listings have no delimiter, and objects cannot be written.

    With *context*, connections are encrypted.
    """

    def __init__(
        self,
        stub: Stub = stub_s3,
        host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.stub = stub
        self.objects: Objects = DictOfObjects()
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._queues: defaultdict[str, list[Queued]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = _Server(host, context)
        self._server.faulty = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if context else "http"
        self.endpoint = f"{scheme}://{shown}:{self._server.server_address[1]}"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that lead a client to this server."""
        return self.stub.env(self.endpoint)

    @property
    def url(self) -> str:
        """The URL of a source with the objects."""
        return self.stub.url(self.endpoint)

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if error is None and self._server.errors:
            raise self._server.errors[0]

    def put(self, key: str, body: bytes | StubObject) -> StubObject:
        """Store an object and return it. Bytes get a CRC-64/NVME, as in S3."""
        stored = body if isinstance(body, StubObject) else StubObject.of(body)
        self.objects[key] = stored
        return stored

    def inject(
        self, key: str, fault: Fault, times: int = 1, on: Collection[str] = ("GetObject",)
    ) -> None:
        """Queue a fault for a number of requests for *key*; listings have the key ``""``.

        Faults queued after one with ``times=ALWAYS`` occur only where that one does not apply.
        """
        with self._lock:
            self._queues[key].append(Queued(fault, times, on))

    def seen(self, operation: str, key: str | None = None) -> list[Request]:
        """Return the requests with this operation, for one key or all."""
        return [r for r in self.requests if r.operation == operation and key in (None, r.key)]

    def respond(self, request: Request) -> Reply:
        """Return the answer, with its fault."""
        self.requests.append(request)
        with self._lock:
            stored = self.objects.get(request.key)
            fault = self._next_fault(request, stored)
            if stored is not None:
                replaced = fault.before(stored)
                if replaced is not stored:
                    self.objects[request.key] = stored = replaced
        reply = self.stub.answer(request, stored, self.objects)
        reply.method = request.method
        return fault.after(reply)

    def _next_fault(self, request: Request, stored: StubObject | None) -> Fault:
        queue = self._queues[request.key]
        found = span(request, stored) if stored is not None else None
        start, stop = found[:2] if found is not None else (0, 0)
        for queued in queue:
            if request.operation in queued.operations and queued.fault.concerns(start, stop):
                queued.times -= queued.times > 0
                if queued.times == 0:
                    queue.remove(queued)
                return queued.fault
        return Fault()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
    faulty: FaultyServer

    def __init__(self, host: str, context: ssl.SSLContext | None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Handler)
        if context is not None:  # the threads of connections do the handshakes
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.connections: set[socket.socket] = set()
        self.errors: list[BaseException] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep the connection, to close it with the server."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Drop the connection."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close connections that clients keep alive, and wait for the threads that serve them."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect; keep other errors."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # headers and a small body in one packet
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer GET."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        faulty = self.server.faulty
        self._send(faulty.respond(faulty.stub.parse(self.command, self.path, headers)))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _send(self, reply: Reply) -> None:
        if reply.raw is not None:
            self.close_connection = not reply.kept
            self._send_raw(reply.raw)
            return
        if reply.pause and reply.pause_at is None:
            self.server.faulty.stopping.wait(reply.pause)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.command not in ("GET", "HEAD"):
            self.close_connection = True  # the body of the request is not read
        self.end_headers()
        body = memoryview(reply.body if self.command != "HEAD" else b"")[: reply.stop]
        if reply.pause_at is not None:
            self.wfile.write(body[: reply.pause_at])
            self.wfile.flush()
            self.server.faulty.stopping.wait(reply.pause)
            body = body[reply.pause_at :]
        self.wfile.write(body)
        if reply.stop is not None:
            self.wfile.flush()
            self.close_connection = True
        if reply.reset:
            self._reset()

    def _send_raw(self, steps: Iterable[bytes | float]) -> None:
        for step in steps:
            if isinstance(step, bytes):
                self.wfile.write(step)
                self.wfile.flush()
            elif self.server.faulty.stopping.wait(step):
                return

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # The server would shut the connection down first, which sends no reset.
        os.close(self.connection.detach())
