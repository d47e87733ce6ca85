"""Batches and their admission, deletions and their certificates, holds."""

from retention.models.batches import Admission, Batch
from retention.models.deletions import Certificate, DeletionCase, DeletionJob, Hold

__all__ = ["Admission", "Batch", "Certificate", "DeletionCase", "DeletionJob", "Hold"]
