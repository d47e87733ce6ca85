"""Every way in which a batch can come in, and its answer: one row each, over the HTTP API.

The same table stands in docs/explanation/how-a-batch-is-judged.md; the last test compares them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.test import Client, override_settings
from sayso_agent.lease import Instant
from sayso_agent.lease import Lease as AgentLease
from sayso_agent.policy import Policy
from sayso_agent.upload import rfc3339

from consent.policy.types import AppCategory, Signal
from tests import factories

PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/how-a-batch-is-judged.md"
CONTENT = b"what was recorded"
MINUTE = timedelta(minutes=1)
CLICK = Signal.MOUSE_CLICK
OWN_CHOICES = {
    "consent_does_not_stand",
    "signal_not_consented",
    "paused",
    "struck",
    "notice_waiver_withdrawn",
}


@dataclass
class Machine:
    """An enrolled machine with a poll token."""

    agent: Any
    token: str

    def issue(self, *, ago: timedelta) -> Any:
        """The policy that it got a while ago; its lease is a quarter of an hour."""
        return factories.make_policy(self.agent, ago=ago)


@dataclass
class Scene:
    """A person who said yes, and their machine. Times are counted back from now."""

    world: factories.World
    mine: Machine
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ago(self, minutes: float) -> datetime:
        return self.now - minutes * MINUTE

    def announce(self, policy: Any, **differs: Any) -> Any:
        """Hand in a manifest: a minute's clicks, from the second minute of the policy on."""
        machine = differs.pop("machine", self.mine)
        start = policy.issued_at + MINUTE
        manifest = {
            "batch": str(uuid4()),
            "policy_version": policy.version,
            "purpose": "train-agents",
            "app": "tracker",
            "signals": {"mouse_click": 3},
            "from": start.isoformat(),
            "until": (start + MINUTE).isoformat(),
            "bytes": len(CONTENT),
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "redactor": "test/1",
            **differs,
        }
        return Client().post(
            "/api/v1/batches",
            manifest,
            content_type="application/json",
            headers={"Authorization": f"Bearer {machine.token}"},
        )

    def send(self, announced: Any, content: bytes = CONTENT, machine: Machine | None = None) -> Any:
        """Hand in the bytes; where the manifest was refused already, that is the answer."""
        if announced.status_code >= 400 or "upload_url" not in announced.json():
            return announced
        return Client().put(
            announced.json()["upload_url"],
            content,
            content_type="application/octet-stream",
            headers={"Authorization": f"Bearer {(machine or self.mine).token}"},
        )

    def hand_in(self, policy: Any, content: bytes = CONTENT, **differs: Any) -> Any:
        machine = differs.get("machine")
        return self.send(self.announce(policy, **differs), content, machine)

    def over(self, *, begins: float, ends: float) -> dict[str, str]:
        """An interval of capture, in minutes ago."""
        return {"from": self.ago(begins).isoformat(), "until": self.ago(ends).isoformat()}


def enrolled(subject: Any) -> Machine:
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    agent, token = factories.make_agent(subject), new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(token))
    return Machine(agent, token)


@pytest.fixture
def scene(database: Any, store: Path) -> Scene:
    world = factories.make_world()
    world.say_yes()
    return Scene(world, enrolled(world.subject))


# --- the stories ---------------------------------------------------------------------------------


def in_time(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE))


def late(scene: Scene) -> Any:
    """Its lease ended more than two hours ago."""
    return scene.hand_in(scene.mine.issue(ago=150 * MINUTE))


def offline(scene: Scene) -> Any:
    """Captured to the end of a lease that nothing renewed; three newer policies since."""
    policy = scene.mine.issue(ago=60 * MINUTE)
    for minutes in (40, 20, 2):
        scene.mine.issue(ago=minutes * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=50, ends=46))


def manifest_again(scene: Scene) -> Any:
    policy, batch = scene.mine.issue(ago=5 * MINUTE), str(uuid4())
    scene.hand_in(policy, batch=batch)
    return scene.announce(policy, batch=batch)


def bytes_again(scene: Scene) -> Any:
    announced = scene.announce(scene.mine.issue(ago=5 * MINUTE))
    scene.send(announced)
    return scene.send(announced)


