"""Checking the addresses an operator gave, before anything starts. Passwords are never repeated."""

import errno
import os
import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from portal.servers import locations
from portal.servers.errors import SetupError

PATIENCE = 5
PORTS = range(1, 65_536)
DATABASE_FORM = "postgresql://user:password@host:5432/name, with %40 for an @ in the password"
REDIS_FORM = "redis://:password@host:6379/0, with %40 for an @ in the password"


@dataclass(frozen=True)
class DatabaseAddress:
    """What a PostgreSQL address says, as libpq reads it."""

    user: str
    password: str = field(repr=False)
    host: str
    database: str


def variable(role: str) -> str:
    """Return the environment variable that an error about a role's address should name."""
    own = locations.database_variable(role)
    return own if os.environ.get(own) else "DATABASE_URL"


def of_role(role: str) -> DatabaseAddress:
    """Return the address a role of ours uses, taken apart; raises SetupError where it is broken."""
    try:
        return parse(variable(role), locations.database_url(role))
    except ValueError as error:
        raise SetupError(str(error)) from None


def parse(name: str, url: str) -> DatabaseAddress:
    """Read a PostgreSQL address; raises SetupError that names the variable, never its value."""
    broken = SetupError(f"{name} is not a PostgreSQL address; it looks like {DATABASE_FORM}")
    if not locations.POSTGRES_URL.match(url):
        raise broken
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        raise broken from None  # libpq quotes the address, and with it the password
    host, database = str(parts.get("host") or ""), str(parts.get("dbname") or "")
    # An unescaped @ or / in a password moves the rest of it into the host or the name.
    if not database or "@" in host or "@" in database:
        raise broken
    port = str(parts.get("port") or "5432")
    if not port.replace(",", "").isdecimal():
        raise broken
    return DatabaseAddress(
        user=str(parts.get("user") or ""),
        password=str(parts.get("password") or ""),
        host=f"{host or 'the local socket'}:{port}",
        database=database,
    )


def connect(role: str) -> psycopg.Connection:
    """Connect as one of our roles; raises SetupError with the server's reason in one sentence."""
    name, address = variable(role), of_role(role)
    try:
        return psycopg.connect(
            locations.database_url(role), connect_timeout=PATIENCE, application_name="sayso set-up"
        )
    except psycopg.OperationalError as error:
        raise SetupError(_refusal(name, role, address, str(error))) from None


def _refusal(name: str, role: str, address: DatabaseAddress, message: str) -> str:
    reason = message.strip().splitlines()[0] if message.strip() else "no reason given"
    if address.password:
        reason = reason.replace(address.password, "***")
    if "password" in reason and role != "owner" and name == "DATABASE_URL":
        return (
            f"PostgreSQL at {address.host} refuses the password of {address.user} that is in"
            f" HOME/secrets/{locations.PASSWORD_FILES[role]}: set that role's password anew, or"
            f" set DATABASE_URL_{role.upper()}"
        )
    if "password" in reason:
        return f"{name}: PostgreSQL at {address.host} refuses the password of {address.user}"
    if "does not exist" in reason and "database" in reason.rsplit("FATAL:", 1)[-1]:
        return f"{name}: there is no database {address.database} on {address.host}; create it first"
    return f"{name}: no PostgreSQL answers at {address.host} ({reason})"


def check_redis() -> None:
    """Ask the server in REDIS_URL for a sign of life; raises SetupError in one sentence."""
    import redis
    from redis.exceptions import AuthenticationError, NoPermissionError

    url = urlsplit_redis(os.environ["REDIS_URL"])
    try:
        client = redis.Redis.from_url(
            os.environ["REDIS_URL"], socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
        )
        client.ping()
        client.close()
    except (AuthenticationError, NoPermissionError):
        raise SetupError(f"REDIS_URL: the server at {url} refuses the password") from None
    except redis.ResponseError as error:
        what = "asks for a password" if "NOAUTH" in str(error) else "refuses the connection"
        raise SetupError(f"REDIS_URL: the server at {url} {what}") from None
    except (redis.RedisError, OSError, ValueError):
        raise SetupError(f"REDIS_URL: no Redis-compatible server answers at {url}") from None


def urlsplit_redis(url: str) -> str:
    """Return where a Redis address leads, without credentials; raises SetupError if it is none."""
    broken = SetupError(f"REDIS_URL is not a Redis address; it looks like {REDIS_FORM}")
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise broken from None
    database = (parse_qs(parts.query).get("db") or [parts.path.strip("/") or "0"])[0]
    if parts.scheme == "unix" and parts.path:
        return unquote(parts.path)
    # More than one @, or a database that is no number: a password with unescaped characters.
    if (
        parts.scheme not in {"redis", "rediss"}
        or not parts.hostname
        or url.count("@") > 1
        or not database.isdecimal()
    ):
        raise broken
    return f"{parts.hostname}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Take the web's port and keep it; raises SetupError in one sentence where it cannot be had."""
    if port not in PORTS:
        raise SetupError(f"there is no port {port}; choose one from 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except socket.gaierror:
        raise SetupError(f"--host {host} is not an address of this machine") from None
    except OSError as error:
        raise SetupError(_no_port(host, port, error.errno)) from None


def _no_port(host: str, port: int, number: int | None) -> str:
    if number == errno.EADDRINUSE:
        return f"port {port} is taken by another program; choose another with --port {port + 1}"
    if number == errno.EACCES:
        return f"port {port} is for root alone; choose one above 1023, such as --port 8000"
    if number == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this machine"
    return f"cannot listen on {host}, port {port}: {os.strerror(number or 0)}"
