"""`/status`: does each part work, for everybody; no personal data."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import selectors
from retention.models import DeletionJob

OK, DEGRADED, DOWN = "ok", "degraded", "down"
SIGNING_IS_LATE = timedelta(seconds=60)


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Show each part; 503 when capture could not be decided about."""
    parts = [_database()]
    if parts[0]["state"] == OK:
        parts += [_ledger(), _deletions()]
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


def _ledger() -> dict[str, Any]:
    state = selectors.tree_state()
    late = state.waiting_since and timezone.now() - state.waiting_since > SIGNING_IS_LATE
    text = _("%(size)d entries signed, %(pending)d waiting.") % {
        "size": state.size,
        "pending": state.pending,
    }
    return _part(_("Ledger"), DEGRADED if late else OK, text)


def _deletions() -> dict[str, Any]:
    due = DeletionJob.objects.filter(state=DeletionJob.State.DUE)
    failing = due.exclude(failure="").count()
    text = _("%(due)d to do, %(failing)d failed and tried again.") % {
        "due": due.count(),
        "failing": failing,
    }
    return _part(_("Deletions"), DEGRADED if failing else OK, text)


def _store() -> dict[str, Any]:
    root = Path(settings.STORES[settings.DEFAULT_STORE]["root"])
    there = root.is_dir() or root.parent.is_dir()
    return _part(
        _("File store"), OK if there else DOWN, _("Can be read.") if there else _("Cannot be read.")
    )


def _part(name: str, state: str, text: str) -> dict[str, Any]:
    return {"name": name, "state": state, "text": text, "at": timezone.now()}
