"""An ASGI application that serves one object, for a server of HTTP/2."""

from __future__ import annotations

import re
from typing import Any

BODY = bytes(range(256)) * 40


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer GET and HEAD, with ranges."""
    if scope["type"] != "http":
        return
    asked = dict(scope["headers"]).get(b"range", b"")
    headers, body, status = [(b"etag", b'"e"')], BODY, 200
    if match := re.fullmatch(rb"bytes=(\d+)-(\d+)", asked):
        start, stop = int(match[1]), int(match[2]) + 1
        body, status = BODY[start:stop], 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, len(BODY))))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})
