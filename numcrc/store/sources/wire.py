"""Keep HTTP/1.1 connections, shared by threads, and read bodies straight into buffers.

Other clients spend most of their time parsing headers as if they were e-mail. So an answer with a
stated length, as nearly every answer has, is parsed here; other framings are left to http.client.

Clients against ``rclone serve s3``, which shared their 2 cores: seconds of wall time and of the
client's CPU, best of 3, Python 3.11.

=================================== ============ ============ ============ ============
client                              2000 x 16 KiB             64 x 4 MiB
----------------------------------- ------------------------- -------------------------
..                                  4 threads    16 threads   4 threads    16 threads
=================================== ============ ============ ============ ============
this module and `sigv4`             0.32, 0.22   0.23, 0.19   0.26, 0.10   0.26, 0.10
their requests by http.client       0.50, 0.44   0.47, 0.43   0.28, 0.12   0.26, 0.09
their requests by urllib3           0.73, 0.69   0.80, 0.78   0.27, 0.12   0.28, 0.14
botocore's signer and urllib3       1.07, 1.00   1.04, 1.01   0.27, 0.12   0.29, 0.15
botocore's get_object, readinto     2.42, 2.38   2.80, 2.76   0.34, 0.21   0.34, 0.23
obstore's get; no checksums         0.35, 0.31   0.27, 0.23   0.30, 0.18   0.34, 0.23
pyarrow.fs; no checksums            0.73, 0.84   0.58, 0.72   0.32, 0.19   0.30, 0.18
=================================== ============ ============ ============ ============

obstore's get_range rejects the status 200 with which this server answers it.
"""

from __future__ import annotations

import base64
import io
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from numcrc._version import __version__
from numcrc.store.source import RetryError, StoreError

TIMEOUT = 60.0
"""Seconds without a byte after which a request fails."""
DRAIN = 64 << 10
"""Bytes of a body that are read to keep a connection, instead of closing it."""
LARGEST_TEXT = 64 << 20
"""Bytes of a response that is not an object: a listing or an error."""
_HEAD = 64 << 10
_END = b"\r\n\r\n"


class BadAnswerError(Exception):
    """The connection broke, or the response is not HTTP."""


