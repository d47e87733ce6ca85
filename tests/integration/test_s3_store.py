"""The S3 store on a real server: what is put, found, deleted with all versions, and signed for."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.integration.seaweed import Seaweed

CONTENT = b"what was recorded, " + b"and more " * 20_000


@dataclass
class Bucket:
    """One bucket, the store on it, and a client of the test's own."""

    store: Any
    client: Any
    name: str
    versioned: bool
    place: dict[str, Any]

    def put(self, key: str, content: bytes = CONTENT) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self.store.put(key, [content[:7], content[7:]], size=len(content), sha256=sha256)

    def left(self) -> list[str]:
        """Everything of every key, looked up by the test itself: versions, markers, uploads."""
        versions = self.client.list_object_versions(Bucket=self.name)
        uploads = self.client.list_multipart_uploads(Bucket=self.name)
        parts = ("Versions", "DeleteMarkers")
        found = [entry["Key"] for part in parts for entry in versions.get(part, [])]
        return sorted(found + [entry["Key"] for entry in uploads.get("Uploads", [])])

    def empty(self) -> None:
        """Delete all of that, one by one."""
        here = {"Bucket": self.name}
        versions = self.client.list_object_versions(**here)
        for entry in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
            self.client.delete_object(**here, Key=entry["Key"], VersionId=entry["VersionId"])
        for entry in self.client.list_multipart_uploads(**here).get("Uploads", []):
            upload = {"Key": entry["Key"], "UploadId": entry["UploadId"]}
            self.client.abort_multipart_upload(**here, **upload)


def store_on(server: Seaweed, name: str, **differs: Any) -> Any:
    from retention.stores import S3Store
    from retention.stores.s3 import S3Place

    place = server.place(name, **differs)
    return S3Store("s3", S3Place(**{k: v for k, v in place.items() if k != "kind"}))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "versioned"])
def made(s3_server: Seaweed, request: pytest.FixtureRequest) -> Bucket:
    return new_bucket(s3_server, versioned=request.param)


@pytest.fixture
def bucket(made: Bucket) -> Iterator[Bucket]:
    """An empty bucket; what a test leaves goes, by the test's own hand."""
    yield made
    made.empty()


def new_bucket(server: Seaweed, *, versioned: bool) -> Bucket:
    name, client = f"batches-{secrets.token_hex(6)}", server.client()
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Bucket(store_on(server, name), client, name, versioned, server.place(name))


def item(key: str, content: bytes = CONTENT) -> Any:
    from retention.stores import Stored

    return Stored(key, len(content), hashlib.sha256(content).hexdigest())


def found(bucket: Bucket, key: str, content: bytes = CONTENT) -> bool | None:
    from retention.stores import holds

    wanted = item(key, content)
    return holds(bucket.store, key, size=wanted.bytes, sha256=wanted.sha256)


# --- put, read, delete, verify -------------------------------------------------------------------


def test_what_was_put_is_read_back_and_gone_after_deletion(bucket: Bucket) -> None:
    bucket.put("ab/cd")

    assert b"".join(bucket.store.read("ab/cd")) == CONTENT
    assert (found(bucket, "ab/cd"), found(bucket, "ab/cd", b"other")) == (True, False)
    assert bucket.store.verify_gone([item("ab/cd")]).remaining == 1

    for _ in range(2):
        bucket.store.delete("ab/cd")

    assert found(bucket, "ab/cd") is None
    evidence = bucket.store.verify_gone([item("ab/cd")])
    assert (evidence.level, evidence.remaining) == ("E2", 0)
    assert bucket.left() == []


def test_old_versions_and_markers_go_as_well(bucket: Bucket) -> None:
    for _ in range(3):
        bucket.put("ab/cd")
    bucket.client.delete_object(Bucket=bucket.name, Key="ab/cd")
    bucket.put("ab/cd")
    bucket.client.delete_object(Bucket=bucket.name, Key="ab/cd")

    if bucket.versioned:
        assert len(bucket.left()) > 4
        assert bucket.store.verify_gone([item("ab/cd")]).remaining == 1
    bucket.store.delete("ab/cd")

    assert bucket.left() == []
    assert bucket.store.verify_gone([item("ab/cd")]).remaining == 0


def test_an_unfinished_upload_is_found_and_ended(bucket: Bucket) -> None:
    begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="ab/cd")
    bucket.client.upload_part(
        Bucket=bucket.name, Key="ab/cd", PartNumber=1, UploadId=begun["UploadId"], Body=CONTENT
    )

    assert bucket.store.verify_gone([item("ab/cd")]).remaining == 1
    bucket.store.delete("ab/cd")

    assert bucket.store.verify_gone([item("ab/cd")]).remaining == 0
    assert bucket.left() == []


def test_a_key_that_begins_alike_is_another(bucket: Bucket) -> None:
    bucket.put("ab/cd")
    bucket.put("ab/cde")

    bucket.store.delete("ab/cd")

    assert bucket.left() == ["ab/cde"]
    assert bucket.store.verify_gone([item("ab/cd")]).remaining == 0
    assert found(bucket, "ab/cde") is True