def other_id(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    scene.hand_in(policy)
    return scene.hand_in(policy)


def other_id_at_once(scene: Scene) -> Any:
    """Both are announced before the bytes of either come."""
    policy = scene.mine.issue(ago=5 * MINUTE)
    first, second = scene.announce(policy), scene.announce(policy)
    scene.send(first)
    return scene.send(second)


def skewed(scene: Scene, hours: int) -> Any:
    """The reference agent's own stamps, on a machine whose wall clock is wrong by hours."""
    from consent import services

    at = datetime.now(UTC) - 5 * MINUTE
    lease = services.issue_policy(agent=scene.mine.agent, at=at)
    policy = Policy.parse(lease.document)
    wall = policy.issued_at + hours * 3600
    began = Instant(1000.0, wall)
    held = AgentLease.begin(policy, asked=began.monotonic, received=began.monotonic)
    stamps = [held.stamp(Instant(1000.0 + s, wall + s)) for s in (60, 120)]
    if None in stamps:
        return None
    since, until = (rfc3339(stamp) for stamp in stamps if stamp is not None)
    return scene.hand_in(lease.policy, **{"from": since, "until": until})


def slow_clock(scene: Scene) -> Any:
    return skewed(scene, -3)


def stamped_by_a_slow_clock(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=184, ends=183))


def stamped_by_a_fast_clock(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=-176, ends=-177))


def ends_in_the_future(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=1, ends=-1))


def machine_of_another(scene: Scene) -> Machine:
    person = scene.world.another_subject()
    factories.World(
        scene.world.purpose, scene.world.notice, scene.world.apps, person, "IE"
    ).say_yes()
    return enrolled(person)


def policy_of_another_person(scene: Scene) -> Any:
    foreign = machine_of_another(scene).issue(ago=4 * MINUTE)
    scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(foreign)


def policy_of_their_other_machine(scene: Scene) -> Any:
    other = enrolled(scene.world.subject).issue(ago=4 * MINUTE)
    scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(other)


def policy_of_another_and_none_of_ones_own(scene: Scene) -> Any:
    return scene.hand_in(machine_of_another(scene).issue(ago=5 * MINUTE))


def id_of_another(scene: Scene) -> Any:
    theirs = machine_of_another(scene)
    batch = str(uuid4())
    scene.announce(theirs.issue(ago=5 * MINUTE), batch=batch, machine=theirs)
    return scene.announce(scene.mine.issue(ago=5 * MINUTE), batch=batch)


def bytes_of_another(scene: Scene) -> Any:
    announced = scene.announce(scene.mine.issue(ago=5 * MINUTE))
    return scene.send(announced, machine=machine_of_another(scene))


def other_bytes(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), CONTENT[::-1])


def longer_bytes(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), CONTENT + b"!")


def shorter_bytes(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), CONTENT[:-1])


def right_bytes_after_wrong_ones(scene: Scene) -> Any:
    announced = scene.announce(scene.mine.issue(ago=5 * MINUTE))
    scene.send(announced, CONTENT[::-1])
    return scene.send(announced)


def altered_manifest(scene: Scene) -> Any:
    policy, batch = scene.mine.issue(ago=5 * MINUTE), str(uuid4())
    scene.announce(policy, batch=batch)
    return scene.announce(policy, batch=batch, signals={"mouse_click": 4})


def too_large(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), bytes=5_000_001)


def more_than_bytes(scene: Scene) -> Any:
    count = len(CONTENT) + 1
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), signals={"mouse_click": count})


def more_than_time(scene: Scene) -> Any:
    return scene.hand_in(
        scene.mine.issue(ago=5 * MINUTE), signals={"mouse_click": 1_000_000}, bytes=4_000_000
    )


def too_long(scene: Scene) -> Any:
    """Under a lease of half an hour, where a batch holds a quarter of one at most."""
    from consent import services

    with override_settings(POLICY_LEASE_SECONDS=1800):
        with transaction.atomic():
            services.refresh_cohorts(at=scene.now)
        policy = scene.mine.issue(ago=20 * MINUTE)
    assert policy.lease_until - policy.issued_at == 30 * MINUTE
    return scene.hand_in(policy, **scene.over(begins=19, ends=3))


def across_two_policies(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=20 * MINUTE)
    scene.mine.issue(ago=10 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=12, ends=3))


