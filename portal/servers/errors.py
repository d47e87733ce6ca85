"""The one error of setting up: a sentence for whoever typed the command."""


class SetupError(Exception):
    """Nothing can start as it is; the message says in one sentence why, and what to do."""
