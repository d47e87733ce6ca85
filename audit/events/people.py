"""What the ledger can say about people and what is known about them. Pure."""

from datetime import date, datetime

from audit.event import Event, event, sealed


@event
class SubjectRecorded(Event):
    """A person became known to the portal, under a random reference."""

    type = "subject.recorded"
    title = "Person recorded"

    source: str


@event
class SubjectFactRecorded(Event):
    """A fact that the rules depend on, such as the place of work, was recorded for a person."""

    type = "subject.fact_recorded"
    title = "Fact recorded"

    kind: str
    value: str | None = sealed(default=None)
    valid_from: date | datetime | None = sealed(default=None)
    valid_until: date | datetime | None = sealed(default=None)
    source: str | None = sealed(default=None)


@event
class SubjectFactEnded(Event):
    """A fact recorded for a person ended: from that day on it decides nothing any more."""

    type = "subject.fact_ended"
    title = "Fact ended"

    kind: str
    valid_until: date | datetime | None = sealed(default=None)


@event
class SubjectDeparted(Event):
    """A person leaves the organisation; from then on nothing of theirs is recorded."""

    type = "subject.departed"
    title = "Person departed"

    source: str
    left_at: datetime = sealed()


@event
class SubjectReturned(Event):
    """A person came back to the organisation, or did not leave after all; they are asked anew."""

    type = "subject.returned"
    title = "Person returned"

    source: str


@event
class DepartureSettled(Event):
    """What follows from a departure was done: consents ended, deletions owed."""

    type = "subject.departure_settled"
    title = "Departure settled"
    own = True

    consents: int


@event
class SubjectFactsViewed(Event):
    """Somebody other than the person looked at the dated facts recorded about them."""

    type = "subject.facts_viewed"
    title = "Facts looked at"

    channel: str


@event
class SubjectFactDoubted(Event):
    """A person said that a fact recorded about them is wrong."""

    type = "subject.fact_doubted"
    title = "Fact doubted"

    kind: str


@event
class SubjectFactDoubtSettled(Event):
    """The privacy team looked at a doubt: the fact was corrected, or it stands."""

    type = "subject.fact_doubt_settled"
    title = "Doubt settled"

    kind: str
    outcome: str


@event
class ServiceTokenGiven(Event):
    """Another system of the organisation was given a token, for one kind of request."""

    type = "service_token.given"
    title = "Service token given"

    service: str
    scope: str


@event
class ServiceTokenRevoked(Event):
    """The token of another system was taken away; from then on it opens nothing."""

    type = "service_token.revoked"
    title = "Service token revoked"

    service: str
    scope: str


@event
class DecisionExplained(Event):
    """Somebody other than the person asked why a decision about them is what it is.

    `part` is `whole` where the person had shared their own half, else `shared`: what holds for
    everybody who stands where they stand.
    """

    type = "decision.explained"
    title = "Decision explained"

    channel: str
    part: str
    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    about: datetime | None = sealed(default=None)


@event
class ExplanationShared(Event):
    """A person let the privacy team see their own half of one explanation, for some days."""

    type = "explanation.shared"
    title = "Explanation shared"

    days: int
    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    day: date | None = sealed(default=None)


@event
class ExplanationShareEnded(Event):
    """A person ended the sharing of an explanation before its time."""

    type = "explanation.share_ended"
    title = "Sharing of an explanation ended"

    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    day: date | None = sealed(default=None)
