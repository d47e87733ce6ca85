"""The registry of apps: listed, described otherwise, reported, and asked for by purposes.

What protects is kept by whoever calls: `list_app` and `allow_in_purpose` refuse what is never
captured, `change_app` and `unblock_app` do not, since proposals that two approvers and the works
council agreed to come through them (consent.services.proposals). Nothing else may call those two:
the database lets neither a protected kind go nor a block, but with such a proposal.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import hooks
from consent.digests import digest
from consent.exceptions import ChangeUnfit, NeverCapturable, ReportUnfit
from consent.models import AllowlistEntry, App, AppMatcher, AppReport, Purpose
from consent.policy.types import (
    NEVER_CATEGORIES,
    AppCategory,
    DataOf,
    MatcherKind,
    Platform,
    Signal,
)
from consent.rules import rulebook
from consent.services.cohorts import refresh_cohorts
from consent.services.marks import (
    add_marks,
    check_marks,
    fit_marks,
    mark_of,
    refuse_known_as_never,
    replace_marks,
    settle_marks,
)

LONGEST_NAME: Final = 120
FIELDS: Final = frozenset(
    {"name", "category", "data_of", "counterparties", "counterparties_masked"}
)


@transaction.atomic
def list_app(
    *,
    code: str,
    name: str,
    category: AppCategory,
    data_of: str,
    matchers: Iterable[tuple[Platform, MatcherKind, str]],
    actor: Actor,
    counterparties: Sequence[str] | None = None,
    counterparties_masked: bool = False,
    at: datetime | None = None,
    imported: bool = False,
) -> App:
    """Put an app into the registry; being there allows nothing yet, and an unknown kind denies.

    Raises PatternUnfit for a mark that agents could not read alike, MatcherTaken for one of another
    app, NeverCapturable for one that the catalogue knows as never captured, under another kind.
    """
    marks = check_marks(matchers, category=category)
    if App.objects.filter(code=code).exists():
        raise ChangeUnfit("code: is taken by another app")
    app = App(
        code=code,
        name=name,
        category=category.value,
        data_of=data_of,
        counterparties=_places(counterparties),
        counterparties_masked=counterparties_masked,
    )
    _refuse_odd(app)
    app.save(force_insert=True)
    rows = add_marks(app, marks)
    ledger.append(
        events.AppListed(app=code, category=category.value, digest=_digest(app)),
        actor=actor,
        covers=[app, *rows],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return app


@transaction.atomic
def change_app(
    *, app: App, fields: Mapping[str, Any], actor: Actor, at: datetime | None = None
) -> App:
    """Change what is known of an app; `matchers` replaces all its marks.

    The service trusts its caller: this is how an app leaves a protected category, and how a mark
    that the catalogue knows as never captured comes to count as something else. A proposal reaches
    it only after two approvers and the works council agreed (`leaves_protection` says when); the
    database sees to that.
    Where it turns out to be of a protected kind, the erasure of what is held of it is owed at once;
    where it is of none any more, whoever said yes to it before is asked anew.
    Raises ChangeUnfit for an unknown field or a value that cannot be.
    """
    app = App.objects.select_for_update().get(pk=app.pk)
    before = {name: getattr(app, name) for name in FIELDS}
    for name, value in fields.items():
        if name not in {*FIELDS, "matchers"}:
            raise ChangeUnfit(f"{name}: an app has no such field to change")
        if name in FIELDS:
            setattr(app, name, _places(value) if name == "counterparties" else value)
    _refuse_odd(app)
    changed = [name for name in FIELDS if getattr(app, name) != before[name]]
    was_never = AppCategory(before["category"]) in NEVER_CATEGORIES
    moved = "category" in changed and (was_never or app.category != AppCategory.UNKNOWN)
    rows = _change_marks(app, fields, moved=moved, at=at or timezone.now())
    if not changed and not rows:
        return app
    app.save(update_fields=changed)
    if app.never and not was_never:
        hooks.app_protected(app)  # retention owes what is held of it here, in this transaction
        transaction.on_commit(hooks.work_owed)
    ledger.append(
        events.AppChanged(
            app=app.code,
            category=app.category,
            fields=tuple(sorted([*changed, *(["matchers"] if rows else [])])),
            digest=_digest(app),
        ),
        actor=actor,
        covers=[app, *rows],
        event_time=at,
    )
    if was_never and not app.never:
        _list_anew(app, actor=actor, at=at)
    refresh_cohorts(at=at or timezone.now())
    return app


def leaves_protection(app: App, fields: Mapping[str, Any]) -> bool:
    """Say whether such a change may let through what is never captured: two approvers, the council.

    It does where the app leaves a protected category, where a protected or reported app loses a
    mark, and where an app of another kind has or gets a mark that the catalogue knows as never.
    """
    category = AppCategory(fields.get("category", app.category))
    standing = {mark_of(row): row for row in app.matchers.all()}
    marks = fit_marks(fields["matchers"]) if "matchers" in fields else list(standing)
    if app.never and category not in NEVER_CATEGORIES:
        return True
    if (app.never or app.blocked_at) and not set(standing) <= set(marks):
        return True
    if category is AppCategory.UNKNOWN and "matchers" not in fields:
        return False  # of no kind it lets nothing through, and its marks stay what they were
    agreed = {mark for mark, row in standing.items() if row.despite_catalogue}
    try:
        refuse_known_as_never(category, (mark for mark in marks if mark not in agreed))
    except NeverCapturable:
        return True
    return False


@transaction.atomic
def report_app(
    *,
    app: App,
    suspected: AppCategory,
    reporter: UUID,
    actor: Actor,
    at: datetime | None = None,
) -> AppReport:
    """Block an app at once, because somebody says that it shows what is never captured.

    Until the report is settled nobody is captured in it, and nothing of it is let in. What is held
    of it already stays as it is: a mistaken report must not destroy it. A repeat returns the report
    that stands.
    """
    if suspected not in NEVER_CATEGORIES:
        raise ReportUnfit
    app = App.objects.select_for_update().get(pk=app.pk)
    standing = app.reports.filter(reporter=reporter, settled_at__isnull=True).first()
    if standing and app.blocked_at:
        return standing
    report = standing or AppReport.objects.create(
        app=app, reporter=reporter, suspected=suspected.value
    )
    app.blocked_at = app.blocked_at or at or timezone.now()
    app.save(update_fields=["blocked_at"])
    ledger.append(
        events.AppReported(app=app.code), actor=actor, covers=[app, report], event_time=at
    )
    refresh_cohorts(at=at or timezone.now())
    return report


@transaction.atomic
def unblock_app(*, app: App, actor: Actor, at: datetime | None = None) -> App:
    """Settle every report about an app: they were mistaken, as two officers and the councils agree.

    Proposals lead here once they do; the database refuses it to anybody else. A protected category
    stays protected. An app that is not blocked stays as it is.
    """
    app = App.objects.select_for_update().get(pk=app.pk)
    if app.blocked_at is None:
        return app
    reports = list(app.reports.filter(settled_at__isnull=True))
    app.blocked_at = None
    app.save(update_fields=["blocked_at"])
    for report in reports:
        report.settled_at = at or timezone.now()
        report.save(update_fields=["settled_at"])
    ledger.append(
        events.AppUnblocked(app=app.code), actor=actor, covers=[app, *reports], event_time=at
    )
    refresh_cohorts(at=at or timezone.now())
    return app


@transaction.atomic
def allow_in_purpose(
    *,
    purpose: Purpose,
    app: App,
    signals: Iterable[Signal],
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> list[AllowlistEntry]:
    """Let the purpose ask for these signals of the app; return what is new on its list.

    Raises NeverCapturable for an app that nobody may capture: by its kind, or while it is reported.
    """
    app = App.objects.select_for_update().get(pk=app.pk)
    if app.never or app.blocked_at:
        raise NeverCapturable
    listed = set(_listed(purpose, app, signals := tuple(signals)).values_list("signal", flat=True))
    when = at or timezone.now()
    rows = AllowlistEntry.objects.bulk_create(
        AllowlistEntry(purpose=purpose, app=app, signal=signal.value, listed_at=when)
        for signal in dict.fromkeys(signals)
        if signal.value not in listed
    )
    _enter(purpose, app, rows, allowed=True, actor=actor, at=at, imported=imported)
    return rows


@transaction.atomic
def disallow_in_purpose(
    *,
    purpose: Purpose,
    app: App,
    signals: Iterable[Signal],
    actor: Actor,
    at: datetime | None = None,
) -> list[AllowlistEntry]:
    """Take these signals of the app off the purpose's list; return what was on it.

    A yes that covered them covers them no more, also when they are listed again.
    """
    app = App.objects.select_for_update().get(pk=app.pk)
    rows = list(_listed(purpose, app, signals))
    for row in rows:
        row.delisted_at = at or timezone.now()
        row.save(update_fields=["delisted_at"])
    _enter(purpose, app, rows, allowed=False, actor=actor, at=at)
    return rows


def _list_anew(app: App, *, actor: Actor, at: datetime | None) -> None:
    """End each listing of an app and begin another, so that no yes of before counts for it.

    Also while it is still reported: then it stays blocked, and is asked anew afterwards.
    """
    standing = AllowlistEntry.objects.filter(app=app, delisted_at__isnull=True)
    when = at or timezone.now()
    for purpose in list(Purpose.objects.filter(allowlist__in=standing).distinct()):
        ended = list(standing.filter(purpose=purpose))
        for row in ended:
            row.delisted_at = when
            row.save(update_fields=["delisted_at"])
        _enter(purpose, app, ended, allowed=False, actor=actor, at=at)
        begun = AllowlistEntry.objects.bulk_create(
            AllowlistEntry(purpose=purpose, app=app, signal=row.signal, listed_at=when)
            for row in ended
        )
        _enter(purpose, app, begun, allowed=True, actor=actor, at=at)


def _listed(purpose: Purpose, app: App, signals: Iterable[Signal]) -> QuerySet[AllowlistEntry]:
    return AllowlistEntry.objects.filter(
        purpose=purpose, app=app, signal__in=list(signals), delisted_at__isnull=True
    )


def _enter(
    purpose: Purpose,
    app: App,
    rows: list[AllowlistEntry],
    *,
    allowed: bool,
    actor: Actor,
    at: datetime | None,
    imported: bool = False,
) -> None:
    """Write the entry of a changed list and refresh who shares it; nothing without a change."""
    if not rows:
        return
    signals = tuple(sorted(row.signal for row in rows))
    ledger.append(
        events.AllowlistChanged(
            purpose=purpose.code, app=app.code, allowed=allowed, signals=signals
        ),
        actor=actor,
        covers=rows,
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())


def _change_marks(
    app: App, fields: Mapping[str, Any], *, moved: bool, at: datetime
) -> list[AppMatcher]:
    """Change the marks as named. Where the app `moved` to a kind, those it keeps are of that kind.

    An ordinary app whose kind is doubted is of none: nobody agreed to anything about its marks.
    """
    despite = AppCategory(app.category) not in NEVER_CATEGORIES
    if "matchers" in fields:
        marks = check_marks(fields["matchers"], app=app)
        return replace_marks(app, marks, despite=despite, at=at)
    return settle_marks(app.matchers.all(), despite=despite) if moved else []


def _places(codes: Sequence[str] | None) -> list[str] | None:
    """Return the places of the people whose words an app shows, sorted; None: not known."""
    if codes is None:
        return None
    for code in codes:
        if code not in rulebook().rows:
            raise ChangeUnfit(f"counterparties: no rules are known for {code}")
    return sorted(set(codes))


def _refuse_odd(app: App) -> None:
    """Raise ChangeUnfit for a description that cannot be."""
    if not 0 < len(str(app.name).strip()) <= LONGEST_NAME:
        raise ChangeUnfit(f"name: must be a text of at most {LONGEST_NAME} letters")
    if app.category not in {category.value for category in AppCategory}:
        raise ChangeUnfit("category: there is no such kind of app")
    if app.data_of not in {whose.value for whose in DataOf}:
        raise ChangeUnfit("data_of: must be own, colleagues or customers")
    if not isinstance(app.counterparties_masked, bool):
        raise ChangeUnfit("counterparties_masked: must be true or false")
    if app.counterparties == [] and app.data_of != DataOf.OWN:
        raise ChangeUnfit("counterparties: other people's words come from somewhere; name places")


def _digest(app: App) -> str:
    """Return the digest of all that is known of an app, as the ledger has it."""
    marks = sorted([row.platform, row.kind, row.value] for row in app.matchers.all())
    return digest([*(getattr(app, name) for name in FIELDS), marks])
