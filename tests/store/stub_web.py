"""A web server: files without checksums and without a listing."""

from __future__ import annotations

from store import stub_s3
from store.faults import Reply, refusal
from store.stub_objects import Objects, StubObject
from store.stub_s3 import Request, parse

__all__ = ["answer", "env", "parse", "url"]


def env(_endpoint: str) -> dict[str, str]:
    """Return no environment variables."""
    return {}


def url(endpoint: str) -> str:
    """Return the URL of a source."""
    return f"{endpoint}/any"


def answer(request: Request, stored: StubObject | None, objects: Objects) -> Reply:
    """Return the right answer."""
    if request.operation not in ("GetObject", "HeadObject"):
        return refusal(404, "NotFound")
    return stub_s3.answer(request, stored, objects)
