"""HTTP from servers that are slow, endless, short or hostile; interrupts and forks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from numcrc import store
from numcrc.store import pipeline
from numcrc.store.merge import Pair
from numcrc.store.objects import Entry, State
from numcrc.store.source import ChangedError, MissingError, RetryError, StoreError
from numcrc.store.sources import open_source
from numcrc.store.sources.network import shown_url
from numcrc.store.sources.transport import Pool
from numcrc.store.sources.web import WebSource
from store import certificates, stub_azure, stub_gcs, stub_s3, stub_web
from store.faults import Fault, Reply
from store.faulty import ALWAYS, EVERYTHING, FaultyServer
from store.network_support import RawServer, answer, endless, silent
from store.proxies import Proxy
from store.source_support import BODY, space
from store.stub_objects import digest

STUBS = pytest.mark.parametrize("stub_of", [stub_s3, stub_gcs, stub_azure, stub_web])
HEAD = b'HTTP/1.1 200 OK\r\nETag: "e"\r\n'


def opened(raw: RawServer, timeout: float = 0.2) -> WebSource:
    """Return a source with little patience."""
    return WebSource(f"{raw.endpoint}/any", timeout)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        HEAD + b"Content-Length: 60000\r\n\r\n",
        HEAD + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
    ],
    ids=["headers", "body", "until the end", "chunk", "error"],
)
def test_a_server_that_trickles_meets_the_deadline(use: Any, start: bytes) -> None:
    use({})
    with RawServer(endless(start, b"x", 0.02)) as raw:
        source = opened(raw)
        began = time.monotonic()
        with pytest.raises(RetryError, match="timed out"):
            source.fetch(Entry("key"), space(1000))
        assert time.monotonic() - began < 5
        source.close()


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", HEAD + b"Content-Length: 9\r\n\r\n1"]
)
def test_a_silent_server_times_out(use: Any, start: bytes) -> None:
    use({})
    with RawServer(endless(start, b"", 60)) as raw:
        source = opened(raw)
        for call in (
            lambda: source.fetch(Entry("key"), space(1000)),
            lambda: source.read(Entry("key"), 5, space(1000)),
        ):
            began = time.monotonic()
            with pytest.raises(RetryError, match="timed out"):
                call()
            assert time.monotonic() - began < 5
        source.close()


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Bomb: " + b"x" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Bomb: ", b"x" * 1000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nX-Bomb: " + b"x" * 1000 + b"\r\n\r\n"),
        (b"", b"x" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: x\r\n" * 100),
    ],
    ids=["many", "long", "informational", "not HTTP", "chunk size", "trailers"],
)
def test_endless_headers_are_an_error(use: Any, start: bytes, piece: bytes) -> None:
    use({})
    with RawServer(endless(start, piece)) as raw:
        source = opened(raw, 2)
        with pytest.raises(StoreError) as caught:
            source.fetch(Entry("key"), space(1000))
        assert len(str(caught.value)) < 300
        source.close()


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 99999999999\r\n"])
def test_endless_bodies_end_where_the_memory_does(use: Any, framing: bytes) -> None:
    use({})
    with RawServer(endless(HEAD + framing + b"\r\n", b"x" * 65536)) as raw:
        source = opened(raw, 5)
        with pytest.raises(ChangedError, match="got more"):
            source.fetch(Entry("key"), space(100_000))
        source.close()


@pytest.mark.parametrize("status", [404, 500])
def test_endless_errors_are_errors(use: Any, status: int) -> None:
    use({})
    start = f"HTTP/1.1 {status} No\r\n\r\n<Error><Code>Odd</Code>".encode()
    with RawServer(endless(start, b"x" * 65536)) as raw:
        source = opened(raw, 5)
        with pytest.raises(MissingError if status == 404 else RetryError, match="Odd"):
            source.fetch(Entry("key"), space())
        source.close()


def test_endless_listings_are_an_error(use: Any) -> None:
    with RawServer(endless(HEAD + b"\r\n", b"<Contents>" + b"x" * 65536)) as raw:
        use(stub_s3.env(raw.endpoint))
        source = open_source("s3://any")
        with pytest.raises(StoreError, match="expected at most 16777216 bytes"):
            list(source.entries())
        source.close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Cut: ",
        HEAD + b"Content-Length: 9\r\n\r\n12345678",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n1234",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n1234\r\n",
        HEAD + b"Content-Length: -9\r\n\r\n123456789",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"123456789",
    ],
)
def test_early_ends_are_errors(use: Any, text: bytes) -> None:
    use({})
    with RawServer(answer(text)) as raw:
        source = opened(raw, 5)
        with pytest.raises(StoreError):
            source.fetch(Entry("key"), space())
        source.close()


def test_trailers_are_not_headers(use: Any) -> None:
    text = b'Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\nETag: "x"\r\nX: y\r\n\r\n'
    with RawServer(answer(b'HTTP/1.1 100 Continue\r\nETag: "z"\r\n\r\n' + HEAD + text)) as raw:
        use({})
        source = opened(raw, 5)
        entry, found = source.fetch(Entry("key"), space())
        assert (entry.version, bytes(found)) == ('"e"', b"1234")
        source.close()


def test_headers_may_end_with_line_feeds_alone(use: Any) -> None:
    with RawServer(answer(HEAD.replace(b"\r", b"") + b"Content-Length: 4\n\n1234")) as raw:
        use({})
        source = opened(raw, 5)
        entry, found = source.fetch(Entry("key"), space())
        assert (entry.version, bytes(found)) == ('"e"', b"1234")
        source.close()


def test_headers_of_one_name_are_joined(use: Any) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nX: 0\r\n\r\n"
    text = hints + HEAD + b"X: 1\r\nContent-Length: 0\r\nx:  2 \r\n\r\n"
    with RawServer(answer(text)) as raw:
        use({})
        pool = Pool(raw.endpoint)
        found = pool.ask("GET", "/key", {})
        assert found.headers == {"etag": '"e"', "x": "1,2", "content-length": "0"}
        pool.close()


def test_bytes_that_follow_an_answer_late_do_not_spoil_the_next(use: Any) -> None:
    def respond(connection: socket.socket, head: bytes, stopping: threading.Event) -> None:
        if raw.connections == 1 and len(raw.heads) == 2:
            connection.sendall(b"late")
            return
        connection.sendall(HEAD + b"Content-Length: 4\r\n\r\n1234")

    with RawServer(respond) as raw:
        use({})
        pool = Pool(raw.endpoint)
        for _ in range(3):
            assert pool.ask("GET", "/key", {"connection": "keep-alive"}, space()).body == b"1234"
        assert (raw.connections, len(raw.heads)) == (2, 4)
        pool.close()


def test_a_connection_is_kept(use: Any) -> None:
    with RawServer(answer(HEAD + b"Content-Length: 4\r\n\r\n1234")) as raw:
        use({})
        pool = Pool(raw.endpoint)
        keep = {"connection": "keep-alive"}
        for _ in range(5):
            assert pool.ask("GET", "/key", keep, space()).body == b"1234"
        assert raw.connections == 1
        pool.close()


def test_requests_that_fail_in_a_closed_pool_raise_retry_errors(use: Any) -> None:
    def respond(connection: socket.socket, head: bytes, stopping: threading.Event) -> None:
        pool.close()

    with RawServer(respond) as raw:
        use({})
        pool = Pool(raw.endpoint)
        with pytest.raises(RetryError, match="the server closed the connection"):
            pool.ask("GET", "/key", {})


def test_interrupted_requests_end_at_once(use: Any) -> None:
    use({})
    with RawServer(silent) as raw:
        source = opened(raw, 60)
        errors: list[StoreError] = []

        def fetch() -> None:
            try:
                source.fetch(Entry("key"), space())
            except StoreError as error:
                errors.append(error)

        threads = [threading.Thread(target=fetch) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(raw.heads) < 4:
            time.sleep(0.01)
        began = time.monotonic()
        source.interrupt()
        for thread in threads:
            thread.join(10)
        assert time.monotonic() - began < 1
        assert [type(error) for error in errors] == [RetryError] * 4
        assert raw.connections == 4  # none was tried again
        raw.respond = answer(HEAD + b"Content-Length: 4\r\n\r\n1234")
        assert bytes(source.fetch(Entry("key"), space())[1]) == b"1234"
        source.close()


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no alarms")
@pytest.mark.parametrize("stream", [False, True])
def test_signals_interrupt_a_request_in_the_main_thread(use: Any, stream: bool) -> None:
    class Alarm(BaseException):
        pass

    def raise_alarm(*arguments: object) -> None:
        raise Alarm

    use({})
    with RawServer(silent) as raw:
        pool = Pool(raw.endpoint)
        before = signal.signal(signal.SIGALRM, raise_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        began = time.monotonic()
        try:
            with pytest.raises(Alarm):
                pool.ask("GET", "/", {}, "stream" if stream else None)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert time.monotonic() - began < 2
        assert not pool._busy
        pool.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a process")
@pytest.mark.parametrize("where", ["bodies", "listing"])
def test_control_c_ends_a_run_whose_server_is_silent(tmp_path: Path, where: str) -> None:
    with FaultyServer() as server, RawServer(silent) as raw:
        server.put("key", BODY)

        class Wait(Fault):
            def after(self, reply: Reply) -> Reply:
                arrived.set()
                reply.pause = 60
                return reply

        arrived = threading.Event()
        if where == "bodies":
            server.inject("key", Wait(), ALWAYS, EVERYTHING)
        endpoint = server.endpoint if where == "bodies" else raw.endpoint
        command = [sys.executable, "-m", "numcrc", "verify", "s3://any"]
        env = {**os.environ, **stub_s3.env(endpoint)}
        process = subprocess.Popen(command, env=env, stdout=-1, stderr=-1, text=True)
        give_up = time.monotonic() + 60
        while not (arrived.is_set() or raw.heads) and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        shown = "".join(process.communicate(timeout=30))
        assert time.monotonic() - began < 2 + 1  # the interpreter takes its time
        assert "Traceback" not in shown
        assert process.returncode != 0


@STUBS
def test_a_run_that_is_stopped_leaves_no_request_behind(use: Any, stub_of: Any) -> None:
    """Its thread would wait for a minute, or for as long as the server sends something."""

    class Wait(Fault):
        def after(self, reply: Reply) -> Reply:
            arrived.set()
            reply.pause = 60
            return reply

    arrived, stop = threading.Event(), threading.Event()
    with FaultyServer(stub_of) as server:
        server.put("key", BODY)
        server.inject("key", Wait(), ALWAYS, EVERYTHING)
        use(server.env)
        source = open_source(stub_of.url(server.endpoint))
        before = set(sys._current_frames())
        found = pipeline.check_pairs(
            source, [Pair("key", Entry("key"), Entry("key", len(BODY)))], stop=stop.is_set
        )
        threading.Thread(target=lambda: arrived.wait(60) and stop.set(), daemon=True).start()
        began = time.monotonic()
        assert list(found) == []
        assert stop.is_set()
        while len(set(sys._current_frames()) - before) > 1 and time.monotonic() - began < 10:
            time.sleep(0.01)
        # The thread that is left answers the request.
        assert len(set(sys._current_frames()) - before) <= 1
        source.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_child_takes_no_connection_of_its_parent(
    use: Any, tmp_path: Path, encrypted: bool
) -> None:
    files = certificates.make(tmp_path) if encrypted else None
    with FaultyServer(stub_web, context=files.context if files else None) as server:
        server.put("key", BODY)
        use({"SSL_CERT_FILE": str(files.authority)} if files else {})
        source: Any = open_source(f"{server.endpoint}/any")
        entry, _ = source.fetch(Entry("key"), space())
        (handle,) = source._pool._idle
        port = local_port(handle)
        child = os.fork()
        if not child:
            try:
                good = not source._pool._idle
                good &= bytes(source.fetch(entry, space())[1]) == BODY
                good &= local_port(source._pool._idle[0]) != port
                source.close()
            except BaseException:
                good = False
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert bytes(source.fetch(entry, space())[1]) == BODY
        assert source._pool._idle == [handle]
        assert local_port(handle) == port
        source.close()


def local_port(handle: Any) -> int:
    """Return the port of a connection's own end."""
    import pycurl

    return int(handle.curl.getinfo(pycurl.LOCAL_PORT))


