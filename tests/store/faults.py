"""Define the faults of one answer of a store, for `FaultyServer.inject`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from store.stub_objects import StubObject


@dataclass
class Reply:
    """An answer that faults may change before it is sent."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    start: int = 0
    """The offset of the body in the object."""
    stop: int | None = None
    """The number of bytes of the body after which the connection ends."""
    reset: bool = False
    """Whether it ends by a reset."""
    pause: float = 0.0
    """Seconds without an answer."""
    pause_at: int | None = None
    """The number of bytes of the body before the pause; None: before the headers."""
    method: str = "GET"
    """The method of the request."""
    raw: Iterable[bytes | float] | None = None
    """Bytes to send instead, and pauses in seconds between them; the connection then ends."""
    kept: bool = False
    """Whether it does not end."""


def refusal(status: int, code: str) -> Reply:
    """Return an error as S3 sends it."""
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()
    return Reply(status, {"Content-Type": "application/xml"}, body)


class Fault:
    """A request without a fault, and the base of faults. It delays those queued after it."""

    def concerns(self, start: int, stop: int) -> bool:
        """Return whether it applies to a request for these bytes; otherwise it stays queued."""
        return True

    def before(self, stored: StubObject) -> StubObject:
        """Return the object that is stored from this request on."""
        return stored

    def after(self, reply: Reply) -> Reply:
        """Return the answer to send instead of *reply*."""
        return reply


@dataclass(frozen=True)
class Flip(Fault):
    """A flipped bit, in this byte of the object or else the first byte of the body.

    If it occurs once, it is an error of the connection; if always, of the stored object.
    """

    byte: int | None = None
    bit: int = 0

    def concerns(self, start: int, stop: int) -> bool:
        """Return whether the byte is requested."""
        return start < stop and (self.byte is None or start <= self.byte < stop)

    def after(self, reply: Reply) -> Reply:
        """Flip the bit."""
        body = bytearray(reply.body)
        body[0 if self.byte is None else self.byte - reply.start] ^= 1 << self.bit
        reply.body = bytes(body)
        return reply


@dataclass(frozen=True)
class Truncate(Fault):
    """A body that ends early: the connection closes before Content-Length bytes are sent."""

    keep: int = 0

    def after(self, reply: Reply) -> Reply:
        """Set the number of bytes to send."""
        reply.stop = self.keep
        return reply


@dataclass(frozen=True)
class Reset(Fault):
    """A connection that is reset after *keep* bytes of the body."""

    keep: int = 0

    def after(self, reply: Reply) -> Reply:
        """Set the number of bytes to send, and the reset."""
        reply.stop, reply.reset = self.keep, True
        return reply


@dataclass(frozen=True)
class Refuse(Fault):
    """An error status and code instead of an answer."""

    status: int = 503
    code: str = "SlowDown"

    def after(self, reply: Reply) -> Reply:
        """Return the error."""
        return refusal(self.status, self.code)


SLOW_DOWN = Refuse(503, "SlowDown")
UNAVAILABLE = Refuse(503, "ServiceUnavailable")
ARCHIVED = Refuse(403, "InvalidObjectState")
MISSING = Refuse(404, "NoSuchKey")


@dataclass(frozen=True)
class WrongChecksum(Fault):
    """The right body with wrong checksum headers."""

    def after(self, reply: Reply) -> Reply:
        """Flip a bit of each checksum."""
        for name, value in reply.headers.items():
            if name.startswith("x-amz-checksum-") and name != "x-amz-checksum-type":
                digest, dash, parts = value.partition("-")
                raw = bytearray(base64.b64decode(digest))
                raw[0] ^= 1
                reply.headers[name] = base64.b64encode(raw).decode() + dash + parts
        return reply


@dataclass(frozen=True)
class Headers(Fault):
    """The right answer with other headers; None removes one."""

    changes: Mapping[str, str | None]

    def after(self, reply: Reply) -> Reply:
        """Change the headers."""
        for name, value in self.changes.items():
            reply.headers.pop(name, None)
            if value is not None:
                reply.headers[name] = value
        return reply


@dataclass(frozen=True)
class Stall(Fault):
    """A pause of *seconds*, after *at* bytes of the body or before the headers."""

    seconds: float
    at: int | None = None

    def after(self, reply: Reply) -> Reply:
        """Set the pause."""
        reply.pause, reply.pause_at = self.seconds, self.at
        return reply


@dataclass(frozen=True)
class Overwrite(Fault):
    """Another object with the same key, from this request on."""

    stored: StubObject

    def before(self, stored: StubObject) -> StubObject:
        """Return the other object."""
        return self.stored
