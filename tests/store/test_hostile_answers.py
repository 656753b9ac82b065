"""Bad answers of every kind, from every kind of source: none is a match, all name their object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from numcrc.cli import CANNOT_READ, main
from numcrc.store import Limits, manifest, verify
from numcrc.store.objects import Entry, Result, State
from numcrc.store.source import Source, StoreError
from numcrc.store.sources.azure import AzureSource
from numcrc.store.sources.gcs import GcsSource
from numcrc.store.sources.s3 import S3Source
from numcrc.store.sources.web import WebSource
from store import stub_azure, stub_gcs, stub_s3, stub_web
from store.faults import Fault, Headers, Reply
from store.faulty import ALWAYS, EVERYTHING, FaultyServer, Stub
from store.hostile import ALL, DESCRIBED, ENDLESS, QUICK, TIMED, Bad
from store.source_support import BODY, keys_of, space

KINDS: dict[str, tuple[Stub, type]] = {
    "s3": (stub_s3, S3Source),
    "gcs": (stub_gcs, GcsSource),
    "azure": (stub_azure, AzureSource),
    "web": (stub_web, WebSource),
}
LARGE = BODY * 15
"""An object of three ranges under `LITTLE`."""
LITTLE = Limits(threads=8, max_in_flight=8 << 16, attempts=1)
GOOD = [f"good {number}" for number in range(20)]
LISTINGS = ["s3", "gcs", "azure"]
HARMLESS = {"HTTP/3.0"}
"""What libcurl takes for HTTP/1.1, with the right bytes."""
HARMLESS_PAGES = {*HARMLESS, "status 200 and a range"}
"""Likewise of listings."""


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a kind of source."""
    return getattr(request, "param", "s3")


@pytest.fixture
def store(kind: str, use: Callable[..., None]) -> Iterator[FaultyServer]:
    """Run a server."""
    with FaultyServer(KINDS[kind][0]) as server:
        use(server.env)
        yield server


def opened(store: FaultyServer, kind: str, timeout: float = 60.0) -> Source:
    """Return a source at the root of the server."""
    source: Source = KINDS[kind][1](f"{store.url}/", timeout)
    return source


def put(store: FaultyServer, body: bytes, faults: dict[str, Fault]) -> None:
    """Store good objects, and one with each fault."""
    for key in GOOD:
        store.put(key, body)
    for key, fault in faults.items():
        store.put(key, body)
        store.inject(key, fault, times=ALWAYS, on=EVERYTHING)


def check(results: dict[str, Result], faults: dict[str, Fault]) -> None:
    """Check that exactly the good objects match."""
    matches = {key for key, result in results.items() if result.state is State.MATCH}
    assert matches - HARMLESS == set(GOOD)
    assert results.keys() == {*GOOD, *faults}
    for result in results.values():
        if result.state in (State.ERROR, State.CHANGED) and not result.algorithm:
            assert result.detail.startswith(f"{result.key}: ")


def error_of(key: str, call: Callable[[], object]) -> str:
    """Return the error of a call, which names the key; empty: there is none."""
    try:
        call()
    except StoreError as error:
        text = str(error)
    else:
        return ""
    assert text.startswith(f"{key}: ")
    return text


def test_kinds_are_many() -> None:
    assert len(ALL) + sum(map(len, DESCRIBED.values())) >= 200


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_no_bad_answer_is_a_match(
    store: FaultyServer, kind: str, body: bytes, tmp_path: Path
) -> None:
    faults: dict[str, Fault] = {name: Bad(change) for name, change in QUICK.items()}
    put(store, body, {})
    manifest(_copy(tmp_path, [*GOOD, *faults], body), tmp_path / "m.jsonl")
    put(store, body, faults)
    source = opened(store, kind)
    report = verify(source, manifest=tmp_path / "m.jsonl", limits=LITTLE)
    check({result.key: result for result in report}, faults)
    assert report.exit_code == 1
    source.close()


def _copy(folder: Path, names: list[str], body: bytes) -> Path:
    """Return a folder with a good copy of all objects."""
    copy = folder / "copy"
    for name in names:
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return copy


@pytest.mark.parametrize("kind", LISTINGS, indirect=True)
@pytest.mark.parametrize("mode", ["full", "stored"])
def test_no_odd_description_is_a_match(
    store: FaultyServer, kind: str, mode: str, tmp_path: Path
) -> None:
    faults: dict[str, Fault] = {name: Headers(each) for name, each in DESCRIBED[kind].items()}
    put(store, BODY, faults)
    source = opened(store, kind)
    if mode == "full":
        report = verify(source, limits=LITTLE)
    else:
        name = {"s3": "crc64nvme", "gcs": "crc32c", "azure": "md5"}[kind]
        copy = _copy(tmp_path, [*GOOD, *faults], BODY)
        manifest(copy, tmp_path / "m.jsonl", algorithm=name)
        report = verify(source, manifest=tmp_path / "m.jsonl", mode="stored", limits=LITTLE)
    results = {result.key: result for result in report}
    if mode == "stored" and kind != "s3":  # their listings have checksums, too
        assert report.counts == {State.MATCH: len(results)}
    else:
        check(results, faults)
    source.close()


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_every_error_names_the_key(store: FaultyServer, kind: str) -> None:
    faults: dict[str, Fault] = {name: Bad(change) for name, change in QUICK.items()}
    faults |= {name: Headers(each) for name, each in DESCRIBED[kind].items()}
    put(store, BODY, faults)
    source = opened(store, kind)

    def errors(key: str) -> list[str]:
        entry = Entry(key, len(BODY))
        return [
            error_of(key, lambda: source.stat(key)),
            error_of(key, lambda: source.fetch(entry, space())),
            error_of(key, lambda: source.read(entry, 77, space(1000))),
            error_of(key, lambda: source.read(Entry(key), 0, space(1000))),
        ]

    with ThreadPoolExecutor(8) as pool:
        for key, found in zip(faults, pool.map(errors, faults), strict=True):
            assert any(found) or key in BODY_ONLY | HARMLESS, key
        assert not any(map(any, pool.map(errors, GOOD)))
    source.close()


