"""The newest revisions of cohorts, each document read and parsed once in a process.

A revision never changes and is named by the digest of what it says, so what was read once may be
used again. Whoever gets a document must not change it.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from consent.digests import plain
from consent.models import CohortPolicy

FORM: Final = 3
"""How a document says things. One in another form says nothing to us, so it denies, until it is
written anew: workers do that after a start with another form, as with other rules."""
NOTHING_SHARED: Final[dict[str, Any]] = {"jurisdictions": [], "purposes": {}, "apps": {}}
KEPT: Final = 256
"""So many documents stay in memory; what they say of apps is the same in most, and kept once."""
REGISTRIES: Final = 8


@dataclass(frozen=True)
class _Read:
    document: dict[str, Any]
    registry: str
    """The digest of what it says of apps."""


class _Memory:
    """The documents last used, by their digest; shared by the threads of this process."""

    def __init__(self) -> None:
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self._registries: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, sha256: str) -> _Read | None:
        with self._lock:
            if read := self._read.get(sha256):
                self._read.move_to_end(sha256)
            return read

    def put(self, sha256: str, document: dict[str, Any]) -> _Read:
        registry = hashlib.sha256(plain(document["apps"]).text.encode()).hexdigest()
        with self._lock:
            if len(self._registries) > REGISTRIES:
                self._registries.clear()
            document["apps"] = self._registries.setdefault(registry, document["apps"])
            read = self._read[sha256] = _Read(document, registry)
            while len(self._read) > KEPT:
                self._read.popitem(last=False)
        return read


_memory = _Memory()


def current_cohort_policies(cohorts: Collection[int]) -> dict[int, CohortPolicy]:
    """Return the newest revision of each cohort; one without any is not there, which denies."""
    newest = (
        CohortPolicy.objects.filter(cohort__in=cohorts)
        .defer("document")
        .order_by("cohort_id", "-revision")
        .distinct("cohort_id")
    )
    found = {policy.cohort_id: policy for policy in newest}
    missing = []
    for policy in found.values():
        if (read := _memory.get(policy.sha256)) is None:
            missing.append(policy)
        else:
            policy.document = read.document
    if missing:
        rows = CohortPolicy.objects.filter(pk__in=[policy.pk for policy in missing])
        documents = dict(rows.values_list("pk", "document"))
        for policy in missing:
            policy.document = _memory.put(policy.sha256, documents[policy.pk]).document
    return found


def said_by(policy: CohortPolicy | None) -> dict[str, Any]:
    """Return what a revision says; nothing, which denies, where there is none we understand."""
    if policy is None or policy.document.get("form") != FORM:
        return NOTHING_SHARED
    found: dict[str, Any] = policy.document
    return found


def registry_of(policy: CohortPolicy) -> str:
    """Return the digest of what a revision says of apps; many revisions say the same."""
    read = _memory.get(policy.sha256) or _memory.put(policy.sha256, dict(policy.document))
    return read.registry
