"""Gives one more employee a standing yes and a number of batches, through the services.

Run as a program inside an installation's environment: `fill.py COUNT`. Prints, as JSON, the
sign-in and a needle that every batch contains.
"""

from __future__ import annotations

import json
import os
import secrets
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
import django

django.setup()

from consent import selectors, services
from consent.models import Purpose
from consent.policy.types import Signal
from consent.services import Pair
from portal.models import User
from tests import factories


def main(count: int) -> None:
    """Make the person, the yes, the agent and the batches."""
    subject = factories.make_subject("DE")
    password = secrets.token_urlsafe(12)
    email = f"{secrets.token_hex(4)}@northwind.example"
    User.objects.create_user(email, password, name="Sam Winter", subject=subject)
    purpose = Purpose.objects.get()
    notice = selectors.current_notice(purpose)
    assert notice
    services.give_consent(
        subject=subject,
        purpose=purpose.code,
        notice=notice,
        pairs=[Pair("tracker", Signal.MOUSE_CLICK)],
        language="en",
    )
    agent = factories.make_agent(subject)
    policy = factories.make_policy(agent)
    needle = secrets.token_bytes(16)
    for number in range(count):
        factories.hand_in(agent, policy, needle + f" batch {number}".encode())
    json.dump({"email": email, "password": password, "needle": needle.hex()}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
