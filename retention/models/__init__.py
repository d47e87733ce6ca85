"""Batches and their admission, deletions and their certificates, holds, shorter terms."""

from retention.models.batches import Admission, Batch
from retention.models.deletions import Certificate, DeletionCase, DeletionJob, Hold
from retention.models.incidents import IncidentReview
from retention.models.tightenings import Tightening
from retention.models.uploads import Upload

__all__ = [
    "Admission",
    "Batch",
    "Certificate",
    "DeletionCase",
    "DeletionJob",
    "Hold",
    "IncidentReview",
    "Tightening",
    "Upload",
]
