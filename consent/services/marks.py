"""The marks of apps: checked before they are stored, written, and retired."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from consent import catalogue
from consent.exceptions import ChangeUnfit, MatcherTaken, NeverCapturable, PatternUnfit
from consent.models import App, AppMatcher
from consent.policy.matching import WORDS, Mark, Misfit, misfit, signer_alone
from consent.policy.types import NEVER_CATEGORIES, AppCategory, MatcherKind, Platform


def fit_marks(matchers: Iterable[Sequence[str]]) -> list[Mark]:
    """Return the marks, sorted; raises PatternUnfit for the first that no agent should meet."""
    marks = sorted(_mark(row) for row in matchers)
    for platform, kind, value in marks:
        if wrong := misfit(platform, kind, value):
            raise PatternUnfit(f"{platform} {kind} {value!r}: {WORDS[wrong]}")
    if lonely := signer_alone(marks):
        raise PatternUnfit(f"{lonely[0]} signer {lonely[2]!r}: {WORDS[Misfit.SIGNER_ALONE]}")
    seen: set[Mark] = set()
    for platform, kind, value in marks:
        if (platform, kind, value.casefold()) in seen:
            raise PatternUnfit(f"{platform} {kind} {value!r}: it is there twice")
        seen.add((platform, kind, value.casefold()))
    return marks


def check_marks(
    matchers: Iterable[Sequence[str]],
    *,
    category: AppCategory | None = None,
    app: App | None = None,
) -> list[Mark]:
    """Return the marks as they can be stored, for a new app of a category or for a standing app.

    Raises PatternUnfit, MatcherTaken and, where a category is given, NeverCapturable.
    """
    marks = fit_marks(matchers)
    if category is not None:
        refuse_known_as_never(category, marks)
    refuse_taken(marks, by_other_than=app)
    return marks


def known_as_never(mark: Mark) -> bool:
    """Return whether the catalogue says that what this mark fits is never captured."""
    _, kind, value = mark
    return kind is not MatcherKind.SIGNER and catalogue.never_app(kind, value) is not None


def refuse_known_as_never(category: AppCategory, marks: Iterable[Mark]) -> None:
    """Raise NeverCapturable for a mark of the catalogue's that is never captured, named otherwise.

    Registered under any protected category it stays what it is, so that is no reason to refuse.
    """
    if category in NEVER_CATEGORIES:
        return
    for _, kind, value in marks:
        known = None if kind is MatcherKind.SIGNER else catalogue.never_app(kind, value)
        if known:
            raise NeverCapturable(f"{value} belongs to {known.name}, which is never captured")


def refuse_taken(marks: Iterable[Mark], *, by_other_than: App | None = None) -> None:
    """Raise MatcherTaken where another app stands under the same mark; case makes no difference."""
    wanted = Q()
    for platform, kind, value in marks:
        if kind is not MatcherKind.SIGNER:  # many programs share one
            wanted |= Q(platform=platform.value, kind=kind.value, value__iexact=value)
    if not wanted:
        return
    found = AppMatcher.objects.filter(wanted).select_related("app")
    if by_other_than is not None:
        found = found.exclude(app=by_other_than)
    if taken := found.order_by("pk").first():
        raise MatcherTaken(f"{taken.value} is a mark of {taken.app.name}")


def add_marks(app: App, marks: Iterable[Mark], *, despite: bool = False) -> list[AppMatcher]:
    """Store marks that were checked; `despite` the catalogue where it knows them as never."""
    rows = [
        AppMatcher(
            app=app,
            platform=platform.value,
            kind=kind.value,
            value=value,
            despite_catalogue=despite and known_as_never((platform, kind, value)),
        )
        for platform, kind, value in marks
    ]
    try:
        with transaction.atomic():
            return AppMatcher.objects.bulk_create(rows)
    except IntegrityError:  # another transaction was quicker with one of them
        raise MatcherTaken from None


def replace_marks(
    app: App, marks: Collection[Mark], *, despite: bool, at: datetime
) -> list[AppMatcher]:
    """Let the app be recognised by exactly these; return the rows that were written."""
    standing = {mark_of(row): row for row in app.matchers.all()}
    retired = [row for mark, row in standing.items() if mark not in marks]
    for row in retired:
        row.retired_at = at
        row.save(update_fields=["retired_at"])
    added = add_marks(app, [mark for mark in marks if mark not in standing], despite=despite)
    kept = [row for mark, row in standing.items() if mark in marks]
    return [*retired, *added, *settle_marks(kept, despite=despite)]


def settle_marks(rows: Iterable[AppMatcher], *, despite: bool) -> list[AppMatcher]:
    """Note on each mark whether it stands despite the catalogue; return those that changed."""
    changed = []
    for row in rows:
        meant = despite and known_as_never(mark_of(row))
        if row.despite_catalogue != meant:
            row.despite_catalogue = meant
            row.save(update_fields=["despite_catalogue"])
            changed.append(row)
    return changed


def mark_of(row: AppMatcher) -> Mark:
    """Return the mark that a row holds."""
    return Platform(row.platform), MatcherKind(row.kind), row.value


def _mark(row: Sequence[str]) -> Mark:
    try:
        platform, kind, value = row
        return Platform(platform), MatcherKind(kind), str(value)
    except ValueError:
        raise ChangeUnfit(
            "matchers: each must be a platform, a kind of mark and its value"
        ) from None
