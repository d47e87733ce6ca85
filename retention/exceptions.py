"""What can be wrong with a batch or a store; each has a stable code and a next step."""


class RetentionError(Exception):
    """Base of all refusals of this package."""

    code = "retention_error"
    next_step = "Try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__ or self.code)
        self.detail = detail or (self.__doc__ or self.code).strip()


class BatchRefused(RetentionError):
    """The batch lies outside the policy that was in force; its bytes are not kept."""

    code = "batch_refused"
    next_step = "Erase the batch from the spool. Do not hand it in again."

    def __init__(self, reasons: list[str]) -> None:
        super().__init__()
        self.reasons = reasons


class BatchQuarantined(BatchRefused):
    """The batch was captured at a time for which this agent had no lease: an incident."""

    code = "batch_quarantined"
    next_step = "Erase the batch from the spool, stop, and find out how it was captured."


class IncidentsTooFresh(RetentionError):
    """Incidents are told by full hours, and that hour is not over."""

    code = "incidents_too_fresh"
    next_step = "Open the page of incidents anew, and record what is told there."


class NothingToLookInto(RetentionError):
    """Up to then there is no incident that nobody has looked into."""

    code = "nothing_to_look_into"
    next_step = "See what was found on the page of incidents."


class BatchUnknown(RetentionError):
    """No batch of that id was announced by this agent."""

    code = "batch_unknown"
    next_step = "Announce the batch with its manifest first."


class ManifestDiffers(RetentionError):
    """Another manifest was announced under this batch id."""

    code = "manifest_differs"
    next_step = "Use a new batch id for a new batch."


class BytesDoNotMatch(RetentionError):
    """The bytes are not those the manifest announced; nothing was kept."""

    code = "bytes_do_not_match"
    next_step = "Send exactly the bytes whose length and SHA-256 the manifest gives."


class UploadTooSlow(RetentionError):
    """The bytes took longer to come than one batch may; nothing was kept."""

    code = "upload_too_slow"
    next_step = "Send the bytes anew."


class StoreFailed(RetentionError):
    """The store could not carry out what it was asked."""

    code = "store_failed"
    next_step = "Look at the store; the work is tried again by itself."


class NothingThere(StoreFailed):
    """The store holds nothing under that key."""

    code = "nothing_there"
    next_step = "Send the bytes anew."
