"""Test web servers as sources."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from numcrc.store import verify, write_manifest
from numcrc.store.objects import Entry, State
from numcrc.store.source import MissingError, StoreError
from numcrc.store.sources import open_source
from store.fakes import LARGE, LITTLE, SMALL, expect, flipped
from store.faults import Fault, Reply
from store.faulty import ALWAYS, EVERYTHING, FaultyServer
from store.source_support import BODY, keys_of, space
from store.stub_objects import StubObject


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


class Unsized(Fault):
    """A server that sends neither sizes nor ranges."""

    more = b""
    """Bytes after the object."""

    def before(self, stored: StubObject) -> StubObject:
        """Remember the body."""
        self.body = stored.body + self.more
        return stored

    def after(self, reply: Reply) -> Reply:
        """Return all of it in one chunk."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body)
        reply.raw = (head, b"" if reply.method == "HEAD" else chunks)
        return reply


@pytest.mark.parametrize("sized", [True, False])
def test_a_server_may_send_no_sizes(
    faulty: FaultyServer, use: Callable[..., None], tmp_path: Path, sized: bool
) -> None:
    """An object that is longer than expected is not a match, although it begins right."""
    use({})
    faulty.inject("key", Unsized(), times=ALWAYS, on=EVERYTHING)
    for right in (SMALL, LARGE):
        wanted = expect(right, "crc32", key="key")
        write_manifest(tmp_path / "m.jsonl", [wanted if sized else wanted._replace(size=None)])
        for body in (right, flipped(right), right + b"x", right[:-1]):
            faulty.put("key", body)
            url = f"{faulty.endpoint}/any"
            (result,) = verify(url, manifest=tmp_path / "m.jsonl", limits=LITTLE)
            good = body == right and (sized or right == SMALL)
            assert (result.state is State.MATCH) == good
            if right == LARGE and not sized:
                assert "the store does not send its size" in result.detail


class Longer(Unsized):
    """A body that is longer than the server says elsewhere."""

    more = b"x"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_body_ends_where_the_object_does(
    faulty: FaultyServer, use: Callable[..., None], tmp_path: Path, body: bytes
) -> None:
    use({})
    faulty.put("key", body)
    faulty.inject("key", Longer(), times=ALWAYS)
    write_manifest(tmp_path / "m.jsonl", [expect(body, "crc32", key="key")])
    (result,) = verify(f"{faulty.endpoint}/any", manifest=tmp_path / "m.jsonl", limits=LITTLE)
    assert result.state is State.CHANGED
    assert result.detail == f"key: expected {len(body)} bytes, got more"