class Moved(Fault):
    """A redirect."""

    def __init__(self, location: str, status: int = 302) -> None:
        self.location, self.status = location, status

    def after(self, reply: Reply) -> Reply:
        """Return the redirect."""
        return Reply(self.status, {"Location": self.location}, b"moved")


def test_redirects_keep_the_login_to_its_server(use: Any) -> None:
    use({})
    with FaultyServer(stub_web) as server, FaultyServer(stub_web) as other:
        other.put("target", b"target")
        server.inject("key", Moved(f"{other.endpoint}/any/target"), ALWAYS, EVERYTHING)
        server.inject("near", Moved("target"), ALWAYS)
        server.put("target", b"near target")
        server.put("a b/ü", b"quoted")
        server.inject("odd", Moved("a b/\xc3\xbc#part"), ALWAYS)
        url = server.endpoint.replace("//", "//me:secret@")
        source = open_source(f"{url}/any")
        assert bytes(source.fetch(Entry("key"), space())[1]) == b"target"
        assert source.stat("key").size == 6
        assert bytes(source.read(Entry("key"), 1, space(2))) == b"ar"
        assert bytes(source.fetch(Entry("near"), space())[1]) == b"near target"
        assert bytes(source.fetch(Entry("odd"), space())[1]) == b"quoted"
        assert all("authorization" in request.headers for request in server.requests)
        assert not any("authorization" in request.headers for request in other.requests)
        source.close()


