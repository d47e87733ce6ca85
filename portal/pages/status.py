"""`/status`: does each part work, for everybody; no personal data, and no count.

Anybody can open it, managers too: a number that rises with one person's act would tell of it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import F, Func
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import selectors
from portal.pages.dates import day_in_words
from portal.policykeys import standing
from retention.models import Batch, DeletionJob
from retention.stores import store_named

OK, DEGRADED, DOWN = "ok", "degraded", "down"
SIGNING_IS_LATE = timedelta(seconds=60)
MANIFEST_IS_LATE = timedelta(days=7)
"""A root that is carried needs days; one that lies here renews earlier than that."""


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Show each part; 503 when capture could not be decided about."""
    parts = [_database()]
    if parts[0]["state"] == OK:
        parts += [_keys(), _ledger(), _deletions()]
    parts += [_queue(), _store()]
    states = {part["state"] for part in parts}
    overall = DOWN if DOWN in states else DEGRADED if DEGRADED in states else OK
    return render(
        request,
        "status.html",
        {"overall": overall, "parts": parts, "checked_at": timezone.now()},
        status=503 if overall == DOWN else 200,
    )


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return _part(_("Database"), DOWN, _("Cannot be reached. Leases end by themselves."))
    return _part(_("Database"), OK, _("Answers. Policies are decided from it at every poll."))


def _queue() -> dict[str, Any]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5
    )
    try:
        client.ping()
    except redis.RedisError:
        return _part(
            _("Queue"),
            DEGRADED,
            _("Cannot be reached. Work is still done, only some seconds later."),
        )
    finally:
        client.close()
    return _part(_("Queue"), OK, _("Answers. It only wakes the workers early."))


def _keys() -> dict[str, Any]:
    manifest, now = standing.ensure(), timezone.now()
    if manifest.signer(now.timestamp()) is None:
        return _part(
            _("Policy keys"), DOWN, _("No key may sign. A new key manifest has to be loaded.")
        )
    if not standing.is_for_us(manifest):
        text = _("The key manifest is for another address. A new one has to be loaded.")
        return _part(_("Policy keys"), DEGRADED, text)
    day = day_in_words(datetime.fromtimestamp(manifest.expires_at, UTC))
    text = _("Vouched for until %(day)s by the root key") % {"day": day}
    ends_soon = manifest.expires_at - now.timestamp() < MANIFEST_IS_LATE.total_seconds()
    part = _part(_("Policy keys"), DEGRADED if ends_soon else OK, text)
    return {**part, "digest": manifest.root}


def _ledger() -> dict[str, Any]:
    state = selectors.tree_state()
    late = state.waiting_since and timezone.now() - state.waiting_since > SIGNING_IS_LATE
    text = _("Entries wait for their signature.") if late else _("Entries are signed as they come.")
    return _part(_("Ledger"), DEGRADED if late else OK, text)


def _deletions() -> dict[str, Any]:
    """Say whether deletions fail; not while it is only a few people's, whose choice would show."""
    failing = DeletionJob.objects.filter(state=DeletionJob.State.DUE).exclude(failure="")
    batch = Func(F("batches"), function="unnest", set_returning=True)
    named = failing.annotate(batch=batch).values("batch")
    people = Batch.objects.filter(uuid__in=named).values("subject").distinct()
    if people[: settings.SMALLEST_GROUP].count() >= settings.SMALLEST_GROUP:
        return _part(_("Deletions"), DEGRADED, _("Some failed, and are tried again."))
    return _part(_("Deletions"), OK, _("Done as they are owed, and again where one fails."))


def _store() -> dict[str, Any]:
    works = store_named(settings.DEFAULT_STORE).works()
    return _part(
        _("Store"), OK if works else DOWN, _("Can be read.") if works else _("Cannot be read.")
    )


def _part(name: str, state: str, text: str) -> dict[str, Any]:
    return {"name": name, "state": state, "text": text, "at": timezone.now()}
