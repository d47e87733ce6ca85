"""The page of settings. Kept by hand; a contract test compares it with what the code reads."""

from collections.abc import Iterable, Iterator
from typing import Final

from portal.management.reference.markdown import NOTE, mono, page, table

GROUPS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "Servers": (
        (
            "DATABASE_URL",
            "an embedded PostgreSQL",
            (
                "Address of your own PostgreSQL (15 or newer), as the owner of the tables:"
                " `postgresql://user:password@host:5432/name`."
            ),
        ),
        (
            "DATABASE_URL_APP",
            "from `DATABASE_URL`",
            (
                "Address for the web process and the workers. Derived: account `sayso_app`,"
                " password from the folder of secrets."
            ),
        ),
        ("DATABASE_URL_READER", "from `DATABASE_URL`", "Likewise, for pages that only read."),
        (
            "DATABASE_URL_SEQUENCER",
            "from `DATABASE_URL`",
            "Likewise, for the process that signs the ledger.",
        ),
        ("REDIS_URL", "an embedded Valkey", "Address of your own Redis or Valkey."),
        (
            "SAYSO_PG_BIN",
            "the package's, else the system's",
            "Folder with PostgreSQL's programs for the embedded server.",
        ),
        ("PORT", "8000", "Port of `up` where `--port` is not given."),
    ),
    "This installation": (
        (
            "SAYSO_HOME",
            "`var/` in the checkout; for root a folder in `/var/lib`",
            "Folder for everything that is written: data, secrets, stored batches, logs.",
        ),
        (
            "SAYSO_PUBLIC_URL",
            "the address of the last `up`; before one `http://127.0.0.1:8000`",
            (
                "The address people and agents use. It is part of every policy's signature check;"
                " plain http is accepted for this machine only."
            ),
        ),
        ("SAYSO_ALLOWED_HOSTS", "none further", "More host names to answer to, with commas."),
        (
            "SAYSO_BEHIND_TLS_PROXY",
            "no",
            "yes: trust `X-Forwarded-Proto` from the proxy that ends TLS.",
        ),
        (
            "FORWARDED_ALLOW_IPS",
            "127.0.0.1,::1",
            "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, with commas.",
        ),
        ("SAYSO_ORGANISATION", "Your organisation", "The name on every page."),
        (
            "SAYSO_PRIVACY_CONTACT",
            "none; pages then name the privacy team without an address",
            "Whom people write to: an address of mail or of a page.",
        ),
        (
            "SAYSO_SECRET_KEY",
            "made once, kept in the folder of secrets",
            "Key for cookies and forms.",
        ),
        (
            "SAYSO_LEDGER_ORIGIN",
            "the public host and `/sayso-ledger`",
            "The name the ledger is signed under. It cannot change once something is signed.",
        ),
        (
            "SAYSO_EMAIL_BACKEND",
            "sends nothing",
            "Python path of Django's mail backend.",
        ),
        ("SAYSO_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ("SAYSO_DEBUG", "no", "Django's debug pages. Never on a machine that others reach."),
    ),
    "Capture": (
        ("SAYSO_POLICY_LEASE_SECONDS", "900", "How long a policy lasts by itself; at least 10."),
        ("SAYSO_POLICY_POLL_SECONDS", "30", "How often agents are asked to poll."),
        (
            "SAYSO_POLICY_WAIT_SECONDS",
            "30",
            "How long a poll may wait for a change (`Prefer: wait`); 0 offers no waiting.",
        ),
        (
            "SAYSO_POLICY_WAITING_LIMIT",
            "10000",
            "How many polls may wait in one web process; further ones are answered at once.",
        ),
        (
            "SAYSO_POLICY_FAST",
            "yes",
            (
                "Whether polls are answered inside the web server's protocol object, ahead of ASGI."
                " The answers are the same; no makes them slower and the server's log complete."
            ),
        ),
        (
            "SAYSO_POLICY_BURST",
            "four times the polling interval",
            "How many polls of one agent are answered at once; one a second is made up for.",
        ),
        (
            "SAYSO_AGENT_TOKEN_DAYS",
            "30",
            "How old a machine's poll token gets before the machine asks for another.",
        ),
        (
            "SAYSO_DEVICE_CODES_PER_ADDRESS",
            "600",
            (
                "How many machines at one address may ask at once to be enrolled, in each web"
                " process; one a second is made up for. Think of the address that your whole"
                " company has on the internet."
            ),
        ),
        (
            "SAYSO_USER_CODES_PER_LOGIN",
            "20",
            (
                "How many codes of machines one person may look up in a minute. This is what keeps"
                " codes from being guessed; an approval takes two."
            ),
        ),
        (
            "SAYSO_USER_CODES_PER_ADDRESS",
            "1200",
            "How many codes may be looked up in a minute from one address, by all who share it.",
        ),
        (
            "SAYSO_AGENT_KEY_DAYS",
            "365",
            "How old a machine's own key gets before the machine makes another.",
        ),
        ("SAYSO_BATCH_BYTES_LIMIT", "5000000", "The largest batch that is let in."),
        (
            "SAYSO_REDACTORS",
            "",
            (
                "Programs besides `sayso-agent` whose batches may hold text or pictures, with their"
                " version as manifests name it and the profiles that they mask by, comma separated:"
                " `my-agent/2.1=text-1+picture-1`."
            ),
        ),
        (
            "SAYSO_POLICY_EMBARGO_SECONDS",
            "0",
            "How long an event waits on the machine, where it can still be forgotten.",
        ),
        (
            "SAYSO_POLICY_SPOOL_SECONDS",
            "259200",
            "How long a machine may keep what it could not hand in; at least 60.",
        ),
        (
            "SAYSO_POLICY_UPLOAD_BYTES_PER_SECOND",
            "500000",
            "How fast a machine may hand in, on average; at least 1000.",
        ),
        (
            "SAYSO_SMALLEST_GROUP",
            "10",
            "Figures are shown for groups of this many people or more; at least 2.",
        ),
    ),
    "Where batches lie": (
        (
            "SAYSO_STORE",
            "files",
            (
                "Where new batches go: `files`, a folder of this installation, or `s3`. What lies"
                " in the other stays known there, and is erased there when its time comes."
            ),
        ),
        (
            "SAYSO_S3_ENDPOINT",
            "none",
            (
                "Address of an S3 service, as the portal and the machines both reach it. Its host"
                " is named in every signed policy."
            ),
        ),
        ("SAYSO_S3_BUCKET", "none", "Name of the bucket; needed with an endpoint."),
        ("SAYSO_S3_REGION", "us-east-1", "Region that requests are signed for."),
        (
            "SAYSO_S3_ACCESS_KEY",
            "what the S3 library finds by itself",
            "Access key. It must be allowed to put, get, list and delete all versions.",
        ),
        ("SAYSO_S3_SECRET_KEY", "likewise", "The secret that belongs to the access key."),
        (
            "SAYSO_S3_UPLOAD_SECONDS",
            "300",
            "How long an address for one upload is good; 60 to 900.",
        ),
    ),
    "Processes": (
        (
            "SAYSO_DATABASE_ROLE",
            "app",
            (
                "The database role of this process: owner, app, reader or sequencer. `up` and"
                " `manage.py` set it."
            ),
        ),
        (
            "SAYSO_WEB_PROCESSES",
            "1",
            (
                "How many web processes of `up` share the port, at most 6; `--web-processes` goes"
                " first."
            ),
        ),
        ("SAYSO_DATABASE_POOL", "no; yes in the web process", "Use a pool of connections."),
        ("SAYSO_TICK_SECONDS", "2", "How often a worker asks PostgreSQL what is owed."),
        (
            "SAYSO_DELETION_LEASE_SECONDS",
            "60",
            "How long a worker may be silent about a deletion before another takes it over.",
        ),
        (
            "SAYSO_NO_BOOTSTRAP",
            "not set",
            "Any value: `manage.py` makes no `.venv`. For images that installed the lock file.",
        ),
        (
            "SAYSO_STARTED",
            "set by `manage.py up`",
            "When the start began, to tell how long it took.",
        ),
        ("DJANGO_SETTINGS_MODULE", "portal.settings", "Leave it as it is."),
        ("PIP_RETRIES", "2", "Passed on to pip while `.venv` is made, like all its settings."),
    ),
    "The capture agent": (
        ("SAYSO_AGENT_HOME", "`~/.sayso-agent`", "Folder of `sayso-agent`; `--home` goes first."),
    ),
}
"""Title of a group -> (variable, default, meaning)."""


def variables() -> str:
    """What is read from the environment; kept by hand, checked against the code by a test."""
    groups = (
        [f"## {title}\n", table(("variable", "default", "meaning"), _rows(rows))]
        for title, rows in GROUPS.items()
    )
    return page(
        [
            "# Settings",
            NOTE,
            (
                "Everything is read from the environment when a process starts. A value that cannot"
                " be used stops the start and is named.\n"
            ),
            *(part for group in groups for part in group),
        ]
    )


def _rows(rows: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    return ((mono(name), default, meaning) for name, default, meaning in rows)
