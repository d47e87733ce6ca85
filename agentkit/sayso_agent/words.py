"""The agent's words: signals, what is never captured, and reasons in plain language. Pure."""

from typing import Final

SIGNALS: Final = frozenset(
    {
        "app_focus",
        "ui_event",
        "mouse_click",
        "mouse_move",
        "scroll",
        "key_meta",
        "key_timing",
        "key_content",
        "clipboard",
        "window_title",
        "dom_text",
        "screenshot",
        "screen_video",
        "comms_content",
    }
)
"""The closed list. A signal outside it is never recorded, whoever allows it."""

SHOWS_OTHER_WINDOWS: Final = frozenset({"screenshot", "screen_video", "window_title"})
"""Signals that can show more than the window in use; a policy can add to these, never take away."""

SHOWS_BYSTANDERS: Final = frozenset({"screenshot", "screen_video", "comms_content"})
"""Signals that show or quote whoever is in a call or before a shared screen; a policy can add."""

SITUATIONS: Final = ("call", "screen_share")
"""The situations with bystanders that this agent can be told of."""

TEXT_PROFILE: Final = "text-1"
"""The one profile of redaction that this agent has; see redact.py."""

NEVER_SIGNALS: Final = frozenset(
    {
        "secure_input",
        "webcam",
        "audio",
        "location",
        "derived_emotion",
        "derived_performance",
        "derived_biometric_id",
    }
)

NEVER_CATEGORIES: Final = frozenset(
    {
        "hr",
        "health",
        "whistleblowing",
        "union",
        "legal_advice",
        "banking",
        "password_manager",
        "personal",
    }
)
"""Built in, so that a policy which forgets its `never` part still opens none of these."""

CATEGORIES: Final = NEVER_CATEGORIES | {
    "unknown",
    "office",
    "browser",
    "development",
    "design",
    "tracker",
    "support",
    "sales",
    "finance",
    "analytics",
    "knowledge",
    "communication",
}
"""The categories this agent knows. It captures nothing in an app of any other."""

