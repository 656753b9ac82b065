"""Corporate networks on loopback: proxies, private authorities, IPv6, HTTP/2."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from numcrc.store.objects import Entry
from numcrc.store.source import RetryError, StoreError
from numcrc.store.sources import open_source
from store import certificates, stub_azure, stub_gcs, stub_s3, stub_web
from store.certificates import Certificates
from store.conftest import started
from store.faulty import FaultyServer
from store.proxies import Proxy
from store.servers import NotInstalledError, Server
from store.source_support import BODY, space

USER, PASSWORD = "us er", "p@ss:w/rd%"
LOGIN = f"{quote(USER, '')}:{quote(PASSWORD, '')}"
STUBS = pytest.mark.parametrize("stub_of", [stub_s3, stub_gcs, stub_azure, stub_web])


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make certificates."""
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(files: Certificates) -> Iterator[FaultyServer]:
    """Run a web server with a certificate of a private authority."""
    with FaultyServer(stub_web, context=files.context) as server:
        server.put("key", BODY)
        yield server


def fetched(url: str) -> bytes:
    """Return the object "key"."""
    source = open_source(url)
    try:
        return bytes(source.fetch(Entry("key"), space())[1])
    finally:
        source.close()


def named(endpoint: str) -> str:
    """Return *endpoint* with a name instead of an address."""
    return endpoint.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
def test_proxies_with_a_login_lead_to_https(
    secure: FaultyServer, files: Certificates, use: Any, kind: str, variable: str
) -> None:
    context = files.context if kind == "https" else None
    with Proxy(
        kind[:6].removesuffix("s") if "http" in kind else "socks5", USER, PASSWORD, context=context
    ) as proxy:
        url = f"{kind}://{LOGIN}@localhost:{proxy.port}"
        use({variable: url, "SSL_CERT_FILE": str(files.authority)})
        # This kind of proxy is given the address.
        endpoint = secure.endpoint if kind == "socks5" else named(secure.endpoint)
        assert fetched(f"{endpoint}/any") == BODY
        assert proxy.seen == [endpoint.partition("://")[2]]
        assert not proxy.refused


@STUBS
@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_every_source_uses_proxies(files: Certificates, use: Any, stub_of: Any, kind: str) -> None:
    context = files.context if kind == "https" else None
    name = "socks5" if kind == "socks5" else "http"
    with FaultyServer(stub_of) as server, Proxy(name, USER, PASSWORD, context=context) as proxy:
        server.put("key", BODY)
        scheme = "http_proxy" if kind != "socks5" else "all_proxy"
        where = {scheme: f"{kind}://{LOGIN}@localhost:{proxy.port}"}
        use(server.env | where | {"REQUESTS_CA_BUNDLE": str(files.authority)})
        assert fetched(server.stub.url(server.endpoint)) == BODY
        assert proxy.seen
        assert not proxy.refused


def test_a_proxy_without_a_scheme_speaks_http(use: Any) -> None:
    with FaultyServer(stub_web) as server, Proxy("http") as proxy:
        server.put("key", BODY)
        use({"http_proxy": f"localhost:{proxy.port}"})
        assert fetched(f"{server.endpoint}/any") == BODY
        assert proxy.seen == [f"{server.endpoint}/any/key"]


@pytest.mark.parametrize(
    "hosts", ["127.0.0.1", "example.org,127.0.0.1", "127.0.0.0/8", "*", "NO_PROXY"]
)
def test_no_proxy_names_hosts_and_networks(use: Any, hosts: str) -> None:
    with FaultyServer(stub_web) as server, Proxy("http") as proxy:
        server.put("key", BODY)
        variable = "NO_PROXY" if hosts == "NO_PROXY" else "no_proxy"
        hosts = "127.0.0.1" if hosts == "NO_PROXY" else hosts
        use({"http_proxy": f"http://localhost:{proxy.port}", variable: hosts})
        assert fetched(f"{server.endpoint}/any") == BODY
        assert not proxy.seen


