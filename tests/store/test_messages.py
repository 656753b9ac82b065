"""What a person reads: no control characters, no secrets, and advice on what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_support import run_in_terminal

from numcrc.cli import main
from numcrc.cli.store_commands import resume_hint
from numcrc.store import StoreError, manifest
from numcrc.store.objects import Entry
from numcrc.store.sources import open_source, without_login
from store import stub_azure, stub_gcs, stub_s3, stub_web
from store.faults import Fault, Refuse, Reply
from store.faulty import ALWAYS, EVERYTHING, FaultyServer, Stub
from store.source_support import BODY, space

STUBS: dict[str, Stub] = {"s3": stub_s3, "gcs": stub_gcs, "azure": stub_azure, "web": stub_web}
CLEAR = "\x1b[2J\x9b2J\x07\r\x7f\u202e"
"""Characters that change a terminal, or the order of a text."""


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a kind of source."""
    name: str = request.param
    return name


@pytest.fixture
def store(kind: str, use: Callable[..., None]) -> Iterator[FaultyServer]:
    """Run a server of this kind."""
    with FaultyServer(STUBS[kind]) as server:
        use(server.env)
        yield server


class Rude(Fault):
    """An error whose texts have control characters."""

    def after(self, reply: Reply) -> Reply:
        """Return the error."""
        text = f"<Error><Code>Denied{CLEAR}</Code><Message>no{CLEAR}</Message></Error>"
        return Reply(403, {"Content-Type": "application/xml"}, text.encode())


@pytest.mark.parametrize("kind", STUBS, indirect=True)
def test_texts_of_a_store_are_escaped(
    store: FaultyServer, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "c").write_bytes(BODY)
    store.put("c", BODY)
    store.inject("c", Rude(), times=ALWAYS, on=EVERYTHING)
    manifest(copy, tmp_path / "m.jsonl")
    source = open_source(store.url)
    with pytest.raises(StoreError) as caught:
        source.fetch(Entry("c"), space())
    assert "Denied\\x1b[2J\\x9b2J\\x07\\r\\x7f\\u202e: no" in str(caught.value)
    assert str(caught.value).isprintable()
    source.close()
    arguments = ["verify", store.url, "--manifest", str(tmp_path / "m.jsonl"), "--one-way"]
    assert main(arguments) == 3
    out, err = capfd.readouterr()
    assert "\\x1b[2J" in out
    assert (out + err).replace("\n", "").isprintable()
    if kind != "web":
        store.inject("", Rude(), times=ALWAYS, on=EVERYTHING)
        for command in (["verify"], ["manifest", "-o", str(tmp_path / "n.jsonl")]):
            assert main([*command, store.url]) == 3
            assert capfd.readouterr().err.replace("\n", "").isprintable()


@pytest.mark.parametrize("kind", STUBS, indirect=True)
def test_results_do_not_control_a_terminal(store: FaultyServer, tmp_path: Path) -> None:
    pytest.importorskip("pty")
    key = f"a{CLEAR}b"
    copy = tmp_path / "copy"
    copy.mkdir()
    store.put(key, BODY)
    (copy / key).write_bytes(BODY)
    (copy / f"missing{CLEAR}").write_bytes(BODY)
    manifest(copy, tmp_path / "m.jsonl")
    store.inject(key, Rude(), times=ALWAYS, on=EVERYTHING)
    for extra in ([], ["--combined"]):
        arguments = ["verify", store.url, "--manifest", str(tmp_path / "m.jsonl"), "--one-way"]
        shown = run_in_terminal(*arguments, "--quiet", *extra)  # a bar moves the cursor
        assert b"missing\\x1b[2J" in shown
        assert shown.decode().replace("\r\n", "").isprintable()