def outside_any_lease(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=60 * MINUTE)
    scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=30, ends=29))


def beyond_its_lease(scene: Scene) -> Any:
    """It began in the lease and went on where no lease was."""
    policy = scene.mine.issue(ago=60 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=46, ends=44))


def before_it_enrolled(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=90, ends=89))


def narrower(scene: Scene, *, ago: float) -> Any:
    """A policy for a place whose works council has not agreed: it allows nothing."""
    from consent import services

    services.record_fact(
        subject=scene.world.subject,
        kind="work_location",
        value="DE",
        valid_from=scene.now.date() - timedelta(days=1),
        source="test",
        actor=factories.OFFICER,
    )
    policy = scene.mine.issue(ago=ago * MINUTE)
    assert policy.allow.get("train-agents", {}) == {}
    return policy


def superseded(scene: Scene) -> Any:
    """Under the lease of the version before, which still runs."""
    policy = scene.mine.issue(ago=8 * MINUTE)
    narrower(scene, ago=3)
    return scene.hand_in(policy, **scene.over(begins=2, ends=1))


def superseded_half_way(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=8 * MINUTE)
    narrower(scene, ago=3)
    return scene.hand_in(policy, **scene.over(begins=4, ends=2))


def superseded_before_the_bytes(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=8 * MINUTE)
    announced = scene.announce(policy, **scene.over(begins=4, ends=2))
    narrower(scene, ago=3)
    return scene.send(announced)


def superseded_for_a_while(scene: Scene) -> Any:
    """Narrower, and wide again: what was captured meanwhile was never allowed."""
    from consent import services

    policy = scene.mine.issue(ago=12 * MINUTE)
    services.pause_capture(subject=scene.world.subject)
    scene.mine.issue(ago=8 * MINUTE)
    services.resume_capture(subject=scene.world.subject)
    scene.mine.issue(ago=4 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=7, ends=6))


def before_it_was_superseded(scene: Scene) -> Any:
    """Up to the very second in which the narrower policy was issued."""
    policy = scene.mine.issue(ago=8 * MINUTE)
    ends = narrower(scene, ago=3).issued_at
    since = (ends - MINUTE).isoformat()
    return scene.hand_in(policy, **{"from": since, "until": ends.isoformat()})


def renewed_meanwhile(scene: Scene) -> Any:
    """The answer with the renewal got lost: the machine goes on under the version before."""
    policy = scene.mine.issue(ago=8 * MINUTE)
    scene.mine.issue(ago=3 * MINUTE)
    return scene.hand_in(policy, **scene.over(begins=2, ends=1))


def superseded_on_another_machine(scene: Scene) -> Any:
    """What another machine was told does not bear on this one."""
    from consent import services

    policy, other = scene.mine.issue(ago=8 * MINUTE), enrolled(scene.world.subject)
    services.pause_capture(subject=scene.world.subject)
    other.issue(ago=3 * MINUTE)
    services.resume_capture(subject=scene.world.subject)
    return scene.hand_in(policy, **scene.over(begins=2, ends=1))


def app_not_allowed(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), app="elsewhere")


def signal_not_allowed(scene: Scene) -> Any:
    return scene.hand_in(
        scene.mine.issue(ago=5 * MINUTE),
        signals={"screenshot": 1},
        visible={"screenshot": ["tracker"]},
    )


def title_without_its_windows(scene: Scene) -> Any:
    from consent import services

    services.allow_in_purpose(
        purpose=scene.world.purpose,
        app=scene.world.apps["tracker"],
        signals=(Signal.WINDOW_TITLE,),
        actor=factories.OFFICER,
    )
    scene.world.say_yes(("tracker", Signal.WINDOW_TITLE))
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), signals={"window_title": 1})


def title_masked_by_nobody_knows_what(scene: Scene) -> Any:
    title_without_its_windows(scene)
    return scene.hand_in(
        scene.mine.issue(ago=5 * MINUTE),
        signals={"window_title": 1},
        visible={"window_title": ["tracker"]},
        redactor="none",
    )


def app_reported_since(scene: Scene) -> Any:
    from consent import services

    announced = scene.announce(scene.mine.issue(ago=5 * MINUTE))
    services.report_app(
        app=scene.world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=UUID(int=9),
        actor=factories.OFFICER,
    )
    return scene.send(announced)


