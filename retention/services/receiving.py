"""Bytes that come by the portal: kept once they are what was announced, and judged again.

What survives a crash: a row says that bytes may come, before the first of them is written. Whoever
settles such rows judges what is found without one word from the agent, or deletes it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from consent.models import Agent
from retention.exceptions import BatchUnknown, BytesDoNotMatch, StoreFailed, UploadTooSlow
from retention.manifests import Manifest
from retention.models import Admission, Batch, Upload
from retention.services.admission import admit, as_it_stands, key_of
from retention.services.uploads import SETTLED_AFTER
from retention.stores import store_named

WITHIN: Final = timedelta(minutes=5)
"""How long the bytes of one batch may take at most; what is slower is sent again."""
PATIENCE: Final = timedelta(seconds=30)
SLOWEST: Final = 20_000
"""Bytes a second at which a batch has to come, once its patience is over."""


@dataclass(frozen=True)
class Opening:
    """Until when bytes may come to a key, and whether nobody else was bringing them then."""

    key: str
    until: datetime
    alone: bool


def within(size: int) -> timedelta:
    """Return how long so many bytes may take: a short batch is no reason to wait for long."""
    return min(WITHIN, PATIENCE + timedelta(seconds=size / SLOWEST))


def receive_bytes(
    *,
    agent: Agent,
    batch: UUID,
    chunks: Iterable[bytes],
    imported: bool = False,
) -> Admission:
    """Keep the announced bytes and admit the batch; the judgement is made again on arrival.

    Returns the admission; a repeat returns what stands. Raises BatchUnknown, BytesDoNotMatch,
    UploadTooSlow, or BatchRefused when the policy no longer allows it: then no byte is kept.
    """
    admission = Admission.objects.filter(batch=batch, agent=agent).first()
    if admission is None:
        raise BatchUnknown
    if admission.state != Admission.State.AWAITING_BYTES:
        return as_it_stands(admission)
    store, key = store_named(settings.DEFAULT_STORE), key_of(agent, batch)
    opening = _open(batch, store=store.name, key=key, size=admission.manifest["bytes"])
    # Looked at anew with the row in place. An erasure waits for such rows before it certifies: so
    # either it waits for these bytes, or this sees that the batch was let in, and takes none.
    admission.refresh_from_db()
    if admission.state == Admission.State.AWAITING_BYTES:
        manifest = Manifest.of(admission.manifest)
        try:
            in_time = _in_time(chunks, opening.until)
            store.put(key, in_time, size=manifest.bytes, sha256=manifest.sha256)
        except (BytesDoNotMatch, UploadTooSlow):
            _close(opening)
            raise
        # Bytes first, row second: the reverse would promise bytes that nobody has.
        admission = admit(agent, batch, manifest, store=store.name, key=key, imported=imported)
        if not Batch.objects.filter(uuid=batch, state=Batch.State.KEPT).exists():
            # Refused; or another request was quicker, and what it brought is erased by now.
            store.delete(key)
    _close(opening)
    return as_it_stands(admission)


@transaction.atomic
def _open(batch: UUID, *, store: str, key: str, size: int) -> Opening:
    """Write that bytes may come. Raises StoreFailed while what came before is being settled."""
    now = timezone.now()
    until = now + within(size)
    wanted = {"store": store, "until": until, "next_at": until + SETTLED_AFTER}
    told, made = Upload.objects.select_for_update().get_or_create(
        key=key, defaults={**wanted, "batch": batch}
    )
    if made:
        return Opening(key, until, alone=True)
    if told.until + SETTLED_AFTER <= now:
        # Whoever settles it may be about to delete what would be put there now.
        raise StoreFailed("What came of this batch before is being looked at; send it again later.")
    Upload.objects.filter(key=key).update(**wanted)
    return Opening(key, until, alone=False)


def _close(opening: Opening) -> None:
    """Take the row away, unless somebody else brought bytes meanwhile: then it is settled."""
    if opening.alone:
        Upload.objects.filter(key=opening.key, until=opening.until).delete()


def _in_time(chunks: Iterable[bytes], until: datetime) -> Iterator[bytes]:
    """Yield the chunks; raises UploadTooSlow once their time is over, after the last one too."""
    for chunk in chunks:
        if timezone.now() >= until:
            raise UploadTooSlow
        yield chunk
    if timezone.now() >= until:
        raise UploadTooSlow
