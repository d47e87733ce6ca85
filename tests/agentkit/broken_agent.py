"""The reference agent with one thing broken on purpose, named by its first argument."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sayso_agent.agent
import sayso_agent.bucket
import sayso_agent.capture
import sayso_agent.keyring
import sayso_agent.upload
from sayso_agent.agent import Agent
from sayso_agent.capture import Capture
from sayso_agent.conformance import own
from sayso_agent.home import Home, KeptManifest, Seen
from sayso_agent.jws import KeySet
from sayso_agent.lease import Lease
from sayso_agent.manifest import Manifest
from sayso_agent.matching import WindowFacts
from sayso_agent.policy import Policy
from sayso_agent.spool import Spool
from sayso_agent.transport import Transport, origin_of, parse_origin


def nothing(*_: object, **__: object) -> Any:
    return 0


BREAKS: dict[str, Callable[[], Any]] = {
    "lease": lambda: setattr(Lease, "begin", _endless),
    "undated": lambda: setattr(Lease, "begin", _undated),
    "purge": lambda: setattr(Spool, "purge", nothing),
    "standing": lambda: setattr(Agent, "stop", nothing),
    "memory": lambda: setattr(Home, "seen", lambda _self: Seen(0, 0)),
    "bystanders": lambda: setattr(sayso_agent.capture.Capture, "_in_sight",
                                  lambda _self, _policy, _event: set()),
    "unlisted": lambda: setattr(sayso_agent.upload, "_visible", lambda _segment: {}),
    "embargo": lambda: setattr(sayso_agent.agent, "Release",
                               lambda *, until, **more: _release(until=until + 1e9, **more)),
    "rollback": lambda: setattr(Home, "manifest", lambda _self: KeptManifest()),
    "revocation": lambda: setattr(Manifest, "keys_for",
                                  lambda self, kid, _wall: KeySet({kid: self.keys[kid].public})),
    "root": lambda: setattr(sayso_agent.keyring, "Pinned",
                            lambda _root, *more: _pinned(AnyRoot(), *more)),
    "sessions": lambda: setattr(Capture, "_own_account", property(lambda _self: True,
                                                                  lambda _self, _said: None)),
    "private": lambda: setattr(WindowFacts, "might_be_private", lambda _self: False),
    "calls": lambda: setattr(Policy, "others_object", lambda *_: ""),
    "elsewhere": lambda: setattr(
        sayso_agent.bucket.Bucket, "_to",
        lambda _self, url, _allowed: Transport(parse_origin(origin_of(url)))),
    "deaf": lambda: setattr(Agent, "apply", nothing),
}  # fmt: skip

_begin = Lease.begin


def _endless(policy: Policy, **more: Any) -> Lease:
    return replace(_begin(policy, **more), until=policy.lease_until + 1000)


def _undated(policy: Policy, *, asked: float, received: float, answered: object) -> Lease:
    return _begin(policy, asked=asked, received=received)


_release = sayso_agent.agent.Release
_pinned = sayso_agent.keyring.Pinned


class AnyRoot(str):
    """A thumbprint that is the same as any other."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


if __name__ == "__main__":
    BREAKS[sys.argv[1]]()
    sys.exit(own.main())
