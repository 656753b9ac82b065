"""Send HTTP requests with libcurl on pooled connections, and read bodies into buffers.

libcurl brings HTTP/2, TLS, proxies and IPv6. Redirects and retries are left to the callers.

Of 2000 x 16 KiB from ``rclone serve s3``, 8 at a time, `numcrc verify` needs 1.24 times the CPU
and 1.06 times the time that it needs with a client in Python on plain sockets. libcurl calls
Python for each line of the headers, and threads wait for the GIL each time: with 4 at a time it
needs 16 % less CPU. A GET of 16 KiB takes 127 microseconds of CPU; with other settings:

================================ ===
HTTP/1.1 only                    128
a buffer of 64 KiB               127
no time limits                   129
a share handle                   128
a multi handle that is kept      132
bodies as bytes, not memoryviews 124
no headers for Python            115
================================ ===
"""

from __future__ import annotations

import ctypes
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, TypeAlias

import pycurl

from numcrc import process
from numcrc.checkfiles.names import visible
from numcrc.store.source import RetryError, StoreError
from numcrc.store.sources.answers import LARGEST_PAGE, decimal, head
from numcrc.store.sources.network import (
    common_settings,
    origin,
    proxy_settings,
    trust_settings,
)

TIMEOUT = 60.0
"""Seconds without a byte after which a request fails."""
PATIENCE = 5
"""A request fails after this many times its timeout, plus the time that `SLOWEST` allows."""
SLOWEST = 16 << 10
"""The lowest rate at which the body of an object may arrive, in bytes per second."""
LARGEST_ERROR = 64 << 10
"""Bytes that are read of an error response, at most."""

Body: TypeAlias = "memoryview | Literal['stream'] | None"
"""Where the body of an object goes: into memory, to `Stream.readinto`, or to `Answer.text`."""

_POLL = 0.1
"""Seconds between looks at the deadline of a stream."""
# Error codes of libcurl that pycurl lacks.
_E_WEIRD_SERVER_REPLY = 8
_E_PROXY = 97
# Configuration or trust, which another attempt does not change.
_FINAL = {
    pycurl.E_UNSUPPORTED_PROTOCOL,
    pycurl.E_URL_MALFORMAT,
    pycurl.E_BAD_FUNCTION_ARGUMENT,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_ISSUER_ERROR,
}
# Likewise, of libcurl's CURLPX codes: a SOCKS proxy refuses the name, the login or the target.
_FINAL_FOR_SOCKS = {9, 10, 11, 12, 23, 33}
_REASONS = {
    pycurl.E_OPERATION_TIMEDOUT: "timed out",
    pycurl.E_PARTIAL_FILE: "the body ended early",
    pycurl.E_GOT_NOTHING: "the server closed the connection",
}


