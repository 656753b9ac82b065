"""Proxies on loopback: HTTP, HTTPS and SOCKS5, with a login."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from store.network_support import Listener


class Proxy(Listener):
    """A proxy that wants a login, and records what it is asked for.

    Parameters
    ----------
    kind : str
        ``http`` or ``socks5``.
    user, password : str
        The login; an empty user: none is wanted.
    method : str
        ``Basic`` or ``Digest``.
    context : SSLContext, optional
        For a proxy that is spoken to in TLS.
    """

    def __init__(
        self,
        kind: str,
        user: str = "",
        password: str = "",
        method: str = "Basic",
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.user, self.password, self.method = kind, user, password, method
        self.seen: list[str] = []
        """Requested hosts and URLs."""
        self.refused = 0
        self.relayed = 0
        """Bytes from servers to clients."""
        self._context = context
        self._open: set[socket.socket] = set()

    def disconnect(self) -> None:
        """End all connections."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def serve(self, connection: socket.socket) -> None:
        """Serve requests of a client."""
        self._open.add(connection)
        with suppress(OSError, ValueError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            with connection:
                if self.kind == "http":
                    while self._http(connection):
                        pass
                else:
                    self._socks(connection)

    def _http(self, client: socket.socket) -> bool:
        head = _until(client, b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        given = next(
            (
                line.split(": ", 1)[1]
                for line in lines
                if line[:20].lower() == "proxy-authorization:"
            ),
            "",
        )
        if not self._admits(method, given):
            self.refused += 1
            challenge = f'{self.method} realm="r"' + ', nonce="n", qop="auth"' * (
                self.method == "Digest"
            )
            client.sendall(
                b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n"
                + f"Proxy-Authenticate: {challenge}\r\n\r\n".encode()
            )
            return True
        self.seen.append(target)
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connected\r\nX-Proxy: yes\r\n\r\n")
                self._relay(client, server)
            return False
        url = urlsplit(target)
        assert headers["host"] == url.netloc
        with socket.create_connection((url.hostname, url.port or 80)) as server:
            path = target[len(f"{url.scheme}://{url.netloc}") :]
            kept = [line for line in lines if not line.lower().startswith("proxy-")]
            request = "\r\n".join([f"{method} {path} HTTP/1.1", "Connection: close", *kept])
            server.sendall(request.encode("latin-1"))
            self._relay(client, server)
        return False

    def _admits(self, method: str, given: str) -> bool:
        if not self.user:
            return True
        if self.method == "Basic":
            login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return given == f"Basic {login}"
        if not given.startswith("Digest "):
            return False
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given))

        def digest(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        first = digest(f"{self.user}:r:{self.password}")
        second = digest(f"{method}:{fields['uri']}")
        middle = ":".join(fields[name] for name in ("nonce", "nc", "cnonce", "qop"))
        return fields["response"] == digest(f"{first}:{middle}:{second}")

    def _socks(self, client: socket.socket) -> None:
        version, count = _exactly(client, 2)
        methods = _exactly(client, count)
        assert version == 5
        wanted = 2 if self.user else 0
        if wanted not in methods:
            self.refused += 1
            client.sendall(b"\x05\xff")
            return
        client.sendall(bytes([5, wanted]))
        if wanted:
            user = _exactly(client, _exactly(client, 2)[1])
            password = _exactly(client, _exactly(client, 1)[0])
            good = (user, password) == (self.user.encode(), self.password.encode())
            client.sendall(bytes([1, not good]))
            if not good:
                self.refused += 1
                return
        *_, kind = _exactly(client, 4)
        if kind == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            family, length = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, _exactly(client, length))
        port = int.from_bytes(_exactly(client, 2), "big")
        self.seen.append(f"{host}:{port}")
        with socket.create_connection((host, port)) as server:
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        self._open.add(server)

        def copy(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
                    self.relayed += len(data) * (source is server)
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join(10)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        data = connection.recv(count - len(found))
        if not data:
            raise ConnectionError
        found += data
    return found


def _until(connection: socket.socket, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        found += _exactly(connection, 1)
    return found