def test_a_proxy_may_want_a_digest(use: Any, secure: FaultyServer, files: Certificates) -> None:
    with FaultyServer(stub_web) as server, Proxy("http", USER, PASSWORD, "Digest") as proxy:
        server.put("key", BODY)
        url = f"http://{LOGIN}@localhost:{proxy.port}"
        use({"all_proxy": url, "SSL_CERT_FILE": str(files.authority)})
        for endpoint in (server.endpoint, secure.endpoint):
            assert fetched(f"{endpoint}/any") == BODY
        assert len(proxy.seen) == 2


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_wrong_login_is_an_error_that_hides_it(
    use: Any, secure: FaultyServer, files: Certificates, kind: str, encrypted: bool
) -> None:
    with FaultyServer(stub_web) as plain, Proxy(kind, USER, PASSWORD) as proxy:
        use(
            {
                "all_proxy": f"{kind}://someone:verysecret@localhost:{proxy.port}",
                "SSL_CERT_FILE": str(files.authority),
            }
        )
        server = secure if encrypted else plain
        with pytest.raises(StoreError) as caught:
            fetched(f"{server.endpoint}/any")
        assert type(caught.value) is StoreError  # another attempt might lock the account
        assert "verysecret" not in repr(caught.value)
        assert "someone" not in repr(caught.value)
        assert not proxy.seen


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@host", "http://me:secret@host:port", "http://me:secret@", "a b://c"]
)
def test_an_invalid_proxy_is_an_error_that_hides_its_login(use: Any, url: str) -> None:
    use({"http_proxy": url, "all_proxy": url} | stub_s3.env("http://127.0.0.1:1"))
    for source in ("http://127.0.0.1:1/any", "s3://any"):
        with pytest.raises(StoreError, match="invalid proxy") as caught:
            open_source(source)
        assert "secret" not in repr(caught.value)