class Answer:
    """Status, headers with lower-case names, and body of a response."""

    def __init__(
        self, status: int, headers: dict[str, str], length: int | None, body: memoryview, cut: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        """Bytes of the body that the server announced; None: unknown."""
        self.body = body
        """The body of an object, in the memory that the request named."""
        self.cut = cut
        """Whether the body is longer than that memory, or not the range that was requested."""

    def text(self) -> bytes:
        """Return the body of a response that is not an object."""
        return bytes(self.body)

    def readinto(self, into: memoryview) -> memoryview:
        """Return the body of an object, which is in *into*."""
        return self.body

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the response, if it has not been read to its end."""


class Pool:
    """Connections to the server of a URL, one for each thread that uses it at the same time.

    Proxies are those of the environment variables ``http_proxy``, ``https_proxy``, ``all_proxy``
    and ``no_proxy``, or of the system.

    Parameters
    ----------
    base : str
        A URL; its path is ignored.
    timeout : float
        Seconds without a byte after which a request fails; see also `PATIENCE`.
    authorities : str, optional
        A file or folder of trusted certificates. By default, that of the environment variable
        REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR, or the system's.

    Raises
    ------
    ValueError
        *base* is invalid.
    StoreError
        The URL of the proxy is invalid, or the certificates do not exist.
    """

    def __init__(self, base: str, timeout: float = TIMEOUT, authorities: str | None = None) -> None:
        self._idle: list[_Handle] = []
        self._busy: set[_Handle] = set()
        self._closed = False
        scheme, self.host = origin(base)
        self.base = f"{scheme}://{self.host}"
        self.timeout = timeout
        proxy = proxy_settings(scheme, self.host)
        self.proxy_login = len(proxy) > 1
        self.proxy_methods: int = pycurl.HTTPAUTH_BASIC
        self.settings = (*common_settings(timeout), *proxy, *trust_settings(authorities))
        _pools.add(self)

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], into: Body = None
    ) -> Answer:
        """Return the answer to GET or HEAD of *target*, a quoted path and query.

        Parameters
        ----------
        into : memoryview or 'stream', optional
            Memory for the body of an object, which comes with status 200 or 206; or ``'stream'``
            for a `Stream`. The body of any other response is text.

        Raises
        ------
        RetryError
            The server sends no answer, or an answer that ends early.
        StoreError
            *target* or *headers* cannot be sent, or the server is not trusted, or it sends more
            than `LARGEST_PAGE` bytes of text.
        """
        lines = _lines(target, headers)
        if into == "stream":
            return self._stream(method, target, lines)
        handle = self._take()
        start = _range_start(headers)
        try:
            answer = handle.ask(method, target, lines, into, start)
        except StoreError:
            if self._refused_login(handle):
                return self.ask(method, target, headers, into)
            out_of_step = handle.out_of_step()
            self._give_back(handle)
            if out_of_step:  # its connection is closed now
                return self.ask(method, target, headers, into)
            raise
        except BaseException:
            self.release(handle)
            raise
        if self._refused_login(handle):
            return self.ask(method, target, headers, into)
        self._give_back(handle)
        return answer

    @property
    def busy(self) -> bool:
        """Whether requests are in progress."""
        return bool(self._busy)

    def interrupt(self) -> None:
        """End the requests in progress, in all threads: they raise RetryError."""
        for handle in list(self._busy):
            handle.interrupt()

    def close(self) -> None:
        """Close every connection; those in use are closed once they are idle."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def hold(self, handle: _Handle) -> None:
        """Add a handle that is in use."""
        handle.interrupted = False
        self._busy.add(handle)

    def release(self, handle: _Handle) -> None:
        """Close a handle that was in use."""
        self._busy.discard(handle)
        handle.close()

    def leave_to_parent(self) -> None:
        """Drop all connections in a child process, so that the servers notice nothing."""
        for handle in self._busy:
            handle.cut_off()
            # libcurl was running in a thread that this process does not have.
            for thing in handle.parts:
                _keep_forever(thing)
        for handle in self._idle:
            handle.cut_off()
            handle.close()
        self._idle, self._busy = [], set()

    def _stream(self, method: str, target: str, lines: list[str]) -> Stream:
        handle = _Handle(self)
        self.hold(handle)
        stream = Stream(handle)
        try:
            stream.start(method, target, lines)
        except BaseException:
            again = self._refused_login(handle)
            stream.close()
            if again:
                return self._stream(method, target, lines)
            raise
        if self._refused_login(handle):
            stream.close()
            return self._stream(method, target, lines)
        return stream

    def _refused_login(self, handle: _Handle) -> bool:
        """Return whether the proxy refused a password in plain text, but may take a digest.

        The handle is closed, since libcurl would not try with it again.
        """
        if not self.proxy_login or not handle.refused_login():
            return False
        self.proxy_methods = pycurl.HTTPAUTH_ANY
        self.release(handle)
        return True

    def _take(self) -> _Handle:
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = _Handle(self)
            handle.set_callbacks()
        self.hold(handle)
        return handle

    def _give_back(self, handle: _Handle) -> None:
        self._busy.discard(handle)
        if self._closed:
            handle.close()
        else:
            self._idle.append(handle)


class Stream(Answer):
    """An answer whose body is read piece by piece; it has a connection of its own."""

    def __init__(self, handle: _Handle) -> None:
        super().__init__(0, {}, None, memoryview(b""), False)
        self._handle = handle
        self._multi: Any = pycurl.CurlMulti()
        handle.parts += (self._multi,)
        self._into = memoryview(b"")
        self._at = 0
        self._rest = b""
        """Bytes that arrived beyond the memory to read into."""
        self._paused = self._ended = self._started = False
        self._deadline = 0.0

    def start(self, method: str, target: str, lines: list[str]) -> None:
        """Send a request, and receive the headers of its answer."""
        self._handle.prepare(method, target, lines, 0)
        self._handle.curl.setopt(pycurl.WRITEFUNCTION, self._write, use_memoryview=True)
        self._set_deadline(0)
        self._multi.add_handle(self._handle.curl)
        while not (self._started or self._ended):
            self._step()
        self.status, self.headers, self.length = self._handle.head()

    def readinto(self, into: memoryview) -> memoryview:
        """Fill *into* and return it, or the part of it that the rest of the body fills."""
        self._set_deadline(len(into))
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._into, self._at = into, count
        while self._at < len(into) and not self._ended:
            if self._paused:
                self._paused = False
                self._handle.curl.unpause()
            else:
                self._step()
        self._into = memoryview(b"")
        return into[: self._at]

    def skip(self, count: int) -> None:
        """Read and discard *count* bytes."""
        scratch = memoryview(bytearray(min(count, 1 << 20)))
        while count and (got := len(self.readinto(scratch[:count]))):
            count -= got

    def text(self) -> bytes:
        """Return the rest of the body, as far as it is not too long for an error."""
        return bytes(self.readinto(memoryview(bytearray(LARGEST_ERROR))))

    def close(self) -> None:
        """Close the connection."""
        if not self._multi.closed:
            with suppress(pycurl.error):
                self._multi.remove_handle(self._handle.curl)
            self._multi.close()
        self._handle.pool.release(self._handle)

    def _set_deadline(self, size: int) -> None:
        self._deadline = time.monotonic() + self._handle.allowed(size)

    def _step(self) -> None:
        """Let libcurl work, or wait for the server."""
        handle, before = self._handle, self._at
        _, running = self._multi.perform()
        if not running:
            self._ended = True
            _, _, failed = self._multi.info_read()
            for _, code, reason in failed:
                raise handle.failure(code, reason)
        elif handle.interrupted:
            raise handle.failure(pycurl.E_ABORTED_BY_CALLBACK, "")
        elif time.monotonic() > self._deadline:
            raise handle.failure(pycurl.E_OPERATION_TIMEDOUT, "")
        # There may be no socket to wait for yet.
        elif self._at == before and not self._paused and self._multi.select(_POLL) <= 0:
            time.sleep(0.001)

    def _write(self, chunk: memoryview) -> int | None:
        self._started = True
        room = len(self._into) - self._at
        if not room:
            self._paused = True
            return int(pycurl.WRITEFUNC_PAUSE)
        count = min(room, len(chunk))
        self._into[self._at : self._at + count] = chunk[:count]
        self._at += count
        self._rest = bytes(chunk[count:])
        return None


class _Handle:
    """A handle of libcurl and its connection, for one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.interrupted = False
        self.curl: Any = pycurl.Curl()
        self.parts: tuple[Any, ...] = (self.curl,)
        """The objects of libcurl that work together."""
        self._lines: list[bytes] = []
        self._into: memoryview | None = None
        self._start = 0
        self._sink: memoryview | bytearray | None = None
        """Where the body goes; None: no byte of it has arrived."""
        self._at = self._room = 0
        self._cut = False
        self._code = 0
        """The last error of libcurl."""
        self._head_only = self._watched = False
        self._milliseconds = self._login_methods = -1
        self._sockets: set[int] = set()
        self._guard = threading.Lock()
        """Held while a socket is closed, whose number another file may have right after."""
        for option, value in pool.settings:
            if value is None:
                self.curl.unsetopt(option)
            else:
                self.curl.setopt(option, value)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def set_callbacks(self) -> None:
        """Set the callbacks of `ask`, which know the open sockets that `interrupt` shuts down."""
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write, use_memoryview=True)
        self.curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)
        self.curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._close_socket)
        self.curl.setopt(pycurl.XFERINFOFUNCTION, self._progress)

    def ask(
        self, method: str, target: str, lines: list[str], into: memoryview | None, start: int
    ) -> Answer:
        """Send a request and read its answer."""
        self._into, self._start, self._code = into, start, 0
        self._sink, self._at, self._room, self._cut = None, 0, 0, False
        self.prepare(method, target, lines, self.allowed(0 if into is None else len(into)))
        # Python handles signals while it runs code in the main thread; and without a socket,
        # `interrupt` has nothing to shut down.
        watched = not self._sockets or threading.get_ident() == threading.main_thread().ident
        if self._watched != watched:
            self.curl.setopt(pycurl.NOPROGRESS, not watched)
            self._watched = watched
        try:
            self.curl.perform()
        except pycurl.error as error:
            self._code = error.args[0]
            if not self._cut:
                raise self.failure(*error.args) from None
        sink, self._sink, self._into = self._sink, None, None
        status, headers, length = self.head()
        if isinstance(sink, memoryview):
            return Answer(status, headers, length, sink[: self._at], self._cut)
        if self._cut and status < 300:
            raise StoreError(f"expected at most {LARGEST_PAGE} bytes in a page, got more")
        return Answer(status, headers, length, memoryview(sink or b""), False)

    def prepare(self, method: str, target: str, lines: list[str], seconds: float) -> None:
        """Set the options of a request that fails after *seconds*; 0: never."""
        curl, pool = self.curl, self.pool
        self._lines.clear()
        curl.setopt(pycurl.URL, pool.base + target)
        curl.setopt(pycurl.HTTPHEADER, lines)
        # The other options are set only if they change, since each call takes time.
        if self._head_only != (method == "HEAD"):
            self._head_only = not self._head_only
            curl.setopt(pycurl.NOBODY if self._head_only else pycurl.HTTPGET, 1)
        milliseconds = math.ceil(seconds * 1000)
        if milliseconds != self._milliseconds:
            curl.setopt(pycurl.TIMEOUT_MS, milliseconds)
            self._milliseconds = milliseconds
        if self._login_methods != pool.proxy_methods:
            curl.setopt(pycurl.PROXYAUTH, pool.proxy_methods)
            self._login_methods = pool.proxy_methods

    def allowed(self, size: int) -> float:
        """Return the seconds that a body of *size* bytes may take."""
        return PATIENCE * self.pool.timeout + size / SLOWEST

    def head(self) -> tuple[int, dict[str, str], int | None]:
        """Return status, headers, and the length of the body if it is known."""
        curl = self.curl
        found, headers = head(self._lines)
        if headers is None:
            raise RetryError(f"{self.pool.host}: the headers ended early")
        # libcurl takes three digits of a status, and ignores a length that is too large.
        if "content-length" in headers:
            decimal(headers["content-length"])
        length = curl.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T)
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if status != found:
            raise RetryError(f"{self.pool.host}: invalid status line")
        return status, headers, length if length >= 0 else None

    def out_of_step(self) -> bool:
        """Return whether an error is due to bytes after the last answer on the connection."""
        kept = not self.curl.getinfo(pycurl.NUM_CONNECTS)
        return kept and self._code == _E_WEIRD_SERVER_REPLY

    def refused_login(self) -> bool:
        """Return whether the proxy refused a password in plain text."""
        codes = pycurl.RESPONSE_CODE, pycurl.HTTP_CONNECTCODE
        plain = self._login_methods == pycurl.HTTPAUTH_BASIC
        return plain and 407 in map(self.curl.getinfo, codes)

    def failure(self, code: int, text: str) -> StoreError:
        """Return the exception for an error of libcurl."""
        host = self.pool.host
        if self.interrupted:
            return RetryError(f"{host}: interrupted")
        tunnel = self.curl.getinfo(pycurl.HTTP_CONNECTCODE)
        if tunnel >= 300:
            kind = RetryError if tunnel >= 500 else StoreError
            return kind(f"{host}: the proxy refused the connection with HTTP status {tunnel}")
        final = code in _FINAL or (
            code == _E_PROXY and self.curl.getinfo(pycurl.PROXY_ERROR) in _FINAL_FOR_SOCKS
        )
        reason = _REASONS.get(code) or visible(text)
        return (StoreError if final else RetryError)(f"{host}: {reason}")

    def interrupt(self) -> None:
        """End the request, from another thread."""
        with self._guard:
            self.interrupted = True
            for number in self._sockets:
                with suppress(OSError):
                    connection = socket.socket(fileno=number)
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    finally:
                        connection.detach()

    def close(self) -> None:
        """Close the connection."""
        self.curl.close()

    def cut_off(self) -> None:
        """Replace the sockets by the null device, without a word to their servers."""
        self._guard = threading.Lock()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in self._sockets:
            os.dup2(nothing, number, inheritable=False)
        os.close(nothing)

    def _write(self, chunk: memoryview) -> int | None:
        if self._sink is None:
            self._choose_sink()
        at, end = self._at, self._at + len(chunk)
        if end > self._room:
            self._cut = True
            return 0
        self._sink[at:end] = chunk  # type: ignore[index]
        self._at = end
        return None

    def _choose_sink(self) -> None:
        into, lines = self._into, self._lines
        # The usual case, in which nothing precedes the response.
        status = 200 if lines[0].startswith(b"HTTP/1.1 200 ") else head(lines)[0]
        if into is None or status not in (200, 206):
            self._sink = bytearray()
            self._room = LARGEST_PAGE if status < 300 else LARGEST_ERROR
            return
        self._sink, self._room = into, len(into)
        # All of an object instead of a range is of use only if they begin alike. Some servers send
        # ranges with status 200, too.
        if self._start and status == 200 and "content-range" not in (head(lines)[1] or ()):
            self._room = 0

    def _opened(self, number: int, purpose: int) -> int:
        self._sockets.add(number)
        return int(pycurl.SOCKOPT_ERROR if self.interrupted else pycurl.SOCKOPT_OK)

    def _close_socket(self, number: int) -> int:
        with self._guard:
            self._sockets.discard(number)
            socket.close(number)
        return 0

    def _progress(self, *counts: int) -> int:
        return self.interrupted


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for pool in _pools:
        pool.leave_to_parent()


process.in_child.append(_leave_to_parent)


def _keep_forever(thing: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _lines(target: str, headers: Mapping[str, str]) -> list[str]:
    """Return the lines of a request's headers, or raise StoreError if they cannot be sent."""
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    text = target + "".join(lines)
    if not (text.isascii() and text.isprintable()) or " " in target:
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                # Other headers may be secret.
                what = f"version {value!r}" if name == "if-match" else f"header {name}"
                raise StoreError(f"invalid {what}: not printable ASCII")
        raise StoreError("invalid path in a request: not quoted")
    return lines


def _range_start(headers: Mapping[str, str]) -> int:
    asked = headers.get("range")
    return int(asked.partition("=")[2].partition("-")[0]) if asked else 0