@pytest.mark.parametrize(
    "location",
    [
        "http://x:abc/",
        "http://[::1/",
        "file:///etc/passwd",
        "javascript:1",
        "//:0/",
        "http://h\x1b[2J/",
        "ftp://me:secret@x/",
    ],
)
def test_invalid_redirects_are_errors(use: Any, location: str) -> None:
    use({})
    with FaultyServer(stub_web) as server:
        server.inject("key", Moved(location), ALWAYS, EVERYTHING)
        source = open_source(f"{server.endpoint}/any")
        for call in (
            lambda: source.fetch(Entry("key"), space()),
            lambda: source.read(Entry("key"), 0, space(3)),
            lambda: source.stat("key"),
        ):
            with pytest.raises(StoreError, match="key: redirected to an invalid URL") as caught:
                call()
            assert "secret" not in str(caught.value)
            assert str(caught.value).isprintable()
        source.close()


def test_redirects_end(use: Any) -> None:
    use({})
    with FaultyServer(stub_web) as server:
        server.inject("key", Moved("key"), ALWAYS, EVERYTHING)
        source = open_source(f"{server.endpoint}/any")
        with pytest.raises(StoreError, match="more than 5 redirects"):
            source.stat("key")
        source.close()


def test_redirects_to_many_servers_keep_few_connections(use: Any) -> None:
    use({})
    with FaultyServer(stub_web) as server:
        server.put("target", b"target")
        source: Any = open_source(f"{server.endpoint}/any")
        port = server.endpoint.rpartition(":")[2]
        for number in range(2, 30):
            server.inject("key", Moved(f"http://127.0.0.{number}:{port}/any/target"))
            with pytest.raises(RetryError):  # the server listens to one address only
                source.fetch(Entry("key"), space())
        assert len(source._others) == 8
        source.close()


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x1b", "\x7f", "\x85", "é", "\u2028"])
@STUBS
def test_versions_with_control_characters_are_not_sent(
    use: Any, stub_of: Any, character: str
) -> None:
    with FaultyServer(stub_of) as server:
        server.put("key", BODY)
        use(server.env)
        source = open_source(stub_of.url(server.endpoint))
        entry = Entry("key", len(BODY), version=f'"a{character}b"')
        for call in (
            lambda: source.fetch(entry, space()),
            lambda: source.read(entry, 0, space(3)),
        ):
            with pytest.raises(StoreError) as caught:
                call()
            assert str(caught.value).isprintable()
        for request in server.requests:
            assert all(value.isprintable() for value in request.headers.values())
        source.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@host:port/",
        "http://me:secret@/",
        "http://me:secret@host/a?b=secret",
        "http://me:secret@host/a#secret",
        "http://host/a?signature=secret",
        "s3://me:secret@bucket/x",
        "http://me:secret@[::1/",
        "http://me:secret@h\x1bost/",
    ],
)
def test_invalid_urls_are_shown_without_their_login(use: Any, url: str) -> None:
    use({})
    with pytest.raises((ValueError, StoreError)) as caught:
        open_source(url)
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_credentials_stay_out_of_messages(use: Any) -> None:
    use(
        stub_azure.env("http://127.0.0.1:1")
        | {
            "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;BlobEndpoint=http://127.0.0.1:1/a;"
            "SharedAccessSignature=sv=1&sig=verysecret"
        }
    )
    for url in ("az://container", "http://me:verysecret@127.0.0.1:1/x"):
        source = open_source(url)
        with pytest.raises(RetryError) as caught:
            source.stat("key")
        assert "verysecret" not in str(caught.value)
        assert "me:" not in str(caught.value)
        source.close()


