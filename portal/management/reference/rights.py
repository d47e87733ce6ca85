"""The page of roles: who may enter which area, and what each database role may do."""

from audit import protection
from portal.guard import READABLE_BY_AUDITORS, TABLES
from portal.management.reference.markdown import NOTE, mono, page, table
from portal.models import Role
from portal.people import AREAS
from portal.servers.roles import RIGHTS


def roles() -> str:
    """Who may enter which area, and which right each database role has."""
    areas = [
        (mono(f"/{area}/"), *("yes" if role in allowed else "" for role in Role))
        for area, allowed in AREAS.items()
    ]
    accounts = [(mono(f"sayso_{role}"), rights) for role, rights in RIGHTS.items()]
    tables = [
        (
            mono(table.name),
            table.app.lower(),
            "select" if table.name in READABLE_BY_AUDITORS else "",
            "yes" if table.governed else "",
            "yes" if table.append_only else "",
        )
        for table in TABLES
    ]
    ledger_grants = protection.grants().strip()
    return page(
        [
            "# Roles",
            NOTE,
            "## Areas of the site\n",
            (
                "Everybody has `/you/`: their own data and nothing else. `/docs/` and `/status` are"
                " open.\n"
            ),
            table(("area", *(str(role.label).lower() for role in Role)), areas),
            "## Roles in the database\n",
            table(("role", "made with"), accounts),
            "## What each role may do with a table\n",
            (
                "The owner changes tables and runs no requests. *Needs an entry*: PostgreSQL"
                " refuses the commit unless the same transaction wrote a ledger entry for the row."
                " *Final*: no update, no delete.\n"
            ),
            table(("table", "app", "reader", "needs an entry", "final"), tables),
            "## The ledger's own tables\n",
            f"```sql\n{ledger_grants}\n```\n",
        ]
    )