def struck(scene: Scene) -> Any:
    from consent import services

    policy = scene.mine.issue(ago=8 * MINUTE)
    announced = scene.announce(policy, **scene.over(begins=7, ends=4))
    services.forget_last(subject=scene.world.subject, minutes=5)
    return scene.send(announced)


def before_what_was_struck(scene: Scene) -> Any:
    from consent import services

    policy = scene.mine.issue(ago=14 * MINUTE)
    announced = scene.announce(policy, **scene.over(begins=13, ends=11))
    services.forget_last(subject=scene.world.subject, minutes=5)
    return scene.send(announced)


def pause(scene: Scene, *, resumed: bool) -> None:
    from consent import services

    services.pause_capture(subject=scene.world.subject)
    if resumed:
        services.resume_capture(subject=scene.world.subject)


def paused(scene: Scene) -> Any:
    """It goes on after the pause began, under a lease from before."""
    policy = scene.mine.issue(ago=5 * MINUTE)
    pause(scene, resumed=False)
    return scene.hand_in(policy, **{"from": scene.ago(1).isoformat(), "until": soon()})


def paused_and_resumed(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    pause(scene, resumed=True)
    return scene.hand_in(policy, **{"from": scene.ago(1).isoformat(), "until": soon()})


def before_a_pause(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    pause(scene, resumed=False)
    return scene.hand_in(policy)


def soon() -> str:
    return (datetime.now(UTC) + timedelta(seconds=1)).isoformat()


def withdraw(scene: Scene) -> None:
    from consent import services

    services.withdraw_consent(subject=scene.world.subject, purpose="train-agents")


def withdrawn_since(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    withdraw(scene)
    return scene.hand_in(policy)


def withdrawn_before_the_bytes(scene: Scene) -> Any:
    announced = scene.announce(scene.mine.issue(ago=5 * MINUTE))
    withdraw(scene)
    return scene.send(announced)


def captured_after_the_withdrawal(scene: Scene) -> Any:
    """By an agent that had not heard of it, under its lease."""
    policy = scene.mine.issue(ago=5 * MINUTE)
    withdraw(scene)
    now = datetime.now(UTC).isoformat()
    return scene.hand_in(policy, **{"from": now, "until": now})


def withdrawn_and_agreed_anew(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    withdraw(scene)
    scene.world.say_yes()
    return scene.hand_in(policy)


def agreed_anew_without_a_break(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    scene.world.say_yes()
    return scene.hand_in(policy)


def agreed_to_less(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    scene.world.say_yes(("sheet", CLICK))
    return scene.hand_in(policy)


def agreed_to_less_for_a_while(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    scene.world.say_yes(("sheet", CLICK))
    scene.world.say_yes()
    return scene.hand_in(policy)


def switched_off(scene: Scene) -> Any:
    from consent import services

    policy = scene.mine.issue(ago=5 * MINUTE)
    services.pull_kill_switch(purpose=None, by=UUID(int=3), role="operator", reason="incident")
    now = datetime.now(UTC).isoformat()
    return scene.hand_in(policy, **{"from": now, "until": now})


def machine_removed(scene: Scene) -> Any:
    from consent import services

    policy = scene.mine.issue(ago=5 * MINUTE)
    services.revoke_agent(subject=scene.world.subject, ref=str(scene.mine.agent.ref))
    return scene.hand_in(policy)


def unknown_token(scene: Scene) -> Any:
    policy = scene.mine.issue(ago=5 * MINUTE)
    return scene.hand_in(policy, machine=Machine(scene.mine.agent, "sat_" + "x" * 43))


def no_manifest(scene: Scene) -> Any:
    return Client().put(
        f"/api/v1/batches/{uuid4()}/bytes",
        CONTENT,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {scene.mine.token}"},
    )


def unreadable(scene: Scene) -> Any:
    return scene.hand_in(scene.mine.issue(ago=5 * MINUTE), signals={"webcam": 1})


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What comes in, and its answer: status; state or code, with its reasons; what is kept."""

    what: str
    story: Callable[[Scene], Any]
    status: int
    says: str
    reasons: tuple[str, ...] = ()
    kept: int = 0

    @property
    def incident(self) -> bool:
        return self.says == "batch_quarantined"


def refused(what: str, story: Callable[[Scene], Any], *reasons: str, kept: int = 0) -> Row:
    return Row(what, story, 422, "batch_refused", reasons, kept)


def incident(what: str, story: Callable[[Scene], Any], *reasons: str) -> Row:
    return Row(what, story, 422, "batch_quarantined", reasons)


def forged(what: str, story: Callable[[Scene], Any]) -> Row:
    return Row(what, story, 422, "bytes_do_not_match")


TABLE = (
    Row("in time", in_time, 201, "admitted", kept=1),
    Row("late: hours after its lease ended", late, 201, "admitted", kept=1),
    Row("offline: captured under a lease that still ran, handed in under a later one",
        offline, 201, "admitted", kept=1),
    Row("replayed: the same manifest again", manifest_again, 200, "admitted", kept=1),
    Row("replayed: the same bytes again", bytes_again, 200, "admitted", kept=1),
    refused("duplicated: the same capture under another id", other_id,
            "handed_in_before", kept=1),
    refused("duplicated: both announced before the bytes of either", other_id_at_once,
            "handed_in_before", kept=1),
    Row("clock-skewed: the wall clock is wrong, the stamps are by the lease",
        slow_clock, 201, "admitted", kept=1),
    incident("clock-skewed: stamped by a wall clock that is hours slow", stamped_by_a_slow_clock,
             "outside_the_lease", "outside_every_lease"),
    refused("clock-skewed: stamped by a wall clock that is hours fast", stamped_by_a_fast_clock,
            "outside_the_lease", "captured_in_the_future"),
    refused("future: it ends after now", ends_in_the_future, "captured_in_the_future"),
    refused("foreign: under another person's policy", policy_of_another_person,
            "policy_never_issued"),
    refused("foreign: under the policy of the same person's other machine",
            policy_of_their_other_machine, "policy_never_issued"),
    incident("foreign: under another's policy, with no lease of its own",
             policy_of_another_and_none_of_ones_own, "policy_never_issued", "outside_every_lease"),
    Row("foreign: under the id of another machine's batch", id_of_another, 409,
        "manifest_differs"),
    Row("foreign: the bytes of a batch that another machine announced", bytes_of_another, 404,
        "batch_unknown"),
    forged("forged: other bytes of the same length", other_bytes),
    forged("forged: more bytes than announced", longer_bytes),
    forged("forged: fewer bytes than announced", shorter_bytes),
    Row("the right bytes after wrong ones", right_bytes_after_wrong_ones, 201, "admitted", kept=1),
    Row("forged: an altered manifest under the same id", altered_manifest, 409,
        "manifest_differs"),
    refused("larger than the policy allows", too_large, "batch_too_large"),
    refused("longer than the policy allows", too_long, "batch_too_long"),
    refused("more events than bytes", more_than_bytes, "more_events_than_bytes"),
    refused("more events than happen in that time", more_than_time,
            "more_events_than_time:mouse_click"),
    refused("across two policies", across_two_policies, "outside_the_lease"),
    refused("under the version before, after a narrower one was issued", superseded,
            "policy_superseded"),
    refused("under the version before, half before a narrower one and half after",
            superseded_half_way, "policy_superseded"),
    refused("a narrower version was issued between manifest and bytes",
            superseded_before_the_bytes, "policy_superseded"),
    refused("under the version before, while a narrower one stood that is over",
            superseded_for_a_while, "policy_superseded"),
    Row("under the version before, until a narrower one was issued", before_it_was_superseded,
        201, "admitted", kept=1),
    Row("under the version before, after an equal renewal", renewed_meanwhile,
        201, "admitted", kept=1),
    Row("after a narrower version was issued to another machine", superseded_on_another_machine,
        201, "admitted", kept=1),
    incident("outside any lease", outside_any_lease, "outside_the_lease", "outside_every_lease"),
    incident("begun under a lease, ended when none ran", beyond_its_lease,
             "outside_the_lease", "outside_every_lease"),
    incident("from before the machine's first lease", before_it_enrolled,
             "outside_the_lease", "outside_every_lease"),
    refused("an app that the policy did not allow", app_not_allowed,
            "app_not_allowed", "signal_not_consented"),
    refused("a signal that the policy did not allow", signal_not_allowed,
            "signal_not_allowed:screenshot", "signal_not_consented"),
    refused("a title without the list of windows in sight", title_without_its_windows,
            "visible_unknown:window_title"),
    refused("a title masked by a program that is not known to do it",
            title_masked_by_nobody_knows_what, "redactor_unknown:window_title"),
    refused("an app that was reported since", app_reported_since, "never_category"),
    refused("a strike overlaps it", struck, "struck"),
    Row("from before what was struck", before_what_was_struck, 201, "admitted", kept=1),
    refused("a pause overlaps it", paused, "paused"),
    refused("a pause that is over overlapped it", paused_and_resumed, "paused"),
    Row("from before a pause", before_a_pause, 201, "admitted", kept=1),
    refused("withdrawn since it was captured", withdrawn_since, "consent_does_not_stand"),
    refused("withdrawn between manifest and bytes", withdrawn_before_the_bytes,
            "consent_does_not_stand"),
    refused("captured after the withdrawal, under a lease not yet ended",
            captured_after_the_withdrawal, "consent_does_not_stand"),
    refused("withdrawn since, and agreed to anew", withdrawn_and_agreed_anew,
            "consent_does_not_stand"),
    Row("agreed to anew without a break", agreed_anew_without_a_break, 201, "admitted", kept=1),
    refused("agreed to less since", agreed_to_less, "signal_not_consented"),
    refused("agreed to less for a while since", agreed_to_less_for_a_while,
            "signal_not_consented"),
    refused("a kill switch overlaps it", switched_off, "kill_switch"),
    Row("from a machine that was removed", machine_removed, 403, "agent_revoked"),
    Row("with a token that nobody holds", unknown_token, 401, "token_unknown"),
    Row("bytes that nobody announced", no_manifest, 404, "batch_unknown"),
    Row("a manifest that cannot be read", unreadable, 400, "invalid_request"),
)  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_each_has_its_answer(row: Row, scene: Scene, store: Path, database: Any) -> None:
    answer = row.story(scene)

    said = answer.json()
    assert (answer.status_code, said.get("code") or said["state"]) == (row.status, row.says), said
    assert tuple(said.get("reasons", ())) == row.reasons
    if row.status >= 400:
        assert said["next_step"]
    files = [path.read_bytes() for path in store.rglob("*") if path.is_file()]
    assert files == [CONTENT] * row.kept
    assert database.sql("SELECT count(*) FROM retention_batch") == [(row.kept,)]
    states = [state for (state,) in database.sql("SELECT state FROM retention_admission")]
    assert states.count("quarantined") == row.incident
    entries = "SELECT count(*) FROM audit_entry WHERE type = 'batch.quarantined'"
    assert database.sql(entries) == [(int(row.incident),)]
    leaves = database.sql("SELECT body FROM audit_entry WHERE type LIKE 'batch.%'")
    told = {word for (leaf,) in leaves for word in re.findall(r"\w+", bytes(leaf).decode())}
    assert told & OWN_CHOICES == set()


def test_a_fast_wall_clock_ends_the_lease_and_nothing_is_captured(scene: Scene) -> None:
    assert skewed(scene, 3) is None


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.status == 422], ids=lambda row: row.what
)
def test_a_refusal_is_the_same_when_asked_again(row: Row, scene: Scene) -> None:
    from retention.models import Admission

    row.story(scene)
    admission = Admission.objects.order_by("-announced_at").first()
    assert admission
    again = Client().put(
        f"/api/v1/batches/{admission.batch}/bytes",
        CONTENT,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {scene.mine.token}"},
    )

    if row.says == "bytes_do_not_match":
        assert again.status_code == 201
    else:
        assert (again.status_code, again.json()["code"]) == (422, row.says)
        assert tuple(again.json()["reasons"]) == row.reasons


def test_the_documentation_has_the_same_table() -> None:
    lines = re.findall(
        r"^\| (.+) \| (\d{3}) \| `(\w+)`(.*) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE
    )
    documented = {
        what: (int(status), says, tuple(re.findall(r"`([\w:]+)`", reasons)), kept, an_incident)
        for what, status, says, reasons, kept, an_incident in lines
    }

    assert documented == {
        row.what: (
            row.status,
            row.says,
            row.reasons,
            {0: "none", 1: "kept once"}[row.kept],
            "yes" if row.incident else "no",
        )
        for row in TABLE
    }
