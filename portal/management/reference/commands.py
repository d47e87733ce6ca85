"""The page of commands: manage.py, sayso-agent and verify.py with their options."""

import argparse
import ast
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError

from portal.management.reference.errors import OURS
from portal.management.reference.markdown import NOTE, mono, page, table

OPENING = """\
Run `python3 manage.py` and one of these; `help` lists them with Django's own. The first run makes
`.venv`.
"""
AGENT = """\
Installed as `.venv/bin/sayso-agent`. Each takes `--home DIR`, the folder of its state, and
`--json`, one JSON object a line. More is in `agentkit/README.md`.
"""
VERIFY = """\
`python3 verify.py EXPORT [--key KEY] [--since OLDER]` checks an export of the ledger. One file,
Python 3.8 or newer, nothing else; it lies in every export. See
[verify the ledger](../howto/verify-the-ledger.md).
"""
OF_EVERY_AGENT_COMMAND = {"home", "json"}


def commands() -> str:
    """Return every command with its options."""
    from sayso_agent.cli import parser as agent_parser

    own = dict(_ours())
    parts = ["# Commands", NOTE, "## manage.py\n", OPENING, table(("command", "does"), _rows(own))]
    for parser in _parsers():
        if options := _options(parser):
            parts += [f"### {parser.prog}\n", options]
    parts += ["## sayso-agent\n", AGENT]
    for name, parser, does in _below(agent_parser()):
        parts += [f"### sayso-agent {name}\n", f"{does}.\n"]
        parts += [_options(parser, leave_out=OF_EVERY_AGENT_COMMAND)]
    return page([*parts, "## verify.py\n", VERIFY])


def _rows(said: dict[str, str]) -> Iterator[tuple[str, str]]:
    return (
        (mono(name), does[:1].upper() + does[1:].rstrip(".") + ".") for name, does in said.items()
    )


def _ours() -> Iterator[tuple[str, str]]:
    """Yield manage.py's own commands, then those of our packages, with what they do."""
    from consent.policy.cli import _parser as policy_parser

    for line in _list_in_manage_py().splitlines()[1:]:
        name, does = line.split(None, 1)
        yield name, does
    for name, _parser, does in _below(policy_parser()):
        yield name, does
    for name, app in sorted(get_commands().items()):
        if app in OURS:
            yield name, load_command_class(str(app), name).help


def _list_in_manage_py() -> str:
    tree = ast.parse((settings.BASE_DIR / "manage.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "OWN_COMMANDS":
            return str(ast.literal_eval(node.value))
    raise CommandError("manage.py has no list of its commands")


def _parsers() -> Iterator[argparse.ArgumentParser]:
    from consent.policy.cli import _parser as policy_parser
    from portal.policykeys.offline import parser as root_parser
    from portal.supervisor.up import _parser as up_parser

    yield up_parser()
    for of_some in (policy_parser(), root_parser()):
        for name, parser, _does in _below(of_some):
            parser.prog = f"manage.py {name}"
            yield parser
    for name, app in sorted(get_commands().items()):
        if app in OURS and name != "up":
            command = load_command_class(str(app), name)
            parser = command.create_parser("manage.py", name)
            parser.prog = f"manage.py {name}"
            yield parser


def _below(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield name, parser and help of each subcommand; argparse keeps them to itself."""
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            for name, below in action.choices.items():
                yield name, below, helps[name].rstrip(".")


def _options(parser: argparse.ArgumentParser, leave_out: Iterable[str] = ()) -> str:
    """Return the options as a table; those that all Django commands have are left out."""
    common = {a.dest for a in BaseCommand().create_parser("", "")._actions}  # noqa: SLF001
    common |= set(leave_out)
    shown = [action for action in parser._actions if action.dest not in common]  # noqa: SLF001
    rows = ((mono(_spelling(action)), _meaning(action)) for action in shown)
    return table(("option", "meaning"), rows) if shown else ""


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or "|".join(map(str, action.choices or [action.dest])))
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(action.option_strings) + value


def _meaning(action: argparse.Action) -> str:
    if action.help:
        return action.help
    return f"one of {', '.join(map(str, action.choices))}" if action.choices else ""
