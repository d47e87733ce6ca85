"""Changing what we are known by at the portal: the token we poll with, and the key behind it.

First the portal is asked (`ask_token`, `ask_key`), over the token that we have and beside all else
that uses it. Then, while nothing of ours is asking, what it gave is kept and used (`keep`): what is
asked with the old token after the new one was used looks like a copy of us. Everything is on disk
before it is used and until its successor was used, so that no answer that gets lost loses us.
"""

from dataclasses import dataclass

from sayso_agent.errors import StateError, UnexpectedAnswerError
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.jws import b64url
from sayso_agent.keys import CHANGE, ROTATE, Key, kind_of, prove, public_bytes
from sayso_agent.lease import Clock
from sayso_agent.portal import Portal


@dataclass(frozen=True, slots=True)
class Gained:
    """A token that nobody has used yet."""

    token: str
    rotate_after: int
    change_key_after: int | None = None  # told where our next key has proven it


def ask_token(home: Home, portal: Portal) -> Gained | None:
    """Ask for a new token, proving our key; whatever fails, the token we have stays.

    None where another process of this folder has done it: then its token is ours as well.
    """
    if home.identity().token != portal.token:
        return None
    if (coming := home.next_key()) is not None:
        return _by_next_key(home, portal, coming)  # begun before, and not finished
    token, after = _proven(home, portal, home.key())
    return Gained(token, after)


def ask_key(home: Home, portal: Portal, *, kind: str = "") -> Gained | None:
    """Have the portal take a new key and, proven by it, ask for a new token.

    Begun once, it is finished by the next call, whatever got lost meanwhile. None as `ask_token`.
    """
    if home.identity().token != portal.token:
        return None
    coming = home.next_key(kind or kind_of(home.key()))
    if coming is None:
        raise StateError("state_damaged", "the next key was damaged; try again")
    return _by_next_key(home, portal, coming)


def keep(home: Home, clock: Clock, gained: Gained | None) -> Identity:
    """Keep what the portal gave, durably, and return who we are from now on."""
    if gained is None:
        return home.identity()
    wall = clock.now().wall
    # Kept before it is used: a crash here leaves one of the two, and either works.
    now = home.change_token(gained.token, wall=wall, rotate_after=gained.rotate_after)
    if (after := gained.change_key_after) is not None:
        now = home.adopt_next_key(wall=wall, change_key_after=after)
    return now


def _by_next_key(home: Home, portal: Portal, coming: Key) -> Gained:
    """Have the next key taken and used. Used first: perhaps it was taken, and we never heard."""
    try:
        token, rotate_after = _proven(home, portal, coming)
        after = home.identity().change_key_after
    except UnexpectedAnswerError:
        after = _name(home, portal, coming)
        token, rotate_after = _proven(home, portal, coming)
    return Gained(token, rotate_after, after)


def _name(home: Home, portal: Portal, coming: Key) -> int:
    """Tell the portal of our next key, proven by the one we have and by that one."""
    who, public = home.identity(), b64url(public_bytes(coming))
    secret = f"{who.token}.{public}"
    ours, its = (
        prove(key, portal=who.portal, secret=secret, typ=CHANGE) for key in (home.key(), coming)
    )
    wanted = {"public_key": public, "key_kind": kind_of(coming)}
    return portal.change_key({**wanted, "proof": ours, "new_proof": its})


def _proven(home: Home, portal: Portal, key: Key) -> tuple[str, int]:
    """Ask for a new token, proven by a key; return it, and after how long to ask for another."""
    who = home.identity()
    return portal.change_token(prove(key, portal=who.portal, secret=who.token, typ=ROTATE))