BODY_ONLY = {"a flipped bit", "zeros", "a page to log in", "an error with status 200"}
"""What only a checksum finds."""
for _kind in DESCRIBED.values():
    BODY_ONLY |= _kind.keys()


@pytest.mark.parametrize("kind", LISTINGS, indirect=True)
def test_every_bad_page_is_an_error(store: FaultyServer, kind: str) -> None:
    store.put("key", BODY)
    source = opened(store, kind)
    for name, change in QUICK.items():
        store.inject("", Bad(change), on=["ListObjectsV2"])
        found: list[str] = []
        error = error_of(source.url, lambda found=found: found.extend(keys_of(source)))
        if error:
            assert error.startswith(f"{source.url}: page 1 of the listing: "), name
        else:
            assert found == ["key"]
            assert name in HARMLESS_PAGES
    source.close()


@pytest.mark.parametrize("kind", LISTINGS, indirect=True)
def test_a_bad_page_ends_a_run_with_exit_status_3(
    store: FaultyServer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a head without an end", "a page to log in", "status 404", "garbage"):
        store.inject("", Bad(QUICK[name]), times=ALWAYS, on=["ListObjectsV2"])
        assert main(["verify", f"{store.url}/", "--attempts", "1"]) == CANNOT_READ
        assert f"numcrc: {store.url}/: page 1 of the listing: " in capsys.readouterr().err


def test_no_answer_takes_longer_than_its_deadline(use: Callable[..., None]) -> None:
    """All kinds at once, since each waits."""

    def slowest(name: str, server: FaultyServer) -> float:
        store_kind = next(each for each, (stub, _) in KINDS.items() if stub is server.stub)
        source = opened(server, store_kind, 0.3)
        entry = Entry(name, len(BODY))
        calls: list[Callable[[], object]] = [
            lambda: source.stat(name),
            lambda: source.fetch(entry, space()),
            lambda: source.read(entry, 0, space(len(BODY))),
        ]
        longest = 0.0
        for call in calls:
            start = time.monotonic()
            error_of(name, call)
            longest = max(longest, time.monotonic() - start)
        source.close()
        return longest

    with ExitStack() as stack:
        servers = [stack.enter_context(FaultyServer(stub)) for stub, _ in KINDS.values()]
        use({name: value for server in servers for name, value in server.env.items()})
        for server in servers:
            put(server, BODY, {name: Bad(change) for name, change in TIMED.items()})
        work = [(name, server) for server in servers for name in TIMED]
        with ThreadPoolExecutor(len(work)) as pool:
            assert max(pool.map(slowest, *zip(*work, strict=True))) < 10


def _resident(name: str) -> int:
    """Return a line of this process's memory in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_endless_answers_take_little_memory(store: FaultyServer, kind: str) -> None:
    put(store, BODY, {name: Bad(change) for name, change in ENDLESS.items()})
    source = opened(store, kind)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins at the current use
    except PermissionError:
        pytest.skip("the peak cannot be reset")
    before = _resident("VmRSS")
    for key in ENDLESS:
        error_of(key, lambda key=key: source.stat(key))
        error_of(key, lambda key=key: source.fetch(Entry(key, len(BODY)), space()))
        error_of(key, lambda key=key: source.read(Entry(key), 77, space(1000)))
        if source.listable:
            store.inject("", Bad(ENDLESS[key]), on=["ListObjectsV2"])
            with pytest.raises(StoreError):
                list(source.entries())
    assert _resident("VmHWM") - before < 150 << 10
    source.close()


def test_bytes_after_an_answer_are_not_the_next_answer(store: FaultyServer, kind: str) -> None:
    """A server that says less than it sends cannot put an answer into the mouth of another."""

    class Smuggled(Fault):
        def after(self, reply: Reply) -> Reply:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
            reply.raw, reply.kept = (head + reply.body + head + bytes(len(BODY)),), True
            return reply

    for number in range(20):
        store.put(f"{number:02}", BODY)
    store.inject("05", Smuggled(), times=ALWAYS)
    source = opened(store, kind)
    for number in range(20):
        entry = Entry(f"{number:02}", len(BODY))
        assert bytes(source.fetch(entry, space())[1]) == BODY
    source.close()


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_a_range_says_how_long_the_object_is(store: FaultyServer, kind: str) -> None:
    """Otherwise the object might go on after its last range."""
    store.put("key", BODY)
    source = opened(store, kind)
    entry = Entry("key", len(BODY))
    assert bytes(source.read(entry, 3, space(4))) == BODY[3:7]
    for size in ("*", "7", str(len(BODY) + 1)):
        changes = {"Content-Range": f"bytes 3-6/{size}"}
        store.inject("key", Headers(changes), on=["GetObject"])
        assert error_of("key", lambda: source.read(entry, 3, space(4)))
    source.close()
