"""An entry about a policy says whether it allows what the agent's last one allowed."""

from __future__ import annotations

import json
from typing import Any

from tests import factories
from tests.integration.polling import enrolled

SAID = "SELECT body FROM audit_entry WHERE type = 'policy.issued' ORDER BY id DESC LIMIT %s"


def test_a_policy_renews_exactly_what_allows_the_same(database: Any) -> None:
    from consent import services

    world = factories.make_world()
    world.say_yes()
    one, _ = enrolled(world.subject)
    other, _ = enrolled(world.subject)
    agents = {agent.pk: world.subject.pk for agent in (one, other)}

    assert reasons_of(database, agents) == ["change", "change"], "nothing came before"
    assert reasons_of(database, agents) == ["renewal", "renewal"]

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    assert reasons_of(database, {one.pk: world.subject.pk}) == ["change"]
    assert reasons_of(database, agents) == ["renewal", "change"], "each beside its own last one"


def reasons_of(database: Any, agents: dict[int, int]) -> list[str]:
    """Issue each agent its next policy; return what the entries say, by the agent's key."""
    from consent import services

    services.issue_policies(agents=agents)
    bodies = [json.loads(bytes(body)) for (body,) in database.sql(SAID, len(agents))]
    return [body["data"]["reason"] for body in reversed(bodies)]
