"""Tells the portal what the person did on this machine: paused, or had the last minutes forgotten.

Both hold here before anybody is told. What could not be told waits in the state folder, and telling
it twice is harmless.
"""

import math
from collections.abc import Mapping
from typing import Any

from sayso_agent.errors import AgentError
from sayso_agent.home import Home
from sayso_agent.portal import Portal
from sayso_agent.upload import rfc3339


def pending(home: Home) -> bool:
    """Return whether the portal has yet to hear of something."""
    return bool(home.untold_pause()) or bool(home.strikes_unreported())


def report(home: Home, portal: Portal) -> None:
    """Tell the portal what it has not heard; raises AgentError where it cannot be told now."""
    if pause := home.untold_pause():
        home.pause_told(pause, after_version=portal.pause(pause))
    for strike in home.strikes_unreported():
        tell_strike(portal, strike)
        home.strike_reported(str(strike["strike"]))


def tell_strike(portal: Portal, strike: Mapping[str, Any]) -> None:
    """Tell the portal of one strike, whether it could be kept here or not."""
    since, until = _a_little_wider(strike)
    portal.strike(str(strike["strike"]), rfc3339(since), rfc3339(until))


def try_report(home: Home, portal: Portal) -> bool:
    """Tell the portal if it can be told; return whether nothing is left to tell."""
    try:
        report(home, portal)
    except AgentError:
        return False
    return True


def _a_little_wider(strike: Mapping[str, Any]) -> tuple[float, float]:
    """Return the interval, a second wider where the clocks may disagree."""
    return math.floor(float(strike["since"])) - 1.0, float(strike["until"])
