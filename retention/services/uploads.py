"""Bytes on their way into a store: addresses given out, and what became of all that was opened.

What survives a crash: the row is written before the address is told, so whatever arrives there is
found. Bytes that the bucket holds count only once they were read back and judged.
"""

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from consent.models import Agent
from retention.exceptions import BatchUnknown, BytesDoNotMatch, StoreFailed
from retention.manifests import Manifest
from retention.models import Admission, Batch, Upload
from retention.services.admission import admit, as_it_stands, key_of, refusal_of
from retention.stores import Address, Store, holds, store_named

logger = logging.getLogger(__name__)
SETTLED_AFTER: Final = timedelta(minutes=10)
"""How long after its end what began at an address may still arrive."""
LOOKED_AT_AGAIN: Final = timedelta(minutes=1)
AT_ONCE: Final = 20


def offer_address(*, agent: Agent, admission: Admission) -> tuple[Admission, Address | None]:
    """Return where the bytes of an announced batch are to be put; None where the portal takes them.

    An agent that asks again may have put them there and not heard of it: then the batch is judged
    and returned as it stands. Raises BatchRefused, and StoreFailed where the store cannot be asked.
    """
    if admission.state != Admission.State.AWAITING_BYTES:
        return admission, None
    key = key_of(agent, admission.batch)
    if told := Upload.objects.filter(key=key).first():
        admission = _look(agent, admission, store_named(told.store), told.key)
        if admission.state != Admission.State.AWAITING_BYTES:
            return as_it_stands(admission), None
    store = store_named(settings.DEFAULT_STORE)
    manifest = Manifest.of(admission.manifest)
    address = store.address(key, size=manifest.bytes, sha256=manifest.sha256)
    if address is not None:
        Upload.objects.update_or_create(
            key=key,
            defaults={
                "batch": admission.batch,
                "store": store.name,
                "until": address.until,
                "next_at": address.until + SETTLED_AFTER,
            },
        )
    return admission, address


def receive_uploaded(*, agent: Agent, batch: UUID) -> Admission:
    """Judge a batch whose bytes the agent has put where it was told; a repeat returns what stands.

    They are read back first. Raises BatchUnknown, BytesDoNotMatch where they are not there or are
    others, BatchRefused where they may not stay: then no version of them is kept.
    """
    admission = Admission.objects.filter(batch=batch, agent=agent).first()
    if admission is None:
        raise BatchUnknown
    if admission.state == Admission.State.AWAITING_BYTES:
        told = Upload.objects.filter(key=key_of(agent, batch)).first()
        if told:
            admission = _look(agent, admission, store_named(told.store), told.key)
        if admission.state == Admission.State.AWAITING_BYTES:
            raise BytesDoNotMatch
    return as_it_stands(admission)


def settle_uploads() -> int:
    """Look at addresses at which nothing can arrive any more; return how many were settled."""
    settled = 0
    for upload in _claim():
        try:
            _settle(upload)
        except StoreFailed:
            logger.exception("upload_not_settled batch=%s", upload.batch)
            continue
        settled += 1
    return settled


@transaction.atomic
def _claim() -> list[Upload]:
    """Take a few that are due; whoever takes them has a minute before others may."""
    now = timezone.now()
    due = Upload.objects.select_for_update(skip_locked=True).filter(next_at__lte=now)
    found = list(due.order_by("next_at")[:AT_ONCE])
    for upload in found:
        upload.next_at = now + LOOKED_AT_AGAIN
        upload.save(update_fields=["next_at"])
    return found


def _settle(upload: Upload) -> None:
    """Judge what arrived and nobody reported; delete what may not be there; then forget it.

    Only what lies where its own machine's bytes belong: another's import may have named the id.
    """
    known = Admission.objects.select_related("agent__subject").filter(batch=upload.batch)
    admission = known.first()  # none where an import ended before anything was judged
    store = store_named(upload.store)
    if (
        admission
        and admission.state == Admission.State.AWAITING_BYTES
        and upload.key == key_of(admission.agent, admission.batch)
    ):
        _look(admission.agent, admission, store, upload.key)
    kept = Batch.objects.filter(uuid=upload.batch, key=upload.key, state=Batch.State.KEPT)
    if not kept.exists():
        store.delete(upload.key)
    # An address given out meanwhile keeps its row, which says more than the one that was settled.
    Upload.objects.filter(key=upload.key, until=upload.until).delete()


def _look(agent: Agent, admission: Admission, store: Store, key: str) -> Admission:
    """Read back what lies there and judge it; delete what is wrong. Awaiting: nothing came."""
    manifest = Manifest.of(admission.manifest)
    there = holds(store, key, size=manifest.bytes, sha256=manifest.sha256)
    if there:
        admission = admit(
            agent, admission.batch, manifest, store=store.name, key=key, imported=False
        )
    if there is False or (there and refusal_of(admission)):
        store.delete(key)
    return admission
