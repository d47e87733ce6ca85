"""Where this installation's files, servers and secrets are: every process asks here.

Light on purpose: the settings import it, and so do programs that run before Django.
"""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from portal.servers.home import AS_ROOT, home, short_hash

HOME = home()
SECRETS = HOME / "secrets"
LOGS = HOME / "log"
DATABASE = "sayso"
ROLES = ("owner", "app", "reader", "sequencer")

LONGEST_FOLDER = 80
"""A socket's whole path must fit into sun_path: 104 bytes on macOS, 108 on Linux."""

# One role's password is one file; the sequencer's lies with its signing key, apart from the rest.
PASSWORD_FILES = {
    "owner": "database-owner",
    "app": "database-app",
    "reader": "database-reader",
    "sequencer": "sequencer/database",
}

# Credentials end at the first @, as libpq reads it; nothing before it may hold a slash.
POSTGRES_URL = re.compile(r"^(postgres(?:ql)?://)(?:([^@/]*)@)?([^?]*)(?:\?(.*))?$", re.DOTALL)


def run_folder(of: Path) -> Path:
    """Return the folder for an installation's sockets; it does not make it."""
    folder = of / "run"
    if len(os.fsencode(folder)) <= LONGEST_FOLDER:
        return folder
    # A fixed place, not TMPDIR: two terminals must find the same sockets. Root's is one where
    # nobody else can put something under that name first.
    shared = "/var/run" if AS_ROOT else "/tmp"  # noqa: S108 - `folders` checks who owns it
    return Path(shared) / f"sayso-{os.geteuid()}-{short_hash(str(of), 10)}"


RUN = run_folder(HOME)
VALKEY_SOCKET = RUN / "valkey.sock"


def embedded_database() -> bool:
    """Return whether `up` is to start PostgreSQL: nobody named another."""
    return not any(os.environ.get(name) for name in ("DATABASE_URL", "DATABASE_URL_APP"))


def embedded_redis() -> bool:
    """Return whether `up` is to start Valkey: nobody named another."""
    return not os.environ.get("REDIS_URL")


def role_name(role: str) -> str:
    """Return what PostgreSQL calls a role of ours."""
    if role not in ROLES:
        msg = f"no such database role: {role!r}; there are {', '.join(ROLES)}"
        raise ValueError(msg)
    return f"sayso_{role}"


def database_password(role: str) -> str:
    """Return the password of a role of ours, made at first need."""
    role_name(role)
    return secret(PASSWORD_FILES[role], lambda: secrets.token_urlsafe(32).encode()).decode()


def database_url(role: str) -> str:
    """Return the PostgreSQL address for one of ROLES, password included.

    DATABASE_URL is the owner's. The others are DATABASE_URL_APP and so on where they are set,
    else the owner's address with the role's own name and the password in HOME/secrets.
    """
    name = role_name(role)
    if embedded_database():
        password = quote(database_password(role), safe="")
        # The port is said, although it is the usual one: PGPORT would else have a word.
        return f"postgresql://{name}:{password}@{quote(str(RUN), safe='')}:5432/{DATABASE}"
    if own := os.environ.get(database_variable(role)):
        return own
    owners = os.environ.get("DATABASE_URL")
    if not owners:
        msg = f"{database_variable(role)} is not set, although another role's address is"
        raise ValueError(msg)
    return as_user(owners, name, database_password(role))


def database_variable(role: str) -> str:
    """Return the environment variable that holds a role's own address."""
    return "DATABASE_URL" if role == "owner" else f"DATABASE_URL_{role.upper()}"


def as_user(url: str, user: str, password: str) -> str:
    """Return a PostgreSQL address with other credentials, all else as it was."""
    found = POSTGRES_URL.match(url)
    if not found:
        msg = "a database address must read postgresql://user:password@host:port/name"
        raise ValueError(msg)
    scheme, _, place, options = found.groups()
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    kept = [
        (key, value)
        for key, value in parse_qsl(options or "", keep_blank_values=True)
        if key not in {"user", "password", "passfile"}
    ]
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    return f"{scheme}{credentials}@{place}{query}"


def redis_url() -> str:
    """Return the Redis address in the form of redis-py and Django's cache."""
    return os.environ.get("REDIS_URL") or f"unix://{quote(str(VALKEY_SOCKET))}?db=0"


def broker_url() -> str:
    """Return the same address in the form of Celery, which spells sockets its own way."""
    url = urlsplit(redis_url())
    if url.scheme != "unix":
        return redis_url()
    database = parse_qs(url.query).get("db", ["0"])[0]
    credentials = f"{url.netloc}" if "@" in url.netloc else ""
    return f"redis+socket://{credentials}{quote(unquote(url.path))}?virtual_host={database}"


def secret(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the secret of that name, made once: a file of mode 0600 in HOME/secrets.

    Several processes may ask at the same moment: the first to link its file wins, and all
    return that one. A crash leaves either the whole secret or none.
    """
    path = SECRETS / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    _make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_private_file(draft, make())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()


def _make_private_folder(folder: Path) -> None:
    HOME.mkdir(mode=0o711 if AS_ROOT else 0o700, parents=True, exist_ok=True)
    SECRETS.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _write_private_file(path: Path, content: bytes) -> None:
    """Write the file durably: the name that is linked next must never show half a secret."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
