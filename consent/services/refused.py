"""What the database refused at the last moment, in the words that the services have for it.

The services look first and say what is wrong. Where somebody else changed what they looked at in
the same moment, a trigger or a constraint refuses instead: by a constraint's name, which for the
triggers is the code of the refusal.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from django.db import IntegrityError

from consent import exceptions
from consent.exceptions import ConsentError

Given = ParamSpec("Given")
Found = TypeVar("Found")

BY_CONSTRAINT: Final[Mapping[str, type[ConsentError]]] = {
    **{
        refusal.code: refusal
        for refusal in (
            exceptions.AlreadyVoted,
            exceptions.ApproverIsRequester,
            exceptions.ChangedMeanwhile,
            exceptions.ProposalDecided,
            exceptions.SeatConflict,
            exceptions.SeatMissing,
            exceptions.SeatNotYours,
        )
    },
    "one_vote_each": exceptions.AlreadyVoted,
    "council_seat_once": exceptions.ChangedMeanwhile,
}


def in_words(service: Callable[Given, Found]) -> Callable[Given, Found]:
    """Let a service raise the refusal that a constraint stands for; nothing is stored then.

    Put around its transaction: some constraints are looked at when that ends. Any other error of
    the database is a fault of ours, and stays one.
    """

    @wraps(service)
    def told(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        try:
            return service(*args, **kwargs)
        except IntegrityError as error:
            diagnosis = getattr(error.__cause__, "diag", None)
            refusal = BY_CONSTRAINT.get(getattr(diagnosis, "constraint_name", None) or "")
            if refusal is None:
                raise
            raise refusal from error

    return told
