"""Find the way to a server: its URL, proxies and trusted certificates, as options of libcurl."""

from __future__ import annotations

import math
import os
import sys
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import pycurl

from numcrc._version import __version__
from numcrc.checkfiles.names import visible
from numcrc.store.source import StoreError

if not hasattr(pycurl, "PROXY_ERROR"):
    raise ImportError(f"expected pycurl 7.48 or later, got {pycurl.version}", name="pycurl")

Settings: TypeAlias = "tuple[tuple[int, Any], ...]"
"""Options of libcurl and their values; None: unset the option."""

_BUFFER = 512 << 10
_SUPPRESS_CONNECT_HEADERS = 265  # an option that pycurl has no name for
_PORTS = {"http": 80, "https": 443}
_PROXY_PORTS = {**_PORTS, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def common_settings(timeout: float) -> Settings:
    """Return the options that do not depend on the server."""
    return (
        (pycurl.NOSIGNAL, 1),
        (pycurl.BUFFERSIZE, _BUFFER),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.PATH_AS_IS, 1),
        (_SUPPRESS_CONNECT_HEADERS, 1),
        (pycurl.TCP_KEEPALIVE, 1),
        (pycurl.USERAGENT, f"numcrc/{__version__}"),
        (pycurl.CONNECTTIMEOUT_MS, math.ceil(timeout * 1000)),
        (pycurl.LOW_SPEED_LIMIT, 1),
        (pycurl.LOW_SPEED_TIME, math.ceil(timeout)),
    )


def proxy_settings(scheme: str, host: str) -> Settings:
    """Return the options of the proxy, without its login in what messages of libcurl show."""
    proxy = _proxy(scheme, host)
    if not proxy:
        return ((pycurl.PROXY, ""),)
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        name, port = _bracketed(parts.hostname or ""), parts.port or _PROXY_PORTS[parts.scheme]
    except (KeyError, ValueError):
        name = ""
    if not name:
        raise StoreError(
            f"invalid proxy {shown_url(proxy)}: expected HOST:PORT or a URL with one of "
            + ", ".join(f"{known}://" for known in _PROXY_PORTS)
        )
    settings: Settings = ((pycurl.PROXY, f"{parts.scheme}://{name}:{port}"),)
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        settings += (pycurl.PROXYUSERNAME, user), (pycurl.PROXYPASSWORD, password)
    return settings


def _proxy(scheme: str, host: str) -> str | None:
    """Return the URL of the proxy for a server, from the environment or the system."""
    if sys.platform not in ("win32", "darwin") and not any(
        name.lower().endswith("_proxy") for name in os.environ
    ):
        return None
    from urllib.request import getproxies, proxy_bypass  # takes a tenth of a start's time

    found = {} if proxy_bypass(host) else getproxies()
    return found.get(scheme) or found.get("all")


def trust_settings(path: str | None) -> Settings:
    """Return the options of trusted certificates, for servers and proxies."""
    path = path or next(filter(None, map(os.environ.get, _CERTIFICATES)), None)
    if path is None:
        if os.name == "nt":
            return ((pycurl.SSL_OPTIONS, pycurl.SSLOPT_NATIVE_CA),)
        return ()
    if not os.path.exists(path):
        raise StoreError(f"cannot find the trusted certificates {path}")
    path = os.path.abspath(path)
    file, folder = (None, path) if os.path.isdir(path) else (path, None)
    return (
        (pycurl.CAINFO, file),
        (pycurl.CAPATH, folder),
        (pycurl.PROXY_CAINFO, file),
        (pycurl.PROXY_CAPATH, folder),
    )


def _bracketed(host: str) -> str:
    """Return *host* as in a URL, where an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host


def origin(url: str) -> tuple[str, str]:
    """Return the scheme and the host of *url*, as in the header Host, or raise ValueError.

    Examples
    --------
    >>> origin("https://user:secret@Server:443/a"), origin("http://[::1]:8080")
    (('https', 'server'), ('http', '[::1]:8080'))
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:
        host = ""
    if not host.isprintable() or not host or " " in host or parts.scheme not in _PORTS:
        shown = shown_url(url)
        raise ValueError(f"invalid URL {shown}: expected http:// or https:// and a server")
    usual = port in (None, _PORTS[parts.scheme])
    return parts.scheme, _bracketed(host) if usual else f"{_bracketed(host)}:{port}"


def shown_url(url: str) -> str:
    """Return *url* without user, password, query and fragment, for messages.

    Examples
    --------
    >>> shown_url("https://user:secret@server/a?signature=secret")
    'https://server/a?...'
    """
    end = min(at for at in (url.find("?"), url.find("#"), len(url)) if at >= 0)
    scheme, separator, rest = url[:end].rpartition("://")
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}{url[end:][:1]}"
    return visible(shown) + ("..." if url[end:] else "")
