"""What changes batches: letting them in, shortening their terms, erasing them with proof."""

from retention.manifests import Manifest
from retention.services.admission import announce_batch, refusal_of
from retention.services.erasure import run_due_jobs
from retention.services.imports import import_batches
from retention.services.incidents import look_into_incidents, open_incidents, settled
from retention.services.owing import (
    expand_cases,
    owe_deletion,
    owe_expired,
    owe_protected,
    owe_struck,
)
from retention.services.receiving import receive_bytes, within
from retention.services.tightening import owe_after_move, owe_after_shortening, tighten_due
from retention.services.uploads import offer_address, receive_uploaded, settle_uploads

__all__ = [
    "Manifest",
    "announce_batch",
    "expand_cases",
    "import_batches",
    "look_into_incidents",
    "offer_address",
    "open_incidents",
    "owe_after_move",
    "owe_after_shortening",
    "owe_deletion",
    "owe_expired",
    "owe_protected",
    "owe_struck",
    "receive_bytes",
    "receive_uploaded",
    "refusal_of",
    "run_due_jobs",
    "settle_uploads",
    "settled",
    "tighten_due",
    "within",
]
