"""The words of the policy core as closed lists: signals, consent states, app categories. Pure."""

from enum import StrEnum
from typing import Final


class Signal(StrEnum):
    """What an agent can record; the data category of GDPR Art. 30(1)(c). A closed list."""

    APP_FOCUS = "app_focus"
    UI_EVENT = "ui_event"
    MOUSE_CLICK = "mouse_click"
    MOUSE_MOVE = "mouse_move"
    SCROLL = "scroll"
    KEY_META = "key_meta"
    KEY_TIMING = "key_timing"
    KEY_CONTENT = "key_content"
    CLIPBOARD = "clipboard"
    WINDOW_TITLE = "window_title"
    DOM_TEXT = "dom_text"
    SCREENSHOT = "screenshot"
    SCREEN_VIDEO = "screen_video"
    COMMS_CONTENT = "comms_content"


class NeverSignal(StrEnum):
    """What nobody can switch on, whatever role, rule or setting asks for it."""

    SECURE_INPUT = "secure_input"
    WEBCAM = "webcam"
    AUDIO = "audio"
    LOCATION = "location"
    DERIVED_EMOTION = "derived_emotion"
    DERIVED_PERFORMANCE = "derived_performance"
    DERIVED_BIOMETRIC_ID = "derived_biometric_id"


CONTENT_SIGNALS: Final = frozenset(
    {
        Signal.KEY_CONTENT,
        Signal.CLIPBOARD,
        Signal.WINDOW_TITLE,
        Signal.DOM_TEXT,
        Signal.SCREENSHOT,
        Signal.SCREEN_VIDEO,
        Signal.COMMS_CONTENT,
    }
)
"""Signals that can show what another person wrote; the other person's law joins for these."""


class RedactionProfile(StrEnum):
    """How content is masked before it may leave the machine; a new version is a new name."""

    TEXT_1 = "text-1"  # card numbers, e-mail addresses, telephone numbers, IBANs
    PICTURE_1 = "picture-1"  # the same read off the picture, and every field that takes a secret


REDACTED_BY: Final = {
    signal: RedactionProfile.PICTURE_1
    if signal in {Signal.SCREENSHOT, Signal.SCREEN_VIDEO}
    else RedactionProfile.TEXT_1
    for signal in CONTENT_SIGNALS
}
"""The profile of each signal of content; an agent that lacks it must not capture the signal."""


SHOWS_OTHER_WINDOWS: Final = frozenset(
    {Signal.SCREENSHOT, Signal.SCREEN_VIDEO, Signal.WINDOW_TITLE}
)
"""Signals for which every visible window counts: one that is not allowed denies."""


SHOWS_BYSTANDERS: Final = frozenset({Signal.SCREENSHOT, Signal.SCREEN_VIDEO, Signal.COMMS_CONTENT})
"""Signals that show or quote others while one is with them in a call, or shares a screen."""


class SignalGroup(StrEnum):
    """The units in which a person chooses on the page."""

    NAVIGATION = "navigation"
    POINTER_PATHS = "pointer_paths"
    TYPING_RHYTHM = "typing_rhythm"
    TYPED_TEXT = "typed_text"
    WINDOW_TEXT = "window_text"
    SCREEN_PICTURES = "screen_pictures"
    MESSAGES = "messages"


SIGNAL_GROUPS: Final[dict[SignalGroup, tuple[Signal, ...]]] = {
    SignalGroup.NAVIGATION: (
        Signal.APP_FOCUS,
        Signal.UI_EVENT,
        Signal.MOUSE_CLICK,
        Signal.SCROLL,
    ),
    SignalGroup.POINTER_PATHS: (Signal.MOUSE_MOVE,),
    SignalGroup.TYPING_RHYTHM: (Signal.KEY_META, Signal.KEY_TIMING),
    SignalGroup.TYPED_TEXT: (Signal.KEY_CONTENT, Signal.CLIPBOARD),
    SignalGroup.WINDOW_TEXT: (Signal.WINDOW_TITLE, Signal.DOM_TEXT),
    SignalGroup.SCREEN_PICTURES: (Signal.SCREENSHOT, Signal.SCREEN_VIDEO),
    SignalGroup.MESSAGES: (Signal.COMMS_CONTENT,),
}


class ConsentState(StrEnum):
    """The states of consent (W3C DPV 2.3 ConsentStatus). Only GIVEN permits anything."""

    UNKNOWN = "unknown"
    REQUESTED = "requested"
    DEFERRED = "deferred"
    REFUSED = "refused"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"  # ended by the subject
    REVOKED = "revoked"  # ended by anyone else
    EXPIRED = "expired"
    INVALIDATED = "invalidated"


class AppCategory(StrEnum):
    """What an app is for. The categories in NEVER_CATEGORIES can never be captured."""

    UNKNOWN = "unknown"
    OFFICE = "office"
    BROWSER = "browser"
    DEVELOPMENT = "development"
    DESIGN = "design"
    TRACKER = "tracker"
    SUPPORT = "support"
    SALES = "sales"
    FINANCE = "finance"
    ANALYTICS = "analytics"
    KNOWLEDGE = "knowledge"
    COMMUNICATION = "communication"
    HR = "hr"
    HEALTH = "health"
    WHISTLEBLOWING = "whistleblowing"
    UNION = "union"
    LEGAL_ADVICE = "legal_advice"
    BANKING = "banking"
    PASSWORD_MANAGER = "password_manager"  # noqa: S105  a category, not a password
    PERSONAL = "personal"


NEVER_CATEGORIES: Final = frozenset(
    {
        AppCategory.HR,
        AppCategory.HEALTH,
        AppCategory.WHISTLEBLOWING,
        AppCategory.UNION,
        AppCategory.LEGAL_ADVICE,
        AppCategory.BANKING,
        AppCategory.PASSWORD_MANAGER,
        AppCategory.PERSONAL,
    }
)


class DataOf(StrEnum):
    """Whose data an app shows on the screen."""

    OWN = "own"
    COLLEAGUES = "colleagues"
    CUSTOMERS = "customers"


class Platform(StrEnum):
    """Where a matcher applies."""

    MACOS = "macos"
    WINDOWS = "windows"
    LINUX = "linux"
    WEB = "web"


class MatcherKind(StrEnum):
    """Which window fact a matcher looks at."""

    BUNDLE_ID = "bundle_id"  # macOS CFBundleIdentifier
    EXECUTABLE = "executable"  # file name of the program, lower case
    SIGNER = "signer"  # name on the code signature
    AUMID = "aumid"  # Windows application user model id
    DOMAIN = "domain"  # host of the page; "*.example.com" covers subdomains


class Right(StrEnum):
    """What a person can ask for, and what has a statutory period."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    PORTABILITY = "portability"
    OBJECTION = "objection"
    LIMIT_SENSITIVE = "limit_sensitive"
    COMPLAINT = "complaint"
    POLICY_COPY = "policy_copy"
    WITHDRAWAL = "withdrawal"
    ACKNOWLEDGEMENT = "acknowledgement"
