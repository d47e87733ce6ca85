"""The newest revisions of cohorts, each document read and parsed once in a process.

A revision never changes and is named by the digest of what it says, so what was read once may be
used again. What it says of apps lies by itself, and is read once for all who say the same. Whoever
gets a document must not change it.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from django.db.models import OuterRef, QuerySet, Subquery

from consent.models import Cohort, CohortPolicy, Keys, Prepared, RecordedRegistry

FORM: Final = 8
"""How a document says things. One in another form says nothing to us, so it denies, until it is
written anew: workers do that after a start with another form, as with other rules."""
FORM_WAITING: Final = 7
"""The form before this one: a gate that did not apply was waited for like any other."""
FORM_BY_UTC: Final = 6
"""The one before that: its days began and ended in UTC, everywhere. Of the past both still tell."""
NOTHING_SHARED: Final[dict[str, Any]] = {"jurisdictions": [], "purposes": {}, "apps": {}}
KEPT: Final = 1024
"""So many documents stay in memory: some kilobytes each."""
REGISTRIES: Final = 8
"""So many registries: some hundred kilobytes each."""


class _Memory:
    """What was last read, by its digest; shared by the threads of this process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Any:
        with self._lock:
            if (found := self._known.get(digest)) is not None:
                self._known.move_to_end(digest)
            return found

    def put(self, digest: str, found: Any) -> Any:
        """Keep it; return what is kept, which is what another thread kept first."""
        with self._lock:
            found = self._known.setdefault(digest, found)
            self._known.move_to_end(digest)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
            return found


_documents: Final = _Memory(KEPT)
_registries: Final = _Memory(REGISTRIES)


def _newest(cohorts: Iterable[int] | Keys) -> QuerySet[CohortPolicy]:
    # One look-up a cohort, however many revisions it has had.
    revisions = CohortPolicy.objects.filter(cohort=OuterRef("pk")).order_by("-revision")
    newest = Cohort.objects.filter(pk__among=cohorts).values(
        newest=Subquery(revisions.values("pk")[:1])
    )
    return CohortPolicy.objects.filter(pk__in=newest)


_COLUMNS: Final = ("id", "cohort_id", "revision", "sha256", "since", "recorded_at")
"""All but the document, which is read where it is not remembered."""
_NEWEST: Final = Prepared(lambda keys, _: _newest(keys).values_list(*_COLUMNS))


def current_cohort_policies(cohorts: Collection[int]) -> dict[int, CohortPolicy]:
    """Return the newest revision of each cohort; one without any is not there, which denies."""
    read = (CohortPolicy.from_db(None, _COLUMNS, row) for row in _NEWEST.rows(cohorts))
    found = {policy.cohort_id: policy for policy in read}
    missing = []
    for policy in found.values():
        if (document := _documents.get(policy.sha256)) is None:
            missing.append(policy)
        else:
            policy.document = document
    if missing:
        rows = CohortPolicy.objects.filter(pk__in=[policy.pk for policy in missing])
        documents = dict(rows.values_list("pk", "document"))
        for policy in missing:
            policy.document = _documents.put(policy.sha256, documents[policy.pk])
    return found


def said_by(policy: CohortPolicy | None) -> dict[str, Any]:
    """Return what a revision says, apps and all.

    Nothing, which denies, where there is none we understand, or its registry is not there.
    """
    if policy is None or policy.document.get("form") != FORM:
        return NOTHING_SHARED
    document: dict[str, Any] = policy.document
    if "apps" in document:
        return document
    whole = {**document, "apps": registry(document["registry"])}
    policy.document = whole  # as it was read: it is never saved
    return whole


def as_told_then(policy: CohortPolicy | None) -> CohortPolicy | None:
    """Return a revision of the past so that it says what it said when it was in force.

    For questions about the past alone. One of an older form does not tell which gates do not apply,
    so they are waited for, as they were then; one of the form before that is read by the days of
    UTC. A still older one, or one of a form to come, says nothing.
    """
    if policy is not None and policy.document.get("form") == FORM_WAITING:
        policy.document = {**policy.document, "form": FORM}
    elif policy is not None and policy.document.get("form") == FORM_BY_UTC:
        purposes = policy.document["purposes"]
        policy.document = {
            **policy.document,
            "form": FORM,
            "days": "UTC",
            "purposes": {
                code: {**purpose, "notice_at": _midnight(purpose["notice_on"])}
                for code, purpose in purposes.items()
            },
        }
    return policy


def is_legible(policy: CohortPolicy | None) -> bool:
    """Say whether we understand what a revision says; nothing at all there is nothing unclear."""
    return policy is None or policy.document.get("form") == FORM


def clocked_by(shared: Mapping[str, Any], *others: Collection[str]) -> frozenset[str]:
    """Return the places by whose clocks the days of a document turn, and those of others beside.

    None, which is UTC, where nothing is said of any place, or where days were those of UTC.
    """
    if shared.get("days") == "UTC" or not shared["jurisdictions"]:
        return frozenset()
    return frozenset(shared["jurisdictions"]).union(*others)


def _midnight(day: str | None) -> str | None:
    return f"{day}T00:00:00+00:00" if day else None


def registry_of(policy: CohortPolicy) -> str:
    """Return the digest of what a revision says of apps; many revisions say the same."""
    found: str = policy.document.get("registry", "")
    return found


def registry(digest: str) -> Mapping[str, Any]:
    """Return what a registry says of apps; no app, which denies, where it is not there."""
    if (found := _registries.get(digest)) is None:
        apps = RecordedRegistry.objects.filter(digest=digest).values_list("apps", flat=True).first()
        if apps is None:
            return {}
        found = _registries.put(digest, apps)
    apps_of: Mapping[str, Any] = found
    return apps_of
