"""Adds an employee in New South Wales who came yesterday, said yes, and waits.

Run as a program inside an installation's environment. Prints who may sign in, as JSON.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
import django

django.setup()

from consent import selectors, services
from consent.models import Purpose
from consent.policy.types import Signal
from consent.services import Pair
from portal.models import User
from tests import factories

PLACES = ("AU", "AU-NSW")


def main() -> None:
    """Make the person and the yes; the purpose is in order there."""
    purpose = Purpose.objects.get()
    for place in PLACES:  # counsel signs off either of them
        factories.close_all_gates(purpose, place)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    subject = factories.known_for_long({"work_location": PLACES[-1]}, yesterday)
    notice = selectors.current_notice(purpose)
    assert notice
    services.give_consent(
        subject=subject,
        purpose=purpose.code,
        notice=notice,
        pairs=[Pair("tracker", Signal.MOUSE_CLICK)],
        language="en",
    )
    password = secrets.token_urlsafe(12)
    email = f"{secrets.token_hex(4)}@northwind.example"
    User.objects.create_user(email, password, name="Ari Stone", subject=subject)
    json.dump({"email": email, "password": password}, sys.stdout)


if __name__ == "__main__":
    main()
