"""What every command shares: the configuration it works on, its answer, and the operator's mistakes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broker.config import Config


class OperatorError(Exception):
    """The operator's mistake, in one plain line or several."""

    def __init__(self, *lines: str, ours: bool = True) -> None:
        super().__init__("\n".join(lines))
        self.lines: Sequence[str] = lines
        self.ours = ours
        """Whether the lines want our name before them; those of a file begin with the file's."""


def command(commands: Any, name: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """A parser for one command, in the words of the table."""
    from broker.cli import COMMANDS  # noqa: PLC0415  (the table imports this module)

    words = COMMANDS[name]
    description = f"{words[:1].upper()}{words[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=words, description=description, allow_abbrev=False
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def file_name(text: str) -> Path:
    """What names a file; an empty text, as from a variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a file is needed, and this is empty")
    return Path(text)


def config_argument(parser: argparse.ArgumentParser, *, of_one_issuer: bool = True) -> None:
    """``--config FILE``; ``BROKER_CONFIG`` stands for it. ``--workspace`` where it is about one issuer."""
    parser.set_defaults(parser=parser)  # whoever forgets it is told the usage of what was typed
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=file_name,
        default=os.environ.get("BROKER_CONFIG") or None,
        help="the configuration (default: the environment's BROKER_CONFIG)",
    )
    if of_one_issuer:
        parser.add_argument("--workspace", metavar="NAME", help="one of its workspaces, instead of the host")


def json_argument(parser: argparse.ArgumentParser) -> None:
    """``--json``: the answer for a program."""
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def about_a_person(way: argparse.ArgumentParser) -> None:
    """``SUBJECT --config FILE --json``: for a command about what one person has here."""
    way.add_argument("subject", metavar="SUBJECT", help="the person's sub, as the log says it in subject")
    config_argument(way)
    json_argument(way)


def nothing_of(options: argparse.Namespace, what: str) -> None:
    """Say what an empty list means; it is as empty for a username, which is no sub."""
    print(f"there are no {what} of the sub {options.subject}", file=sys.stderr)


def one_or_all(way: argparse.ArgumentParser, option: str, metavar: str, one: str, everything: str) -> None:
    """Which of them are meant, which must be said."""
    which = way.add_mutually_exclusive_group(required=True)
    which.add_argument(option, metavar=metavar, help=one)
    which.add_argument("--all", action="store_true", help=everything)


def load_config(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration that ``--config`` names; what is worth knowing about it goes to standard error.

    Raises:
        OperatorError: it is not named, or cannot be used.
    """
    from broker.config import ConfigError, load  # noqa: PLC0415  (usage errors should not wait for it)

    if options.config is None:
        options.parser.error("--config FILE is needed, or BROKER_CONFIG in the environment")
    try:
        config = load(options.config, environ)
    except ConfigError as error:
        raise OperatorError(*map(str, error.problems), ours=False) from error
    for note in config.notes:
        print(note, file=sys.stderr)
    return _issuer(config, getattr(options, "workspace", None))


def _issuer(config: Config, workspace: str | None) -> Config:
    if workspace is None:
        return config
    if workspace not in config.workspaces:
        raise no_workspace(workspace)
    return config.workspaces[workspace]


def no_workspace(name: str) -> OperatorError:
    """What is told of a workspace that is none."""
    return OperatorError(f"--workspace: the configuration has none that is called {name}")


def day(instant: float) -> str:
    """The day of an instant, as every command tells it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")


def moment(instant: float) -> str:
    """An instant to the second."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def answer(value: Any) -> None:
    """A JSON answer on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
