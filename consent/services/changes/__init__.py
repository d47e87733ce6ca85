"""Every kind of change that four eyes decide about; one small file a family."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consent.exceptions import ChangeUnfit
from consent.services.changes.agreed import refuse_beyond, units_asked
from consent.services.changes.agreements import AgreementRecord
from consent.services.changes.allowlist import AllowlistChange
from consent.services.changes.apps import AppBlock, AppChange, AppList, AppUnblock
from consent.services.changes.gates import GateClose, GateReopen
from consent.services.changes.given import Given
from consent.services.changes.hours import HoursChange
from consent.services.changes.kind import Change
from consent.services.changes.notices import NoticePublish
from consent.services.changes.overrides import OverrideGrant, OverrideRevoke
from consent.services.changes.purposes import (
    PurposeChange,
    PurposePublish,
    PurposeReopen,
    PurposeRetire,
)
from consent.services.changes.rules import RulesAdopt
from consent.services.changes.settings import SettingChange

__all__ = ["KINDS", "Change", "read_change", "refuse_beyond", "units_asked"]

KINDS: Final[Mapping[str, type[Change]]] = MappingProxyType(
    {
        change.kind: change
        for change in (
            PurposePublish,
            PurposeChange,
            PurposeRetire,
            PurposeReopen,
            NoticePublish,
            AllowlistChange,
            AppList,
            AppChange,
            AppBlock,
            AppUnblock,
            AgreementRecord,
            GateClose,
            GateReopen,
            OverrideGrant,
            OverrideRevoke,
            RulesAdopt,
            SettingChange,
            HoursChange,
        )
    }
)
"""Kind -> what reads, judges and makes such a change."""


def read_change(kind: str, payload: object) -> Change:
    """Return the change that kind and payload describe; raises ChangeUnfit naming the key."""
    if kind not in KINDS:
        raise ChangeUnfit(f"kind: must be one of {', '.join(KINDS)}")
    given = Given(payload)
    change = KINDS[kind].read(given)
    given.finish()
    return change
