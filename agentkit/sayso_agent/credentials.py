"""Changing what we are known by at the portal: the token we poll with, and the key behind it.

Everything is kept on disk before it is used and until its successor was used, so that no answer
that gets lost loses us. Not while anything else of ours is asking: what is asked with the old token
after the new one was used looks like a copy of us.
"""

from sayso_agent.errors import StateError, UnexpectedAnswerError
from sayso_agent.home import Home, Identity
from sayso_agent.jws import b64url
from sayso_agent.keys import CHANGE, ROTATE, Key, kind_of, prove, public_bytes
from sayso_agent.lease import Clock
from sayso_agent.portal import Portal


def change_token(home: Home, portal: Portal, clock: Clock) -> Identity:
    """Ask for a new token, proving our key, and go over to it; return who we are now.

    Whatever fails, the token we have stays.
    """
    now = home.identity()
    # Another process of this folder may have done it: then its token is ours as well.
    if now.token == portal.token:
        if (coming := home.next_key()) is not None:
            return _go_over(home, portal, clock, coming)  # begun before, and not finished
        now = _token_by(home, portal, clock, home.key())
    return _use(portal, now)


def change_key(home: Home, portal: Portal, clock: Clock, *, kind: str = "") -> Identity:
    """Go over to a new key and, proven by it, to a new token; return who we are now.

    Begun once, it is finished by the next call, whatever got lost meanwhile.
    """
    _use(portal, home.identity())
    coming = home.next_key(kind or kind_of(home.key()))
    if coming is None:
        raise StateError("state_damaged", "the next key was damaged; try again")
    return _go_over(home, portal, clock, coming)


def _go_over(home: Home, portal: Portal, clock: Clock, coming: Key) -> Identity:
    """Have the next key taken and used. Used first: perhaps it was taken, and we never heard."""
    try:
        now = _token_by(home, portal, clock, coming)
        after = now.change_key_after
    except UnexpectedAnswerError:
        after = _name(home, portal, coming)
        now = _token_by(home, portal, clock, coming)
    _use(portal, now)
    return home.adopt_next_key(wall=clock.now().wall, change_key_after=after)


def _name(home: Home, portal: Portal, coming: Key) -> int:
    """Tell the portal of our next key, proven by the one we have and by that one."""
    who, public = home.identity(), b64url(public_bytes(coming))
    secret = f"{who.token}.{public}"
    ours, its = (
        prove(key, portal=who.portal, secret=secret, typ=CHANGE) for key in (home.key(), coming)
    )
    wanted = {"public_key": public, "key_kind": kind_of(coming)}
    return portal.change_key({**wanted, "proof": ours, "new_proof": its})


def _token_by(home: Home, portal: Portal, clock: Clock, key: Key) -> Identity:
    """Ask for a new token, proven by a key, and keep it in place of the old one."""
    who = home.identity()
    proof = prove(key, portal=who.portal, secret=who.token, typ=ROTATE)
    token, after = portal.change_token(proof)
    # Kept before it is used: a crash here leaves one of the two, and either works.
    return home.change_token(token, wall=clock.now().wall, rotate_after=after)


def _use(portal: Portal, now: Identity) -> Identity:
    portal.token = now.token
    return now
