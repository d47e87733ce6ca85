"""Batches in a bucket that speaks S3; agents put them there themselves, at addresses signed for it.

A plain DELETE leaves old versions and unfinished uploads where a bucket keeps them: all are ended
one by one, and verification lists them anew and tries to read.
"""

import base64
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from django.utils import timezone

from retention.exceptions import NothingThere, StoreFailed
from retention.stores.base import CHUNK, Address, Evidence, Stored, checked

IN_MEMORY: Final = 8 * 1024 * 1024
TYPE: Final = "application/octet-stream"
GONE: Final = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "404"})


@dataclass(frozen=True)
class S3Place:
    """A bucket, who may use it, and for how many seconds an address is good.

    Without keys the library looks for them where it always does: its own variables, its files, the
    machine's role.
    """

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str
    upload_seconds: int


class S3Store:
    """One bucket; an object's name is the batch's key and says nothing."""

    technique = "every version, delete marker and unfinished upload deleted one by one"

    def __init__(self, name: str, place: S3Place) -> None:
        self.name = name
        self.place = place

    def put(self, key: str, chunks: Iterable[bytes], *, size: int, sha256: str) -> None:
        """Check length and hash aside, then put all of it in one request that says both."""
        with (
            tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as draft,
            _asking(self.place) as client,
        ):
            for chunk in checked(chunks, size=size, sha256=sha256):
                draft.write(chunk)
            draft.seek(0)
            client.put_object(
                Bucket=self.place.bucket,
                Key=key,
                Body=draft,
                ContentLength=size,
                ContentType=TYPE,
                ChecksumSHA256=_base64(sha256),
            )

    def address(self, key: str, *, size: int, sha256: str) -> Address | None:
        """Return an address at which these bytes and no others can be put, for a few minutes.

        Length and SHA-256 are signed: the bucket refuses a request that says another, and bytes
        that are not what it says. Asks nobody: a signature is all that it takes.
        """
        checksum = _base64(sha256)
        until = timezone.now() + timedelta(seconds=self.place.upload_seconds)
        with _asking(self.place) as client:
            url = client.generate_presigned_url(
                "put_object",
                Params={
                    "Bucket": self.place.bucket,
                    "Key": key,
                    "ContentLength": size,
                    "ContentType": TYPE,
                    "ChecksumSHA256": checksum,
                },
                ExpiresIn=self.place.upload_seconds,
            )
        headers = {
            "Content-Length": str(size),
            "Content-Type": TYPE,
            "x-amz-checksum-sha256": checksum,
        }
        return Address(url, headers, until)

    def delete(self, key: str) -> None:
        """Delete every version and marker, and end every unfinished upload; none is success."""
        with _asking(self.place) as client:
            for version in self._versions(client, key):
                with _absent_is_fine():
                    client.delete_object(Bucket=self.place.bucket, Key=key, VersionId=version)
            for upload in self._uploads(client, key):
                with _absent_is_fine():
                    client.abort_multipart_upload(
                        Bucket=self.place.bucket, Key=key, UploadId=upload
                    )

    def verify_gone(self, items: Iterable[Stored], *, kept: Collection[str] = ()) -> Evidence:
        """Try to read each item, then list its versions, markers and unfinished uploads.

        Copies under other names are not looked for: a bucket cannot be searched by content.
        """
        remaining = 0
        with _asking(self.place) as client:
            for item in items:
                left = [*self._versions(client, item.key), *self._uploads(client, item.key)]
                remaining += bool(left) or self._readable(client, item.key)
        return Evidence(
            level="E2",
            method="reading refused, all versions and unfinished uploads listed",
            remaining=remaining,
        )

    def works(self) -> bool:
        """Return whether the bucket answers us."""
        try:
            with _asking(self.place) as client:
                client.head_bucket(Bucket=self.place.bucket)
        except StoreFailed:
            return False
        return True

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object in chunks, as the bucket hands it out."""
        with _asking(self.place) as client:
            found = client.get_object(Bucket=self.place.bucket, Key=key)
            yield from found["Body"].iter_chunks(CHUNK)

    def _versions(self, client: Any, key: str) -> list[str]:
        """Return the ids of all versions and markers of exactly this key."""
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=self.place.bucket, Prefix=key
        )
        return [
            entry["VersionId"]
            for page in pages
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if entry["Key"] == key
        ]

    def _uploads(self, client: Any, key: str) -> list[str]:
        """Return the ids of all unfinished uploads of exactly this key."""
        pages = client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.place.bucket, Prefix=key
        )
        return [
            entry["UploadId"]
            for page in pages
            for entry in page.get("Uploads", ())
            if entry["Key"] == key
        ]

    def _readable(self, client: Any, key: str) -> bool:
        try:
            client.get_object(Bucket=self.place.bucket, Key=key)["Body"].close()
        except client.exceptions.ClientError as error:
            if _code_of(error) in GONE:
                return False
            raise
        return True


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode("ascii")


@lru_cache(maxsize=8)
def _client(place: S3Place) -> Any:
    """Return the library's client, made once: it reads the description of all of S3."""
    # Half a second to import, and only where a bucket is used at all.
    from botocore.config import Config
    from botocore.session import Session

    session = Session()
    if place.access_key:
        session.set_credentials(place.access_key, place.secret_key)
    return session.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 3},
            # We say the SHA-256 ourselves; the library's own choice would be signed beside it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _asking(place: S3Place) -> Iterator[Any]:
    """Hand out the client; every failure of the library or the bucket becomes ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield _client(place)
    except ClientError as error:
        raise (NothingThere if _code_of(error) in GONE else StoreFailed) from error
    except BotoCoreError as error:
        raise StoreFailed from error


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if _code_of(error) not in GONE:
            raise


def _code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
