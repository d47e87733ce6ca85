"""Batches of the past: manifest and bytes are both at hand, and many come at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from consent import selectors as consent
from consent.digests import digest
from consent.models import Agent, App, ConsentEvent, IssuedPolicy, KillSwitch, Pause, Subject
from consent.policy.types import Signal
from consent.services import no_change_meanwhile
from retention.exceptions import StoreFailed
from retention.manifests import Manifest
from retention.models import Admission, Batch, Upload
from retention.services.admission import (
    batch_of,
    key_of,
    outcome,
    say_admitted,
    say_refused,
    unaltered,
)
from retention.services.judgement import (
    NEVER,
    Allowed,
    Standing,
    begins_within,
    objections,
    waiver_ended,
)
from retention.services.tightening import terms_now
from retention.services.uploads import SETTLED_AFTER
from retention.stores import Store, store_named

Yes = tuple[ConsentEvent | None, set[tuple[str, Signal]]]
WITHIN: Final = timedelta(hours=1)
"""How long it may take to write the bytes of one import."""
LOOKED_AT: Final = "What came of a batch before is being looked at; import it again later."
SAME: Final = ("purpose__code", "app__code", "captured_from", "captured_until", "sha256")
"""What two batches have in common that hold the same capture."""


@dataclass(frozen=True)
class Judged:
    """One batch, the policy it names, and the judgement on it."""

    manifest: Manifest
    policy: IssuedPolicy | None
    standing: Standing
    admission: Admission


def import_batches(
    *, agent: Agent, batches: Sequence[tuple[Manifest, bytes]], at: datetime
) -> list[Admission]:
    """Take in what one agent handed in at `at`; each batch is judged by the rules for every batch.

    Returns the admissions, admitted or refused; those that stand already are returned as they
    stand. Raises ManifestDiffers for another manifest under a known id, BytesDoNotMatch, and
    StoreFailed where it took too long: nothing is let in then.
    """
    try:
        return _imported(agent, batches, at)
    except IntegrityError:
        # One of them was announced after we had looked for it: look again.
        return _imported(agent, batches, at)


def _imported(
    agent: Agent, batches: Sequence[tuple[Manifest, bytes]], at: datetime
) -> list[Admission]:
    known = Admission.objects.in_bulk([manifest.batch for manifest, _ in batches])
    for manifest, _ in batches:
        if standing := known.get(manifest.batch):
            unaltered(standing, agent, digest(manifest.document()))
    fresh = [(manifest, content) for manifest, content in batches if manifest.batch not in known]
    store = store_named(settings.DEFAULT_STORE)
    ids = [manifest.batch for manifest, _ in fresh]
    next_at = _open(agent, ids, store=store.name)
    # Bytes first, rows second: a crash leaves files that only the rows of `_open` name, and whoever
    # settles those deletes them.
    for manifest, content in fresh:
        key = key_of(agent, manifest.batch)
        store.put(key, [content], size=manifest.bytes, sha256=manifest.sha256)
    judged = _take_in(
        agent, [manifest for manifest, _ in fresh], store=store, at=at, next_at=next_at
    )
    for one in judged:
        if one.admission.state != Admission.State.ADMITTED:
            store.delete(key_of(agent, one.manifest.batch))
    keys = [key_of(agent, batch) for batch in ids]
    Upload.objects.filter(key__in=keys, next_at=next_at).delete()
    return [*known.values(), *(one.admission for one in judged)]


@transaction.atomic
def _open(agent: Agent, batches: Sequence[UUID], *, store: str) -> datetime:
    """Write that bytes may come, before the first does; return when those rows are to be settled.

    Raises StoreFailed while what came before of one of them is being settled.
    """
    now = timezone.now()
    until = now + WITHIN
    next_at = until + SETTLED_AFTER
    keys = {key_of(agent, batch): batch for batch in batches}
    before = Upload.objects.select_for_update().filter(key__in=keys)
    if any(told.until + SETTLED_AFTER <= now for told in before):
        raise StoreFailed(LOOKED_AT)
    Upload.objects.bulk_create(
        [
            Upload(key=key, batch=batch, store=store, until=until, next_at=next_at)
            for key, batch in keys.items()
        ],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["store", "until", "next_at"],
    )
    return next_at


@transaction.atomic
def _take_in(
    agent: Agent, manifests: list[Manifest], *, store: Store, at: datetime, next_at: datetime
) -> list[Judged]:
    # Whoever settles takes a row by changing its `next_at`, and may have deleted the bytes since.
    opened = Upload.objects.select_for_update().filter(
        key__in=[key_of(agent, manifest.batch) for manifest in manifests], next_at=next_at
    )
    if len(opened) != len(manifests):
        raise StoreFailed(LOOKED_AT)
    # Serialise per subject: a withdrawal comes wholly before all of these or after them.
    no_change_meanwhile()
    subject = Subject.objects.select_for_update().get(pk=agent.subject_id)
    policies = _policies_of(agent, manifests)
    decisions = _Decisions(subject, list(policies.values()))
    judged = [_judge(agent, one, policies.get(one.policy_version), decisions) for one in manifests]
    Admission.objects.bulk_create(one.admission for one in judged)
    kept = _keep(agent, judged, store=store)
    Batch.objects.bulk_create(kept.values())
    for one in judged:
        if batch := kept.get(one.manifest.batch):
            say_admitted(agent, one.admission, one.manifest, batch, at=at)
        else:
            say_refused(agent, one.admission, at=at)
    return judged


def _policies_of(agent: Agent, manifests: list[Manifest]) -> dict[int, IssuedPolicy]:
    """Return by version what the batches name, and what took its place until they all ended."""
    if not manifests:
        return {}
    issued = IssuedPolicy.objects.filter(
        agent=agent,
        version__gte=min(manifest.policy_version for manifest in manifests),
        issued_at__lte=max(manifest.captured_until for manifest in manifests),
    )
    return {policy.version: policy for policy in issued}


def _judge(
    agent: Agent, manifest: Manifest, policy: IssuedPolicy | None, decisions: "_Decisions"
) -> Judged:
    standing = decisions.about(manifest, policy)
    reasons = objections(agent, policy, manifest, standing)
    document = manifest.document()
    admission = Admission(
        batch=manifest.batch,
        agent=agent,
        issued_policy=policy,
        manifest={} if reasons == NEVER else document,
        manifest_sha256=digest(document),
        state=outcome(reasons) if reasons else Admission.State.ADMITTED,
        reasons=reasons,
        decided_at=timezone.now(),
    )
    return Judged(manifest, policy, standing, admission)


def _keep(agent: Agent, judged: list[Judged], *, store: Store) -> dict[UUID, Batch]:
    apps = {app.code: app for app in App.objects.filter(code__in={j.manifest.app for j in judged})}
    terms = terms_now(agent.subject)
    return {
        one.manifest.batch: batch_of(
            agent,
            one.policy,
            one.standing.event,
            apps[one.manifest.app],
            one.manifest,
            newer=one.standing.newer,
            terms=terms,
            store=store.name,
            key=key_of(agent, one.manifest.batch),
            imported=True,
        )
        for one in judged
        if one.policy and one.standing.event and one.admission.state == Admission.State.ADMITTED
    }


@dataclass
class _Decisions:
    """The person's decisions as they stand in this transaction, looked up once for many batches."""

    subject: Subject
    policies: Sequence[IssuedPolicy]
    _yes: dict[tuple[str, int | None], Yes] = field(default_factory=dict)
    _apps: dict[str, bool] = field(default_factory=dict)
    _known: set[tuple[str, str, datetime, datetime, str]] | None = None
    _gone: bool | None = None
    _pauses: list[tuple[datetime, datetime | None]] | None = None
    _switches: list[tuple[str | None, datetime, datetime | None]] | None = None

    def about(self, manifest: Manifest, policy: IssuedPolicy | None) -> Standing:
        """Return what bears on one batch; asked in the order in which they came in."""
        since = policy.consent_position if policy else None
        known = manifest.purpose, since
        if known not in self._yes:
            self._yes[known] = consent.unbroken_yes(self.subject, manifest.purpose, since=since)
        event, covered = self._yes[known]
        return Standing(
            event=event,
            covered=covered,
            paused=self._paused(manifest.captured_from, manifest.captured_until),
            struck=consent.struck_between(
                self.subject, manifest.captured_from, manifest.captured_until
            ),
            stopped=self._stopped(manifest),
            departed=self._departed(),
            protected=any(self._is_protected(app) for app in manifest.apps()),
            repeated=self._repeated(manifest),
            waiver_ended=waiver_ended(self.subject, policy, manifest),
            newer=self._newer(policy, manifest) if policy else (),
        )

    def _newer(self, policy: IssuedPolicy, manifest: Manifest) -> tuple[Allowed, ...]:
        return tuple(
            later.allow
            for later in self.policies
            if later.version > policy.version and begins_within(later.issued_at, manifest)
        )

    def _repeated(self, manifest: Manifest) -> bool:
        """Say whether the same capture came in before, in this import too."""
        if self._known is None:
            batches = Batch.objects.filter(subject=self.subject)
            self._known = set(batches.values_list(*SAME))
        same = (
            manifest.purpose,
            manifest.app,
            manifest.captured_from,
            manifest.captured_until,
            manifest.sha256,
        )
        again = same in self._known
        self._known.add(same)
        return again

    def _departed(self) -> bool:
        if self._gone is None:
            self._gone = consent.has_departed(self.subject)
        return self._gone

    def _is_protected(self, app: str) -> bool:
        if app not in self._apps:
            self._apps[app] = consent.is_protected(app)
        return self._apps[app]

    def _paused(self, since: datetime, until: datetime) -> bool:
        if self._pauses is None:
            pauses = Pause.objects.filter(subject=self.subject)
            self._pauses = list(pauses.values_list("started_at", "ended_at"))
        return any(
            began <= until and (ended is None or ended > since) for began, ended in self._pauses
        )

    def _stopped(self, manifest: Manifest) -> bool:
        if self._switches is None:
            switches = KillSwitch.objects.values_list("purpose__code", "pulled_at", "released_at")
            self._switches = list(switches)
        return any(
            code in {None, manifest.purpose}
            and pulled <= manifest.captured_until
            and (released is None or released > manifest.captured_from)
            for code, pulled, released in self._switches
        )
