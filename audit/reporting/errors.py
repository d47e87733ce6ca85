"""What can be wrong with a request for a report; each has a stable code and a next step."""

from typing import Final


class ReportError(Exception):
    """Base of all refusals about reports."""

    code = "report_error"
    next_step = "Reload the page and try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__ or self.code)
        self.detail = detail or (self.__doc__ or self.code).strip()


class ReportKindUnknown(ReportError):
    """There is no report of that kind."""

    code = "report_kind_unknown"
    next_step = "Choose one of the reports that are offered."


class ReportTitleUnfit(ReportError):
    """A title has up to 200 ordinary characters on one line."""

    code = "report_title_unfit"
    next_step = "Shorten the title and take control characters out."


class ReportPeriodUnfit(ReportError):
    """A period begins before it ends and before today is over; both ends have a time zone."""

    code = "report_period_unfit"
    next_step = "Choose a first day that is not in the future and not after the last."


class ReportParamsUnfit(ReportError):
    """This report does not know one of the parameters it was asked with."""

    code = "report_params_unfit"
    next_step = "Leave out what the report does not know."


class ReportUnknown(ReportError):
    """There is no such report."""

    code = "report_unknown"
    next_step = "Look at the list of reports."


class ReportNotReady(ReportError):
    """The report is not ready to be downloaded."""

    code = "report_not_ready"
    next_step = "Wait until the list shows it as ready. Failed attempts are repeated by themselves."


class ReportDamaged(ReportError):
    """The stored file is not the one whose digest was recorded; it is not handed out."""

    code = "report_damaged"
    next_step = "Ask for the report anew, and tell the operator that a stored file changed."


FAILURES: Final = {
    "report_kind_unknown": "No worker knows this kind of report. It is tried again.",
    "figures_failed": "The figures could not be read. It is tried again.",
    "writing_failed": "The files could not be written. It is tried again.",
    "storing_failed": "The finished files could not be stored. It is tried again.",
    "worker_lost": "The worker stopped while it was writing. It is tried again.",
    "report_params_unfit": "The report cannot be made with these parameters. Ask anew.",
    "report_period_unfit": "The report cannot be made for this period. Ask anew.",
}
"""What `Report.failure` means, in words for the page."""
