"""Bad answers of stores and web servers, by name, for `FaultyServer.inject`.

A bad answer is made of the right one. Where it is sent instead, the object must not match.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from store.faults import Fault, Reply

Steps: TypeAlias = Iterable["bytes | float"]
Change: TypeAlias = Callable[[Reply], Steps]

NEVER = 600.0
"""Seconds: longer than the patience of any client."""


@dataclass(frozen=True)
class Bad(Fault):
    """An answer whose bytes *change* makes of the right one."""

    change: Change

    def after(self, reply: Reply) -> Reply:
        """Return the bad answer."""
        reply.raw = self.change(reply)
        return reply


def head(
    reply: Reply, *, line: str | None = None, length: str | None = "", **changes: str | None
) -> bytes:
    """Return the head of an answer without the empty line at its end.

    Parameters
    ----------
    line : str, optional
        The status line.
    length : str or None
        Content-Length; empty: the right one; None: none.
    changes
        Other headers, with ``_`` for dashes; None removes one.
    """
    lines = [f"HTTP/1.1 {reply.status} Status" if line is None else line]
    changed = {name.replace("_", "-").lower(): value for name, value in changes.items()}
    lines += [f"{k}: {v}" for k, v in reply.headers.items() if k.lower() not in changed]
    lines += [f"{name}: {value}" for name, value in changed.items() if value is not None]
    if length is not None:
        lines.append(f"Content-Length: {length or len(reply.body)}")
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def body(reply: Reply) -> bytes:
    """Return the body that follows a head."""
    return b"" if reply.method == "HEAD" else reply.body


def sent(**changes: str | None) -> Change:
    """Return an answer with another head and the right body."""
    return lambda reply: (head(reply, **changes) + b"\r\n" + body(reply),)


def with_body(make: Callable[[bytes], bytes], **changes: str | None) -> Change:
    """Return an answer with another body, whose length is right."""

    def change(reply: Reply) -> Steps:
        reply.body = make(reply.body)
        return sent(**changes)(reply)

    return change


def status(number: int | str) -> Change:
    """Return the right answer with another status."""
    return sent(line=f"HTTP/1.1 {number} Status")


def moved(location: str, number: int = 302) -> Change:
    """Return a redirect."""
    return sent(line=f"HTTP/1.1 {number} Moved", location=location)


def framed(framing: str, make: Callable[[bytes], bytes]) -> Change:
    """Return an answer with Transfer-Encoding, whose body *make* encodes."""

    def change(reply: Reply) -> Steps:
        yield head(reply, length=None, transfer_encoding=framing) + b"\r\n"
        yield make(body(reply))

    return change


def chunk(data: bytes, size: str | None = None, extension: str = "") -> bytes:
    """Return one chunk."""
    return f"{size or f'{len(data):x}'}{extension}\r\n".encode() + data + b"\r\n"


def raw(*steps: bytes | float) -> Change:
    """Return these bytes."""
    return lambda _reply: steps


def after_head(*steps: bytes | float) -> Change:
    """Return the right head, and other bytes as its body."""
    return lambda reply: (head(reply) + b"\r\n", *steps)


def cut(share: float, *then: float) -> Change:
    """Return a part of the right answer, then pauses."""

    def change(reply: Reply) -> Steps:
        whole = head(reply) + b"\r\n" + body(reply)
        return (whole[: int(len(whole) * share)], *then)

    return change


def dripped(seconds: float) -> Change:
    """Return the right answer, byte for byte, in a time that grows with its length."""

    def change(reply: Reply) -> Steps:
        for byte in head(reply) + b"\r\n" + body(reply):
            yield bytes([byte])
            yield seconds

    return change


def endless(start: bytes, piece: bytes) -> Change:
    """Return an answer that never ends."""
    return lambda _reply: itertools.chain((start,), itertools.repeat(piece))


OK = b"HTTP/1.1 200 OK\r\n"
STATUSES = [
    *range(100, 105),
    *(199, 201, 202, 203, 204, 205, 206, 207, 208, 226, 299),
    *(*range(300, 310), 399),
    *(*range(400, 419), *range(421, 427), 428, 429, 431, 451, 499),
    *(*range(500, 512), 599, 600, 700, 999),
    *("000", "99", "1000", "2000", "20", "-200", "abc", "", "0200", "20O", "\u0662\u0660\u0660"),
]
ANSWERED: dict[str, Change] = {f"status {number}": status(number) for number in STATUSES}
"""Another status than that of an object, with the right headers and body."""

LOCATIONS = {
    "of an invalid port": "http://x:abc/",
    "of an endless port": f"http://x:{'9' * 5000}/",
    "of no host": "http://",
    "empty": "",
    "of slashes": "//",
    "of half an address": "http://[::1",
    "of a scheme unknown to HTTP": "ftp://127.0.0.1/x",
    "to a file": "file:///etc/passwd",
    "to code": "javascript:alert(1)",
    "to a closed port": "http://127.0.0.1:1/",
    "to a bad login": "http://user:secret@[/",
    "with control characters": "http://127.0.0.1:1/\x01\x1b[2J",
    "of an endless path": "/" + "a" * 60_000,
    "to itself": "?",
    "above the root": "/../../../../etc/passwd",
    "with bytes that are not UTF-8": "http://\udcff\udcfe/",
    "of a name that is too long": f"http://{'a' * 300}/",
}
REDIRECTED: dict[str, Change] = {
    **{f"location {name}": moved(location) for name, location in LOCATIONS.items()},
    **{f"{number} to itself": moved("", number) for number in (301, 303, 307, 308)},
}

FRAMED: dict[str, Change] = {
    "nothing": raw(),
    "an empty line": raw(b"\r\n"),
    "garbage": raw(bytes(range(256)) * 8),
    "a body without a head": lambda reply: (reply.body or b"x",),
    "ICY": sent(line="ICY 200 OK"),
    "HTTP/3.0": sent(line="HTTP/3.0 200 OK"),
    "HTTP/9": sent(line="HTTP/9 200 OK"),
    "FTP": raw(b"220 ProFTPD ready\r\n"),
    "SSH": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "TLS": raw(b"\x15\x03\x01\x00\x02\x02\x28"),
    "half a status line": raw(b"HTTP/1.1 2"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a head without an end": lambda reply: (head(reply),),
    "half a body": cut(0.8),
    "no body": after_head(),
    "a body that is one byte short": lambda reply: (head(reply) + b"\r\n" + body(reply)[:-1],),
    "a longer Content-Length": lambda reply: (
        head(reply, length=str(len(reply.body) + 1)) + b"\r\n" + body(reply),
    ),
    "a shorter Content-Length": lambda reply: (
        head(reply, length=str(len(reply.body) - 1)) + b"\r\n" + body(reply),
    ),
    "a Content-Length of 0": sent(length="0"),
    "a negative Content-Length": sent(length="-1"),
    "a Content-Length of 2**62": sent(length=str(1 << 62)),
    "a Content-Length of 2**63": sent(length=str(1 << 63)),
    "a Content-Length of 2**64": sent(length=str(1 << 64)),
    "a Content-Length of 5000 digits": sent(length="9" * 5000),
    "a Content-Length in words": sent(length="many"),
    "an empty Content-Length": sent(length=" "),
    "a hexadecimal Content-Length": sent(length="0x10"),
    "a Content-Length with an exponent": sent(length="1e3"),
    "a fraction as Content-Length": sent(length="9.5"),
    "two lengths in one": sent(length="9, 8"),
    "two lengths": lambda reply: (
        head(reply) + f"Content-Length: {len(reply.body) + 1}\r\n\r\n".encode() + body(reply),
    ),
    "Arabic digits": sent(length="\u0669"),
    "chunks of no size": framed("chunked", lambda data: chunk(data, "zz") + b"0\r\n\r\n"),
    "chunks of negative size": framed("chunked", lambda data: chunk(data, "-1") + b"0\r\n\r\n"),
    "chunks of 2**64 bytes": framed("chunked", lambda data: chunk(data, "1" + "0" * 16)),
    "a chunk with an endless size": framed("chunked", lambda data: chunk(data, "f" * 5000)),
    "chunks without the last": framed("chunked", chunk),
    "a chunk that is longer than its size": framed(
        "chunked", lambda data: chunk(data, f"{max(len(data) - 1, 1):x}") + b"0\r\n\r\n"
    ),
    "a chunk that is shorter than its size": framed(
        "chunked", lambda data: chunk(data, f"{len(data) + 9:x}")
    ),
    "an unknown coding": framed("rot13", lambda data: data),
    "chunks inside gzip": framed(
        "gzip, chunked", lambda data: chunk(gzip.compress(data)) + b"0\r\n\r\n"
    ),
    "identity and no chunks, but said so": framed("chunked", lambda data: data),
}
"""An answer whose bytes are not HTTP, or end early."""

BODIES: dict[str, Change] = {
    "a flipped bit": with_body(lambda data: bytes([data[0] ^ 4]) + data[1:] if data else b"x"),
    "zeros": with_body(lambda data: bytes(len(data) or 1)),
    "one byte less": with_body(lambda data: data[:-1]),
    "one byte more": with_body(lambda data: data + b"x"),
    "twice the body": with_body(lambda data: data * 2 or b"x"),
    "an empty body": with_body(lambda data: b"" if data else b"x"),
    "a page to log in": with_body(
        lambda data: b"<html>Log in</html>".ljust(len(data)), content_type="text/html"
    ),
    "an error with status 200": with_body(
        lambda data: b"<Error><Code>AccessDenied</Code></Error>".ljust(len(data))
    ),
    "compressed": with_body(gzip.compress, content_encoding="gzip"),
    "the first half": with_body(lambda data: data[: len(data) // 2] or b"x"),
}
"""Another body, whose length is stated rightly."""

PARTIAL: dict[str, Change] = {
    f"status 206 and the range {name}": with_body(
        lambda data, part=part: data[part], line="HTTP/1.1 206 Part", content_range=content
    )
    for name, part, content in [
        ("of the first byte", slice(1), "bytes 0-0/1"),
        ("of the first half", slice(5000), "bytes 0-4999/10240"),
        ("of no start", slice(None), "bytes -9/10240"),
        ("of no size", slice(None), "bytes 0-10239/*"),
        ("of 5000 digits", slice(None), f"bytes {'0' * 5000}-1/{'9' * 5000}"),
        ("of other units", slice(None), "items 0-9/10"),
        ("of words", slice(None), "bytes first-last/all"),
        ("of Arabic digits", slice(None), "bytes \u0660-\u0669/\u0669"),
        ("", slice(None), ""),
        ("elsewhere", slice(None), "bytes 77-10316/20000"),
        ("backwards", slice(None), "bytes 9-0/10240"),
    ]
} | {
    "status 200 and a range": sent(line="HTTP/1.1 200 OK", content_range="bytes 0-0/20000"),
    "status 416": sent(line="HTTP/1.1 416 Range", content_range="bytes */10240"),
    "several ranges": with_body(
        lambda data: b"--x\r\nContent-Range: bytes 0-9/10240\r\n\r\n" + data[:10] + b"\r\n--x--",
        line="HTTP/1.1 206 Part",
        content_type="multipart/byteranges; boundary=x",
    ),
}

TIMED: dict[str, Change] = {
    "silence": raw(NEVER),
    "silence in the status line": raw(b"HTTP/1.", NEVER),
    "silence in the head": raw(OK, NEVER),
    "silence after the head": after_head(NEVER),
    "silence in the body": cut(0.9, NEVER),
    "a head without an end, in drops": lambda _reply: itertools.chain(
        (OK,), itertools.cycle((b"a", 0.05))
    ),
    "headers without an end, in drops": lambda _reply: itertools.chain(
        (OK,), itertools.cycle((b"a: b\r\n", 0.05))
    ),
    "a body in drops": dripped(0.05),
    "chunks in drops": lambda reply: itertools.chain(
        (head(reply, length=None, transfer_encoding="chunked") + b"\r\n",),
        itertools.cycle((chunk(b"x"), 0.05)),
    ),
    "an endless chunk extension": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 4096
    ),
    "information without an end": lambda _reply: itertools.cycle(
        (b"HTTP/1.1 102 Processing\r\n\r\n", 0.05)
    ),
}
"""An answer that takes for ever, or of whose length libcurl takes no notice."""

ENDLESS: dict[str, Change] = {
    "an endless status line": endless(b"HTTP/1.1 200 ", b"O" * (1 << 16)),
    "an endless header": endless(OK + b"A: ", b"a" * (1 << 16)),
    "endless headers": endless(OK, b"a: b\r\n" * (1 << 12)),
    "endless information": endless(b"", b"HTTP/1.1 103 Early\r\na: b\r\n\r\n" * (1 << 10)),
    "an endless trailer": endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"a: b\r\n" * (1 << 12)
    ),
    "endless chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk(bytes(1 << 16))),
    "an endless body": endless(OK + b"Connection: close\r\n\r\n", bytes(1 << 16)),
    "an endless error": endless(b"HTTP/1.1 400 Bad\r\n\r\n", b"<" * (1 << 16)),
    "an endless redirect": endless(b"HTTP/1.1 302 Moved\r\nLocation: /x\r\n\r\n", bytes(1 << 16)),
    "a bomb in gzip": raw(
        OK + b"Content-Encoding: gzip\r\nContent-Length: 29887\r\n\r\n",
        gzip.compress(bytes(20 << 20))[:29887],
    ),
}
"""An answer without an end, as fast as the client takes it."""

QUICK: dict[str, Change] = {
    **ANSWERED,
    **REDIRECTED,
    **FRAMED,
    **BODIES,
    **PARTIAL,
    **ENDLESS,
}
"""All of these but `TIMED`."""
ALL = QUICK | TIMED

CRC = "AAAAAAAAAAA="
DESCRIBED: dict[str, dict[str, dict[str, str | None]]] = {
    "s3": {
        "an empty checksum": {"x-amz-checksum-crc64nvme": ""},
        "a checksum that is not base64": {"x-amz-checksum-crc64nvme": "%%%"},
        "a checksum in letters beyond ASCII": {"x-amz-checksum-crc64nvme": "\u00e9" * 12},
        "a checksum of padding": {"x-amz-checksum-crc64nvme": "===="},
        "a checksum that is too short": {"x-amz-checksum-crc64nvme": "AAAA"},
        "a checksum that is too long": {"x-amz-checksum-crc64nvme": "A" * 40_000},
        "two checksums": {"x-amz-checksum-crc64nvme": f"{CRC},{CRC}"},
        "a wrong checksum": {"x-amz-checksum-crc64nvme": CRC},
        "no part": {"x-amz-checksum-crc64nvme": f"{CRC}-0"},
        "10001 parts": {"x-amz-checksum-crc64nvme": f"{CRC}-10001"},
        "10**11 parts": {"x-amz-checksum-crc64nvme": f"{CRC}-99999999999"},
        "5000 digits of parts": {"x-amz-checksum-crc64nvme": f"{CRC}-{'9' * 5000}"},
        "a negative number of parts": {"x-amz-checksum-crc64nvme": f"{CRC}--1"},
        "two numbers of parts": {"x-amz-checksum-crc64nvme": f"{CRC}-1-1"},
        "a number of parts in words": {"x-amz-checksum-crc64nvme": f"{CRC}-many"},
        "a checksum of an unknown number of parts": {
            "x-amz-checksum-crc64nvme": CRC,
            "x-amz-checksum-type": "COMPOSITE",
        },
        "a checksum of unknown name": {
            "x-amz-checksum-crc64nvme": None,
            "x-amz-checksum-sum17": CRC,
            "ETag": '"x"',
        },
        "a checksum without a name": {
            "x-amz-checksum-crc64nvme": None,
            "x-amz-checksum-": CRC,
            "ETag": '"x"',
        },
        "an endless ETag": {"ETag": f'"{"x" * 50_000}"'},
        "an archived object": {"x-amz-checksum-crc64nvme": CRC, "x-amz-storage-class": "GLACIER"},
    },
    "gcs": {
        "no hash": {"x-goog-hash": ""},
        "a hash without a value": {"x-goog-hash": "crc32c"},
        "hashes without names": {"x-goog-hash": "=,="},
        "a hash that is not base64": {"x-goog-hash": "crc32c=%%%"},
        "a hash that is too short": {"x-goog-hash": "crc32c=AAA="},
        "a wrong hash": {"x-goog-hash": "crc32c=AAAAAA=="},
        "a wrong MD5": {"x-goog-hash": f"md5={'A' * 22}=="},
        "another generation": {"x-goog-generation": "1"},
    },
    "azure": {
        "an MD5 that is not base64": {"Content-MD5": "%%%"},
        "an MD5 that is too short": {"Content-MD5": "AAAA"},
        "a wrong MD5": {"Content-MD5": f"{'A' * 22}=="},
        "an endless ETag": {"ETag": f'"{"x" * 50_000}"'},
    },
    "web": {
        "an endless ETag": {"ETag": f'"{"x" * 50_000}"'},
    },
}
"""By the kind of store: headers that describe an object in an odd or wrong way."""
