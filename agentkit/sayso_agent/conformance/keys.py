"""What the kit plays about keys: a stolen key, and key manifests that no agent may believe.

In each the portal first does what is right, then sends a policy by a key of the thief's, with
whatever could make an agent believe that key.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sayso_agent.conformance.portal import FakePortal, allow, reply
from sayso_agent.conformance.stage import Play, Stage, Told

ALLOWED: Final = [allow("tracker", "mouse_click")]
THIEF: Final = "k-thief"
DAY: Final = 86_400

Answer = tuple[int, dict[str, str], bytes]
Twist = Callable[[FakePortal, Ed25519PrivateKey], str]
"""What the portal serves as its manifest, so that the thief's key is believed."""

MANIFEST: Final = "/.well-known/sayso-key-manifest.jwt"


def _begun(stage: Stage) -> Ed25519PrivateKey:
    """Start under a proper policy that allows nothing, and the third manifest; return a new key."""
    stage.portal.manifest = {"version": 3}
    stage.begin(allow=[])
    return Ed25519PrivateKey.generate()


def _tempt(stage: Stage, thief: Ed25519PrivateKey, served: str, kid: str = THIEF) -> None:
    """Serve a policy by the thief's key, that would allow, beside that manifest."""
    portal = stage.portal
    portal.version += 1
    portal.policy = {**portal.policy, "allow": ALLOWED}
    portal.document = lambda p: p.signed(p.payload(), key=thief, kid=kid)
    portal.always[MANIFEST] = _jwt(served)
    stage.asked()
    stage.event("what only the thief's policy allows", allowed=False)
    time.sleep(0.3)


def _recover(stage: Stage) -> None:
    """Be the proper portal again; what it allows must arrive."""
    stage.portal.document = None
    stage.portal.always.pop(MANIFEST, None)
    stage.decree()
    stage.event("a click under the next proper policy", allowed=True)


def _twisted(twist: Twist, *, restart: bool = False) -> Play:
    def play(stage: Stage) -> None:
        thief = _begun(stage)
        served = twist(stage.portal, thief)
        if restart:
            stage.restart()
        _tempt(stage, thief, served)
        _recover(stage)

    return play


def _revoked(stage: Stage) -> None:
    """A key that signed properly is revoked; its successor is believed, and it no more."""
    _begun(stage)
    portal = stage.portal
    old = portal.key
    portal.key, portal.kid = Ed25519PrivateKey.generate(), "k2"
    keys = [portal.vouch("k1", old), portal.vouch("k2", portal.key)]
    portal.manifest = {"version": 4, "keys": keys, "revoked": ["k1"]}
    stage.decree()  # names a key nobody knows yet: the manifest must be looked at
    _tempt(stage, old, portal.vouched(), kid="k1")
    _recover(stage)


def _ended(stage: Stage) -> None:
    """A key whose time is over is listed still; it signs nothing any more."""
    _begun(stage)
    portal = stage.portal
    old = portal.key
    portal.key, portal.kid = Ed25519PrivateKey.generate(), "k2"
    past = int(portal.now()) - 5
    keys = [portal.vouch("k1", old, exp=past), portal.vouch("k2", portal.key)]
    portal.manifest = {"version": 4, "keys": keys}
    stage.decree()
    _tempt(stage, old, portal.vouched(), kid="k1")
    _recover(stage)


def _listing(portal: FakePortal, thief: Ed25519PrivateKey, **changes: Any) -> str:
    keys = [portal.vouch(portal.kid, portal.key), portal.vouch(THIEF, thief)]
    return portal.vouched(**{"keys": keys, "version": 9, **changes})


def _unlisted(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    """The plain key set lists it, and only the manifest does not."""
    keys = [portal.vouch(portal.kid, portal.key), portal.vouch(THIEF, thief)]
    portal.always["/.well-known/sayso-policy-keys.json"] = reply(200, {"keys": keys})
    return portal.vouched()


def _older(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    return _listing(portal, thief, version=2)


def _expired(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    return _listing(portal, thief, iat=int(portal.now()) - DAY, exp=int(portal.now()) - 5)


def _other_root(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    return _listing(portal, thief, root=Ed25519PrivateKey.generate())


def _other_portal(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    return _listing(portal, thief, iss="https://elsewhere.example")


def _other_type(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    return _listing(portal, thief, typ="policy+jwt")


def _early(portal: FakePortal, thief: Ed25519PrivateKey) -> str:
    """It is listed properly and may sign from tomorrow on."""
    tomorrow = portal.vouch(THIEF, thief, nbf=int(portal.now()) + DAY)
    keys = [portal.vouch(portal.kid, portal.key), tomorrow]
    return portal.vouched(keys=keys, version=3)


def _jwt(signed: str) -> Answer:
    return 200, {"Content-Type": "application/sayso-keys+jwt"}, signed.encode()


KEYS: Final[tuple[Told, ...]] = (
    ("unlisted", "is a key refused that only the plain key set lists?", _twisted(_unlisted)),
    ("revoked", "is a key refused that was revoked after it had signed?", _revoked),
    ("ended", "is a key refused whose time is over?", _ended),
    ("early", "is a key refused whose time has not come?", _twisted(_early)),
    ("older", "is an older key manifest refused?", _twisted(_older)),
    ("restarted", "is an older key manifest refused after a restart?",
     _twisted(_older, restart=True)),
    ("expired", "is a key manifest refused that has ended?", _twisted(_expired)),
    ("other_root", "is a key manifest refused by another root?", _twisted(_other_root)),
    ("other_portal", "is a key manifest refused that is for another portal?",
     _twisted(_other_portal)),
    ("other_type", "is a key manifest refused that says it is a policy?", _twisted(_other_type)),
)  # fmt: skip
"""Name, question and play. Everything a policy's signature rests on hangs on these."""