def test_a_proxy_that_is_not_there_is_worth_another_attempt(use: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        use({"http_proxy": f"http://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(RetryError):
            fetched("http://localhost/any")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@STUBS
def test_a_private_authority_is_trusted_by_variable(
    files: Certificates, use: Any, stub_of: Any, variable: str
) -> None:
    with FaultyServer(stub_of, context=files.context) as server:
        server.put("key", BODY)
        use(server.env | {variable: str(files.authority)})
        assert fetched(server.stub.url(server.endpoint)) == BODY


@STUBS
def test_an_unknown_authority_is_not_trusted(files: Certificates, use: Any, stub_of: Any) -> None:
    with FaultyServer(stub_of, context=files.context) as server:
        use(server.env)
        with pytest.raises(StoreError, match="certificate") as caught:
            fetched(server.stub.url(server.endpoint))
        assert type(caught.value) is StoreError


def test_the_bundle_of_aws_comes_first(files: Certificates, use: Any, tmp_path: Path) -> None:
    with FaultyServer(stub_s3, context=files.context) as server:
        server.put("key", BODY)
        wrong, right = str(certificates.make(tmp_path).authority), str(files.authority)
        use(server.env | {"AWS_CA_BUNDLE": right, "REQUESTS_CA_BUNDLE": wrong})
        assert fetched("s3://any") == BODY
        use(server.env | {"AWS_CA_BUNDLE": wrong, "REQUESTS_CA_BUNDLE": right})
        with pytest.raises(StoreError, match="certificate"):
            fetched("s3://any")


def test_the_bundle_may_stand_in_the_configuration_of_aws(
    files: Certificates, use: Any, tmp_path: Path
) -> None:
    with FaultyServer(stub_s3, context=files.context) as server:
        server.put("key", BODY)
        config = tmp_path / "config"
        config.write_text(f"[default]\nca_bundle = {files.authority}\n")
        use(server.env | {"AWS_CONFIG_FILE": str(config)})
        assert fetched("s3://any") == BODY


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl names the files of a folder")
def test_authorities_may_be_a_folder(
    secure: FaultyServer, files: Certificates, use: Any, tmp_path: Path
) -> None:
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(files.authority)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(files.authority.read_bytes())
    for variable in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        use({variable: str(tmp_path)})
        assert fetched(f"{secure.endpoint}/any") == BODY


def test_missing_authorities_are_an_error(secure: FaultyServer, use: Any, tmp_path: Path) -> None:
    use({"SSL_CERT_FILE": str(tmp_path / "none.pem")})
    with pytest.raises(StoreError, match=r"none\.pem"):
        fetched(f"{secure.endpoint}/any")


def test_a_certificate_must_name_the_host(use: Any, tmp_path: Path) -> None:
    files = certificates.make(tmp_path, "example.org")
    with FaultyServer(stub_web, context=files.context) as server:
        use({"SSL_CERT_FILE": str(files.authority)})
        for endpoint in (server.endpoint, named(server.endpoint)):
            with pytest.raises(StoreError, match=r"(?i)certificate") as caught:
                fetched(f"{endpoint}/any")
            assert type(caught.value) is StoreError


def has_ipv6() -> bool:
    """Return whether there is an IPv6 loopback."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@STUBS
@pytest.mark.parametrize("encrypted", [False, True])
def test_ipv6(files: Certificates, use: Any, stub_of: Any, encrypted: bool) -> None:
    with FaultyServer(stub_of, "::1", files.context if encrypted else None) as server:
        server.put("key", BODY)
        use(server.env | {"REQUESTS_CA_BUNDLE": str(files.authority)})
        assert fetched(server.stub.url(server.endpoint)) == BODY
        assert server.requests


class Http2Server(Server):
    """A web server that speaks HTTP/2 if the client wants it."""

    def __init__(self, files: Certificates) -> None:
        super().__init__()
        self.files = files

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which a client trusts this server."""
        return {"SSL_CERT_FILE": str(self.files.authority)}

    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""
        if importlib.util.find_spec("hypercorn") is None:
            raise NotInstalledError("hypercorn is not installed: pip install hypercorn")
        pair = ["--certfile", str(self.files.server), "--keyfile", str(self.files.server)]
        address = ["--bind", f"127.0.0.1:{self.port}", "--workers", "0"]
        application = Path(__file__).with_name("http2_application.py")
        return [sys.executable, "-m", "hypercorn", *address, *pair, f"{application}:answer"]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="session")
def http2(files: Certificates) -> Iterator[Http2Server]:
    """Run a server that speaks HTTP/2."""
    yield from started(Http2Server(files))


def test_http2(http2: Http2Server, use: Callable[..., None]) -> None:
    use(http2.env)
    source: Any = open_source(f"https://127.0.0.1:{http2.port}/")
    for _ in range(2):
        entry, found = source.fetch(Entry("key"), space())
        assert bytes(found) == BODY
    assert entry.version == '"e"'
    assert bytes(source.read(entry, 5, space(10))) == BODY[5:15]
    assert source.stat("key").size == len(BODY)
    (handle,) = source._pool._idle
    import pycurl

    assert handle.curl.getinfo(pycurl.INFO_HTTP_VERSION) == pycurl.CURL_HTTP_VERSION_2_0
    stream = source._pool.ask("GET", "/key", {}, "stream")
    assert bytes(stream.readinto(space())) == BODY
    stream.close()
    source.close()


@pytest.mark.parametrize("found", ["None", "ModuleType('pycurl')"], ids=["none", "an old one"])
def test_without_pycurl_the_extra_is_named(found: str) -> None:
    code = (
        "import sys; from types import ModuleType\n"
        f"sys.modules['pycurl'] = old = {found}\n"
        "if old: old.version = 'PycURL/7.45.7'\n"
        "from numcrc.store import open_source\n"
        "for url in ('s3://b', 'gs://b', 'az://b', 'https://h/'):\n"
        "    try: open_source(url)\n"
        "    except ImportError as error: print(error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    extras = [line.rpartition("[")[2] for line in shown.stdout.splitlines()]
    assert extras == ["s3]'", "gcs]'", "azure]'", "web]'"]
    assert "needs pycurl 7.48 or later" in shown.stdout
