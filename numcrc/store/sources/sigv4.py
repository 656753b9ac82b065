"""Sign requests without a body with AWS Signature Version 4; the daily key is computed once.

libcurl does not sign a path as it is: without PATH_AS_IS, it takes ``.`` and ``..`` out of keys
such as ``a/../b``, and with it, it refuses to sign.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

from numcrc._light import NamedTuple

EMPTY = hashlib.sha256(b"").hexdigest()


class Keys(NamedTuple):
    """An access key, with the fields of botocore's frozen credentials."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Signs requests to one region; *keys* returns the current keys, since some expire.

    The signatures are those of botocore's S3SigV4Auth, which takes ten times as long.
    """

    def __init__(self, keys: Callable[[], Keys], region: str) -> None:
        self._keys = keys
        self._region = region
        self._derived: tuple[str, str, bytes] = "", "", b""
        self._time: tuple[int, str] = 0, ""

    def sign(
        self, method: str, host: str, path: str, query: str, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return *headers* and the headers of the signature.

        *path* and *query* are quoted, and the parameters of *query* are sorted. The names of
        *headers* are lower-case.
        """
        keys = self._keys()
        now = self._now()
        day = now[:8]
        scope = f"{day}/{self._region}/s3/aws4_request"
        sent = {**headers, "x-amz-content-sha256": EMPTY, "x-amz-date": now}
        if keys.token:
            sent["x-amz-security-token"] = keys.token
        signed = {"host": host, **sent}
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{EMPTY}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
        # hmac.digest would give the GIL away, and many threads wait for it.
        signature = hmac.new(self._key(day, keys.secret_key), text.encode(), "sha256").hexdigest()
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return sent

    def _now(self) -> str:
        second = int(time.time())
        known, text = self._time
        if known != second:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._time = second, text
        return text

    def _key(self, day: str, secret: str) -> bytes:
        known_day, known_secret, key = self._derived
        if (known_day, known_secret) != (day, secret):
            key = f"AWS4{secret}".encode()
            for text in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, text.encode(), "sha256")
            self._derived = day, secret, key  # one assignment: other threads read it
        return key