PLAIN: Final = {
    # reasons a policy gives
    "app_not_allowlisted": "this app is not on the list of apps that may be recorded",
    "signal_not_listed": "nobody asks for this signal in this app",
    "signal_not_consented": "you have not agreed to this signal",
    "app_category_unknown": "nobody has said what kind of app this is",
    "never_category": "apps of this kind are never recorded",
    "no_consent": "no consent stands",
    "no_consent:unknown": "you have not been asked, or have not answered yet",
    "no_consent:requested": "you have not answered yet",
    "no_consent:deferred": "you have said not now",
    "no_consent:refused": "you have said no",
    "no_consent:withdrawn": "you have withdrawn your consent",
    "no_consent:revoked": "your consent was ended by others",
    "no_consent:expired": "your consent has run out",
    "no_consent:invalidated": "your consent does not count",
    "consent_withdrawn": "consent withdrawn",
    "consent_not_yet_given": "your consent begins later",
    "consent_expired": "your consent has run out",
    "notice_changed_reconsent": "the notice has changed; your answer to the new one is needed",
    "notice_period_running": "the notice period is still running",
    "acknowledgement_missing": "the notice has not been acknowledged yet",
    "agreement_does_not_cover": "the works agreement does not cover it",
    "gates_open": "something that must come first is not done yet",
    "counsel_signoff_missing": "the lawyers have not signed it off yet",
    "counterparty_unconsented": "it would show what other people wrote",
    "signal_prohibited": "the rules that apply to you forbid this signal",
    "signal_restricted_no_override": "this signal needs a permission that nobody has given",
    "jurisdiction_prohibited": "the law that applies to you forbids it",
    "unknown_jurisdiction": "it is not known which law applies to you",
    "fact_unknown": "something that must be known is not known",
    "outside_work_hours": "it is outside working hours",
    "agent_not_active": "this machine is not allowed to record",
    "kill_switch": "recording is switched off for everybody",
    "person_departed": "you have left the organisation",
    "listed_anew_reconsent": "it was taken off the list and is back: you have not been asked anew",
    "paused": "paused",
    # reasons the agent gives by itself
    "no_policy": "no policy has been fetched yet",
    "lease_ended": "the policy's lease has ended and no newer one came",
    "paused_here": "paused on this machine",
    "key_unusable": "this machine's own key is lost or damaged: see `sayso-agent status`",
    "never": "apps of this kind are never recorded",
    "never_signal": "this is never recorded",
    "unknown_signal": "this agent does not know that signal",
    "unknown_app": "the policy names no such app",
    "unknown_category": "this agent does not know that kind of app",
    "ambiguous_app": "the window fits more than one app",
    "window_unknown": "it is not known which app this is",
    "page_unknown": "it is not known which page the browser shows",
    "private_window": "private windows are never recorded",
    "private_unknown": "it is not known whether the browser's window is a private one",
    "other_session": "the window is not of the session this agent runs for",
    "session_unknown": "it is not known whose session this was",
    "bystanders_present": "others are in a call, or before a shared screen",
    "bystanders_unknown": "it is not known whether others are in a call, or see the screen",
    "matcher_unknown": "the policy recognises this app by a mark this agent does not know",
    "secure_input": "passwords and payment fields are never recorded",
    "field_unknown": "it is not known whether the field is a password field",
    "cannot_redact": "this agent could not blank what must not be seen",
    "visible_unknown": "it is not known which other windows could be seen",
    "visible_not_allowed": "another window that may not be recorded could be seen",
    "struck": "you had it forgotten, or had paused",
    "notice_waiver_withdrawn": "you took back that it may begin before the notice period is over",
    "bad_event": "the recorder's event could not be read",
    "not_a_signal": "it is of a kind that nobody records",
    "embedded_frame": "it was in an embedded frame, whose page is not known",
    "editable_text": "it was typed into an editable region, which may hold anything",
    "too_big": "it is larger than a whole batch may be",
    "outdated": "it could not be handed in for too long",
    "not_allowed": "the policy does not allow it",
    "outside_lease": "it happened before the policy was there, or after it ended",
    "policy_changed": "something has changed; the new policy is being fetched",
    "policy_version_old": "the portal sent an older policy than the one before",
    "policy_signature_bad": "the policy's signature does not fit",
    "policy_key_unknown": "the policy is signed by a key that the portal's root does not vouch for",
    "policy_key_revoked": "the policy is signed by a key that was revoked",
    "policy_key_ended": "the policy is signed by a key outside the time it may sign in",
    "manifest_root_wrong": "the list of keys is signed by another root than the one enrolled with",
    "manifest_version_old": "the portal sent an older list of keys than the one before",
    "manifest_expired": "the list of keys has ended and no newer one came",
    "manifest_malformed": "the list of keys cannot be read",
    "manifest_issuer_wrong": "the list of keys is from another portal",
    "policy_algorithm_bad": "the policy is not signed the way it must be",
    "policy_malformed": "the policy cannot be read",
    "policy_not_understood": "the policy holds a rule this agent does not know",
    "policy_format_unknown": "the policy is of a newer kind than this agent knows",
    "policy_audience_wrong": "the policy is for another agent",
    "policy_issuer_wrong": "the policy is from another portal",
    "agent_unknown": "the portal does not know this agent; enrol again",
    "agent_blocked": "blocked: this machine was removed by you, or stopped by the portal;"
    " your page of machines says which",
    "subject_erased": "the portal has erased this person's data",
    # reasons the portal gives for a batch that it refused
    "consent_does_not_stand": "your consent has not stood all the time since",
    "app_not_allowed": "the policy did not allow this app",
    "signal_not_allowed": "the policy did not allow this signal",
    "policy_superseded": "a policy that came after it did not allow all of it",
    "policy_never_issued": "this machine never got the policy it was recorded under",
    "outside_the_lease": "it lies outside the policy's lease",
    "outside_every_lease": "this machine had no policy at that time",
    "captured_in_the_future": "it ends later than it is now, by the portal's clock",
    "handed_in_before": "the same was handed in before",
    "batch_too_large": "it has more bytes than a batch may have",
    "batch_too_long": "it spans more time than a batch may",
    "no_signals": "it names no signal",
    "more_events_than_bytes": "it counts more events than its bytes can hold",
    "more_events_than_time": "it counts more events than happen in that time",
    "redactor_unknown": "the portal does not know that this agent can mask it",
    "bytes_do_not_match": "other bytes arrived than were announced",
    "manifest_differs": "the portal has another batch of that name",
    "upload_refused": "the store did not take it",
    "disk_full": "the disk is full",
    "files_unusable": "the agent cannot use its files",
    "state_damaged": "the agent's files are damaged; enrol again",
    "state_open_to_others": "others can read the agent's files; enrol again",
    "not_erased": "what must go could not be erased",
    "spool_damaged": "what lay here could not be read any more, and was erased",
    "agent_stopped": "the agent has stopped",
    "answer_undated": "the portal's answer does not say when it was given",
    "portal_answer_unexpected": "the portal gave an answer this agent does not know",
}


def plain(reason: str) -> str:
    """Return a reason code in plain words; an unknown code with its underscores as spaces."""
    if reason in PLAIN:
        return PLAIN[reason]
    kind, _, detail = reason.partition(":")
    if detail and kind in PLAIN:
        return f"{PLAIN[kind]} ({printable(detail.replace('_', ' '))})"
    return printable(": ".join(part.replace("_", " ") for part in reason.split(":", 1)))


def counted(number: int | float, noun: str) -> str:
    """Return how many there are: "1 batch", "2 batches"."""
    many = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:.12g} {noun if number == 1 else many}"


def printable(text: str, *, limit: int = 80) -> str:
    """Return text fit for a terminal: no control characters, not longer than `limit`."""
    clean = "".join(c for c in text if c.isprintable())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def listed(text: str) -> list[str]:
    """Return the words of a text, for closed lists that read better as a line."""
    return text.split()