def test_secrets_stay_out_of_messages(
    use: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    login = "me:secret"
    with FaultyServer(stub_web) as server:
        use({})
        server.put("a", BODY)
        server.put("m.jsonl", b'{"key": "a"}\nnonsense\n')
        web = server.url.replace("//", f"//{login}@")
        report, state = tmp_path / "r.jsonl", tmp_path / "state"
        options = ["--report", str(report), "--state", str(state)]
        for arguments in (
            [web],
            [web, "--manifest", f"{web}/m.jsonl", *options],
            [web, "--manifest", f"{web}/none.jsonl"],
            [web, "--manifest", f"{web}/m.jsonl", "--allow-outside"],
            ["tree", "--against", web],
            [f"s3://{login}@bucket/x"],
            [f"gs://{login}@bucket"],
            [f"az://{login}@bucket"],
            [f"file://{login}@host/x"],
            [f"ftp://{login}@host/x"],
            [f"http://{login}@[::1/x"],
            [f"http://{login}@ho\u2100st/x"],
            [f"http://{login}@host:port/x"],
            [f"http://{login}@host/x?y"],
        ):
            assert main(["verify", *arguments, "--attempts", "1"]) in (2, 3)
            shown = "".join(capsys.readouterr())
            assert shown
            assert "secret" not in shown
        server.put("m.jsonl", b'{"key": "a", "size": 10240}\n')
        main(["verify", web, "--manifest", f"{web}/m.jsonl", *options])
        for path in (report, state):
            assert path.exists()
            assert b"secret" not in path.read_bytes()


def test_the_advice_to_go_on_has_no_secrets() -> None:
    arguments = ["http://me:secret@host/a@b", "--state", "s", "--against", "s3://bucket/a:b@c"]
    assert resume_hint("verify", arguments, "s") == (
        "to go on: numcrc verify http://USER:PASSWORD@host/a@b --state s --against s3://bucket/a:b@c"
    )


def test_urls_without_login() -> None:
    assert without_login("https://user:secret@host:1/a@b") == "https://host:1/a@b"
    assert without_login("s3://bucket/a:b@c?d") == "s3://bucket/a:b@c?d"
    assert without_login("a@b/c") == "a@b/c"


ANONYMOUS = {
    "s3": "AWS_ACCESS_KEY_ID",
    "gcs": "gcloud auth application-default login",
    "azure": "AZURE_STORAGE_KEY",
    "web": "https://USER:PASSWORD@",
}


@pytest.mark.parametrize("kind", ANONYMOUS)
def test_refused_without_credentials(
    kind: str, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to set."""
    with FaultyServer(STUBS[kind]) as server:
        env = dict(server.env)
        if kind == "s3":
            del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        elif kind == "azure":
            env = {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={server.endpoint}/account"}
        use(env)
        source = open_source(server.url)
        if kind == "gcs":
            monkeypatch.delenv("STORAGE_EMULATOR_HOST")
        if kind == "azure":
            with pytest.raises(StoreError, match="az login"):
                source.stat("key")  # azure-identity finds no credentials
            source._access._identity = None
        for status, code in REFUSALS[kind]:
            server.inject("key", Refuse(status, code), times=3, on=EVERYTHING)
            with pytest.raises(StoreError, match=ANONYMOUS[kind]):
                source.stat("key")
        source.close()


REFUSALS = {
    "s3": [(403, "AccessDenied"), (400, "InvalidRequest"), (401, "Unauthorized")],
    "gcs": [(401, "required"), (403, "forbidden")],
    "azure": [(409, "PublicAccessNotPermitted"), (401, "NoAuthenticationInformation")],
    "web": [(401, "Unauthorized")],
}


def test_credentials_that_are_refused_get_no_advice(stub: FaultyServer) -> None:
    stub.inject("key", Refuse(403, "AccessDenied"), times=ALWAYS, on=EVERYTHING)
    with pytest.raises(StoreError) as caught:
        open_source(stub.url).stat("key")
    assert "anonymous" not in str(caught.value)


def test_no_checksums_give_one_hint(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        (tree / f"{number}").write_bytes(b"x")
    assert main(["verify", str(tree)]) == 3
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 10
    hints = [line for line in err.splitlines() if "--manifest FILE or --against" in line]
    assert len(hints) == 1
    assert hints[0].startswith("numcrc: 70 objects without a checksum in the store ")
    assert "--report" in hints[0]
    assert main(["verify", str(tree), "--combined"]) == 3
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 70
    assert err.count("--against") == 1
    Path("none.csv").write_text("key\n0\n")
    assert main(["verify", str(tree), "--manifest", "none.csv", "--one-way"]) == 3
    assert "--against" not in capfd.readouterr().err


def test_other_failures_are_all_shown(
    stub: FaultyServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        stub.put(f"{number:02}", BODY)
        stub.inject(f"{number:02}", Refuse(403, "AccessDenied"), times=ALWAYS, on=EVERYTHING)
    assert main(["verify", stub.url]) == 3
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 30
    assert "--against" not in err
