"""Fills an empty installation with one purpose, two apps, one employee and one privacy officer.

Run as a program inside the installation's environment; prints, as JSON, who may sign in.
"""

from __future__ import annotations

import json
import os
import secrets
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
import django

django.setup()

from django.db import transaction

from audit import events, ledger
from consent import services
from consent.policy.types import AppCategory, MatcherKind, Platform, Signal
from portal.models import Role, RoleGrant, User
from tests import factories

OFFICER, AUDITOR = "officer@northwind.example", "auditor@northwind.example"

SECTIONS = {
    "summary": "We would like to learn from how you use two office apps.",
    "controller": "Northwind GmbH, Hauptstraße 1, Berlin",
    "purpose": "To train software that can use office apps by itself.",
    "legal_basis": "Your consent (GDPR Art. 6(1)(a)).",
    "signals": "Where you click and where you scroll, in the two apps below. No text, no pictures.",
    "apps": "The issue tracker and the expenses app.",
    "never": "Passwords, camera, microphone, location, and every app that is not named here.",
    "method": "A program on your work computer. Its icon shows whenever it records.",
    "when": "From your yes until you stop, in working hours.",
    "recipients": "The training team of Northwind in Berlin. Nobody outside the EU.",
    "retention": "60 days at most, then it is deleted.",
    "rights": "You may see, correct and delete what is held, and complain.",
    "withdrawal": "One click on Stop recording, on any page, at any time.",
    "consequences": "None. Your work, pay and ratings stay as they are.",
    "automated_decisions": "None about you.",
    "complaint": "The data protection authority of Berlin.",
    "dates": "Prepared on 1 October 2026.",
}


def main() -> None:
    """Make the world through the services, and print who is who."""
    password = secrets.token_urlsafe(12)
    world = seed_world()
    subject = factories.make_subject("DE")
    with transaction.atomic():
        User.objects.create_user(
            "employee@northwind.example", password, name="Robin Ahrens", subject=subject
        )
        for name, login, role in (
            ("Kim Vogel", OFFICER, Role.PRIVACY_OFFICER),
            ("Noor Said", AUDITOR, Role.AUDITOR),
        ):
            user = User.objects.create_user(login, password, name=name)
            grant = RoleGrant.objects.create(user=user, role=role)
            ledger.append(
                events.RoleGranted(role=grant.role, to=user.ref),
                actor=factories.OFFICER,
                covers=[grant],
            )
    json.dump(
        {
            "password": password,
            "employee": "employee@northwind.example",
            "officer": OFFICER,
            "auditor": AUDITOR,
            "purpose": world,
        },
        sys.stdout,
    )


def seed_world() -> str:
    """Publish the purpose with its two apps, a works agreement's gates and the notice."""
    purpose = services.publish_purpose(
        code="train-agents",
        title="Train computer-use agents",
        description="Teach software to use office apps by watching how people do it.",
        retention_days=60,
        position=1,
        actor=factories.OFFICER,
    )
    for code, name, category, host in (
        ("tracker", "Issue tracker", AppCategory.TRACKER, "tracker.northwind.example"),
        ("expenses", "Expenses", AppCategory.FINANCE, "expenses.northwind.example"),
        ("people", "People and leave", AppCategory.HR, "hr.northwind.example"),
    ):
        app = services.list_app(
            code=code,
            name=name,
            category=category,
            data_of="colleagues",
            matchers=[(Platform.WEB, MatcherKind.DOMAIN, host)],
            actor=factories.OFFICER,
        )
        if code != "people":
            services.allow_in_purpose(
                purpose=purpose,
                app=app,
                signals=[Signal.MOUSE_CLICK, Signal.SCROLL, Signal.MOUSE_MOVE],
                actor=factories.OFFICER,
            )
    factories.close_all_gates(purpose, "DE")
    services.publish_notice(
        purpose=purpose,
        texts={"en": ("About the training of computer-use agents", SECTIONS)},
        actor=factories.OFFICER,
    )
    return purpose.code


if __name__ == "__main__":
    main()
