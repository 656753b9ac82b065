"""Test web servers as sources."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from numcrc.store.objects import Entry
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources import open_source
from store.faults import Fault
from store.faulty import FaultyServer
from store.source_support import BODY, keys_of, space


def test_web(faulty: FaultyServer, use: Callable[..., None]) -> None:
    use({})
    stored = faulty.put("a b/%41ü", BODY)
    source = open_source(f"{faulty.endpoint.replace('//', '//user:pass@')}/any")
    assert not source.listable
    assert "pass" not in source.url
    entry = source.stat("a b/%41ü")
    assert entry == Entry("a b/%41ü", len(BODY), (), stored.etag, False, True)
    assert bytes(source.fetch(entry, space())[1]) == BODY
    assert bytes(source.read(entry, 5, space(4))) == BODY[5:9]
    with pytest.raises(StoreError, match="manifest"):
        keys_of(source)
    for key in ("../x", "a/../../x", "/x", ""):
        with pytest.raises(StoreError, match="is not a file below"):
            source.stat(key)
    with pytest.raises(MissingError):
        source.stat("none")

    class Moved(Fault):
        def after(self, reply):
            reply.status, reply.body = 302, b"moved"
            reply.headers["Location"] = f"{faulty.endpoint}/any/target"
            return reply

    faulty.put("key", BODY)
    faulty.put("target", b"target")
    faulty.inject("key", Moved())
    assert bytes(source.fetch(Entry("key"), space())[1]) == b"target"


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\n123456789",
        b"Content-Length: 9\r\n\r\n123456789",
    ],
)
def test_framings(use: Callable[..., None], framing: bytes) -> None:
    use({})
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                # The client may close the connection before the last of these bytes.
                with connection, suppress(ConnectionError):
                    while not connection.recv(1 << 16).endswith(b"\r\n\r\n"):
                        pass
                    answer = b'HTTP/1.1 200 OK\r\nETag: "e"\r\n' + framing
                    for at in range(0, len(answer), 7):
                        connection.sendall(answer[at : at + 7])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        source = open_source(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        entry, found = source.fetch(Entry("key"), space())
        assert (bytes(found), entry.version, entry.size) == (b"123456789", '"e"', 9)
        source.close()
        assert bytes(source.read(Entry("key"), 3, space(2))) == b"45"
        thread.join()
