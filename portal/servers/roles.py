"""The four accounts in PostgreSQL: who owns the tables, who works, who only reads, who signs.

What each may do with a table is granted where the table is made, in the migrations.
"""

import secrets
import sys
from typing import LiteralString

import psycopg
from psycopg import sql

from portal.servers import addresses, locations
from portal.servers.errors import SetupError

WORKING_ROLES = ("app", "reader", "sequencer")
OLDEST_SERVER = 15
LOCK_NUMBER = 7_296_001  # two installations may set up one server at the same moment

# Nobody of ours is a superuser; the owner may make databases, because tests clone theirs.
RIGHTS: dict[str, LiteralString] = {
    "owner": "login nosuperuser nocreaterole createdb noreplication nobypassrls",
    "app": "login nosuperuser nocreaterole nocreatedb noreplication nobypassrls",
    "reader": "login nosuperuser nocreaterole nocreatedb noreplication nobypassrls",
    "sequencer": "login nosuperuser nocreaterole nocreatedb noreplication nobypassrls",
}


def new_password() -> bytes:
    """Return a password of 256 random bits."""
    return secrets.token_urlsafe(32).encode()


def make_embedded(connection: psycopg.Connection) -> None:
    """Give the embedded server all four roles, with the passwords that are on file."""
    for role in locations.ROLES:
        if not _exists(connection, locations.role_name(role)):
            connection.execute(_create(connection, role))
        else:
            connection.execute(_alter(connection, role))


def open_database(connection: psycopg.Connection, database: str) -> None:
    """Let our roles, and nobody else, connect to the database and see its tables' names."""
    names = _names(locations.ROLES)
    target = sql.Identifier(database)
    connection.execute(sql.SQL("revoke all on database {} from public").format(target))
    connection.execute(sql.SQL("grant connect on database {} to {}").format(target, names))
    connection.execute(sql.SQL("grant temporary on database {} to sayso_owner").format(target))
    connection.execute("revoke create on schema public from public")
    connection.execute(sql.SQL("grant usage on schema public to {}").format(names))


def ensure() -> list[str]:
    """Make the roles that DATABASE_URL's server lacks; return a sentence for each thing done.

    Where its account may not, one SetupError holds the SQL that somebody else has to run.
    """
    done = []
    with addresses.connect("owner") as owner:
        owner.autocommit = True
        _check_server(owner)
        owner.execute("select pg_advisory_lock(%s)", [LOCK_NUMBER])
        missing = [role for role in WORKING_ROLES if not _exists(owner, _user(role))]
        if missing and not _may_create_roles(owner):
            raise SetupError(_instructions(owner, missing))
        for role in missing:
            owner.execute(_create(owner, role))
            done.append(f"made the database role {locations.role_name(role)}")
        _open(owner)
        if _is_superuser(owner):
            done.append("DATABASE_URL names a superuser; an ordinary account is safer")
    for role in WORKING_ROLES:
        addresses.connect(role).close()
    return done


def main() -> int:
    """Run `ensure` for `manage.py roles`; return 0, or 1 after one sentence on stderr."""
    if locations.embedded_database():
        sys.stderr.write("sayso: DATABASE_URL is not set; `up` makes the roles of its own server\n")
        return 1
    try:
        done = ensure()
    except SetupError as error:
        sys.stderr.write(f"sayso: {error}\n")
        return 1
    sys.stdout.write("\n".join([*done, "all database roles are there"]) + "\n")
    return 0


def _open(owner: psycopg.Connection) -> None:
    """Grant what a role needs to get in; raises SetupError with the SQL where the owner may not."""
    closed = [role for role in WORKING_ROLES if not _may_enter(owner, _user(role))]
    try:
        for role in closed:
            for statement in _grants(owner, role):
                owner.execute(statement)
    except psycopg.errors.InsufficientPrivilege as error:
        raise SetupError(_instructions(owner, [], closed)) from error
    may_make_tables = owner.execute(
        "select has_schema_privilege(current_user, 'public', 'create')"
    ).fetchone()
    if may_make_tables != (True,):
        raise SetupError(_instructions(owner, [], [], own=True))


def _check_server(connection: psycopg.Connection) -> None:
    if (present := connection.info.server_version // 10_000) < OLDEST_SERVER:
        raise SetupError(
            f"DATABASE_URL leads to PostgreSQL {present}; Sayso needs {OLDEST_SERVER} or newer"
        )


def _user(role: str) -> str:
    """Return the account a role signs in with: the address's own, else ours."""
    return addresses.of_role(role).user


def _exists(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute("select 1 from pg_roles where rolname = %s", [name])
    return found.fetchone() is not None


def _may_create_roles(connection: psycopg.Connection) -> bool:
    found = connection.execute(
        "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
    )
    return found.fetchone() == (True,)


def _is_superuser(connection: psycopg.Connection) -> bool:
    found = connection.execute("select rolsuper from pg_roles where rolname = current_user")
    return found.fetchone() == (True,)


def _may_enter(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute(
        "select has_database_privilege(%(name)s, current_database(), 'connect')"
        " and has_schema_privilege(%(name)s, 'public', 'usage')",
        {"name": name},
    )
    return found.fetchone() == (True,)


def _create(connection: psycopg.Connection, role: str) -> sql.Composed:
    return _with_password(connection, role, "create role {} {} password {}")


def _alter(connection: psycopg.Connection, role: str) -> sql.Composed:
    return _with_password(connection, role, "alter role {} {} password {}")


def _with_password(
    connection: psycopg.Connection, role: str, statement: LiteralString
) -> sql.Composed:
    """Return the statement with the password as a SCRAM verifier (RFC 5802).

    From it nobody can sign in, so it may stand in a server's log or on a terminal.
    """
    name = _role_to_create(role)
    verifier = connection.pgconn.encrypt_password(
        _password_to_create(role).encode(), name.encode(), b"scram-sha-256"
    )
    return sql.SQL(statement).format(
        sql.Identifier(name), sql.SQL(RIGHTS[role]), sql.Literal(verifier.decode())
    )


def _role_to_create(role: str) -> str:
    return locations.role_name(role) if locations.embedded_database() else _user(role)


def _password_to_create(role: str) -> str:
    if locations.embedded_database():
        return locations.database_password(role)
    return addresses.of_role(role).password


def _grants(connection: psycopg.Connection, role: str) -> list[sql.Composed]:
    name, database = sql.Identifier(_user(role)), sql.Identifier(connection.info.dbname)
    return [
        sql.SQL("grant connect on database {} to {}").format(database, name),
        sql.SQL("grant usage on schema public to {}").format(name),
    ]


def _instructions(
    owner: psycopg.Connection,
    missing: list[str],
    closed: list[str] | None = None,
    *,
    own: bool = False,
) -> str:
    """Return what the server's administrator has to run, and what to set otherwise."""
    statements = [_create(owner, role) for role in missing]
    for role in missing if closed is None else closed:
        statements += _grants(owner, role)
    if own:
        statements.append(
            sql.SQL("grant usage, create on schema public to {}").format(
                sql.Identifier(owner.info.user)
            )
        )
    lines = "\n".join(f"  {statement.as_string(owner)};" for statement in statements)
    return (
        f"the account {owner.info.user} in DATABASE_URL may not set up the database"
        f" {owner.info.dbname}; let its administrator run this there, then start again:\n{lines}\n"
        "(Their passwords are in HOME/secrets. With accounts of your own instead, set"
        " DATABASE_URL_APP, DATABASE_URL_READER and DATABASE_URL_SEQUENCER.)"
    )


def _names(roles: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(locations.role_name(role)) for role in roles)
