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


class NoticeNotWaivable(ConsentError):
    """No notice period is running that you could agree to shorten."""

    code = "notice_not_waivable"
    next_step = "There is nothing to do: once the notice period is over, your answer counts."


class PurposeNotOpen(ConsentError):
    """This purpose is not asking anyone at the moment."""

    code = "purpose_not_open"
    next_step = "There is nothing to answer. Your earlier answers stand."


class PersonDeparted(ConsentError):
    """Who has left the organisation is asked for nothing, and nothing of theirs is recorded."""

    code = "person_departed"
    next_step = "There is nothing to answer. Your rights to what is still kept stand."


class DepartureUnclear(ConsentError):
    """Another departure is recorded for this person, from another instant."""

    code = "departure_unclear"
    next_step = "Take the one that is recorded back first, then record the right one."


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


class NoticeIncomplete(ConsentError):
    """A notice must have every section that some law asks for."""

    code = "notice_incomplete"
    next_step = "Write the sections named above, then publish again."


class NoticeNeeded(ConsentError):
    """People agreed to what the notice says: to call a purpose otherwise, or keep it longer, takes
    its next notice."""

    code = "notice_needed"
    next_step = "Write the notice's next version with the change. Everybody is then asked anew."


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


class AppliedAtWrong(ConsentError):
    """The moment lies before the policy was issued, or ahead of the portal's clock."""

    code = "applied_at_wrong"
    next_step = (
        "Stamp it by the portal's time: the later of `Date` and `iat` of the answer that brought"
        " the policy, and what a monotonic clock counted since."
    )


class GateAlwaysApplies(ConsentError):
    """This step always applies: it cannot be recorded as not applicable."""

    code = "gate_always_applies"
    next_step = "Leave the reason out, and name the document that shows the step was taken."


class AnswerUnclear(ConsentError):
    """The answer was neither yes, no nor not now."""

    code = "answer_unclear"
    next_step = "Use one of the three buttons. Nothing was stored."


class FactUnclear(ConsentError):
    """A fact needs a known kind, a value, and days in their order."""

    code = "fact_unclear"
    next_step = "Check the kind, the value and both days. Nothing was stored."


class FactEnded(ConsentError):
    """That fact has ended earlier already; ending it cannot make it longer."""

    code = "fact_ended"
    next_step = "Record a new fact for the later days."


class OverrideUnfounded(ConsentError):
    """The signal is not restricted in that place, so there is nothing for an exception to lift."""

    code = "override_unfounded"
    next_step = "Look at the rules of the place. What is prohibited there cannot be lifted."


class OverrideTerm(ConsentError):
    """An exception ends in the future, and no later than the rule pack lets one last."""

    code = "override_term"
    next_step = "Choose an earlier end; another exception can follow when this one is looked at."


class RulesUnknown(ConsentError):
    """The rule pack that came with this version has no sound file for that place."""

    code = "rules_unknown"
    next_step = "Mend the file, or leave the place out. Nothing was adopted."


class ChangeUnfit(ConsentError):
    """The change cannot be made as it is written."""

    code = "change_unfit"
    next_step = "Correct what is named above and propose the change again."


class BeyondAgreement(ConsentError):
    """The change would go beyond an agreement that binds, be its last day past or not."""

    code = "beyond_agreement"
    next_step = "Stay within the agreement, or record the new one that replaces it first."


class CouncilUnknown(ConsentError):
    """The works council must agree to this change, and none is known."""

    code = "council_unknown"
    next_step = "Give the council's members their seats; then propose the change again."


class CannotRevert(ConsentError):
    """This change has no way back by itself."""

    code = "cannot_revert"
    next_step = "Propose what should stand instead."


class AlreadyInEffect(ConsentError):
    """What this proposal changes is in effect already."""

    code = "already_in_effect"
    next_step = "Revert it: that is a new proposal, back to what stood before."


class AlreadyVoted(ConsentError):
    """You have spoken about this change already, and a vote stays as it was cast."""

    code = "already_voted"
    next_step = "Another privacy officer, or another member of the council, can speak."


class VoteUnclear(ConsentError):
    """A privacy officer approves or rejects; a works council agrees or vetoes."""

    code = "vote_unclear"
    next_step = "Use one of the buttons. Nothing was stored."


class UnitNotAsked(ConsentError):
    """The works council of that unit is not asked about this change."""

    code = "unit_not_asked"
    next_step = "Vote for one of the units that the proposal names."


class SeatMissing(ConsentError):
    """You hold no seat in the works council of that unit today."""

    code = "seat_missing"
    next_step = "Ask a privacy officer to record your seat, or leave the vote to who holds it."


class NotToStop(ConsentError):
    """Only privacy officers, operators and the works council pull a kill switch."""

    code = "not_to_stop"
    next_step = "Call one of them now. Your own capture you can pause yourself, at once."


class ChangedMeanwhile(ConsentError):
    """What this rests on changed in the same moment. Nothing was stored."""

    code = "changed_meanwhile"
    next_step = "Reload the page, look at how it stands now, and try again."


class NotInEffect(ConsentError):
    """What this proposal would change is not in effect."""

    code = "not_in_effect"
    next_step = "Withdraw the proposal, or reject it; there is nothing to revert."


class NotAuthor(ConsentError):
    """Only who made a proposal can withdraw it."""

    code = "not_author"
    next_step = "Reject it, if you think that it should not be."


class NotKnownHere(ConsentError):
    """The portal knows no such person, app, signal or purpose."""

    code = "not_known_here"
    next_step = "Check the reference or the code; apps and purposes are listed by their codes."


class NothingToShare(ConsentError):
    """That answer has no half of your own: it is the same for everybody."""

    code = "nothing_to_share"
    next_step = "There is nothing to do. Who asks about it gets the same answer as you."


class ShareTooLong(ConsentError):
    """A share ends by itself, after thirty days at most."""

    code = "share_too_long"
    next_step = "Choose fewer days; you can share again later."


class PatternUnfit(ConsentError):
    """A mark of an app does not have a form that every agent reads alike."""

    code = "pattern_unfit"
    next_step = "Write the mark as described under «How an app is recognised». Nothing was stored."


class MatcherTaken(ConsentError):
    """Another app is recognised by that mark already."""

    code = "matcher_taken"
    next_step = "Change the other app first, or leave the mark out."


class ReportUnfit(ConsentError):
    """A report names one of the kinds of app that are never captured."""

    code = "report_unfit"
    next_step = "Choose what the app shows from the list."


class PlaceUnknown(ConsentError):
    """No rule knows a place of that code."""

    code = "place_unknown"
    next_step = "Use a code of the list of rules, such as DE or US-CA. Nothing was stored."


class SeatNotYours(ConsentError):
    """Only a member of that unit's works council gives or ends its seats."""

    code = "seat_not_yours"
    next_step = "Ask a member; the first seat is given by whoever runs the installation."


class SeatConflict(ConsentError):
    """Who proposed a change does not alter the council that is asked about it."""

    code = "seat_conflict"
    next_step = "Wait until the change is decided, or let another member do it."
