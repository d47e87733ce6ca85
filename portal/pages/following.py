"""Which of a person's machines follow their latest choice, for that person alone to see."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from consent.models import Agent, PersonalPolicy, Subject


@dataclass(frozen=True)
class Following:
    """Where one machine stands.

    `follows`: it says that it obeys a policy made after the latest choice, since `at`. `ended`: no
    policy from before that choice runs any more, so it records nothing by one. `told`: it got the
    new policy `at` and has not said that it obeys. `silent`: it was last heard of `at`, before the
    choice; `lease_until` is when what it may still go by ends.
    """

    state: Literal["follows", "ended", "told", "silent"]
    stopped: bool
    """Whether nothing that it may still go by allows anything."""
    at: datetime | None = None
    purged: bool = False
    ran_out: bool = False
    """Whether what it follows allowed something and has ended: it never said that it stopped."""
    lease_until: datetime | None = None

    @property
    def is_sure(self) -> bool:
        """Whether nothing is recorded by an older choice any more."""
        return self.state in {"follows", "ended"}


def following(subject: Subject, agents: Iterable[Agent], *, now: datetime) -> dict[int, Following]:
    """Return where each machine in good standing is, by its key; all others are cut off."""
    half = PersonalPolicy.objects.filter(subject=subject).values_list("revision", flat=True).first()
    return {
        agent.pk: _of(agent, half or 0, now)
        for agent in agents
        if agent.standing == Agent.Standing.ACTIVE
    }


def _of(agent: Agent, revision: int, now: datetime) -> Following:
    word = agent.acknowledgements.order_by("-version", "-purged").first()
    running = agent.policies.filter(lease_until__gt=now)
    may_go_by = running.filter(version__gte=word.version) if word else running
    stopped = not may_go_by.exclude(allow={}).exists()
    since = agent.policies.filter(personal_revision__gte=revision).order_by("version")
    first = since.values_list("version", "issued_at").first()
    if first is not None and word is not None and word.version >= first[0]:
        said = agent.acknowledgements.filter(version__gte=first[0]).order_by("version")
        begun = said.values_list("applied_at", flat=True)[0]
        spoken = agent.policies.filter(version=word.version).exclude(allow={}).exists()
        return Following(
            "follows", stopped, at=begun, purged=word.purged, ran_out=stopped and spoken
        )
    before = running.filter(personal_revision__lt=revision).order_by("-lease_until").first()
    if before is None:
        return Following("ended", stopped)
    if first is not None:
        return Following("told", stopped, at=first[1], lease_until=before.lease_until)
    return Following("silent", stopped, at=heard_of(agent), lease_until=before.lease_until)


def heard_of(agent: Agent) -> datetime | None:
    """Return when it last got a policy or spoke of one; what changed nothing is not written."""
    issued = agent.policies.order_by("-version").values_list("issued_at", flat=True).first()
    word = agent.acknowledgements.order_by("-pk").values_list("recorded_at", flat=True).first()
    return max((moment for moment in (issued, word) if moment), default=None)