def test_urls_are_shown_without_secrets() -> None:
    assert shown_url("a") == "a"
    assert shown_url("http://a:b@c@d/e?f") == "http://d/e?..."


class Whole(Fault):
    """All of an object instead of a range."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def after(self, reply: Reply) -> Reply:
        """Drop the range."""
        if reply.status == 206:
            reply.status, reply.body = 200, self.body
            del reply.headers["Content-Range"]
        return reply


@pytest.mark.parametrize("algorithm", ["crc32c", "sha256"])
@STUBS
def test_servers_without_ranges_send_each_object_once(
    use: Any, stub_of: Any, monkeypatch: pytest.MonkeyPatch, algorithm: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(pipeline, "RANGE", 1 << 18)
    body = os.urandom(1 << 20) * 8
    with FaultyServer(stub_of) as server, Proxy("http") as proxy:
        server.put("key", body)
        server.inject("key", Whole(body), ALWAYS)
        sums = tmp_path / "sums"
        sums.write_text(f"{digest(algorithm, body).hex()}  key\n")
        use(server.env | {"http_proxy": f"http://127.0.0.1:{proxy.port}"})
        url = stub_of.url(server.endpoint)
        report = store.verify(url, manifest=sums, algorithm=algorithm, one_way=True)
        assert report.counts == {State.MATCH: 1}
        # What was on its way when a first answer turned out to be useless comes on top.
        assert proxy.relayed < 1.7 * len(body)


def test_what_is_read_on_is_checked(use: Any) -> None:
    body = bytes(range(256)) * 4096
    with FaultyServer(stub_web) as server:
        use({})
        server.put("key", body)
        server.inject("key", Whole(body), ALWAYS, ["GetObject"])
        source = open_source(f"{server.endpoint}/any")
        entry = source.stat("key")
        step = 100_000
        for start in range(0, len(body), step):
            assert bytes(source.read(entry, start, space(step))) == body[start : start + step]
        assert bytes(source.read(entry, 5, space(10))) == body[5:15]
        assert bytes(source.read(entry, 15, space(10))) == body[15:25]
        with pytest.raises(ChangedError):
            source.read(entry._replace(version='"other"'), 0, space(10))
        with pytest.raises(ChangedError):
            source.read(entry._replace(size=5), 0, space(10))
        source.close()
        assert source._sequences._sequences == {}
