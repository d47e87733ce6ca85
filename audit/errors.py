"""What can go wrong in the ledger, each with a stable code."""


class LedgerError(Exception):
    """Base of all errors of this package."""

    code = "ledger_error"


class OutsideTransactionError(LedgerError):
    """An entry was to be written outside the transaction of the change it tells of."""

    code = "outside_transaction"


class NothingToCoverError(LedgerError):
    """An entry was to cover a row that has no key: not saved yet, or already deleted."""

    code = "nothing_to_cover"


class LedgerDamagedError(LedgerError):
    """What is stored disagrees with itself or with what was signed; nothing more gets signed."""

    code = "ledger_damaged"


class KeyUnusableError(LedgerError):
    """The signing key is missing, unreadable, or not the one this ledger is signed by."""

    code = "key_unusable"
