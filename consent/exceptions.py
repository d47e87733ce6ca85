"""What can be wrong with a request about consent; each has a stable code and a next step."""


class ConsentError(Exception):
    """Base of all refusals of this package."""

    code = "consent_error"
    next_step = "Reload the page and try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__ or self.code)
        self.detail = detail or (self.__doc__ or self.code).strip()


class NothingChosen(ConsentError):
    """A yes needs at least one app and one kind of signal."""

    code = "nothing_chosen"
    next_step = "Tick what may be recorded, or answer No."


class NotOffered(ConsentError):
    """That app or signal is not part of this purpose."""

    code = "not_offered"
    next_step = "Reload the page to see what is offered now."


class NoticeOutdated(ConsentError):
    """The notice changed while you were reading."""

    code = "notice_outdated"
    next_step = "Read the new notice, then answer again. Nothing was stored."


class PurposeNotOpen(ConsentError):
    """This purpose is not asking anyone at the moment."""

    code = "purpose_not_open"
    next_step = "There is nothing to answer. Your earlier answers stand."


class AgentUnknown(ConsentError):
    """No such machine is enrolled for you."""

    code = "agent_unknown"
    next_step = "Look at the list of your machines."


class ApproverIsRequester(ConsentError):
    """The person who proposed a change cannot approve it."""

    code = "approver_is_requester"
    next_step = "Ask another privacy officer to look at it."


class ProposalDecided(ConsentError):
    """This proposal has been decided already."""

    code = "proposal_decided"
    next_step = "Make a new proposal if something should change."


class ProposalAltered(ConsentError):
    """The proposal no longer says what was approved."""

    code = "proposal_altered"
    next_step = "Make the proposal anew; the altered one cannot be applied."


class NoticeIncomplete(ConsentError):
    """A notice must have every section that some law asks for."""

    code = "notice_incomplete"
    next_step = "Write the sections named above, then publish again."


class NeverCapturable(ConsentError):
    """An app of this kind can never be captured, whoever asks."""

    code = "never_category"
    next_step = "Leave the app out. There is no way round this."


class ApproverUnknown(ConsentError):
    """Evidence needs a person who stands for it."""

    code = "approver_unknown"
    next_step = "Sign in and close the gate yourself."


class PolicyNeverIssued(ConsentError):
    """No policy of that version was ever issued to this agent."""

    code = "policy_never_issued"
    next_step = "Ask for the policy, apply it, and acknowledge the version it names."


class AnswerUnclear(ConsentError):
    """The answer was neither yes, no nor not now."""

    code = "answer_unclear"
    next_step = "Use one of the three buttons. Nothing was stored."
