"""What can go wrong with one answer of a store, as values to queue at ``FaultyServer.inject``."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from store.stub_objects import StubObject


@dataclass
class Reply:
    """An answer before it is sent; faults change it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    start: int = 0  # where in the object the body begins
    stop: int | None = None  # the connection ends after so many bytes of the body
    reset: bool = False  # ... by a reset
    pause: float = 0.0  # seconds of silence
    pause_at: int | None = None  # ... after so many bytes of the body, or before the headers


def refusal(status: int, code: str) -> Reply:
    """Return an error as S3 words it."""
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()
    return Reply(status, {"Content-Type": "application/xml"}, body)


class Fault:
    """No fault: a request that goes well, to delay the faults queued behind it."""

    def concerns(self, start: int, stop: int) -> bool:
        """Say whether it can happen to a request for these bytes; else it stays queued."""
        return True

    def before(self, stored: StubObject) -> StubObject:
        """Return what is stored when the request comes, from then on."""
        return stored

    def after(self, reply: Reply) -> Reply:
        """Return the answer that is sent in place of *reply*."""
        return reply


@dataclass(frozen=True)
class Flip(Fault):
    """A flipped bit, in this byte of the object or else the first byte of the body.

    Once it is an error on the wire, always it is rot.
    """

    byte: int | None = None
    bit: int = 0

    def concerns(self, start: int, stop: int) -> bool:
        """Say whether the byte is among those asked for."""
        return start < stop and (self.byte is None or start <= self.byte < stop)

    def after(self, reply: Reply) -> Reply:
        """Flip it."""
        body = bytearray(reply.body)
        body[0 if self.byte is None else self.byte - reply.start] ^= 1 << self.bit
        reply.body = bytes(body)
        return reply


@dataclass(frozen=True)
class Truncate(Fault):
    """A body that ends early: Content-Length promises all of it, then the connection closes."""

    keep: int = 0

    def after(self, reply: Reply) -> Reply:
        """Stop there."""
        reply.stop = self.keep
        return reply


@dataclass(frozen=True)
class Reset(Fault):
    """A connection that is reset after so many bytes of the body."""

    keep: int = 0

    def after(self, reply: Reply) -> Reply:
        """Stop there, impolitely."""
        reply.stop, reply.reset = self.keep, True
        return reply


@dataclass(frozen=True)
class Refuse(Fault):
    """An error status and code instead of an answer."""

    status: int = 503
    code: str = "SlowDown"

    def after(self, reply: Reply) -> Reply:
        """Refuse."""
        return refusal(self.status, self.code)


SLOW_DOWN = Refuse(503, "SlowDown")
UNAVAILABLE = Refuse(503, "ServiceUnavailable")
ARCHIVED = Refuse(403, "InvalidObjectState")
MISSING = Refuse(404, "NoSuchKey")


@dataclass(frozen=True)
class WrongChecksum(Fault):
    """The right body, but checksum headers that belong to another."""

    def after(self, reply: Reply) -> Reply:
        """Flip a bit of each value, and keep its length and the number of parts."""
        for name, value in reply.headers.items():
            if name.startswith("x-amz-checksum-") and name != "x-amz-checksum-type":
                digest, dash, parts = value.partition("-")
                raw = bytearray(base64.b64decode(digest))
                raw[0] ^= 1
                reply.headers[name] = base64.b64encode(raw).decode() + dash + parts
        return reply


@dataclass(frozen=True)
class Stall(Fault):
    """Silence for so many seconds, after *at* bytes of the body or before the headers."""

    seconds: float
    at: int | None = None

    def after(self, reply: Reply) -> Reply:
        """Pause there."""
        reply.pause, reply.pause_at = self.seconds, self.at
        return reply


@dataclass(frozen=True)
class Overwrite(Fault):
    """Another object under the same key, from this request on."""

    stored: StubObject

    def before(self, stored: StubObject) -> StubObject:
        """Replace it."""
        return self.stored
