"""What changes batches: letting them in, owing their deletion, erasing them with proof."""

from retention.services.admission import Manifest, announce_batch, receive_bytes
from retention.services.erasure import run_due_jobs
from retention.services.imports import import_batches
from retention.services.owing import expand_cases, owe_deletion, owe_expired

__all__ = [
    "Manifest",
    "announce_batch",
    "expand_cases",
    "import_batches",
    "owe_deletion",
    "owe_expired",
    "receive_bytes",
    "run_due_jobs",
]
