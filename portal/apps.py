"""Wires the packages together at start-up."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


def apply_guard(*, using: str, **_: Any) -> None:
    """Put the database's own protections in place, as the owner, after every migration."""
    from portal import guard

    with connections[using].cursor() as cursor:
        for statement in guard.statements():
            cursor.execute(statement)


class PortalConfig(AppConfig):
    """The composition root: sign-in, pages, API, and the nudges between the packages."""

    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        """Complete allauth's device grant, connect the nudges, guard the database."""
        from consent import hooks
        from portal import accounts, appointments, checks, nudge
        from portal.endpoint import marks

        accounts.complete_device_grant()
        checks.register()
        hooks.on_work_owed(nudge.work_owed)
        hooks.on_policy_changing(marks.policy_changing)
        hooks.on_officers_asked(appointments.officers_among)
        post_migrate.connect(apply_guard, sender=self, dispatch_uid="portal.guard")