@pytest.mark.parametrize("given", [CONTENT[::-1], CONTENT + b"x", CONTENT[:-1]])
def test_other_bytes_are_not_put(bucket: Bucket, given: bytes) -> None:
    from retention.exceptions import BytesDoNotMatch

    sha256 = hashlib.sha256(CONTENT).hexdigest()

    with pytest.raises(BytesDoNotMatch):
        bucket.store.put("ab/cd", [given], size=len(CONTENT), sha256=sha256)

    assert bucket.left() == []


EACH: dict[str, Callable[[Any], Any]] = {
    "put": lambda store: store.put(
        "ab/cd", [b"x"], size=1, sha256=hashlib.sha256(b"x").hexdigest()
    ),
    "read": lambda store: list(store.read("ab/cd")),
    "delete": lambda store: store.delete("ab/cd"),
    "verify": lambda store: store.verify_gone([item("ab/cd")]),
}


@pytest.mark.parametrize("act", EACH)
@pytest.mark.parametrize("trouble", ["nobody there", "wrong keys", "no such bucket"])
def test_a_bucket_that_cannot_be_used_is_a_failure_and_never_taken_for_empty(
    s3_server: Seaweed, act: str, trouble: str
) -> None:
    from retention.exceptions import NothingThere, StoreFailed

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    differs = {
        "nobody there": {"endpoint": f"http://127.0.0.1:{port}"},
        "wrong keys": {"secret_key": "x" * 32},
        "no such bucket": {},
    }[trouble]
    store = store_on(s3_server, f"none-{secrets.token_hex(6)}", **differs)

    with pytest.raises(StoreFailed) as failure:
        EACH[act](store)

    assert not isinstance(failure.value, NothingThere)
    assert store.works() is False


def test_a_bucket_that_answers_works(bucket: Bucket) -> None:
    assert bucket.store.works() is True


# --- addresses -----------------------------------------------------------------------------------


def address(bucket: Bucket, key: str = "ab/cd", content: bytes = CONTENT) -> Any:
    wanted = item(key, content)
    return bucket.store.address(key, size=wanted.bytes, sha256=wanted.sha256)


def send(url: str, headers: dict[str, str], content: bytes | None, method: str = "PUT") -> int:
    """Send by the standard library, which adds nothing of S3."""
    request = urllib.request.Request(url, content, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_at_an_address_exactly_those_bytes_can_be_put(bucket: Bucket) -> None:
    told = address(bucket)

    assert send(told.url, dict(told.headers), CONTENT) == 200
    assert found(bucket, "ab/cd") is True
    signed = "SignedHeaders=content-length%3Bcontent-type%3Bhost%3Bx-amz-checksum-sha256"
    assert signed in told.url
    assert timedelta(seconds=290) < told.until - datetime.now(UTC) <= timedelta(seconds=300)


def checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@pytest.mark.parametrize(
    ("content", "differs"),
    [
        (CONTENT[::-1], {}),
        (CONTENT[::-1], {"x-amz-checksum-sha256": checksum(CONTENT[::-1])}),
        (CONTENT[::-1], {"x-amz-checksum-sha256": None}),
        (CONTENT + b"x", {"Content-Length": str(len(CONTENT) + 1)}),
        (CONTENT[:-1], {"Content-Length": str(len(CONTENT) - 1)}),
        (b"", {"Content-Length": "0"}),
        (CONTENT, {"Content-Type": "text/html"}),
    ],
    ids=[
        "other bytes", "other bytes and their checksum", "no checksum", "longer", "shorter",
        "nothing", "another type",
    ],
)  # fmt: skip
def test_nothing_else_can_be_put_there(
    bucket: Bucket, content: bytes, differs: dict[str, str | None]
) -> None:
    told = address(bucket)
    headers = {**told.headers, **differs}

    status = send(told.url, {k: v for k, v in headers.items() if v is not None}, content)

    assert 400 <= status < 500
    assert bucket.left() == []


def test_an_address_is_for_one_key_and_for_putting(bucket: Bucket) -> None:
    told = address(bucket)
    bucket.put("ab/ce")

    assert send(told.url.replace("ab/cd", "ab/ce"), dict(told.headers), CONTENT) == 403
    assert send(told.url.replace("ab/cd", "ab/ce"), {}, None, "GET") == 403
    assert send(told.url, {}, None, "GET") == 403
    assert send(told.url, {}, None, "DELETE") == 403
    assert bucket.left() == ["ab/ce"]


def test_an_address_ends(bucket: Bucket) -> None:
    with time_machine.travel(datetime.now(UTC) - timedelta(seconds=310)):
        told = address(bucket)

    assert send(told.url, dict(told.headers), CONTENT) == 403
    assert bucket.left() == []


def test_an_address_says_nothing_of_the_key_that_signed_it(
    bucket: Bucket, s3_server: Seaweed
) -> None:
    told = address(bucket)

    assert s3_server.secret_key not in told.url
    assert s3_server.secret_key not in str(told.headers)
