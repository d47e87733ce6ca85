"""What stood at a past instant is told alike by page, API and command, and as it was then.

Every act that changes an answer, in any order; after each the decision of that very moment is kept
(by what decides for machines, not by what explains) and asked about again at the end, by each door.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_attention import agreement, midnight
from tests.integration.test_explain import API, OWN, PAGE
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()
ENDS = TODAY + timedelta(days=5)
pytestmark = pytest.mark.timeout(180)
ASKED = {"app": "tracker", "signal": "scroll"}


class Story:
    """One person, and what was decided about one app and signal after each of their acts."""

    def __init__(self, world: factories.World) -> None:
        from portal.api import tokens
        from portal.models import AgentToken

        self.world = world
        self.subject = world.another_subject()
        self.agent = factories.make_agent(self.subject)
        self.token = tokens.new_token()
        AgentToken.objects.create(agent=self.agent, sha256=tokens.token_hash(self.token))
        self.decided: dict[datetime, list[str]] = {}
        self.keep()

    def keep(self, at: datetime | None = None) -> None:
        """Keep what is decided now, for machines as for anybody."""
        from consent import selectors, services
        from consent.models import Subject

        time.sleep(0.001)
        now = at or datetime.now(UTC)
        subject = Subject.objects.get(pk=self.subject.pk)
        (found,) = [
            pair.decision
            for pair in selectors.verdicts_for(subject, at=now).pairs
            if (pair.app, pair.signal) == ("tracker", Signal.SCROLL)
        ]
        self.decided[now] = list(found.codes)
        if at is None:
            services.issue_policy(agent=self.agent)
        time.sleep(0.001)

    def yes(self) -> None:
        self.world.subject = self.subject
        self.world.say_yes(at=datetime.now(UTC))

    def withdraw(self) -> None:
        from consent import services

        services.withdraw_everything(subject=self.subject)

    def pause(self) -> None:
        from consent import services

        services.pause_capture(subject=self.subject)
        self.keep()
        services.resume_capture(subject=self.subject)

    def stop_all(self) -> None:
        from consent import services

        switch = services.pull_kill_switch(
            purpose=None, by=uuid4(), role="privacy_officer", reason="incident"
        )
        self.keep()
        for officer in (uuid4(), uuid4()):
            services.release_kill_switch(
                switch=switch.uuid, officer=factories.make_officer(officer)
            )

    def list_less(self) -> None:
        from consent import services

        less = {"purpose": self.world.purpose, "app": self.world.apps["tracker"]}
        services.disallow_in_purpose(signals=[Signal.SCROLL], actor=factories.OFFICER, **less)
        self.keep()
        services.allow_in_purpose(signals=[Signal.SCROLL], actor=factories.OFFICER, **less)

    def move(self) -> None:
        from consent import services

        for place in ("FI", "IE"):
            services.record_fact(
                subject=self.subject, kind="work_location", value=place, valid_from=TODAY,
                source="test", actor=factories.OFFICER,
            )  # fmt: skip
            self.keep()


ACTS: dict[str, Callable[[Story], None]] = {
    name: getattr(Story, name)
    for name in ("yes", "withdraw", "pause", "stop_all", "list_less", "move")
}


def test_page_api_and_command_tell_what_stood_then(database: Any) -> None:
    world = factories.make_world("IE")
    agreement("BV-1", ENDS, jurisdictions=["IE"])
    signed_in("privacy_officer")

    @settings(
        max_examples=2,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(acts=st.permutations(sorted(ACTS)))
    def told(acts: list[str]) -> None:
        story = Story(world)
        for act in acts:
            ACTS[act](story)
            story.keep()
        story.yes()
        story.keep()
        for at in (midnight(ENDS) - timedelta(seconds=1), midnight(ENDS)):
            with time_machine.travel(at, tick=False):
                story.keep(at)
        assert "agreement_does_not_cover" in story.decided[midnight(ENDS)]
        assert [] in story.decided.values()
        with time_machine.travel(midnight(ENDS) + timedelta(days=5), tick=False):
            hold_the_doors_together(story)

    told()


def hold_the_doors_together(story: Story) -> None:
    person, officer = logged_in(subject=story.subject), logged_in("privacy_officer@example.org")
    share(story)
    for at, codes in story.decided.items():
        asked = {**ASKED, "at": at.isoformat()}
        about = {**asked, "subject": str(story.subject.ref)}
        bearer = {"Authorization": f"Bearer {story.token}"}
        api = post(officer, about)
        assert api["answers"][0]["reasons"] == codes, at
        assert api["part"] == "whole"
        assert (api["decision"] == "allow") == (codes == [])
        assert post(Client(), asked, **bearer) == api
        assert json.loads(command(about, "--json")) == api
        text = command(about)
        chain = {step["code"]: step["rule"] for step in api["answers"][0]["explanations"]}
        assert [code.partition(":")[0] for code in chain] == [c.partition(":")[0] for c in codes]
        assert [word for word in text.replace("]", "[").split("[") if word in chain] == list(chain)
        for page in (person.post(OWN, asked), officer.post(PAGE, about)):
            (answer,) = page.context["explained"]["answers"]
            assert [reason["code"] for reason in answer["reasons"]] == list(chain)
            assert answer["permitted"] is (codes == [])
            shown = page.content.decode()
            assert all(f"<code>{code}</code>" in shown for code in chain)
        for reason in answer["reasons"]:
            assert bool(reason["rule"]) == bool(chain[reason["code"]])
            assert all(paper["text"] in text for paper in reason["grounds"])


def logged_in(email: str = "", subject: Any = None) -> Client:
    """A browser of today: a session of days ago would be over."""
    from portal.models import User

    user = User.objects.filter(email=email).first() or User.objects.create_user(
        f"{subject.ref}@example.org", None, name="X", subject=subject
    )
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def share(story: Story) -> None:
    """Let others have the whole answer about each day that is asked about."""
    from consent import services

    for day in {at.date() for at in story.decided}:
        services.share_explanation(
            subject=story.subject, app=story.world.apps["tracker"], signal=Signal.SCROLL, day=day,
            days=7,
        )  # fmt: skip


def post(client: Client, body: dict[str, Any], **headers: str) -> Any:
    answer = client.post(API, body, content_type="application/json", headers=headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def command(about: dict[str, Any], *options: str) -> str:
    out = io.StringIO()
    argv = [part for name, value in about.items() for part in (f"--{name}", value)]
    call_command("explain", *argv, *options, stdout=out)
    return out.getvalue()