class Pool:
    """Connections to the server of a URL, one for each thread that uses it at the same time.

    *authorities* is a file of trusted certificates; None: those of the system.
    """

    def __init__(self, base: str, timeout: float = TIMEOUT, authorities: str | None = None) -> None:
        url = urlsplit(base)
        if not url.hostname or url.scheme not in ("http", "https"):
            raise ValueError(f"invalid endpoint {base}: expected an http:// or https:// URL")
        self.host = url.netloc.rpartition("@")[2]
        self._where = url.hostname, url.port
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=authorities) if url.scheme[4:] else None
        proxy = None if proxy_bypass(self.host) else getproxies().get(url.scheme)
        self._proxy = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        self._absolute, self._login = "", ""
        if self._proxy is not None and self._tls is None:
            self._absolute = f"http://{self.host}"
            self._login = "".join(f"{k}: {v}\r\n" for k, v in _proxy_login(self._proxy).items())
        self._idle: list[Connection] = []
        self._closed = False

    def ask(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a request without a body; the answer's body is not yet read.

        Raises `RetryError` if the server does not answer.
        """
        lines = [f"{method} {self._absolute}{target} HTTP/1.1\r\nHost: {self.host}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        text = f"{''.join(lines)}{self._login}User-Agent: numcrc/{__version__}\r\n\r\n"
        if not text.isascii() or text.count("\n") != len(headers) + 4 + bool(self._login):
            raise StoreError("invalid version in manifest: not a valid header value")
        request = text.encode()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = Connection(self, self._connected())
            try:
                return connection.ask(request, method)
            except (OSError, BadAnswerError) as error:
                connection.close()
                # A server may close an idle connection at the moment when it is used again.
                closed = isinstance(error, (BadAnswerError, ConnectionError))
                if not (connection.uses > 1 and closed and not connection.heard):
                    raise RetryError(f"{self.host}: {_reason(error)}") from error

    def keep(self, connection: Connection) -> None:
        """Take back an idle connection."""
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close every connection; those in use are closed once they are idle."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connected(self) -> socket.socket:
        host, port = self._where
        proxy = self._proxy
        if proxy is not None and proxy.hostname:
            host, port = proxy.hostname, proxy.port or 80
        try:
            if self._tls is None:
                client = HTTPConnection(host, port, self._timeout)
            else:
                client = HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
                if proxy is not None:
                    client.set_tunnel(self._where[0], self._where[1] or 443, _proxy_login(proxy))
            client.connect()
        except ssl.SSLCertVerificationError as error:
            raise StoreError(f"{self.host}: {error.verify_message}") from error
        except (OSError, HTTPException) as error:
            raise RetryError(f"{self.host}: {_reason(error)}") from error
        return client.sock


class Connection:
    """A socket, and bytes received from it that are not read yet."""

    def __init__(self, pool: Pool, sock: socket.socket) -> None:
        self.pool = pool
        self.sock = sock
        self.uses = 0
        self.heard = False
        """Whether a byte was received since the last request."""
        self._buffer = bytearray(_HEAD)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def ask(self, request: bytes, method: str) -> Answer:
        """Send a request and read the head of its answer."""
        self.uses += 1
        self.heard = False
        self.sock.sendall(request)
        at = end = 0
        while (found := self._buffer.find(_END, max(at - 3, 0), end)) < 0:
            at = end
            count = self.sock.recv_into(self._view[end:])
            if not count:
                problem = "the server closed the connection" if end < _HEAD else "endless headers"
                raise BadAnswerError(problem)
            self.heard = True
            end += count
        self._start, self._end = found + 4, end
        status, headers = _head(self._buffer[:found].decode("latin-1"))
        if status == 100:
            raise BadAnswerError("unexpected status 100")
        length = headers.get("content-length", "")
        if method == "HEAD" or status in (204, 304):
            return Answer(self, status, headers, 0)
        if length.isdecimal() and "transfer-encoding" not in headers:
            return Answer(self, status, headers, int(length))
        self._start = 0  # http.client reads the head again
        return Answer(self, status, headers, None, method)

    def readinto(self, into: memoryview) -> int:
        """Read some bytes; 0: the server closed the connection."""
        waiting = self._end - self._start
        if not waiting:
            return self.sock.recv_into(into)
        count = min(waiting, len(into))
        into[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class _Replayed(io.RawIOBase):
    """A connection as the file that http.client reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview, /) -> int:  # type: ignore[override]
        return self._connection.readinto(memoryview(into))

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file, as a socket does."""
        return io.BufferedReader(self)


class Answer:
    """Status, headers with lower-case names, and body; on exit, the connection is free again."""

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: dict[str, str],
        length: int | None,
        method: str = "GET",
    ) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        """Bytes of the body; None: not stated."""
        self._connection = connection
        self._left = length
        self._unusual: HTTPResponse | None = None
        if length is None:
            self._unusual = HTTPResponse(_Replayed(connection), method=method)  # type: ignore[arg-type]
            try:
                self._unusual.begin()
            except HTTPException as error:
                raise BadAnswerError(_reason(error)) from error

    def readinto(self, into: memoryview) -> memoryview:
        """Fill *into* and return it, or the part of it that the rest of the body fills."""
        size = len(into) if self._left is None else min(len(into), self._left)
        into = into[:size]
        at = 0
        while at < size:
            try:
                if self._unusual is not None:
                    count = self._unusual.readinto(into[at:])
                else:
                    count = self._connection.readinto(into[at:])
            except (OSError, HTTPException) as error:
                raise RetryError(f"{self._connection.pool.host}: {_reason(error)}") from error
            if not count:
                if self._left is None:
                    break
                raise RetryError(f"{self._connection.pool.host}: the body ended early")
            at += count
        if self._left is not None:
            self._left -= at
        return into[:at]

    def skip(self, count: int) -> None:
        """Read and discard *count* bytes."""
        scratch = memoryview(bytearray(min(count, 1 << 20)))
        while count and (got := len(self.readinto(scratch[:count]))):
            count -= got

    def text(self) -> bytes:
        """Return the rest of the body, which is not an object."""
        pieces, size = [], 0
        while piece := self.readinto(memoryview(bytearray(min(self._left or DRAIN, 1 << 20)))):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_TEXT:
                raise StoreError(f"{self._connection.pool.host}: a response of {size} bytes")
        return b"".join(pieces)

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection = self._connection
        if kind is None and self._left is not None and 0 < self._left <= DRAIN:
            self.skip(self._left)
        stays = self.headers.get("connection", "").lower() != "close"
        if self._left == 0 and stays and self._unusual is None:
            connection.pool.keep(connection)
        else:
            connection.close()


def _head(text: str) -> tuple[int, dict[str, str]]:
    """Return status and headers; headers of one name are joined by commas."""
    first, *lines = text.split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise BadAnswerError("the response is not HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if version == "HTTP/1.0":
        headers["connection"] = "close"
    return int(rest[:3]), headers


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(error) or type(error).__name__


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}
