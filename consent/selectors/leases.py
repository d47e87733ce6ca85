"""The leases that an agent was ever given."""

from datetime import datetime

from consent.models import Agent


def leased_throughout(agent: Agent, since: datetime, until: datetime) -> bool:
    """Return whether every instant of an interval lay within some lease issued to the agent.

    Half-open; an interval without length still holds the instant that it names. What the leases
    allowed does not matter here.
    """
    leases = agent.policies.filter(issued_at__lte=until, lease_until__gt=since)
    reached = since
    for begun, ended in leases.order_by("issued_at").values_list("issued_at", "lease_until"):
        if begun > reached:
            return False
        reached = max(reached, ended)
        if reached >= until:
            return True
    return False
