"""``broker connectors add TYPE``: a new upstream in one command.

Owns the file that it writes, ``connectors.d/ID.yaml`` beside the configuration. Its options are made of the
settings of that type. Nothing is written that the broker would not take, and nothing is overwritten. A secret
is never an argument, where others on the machine and the shell's history would see it; the place where it can
be read is one.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from broker.cli.operator import OperatorError, answer, config_argument, json_argument, load_config
from broker.cli.partly import STAND_IN, stood_in
from broker.cli.settings_options import Option, options_of
from broker.config import Config, ConfigError, load
from broker.config.connectors import CONNECTOR_ID, installed, load_module
from broker.connector import Finding

_NAMES = {
    "apple": "Apple",
    "auth0": "Auth0",
    "azure_b2c": "Customer account",
    "cognito": "Cognito",
    "custom": "Account",
    "entra": "Microsoft",
    "entrust": "Entrust",
    "github": "GitHub",
    "gitlab": "GitLab",
    "google": "Google",
    "keycloak": "Keycloak",
    "ldap": "Directory",
    "oidc": "Single sign-on",
    "okta": "Okta",
    "pool": "Members",
    "saml": "Single sign-on",
}
"""What stands on a button where nobody says otherwise."""
_CREDENTIALS = "our credentials"
"""What a probe calls whether the upstream knows us."""

Probe = Callable[[Config, str], Sequence[Finding]]
Tell = Callable[[Sequence[Finding]], None]


def register(ways: Any, *, probe: Probe, tell: Tell) -> None:
    """``add TYPE [--id ID] [--name NAME] [--SETTING VALUE …]``."""
    parser = ways.add_parser(
        "add",
        help="write the entry of a new upstream, and look whether it works",
        usage="broker connectors add TYPE --config FILE [--id ID] [--name NAME] [--SETTING VALUE …]",
        epilog="broker connectors add TYPE --help tells the settings of a type.",
        allow_abbrev=False,
    )
    parser.add_argument("type", metavar="TYPE", help=f"{', '.join(installed())}, or the path of a module")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(run=lambda options: _add(options.type, options.rest, probe, tell))


def redirect_uri(config: Config, connector_id: str) -> str | None:
    """What the upstream must know of us; None where there is nobody to register with."""
    connector = config.connectors[connector_id].module.Connector
    return f"{config.issuer}/callback/{connector_id}" if getattr(connector, "speaks_http", True) else None


@dataclass(frozen=True, slots=True)
class Made:
    """A new entry, and what is to be known of it."""

    id: str
    entry: Mapping[str, Any]
    unset: tuple[str, ...]
    """The variables that it names and that nobody has set."""
    around: Mapping[str, str]
    """The environment, in which every variable of the other entries has some value."""

    @property
    def text(self) -> str:
        """As it stands in the file."""
        document = {"connectors": {self.id: dict(self.entry)}}
        return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))

    @property
    def environ(self) -> dict[str, str]:
        """The environment, in which every variable has some value."""
        return {**dict.fromkeys(self.unset, STAND_IN), **self.around}


def _add(kind: str, rest: Sequence[str], probe: Probe, tell: Tell) -> int:
    try:
        settings = load_module(kind).Settings
    except ValueError as error:
        raise OperatorError(f"{kind}: {error}; there are: {', '.join(installed())}") from error
    offered = options_of(settings)
    options = _parser(kind, offered).parse_args(rest)
    around = _around(options)
    before = load_config(options, around)
    made = _made(kind, options, offered, around)
    file = options.config.parent / "connectors.d" / f"{made.id}.yaml"
    if made.id in before.connectors or file.exists():
        raise OperatorError(f"there is a connector {made.id} already; --id gives this one another name")
    config = _checked(made, options.config)
    _write(file, made.text)
    reached = _is_reached(made, options.config)
    findings = () if options.no_probe else _found(probe(config, made.id), made)
    _told(options, made, file, config, reached=reached, findings=findings, tell=tell)
    return 1 if any(one.good is False for one in findings) else 0


def _parser(kind: str, offered: Sequence[Option]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"broker connectors add {kind}", allow_abbrev=False)
    config_argument(parser, of_one_issuer=False)
    json_argument(parser)
    parser.add_argument("--id", help="its name in the configuration, for ever (default: the type)")
    parser.add_argument("--name", help="what stands on its button")
    parser.add_argument("--no-probe", action="store_true", help="do not ask the upstream")
    group = parser.add_argument_group("settings", "A secret is file:PATH, or '${NAME}' of the environment.")
    for option in offered:
        option.add_to(group)
    return parser


def _around(options: argparse.Namespace) -> Mapping[str, str]:
    """The environment. An entry whose variables are not set yet is no reason not to write another."""
    if options.config is None:
        return os.environ  # which the next who reads it tells
    try:
        load(options.config, os.environ)
    except ConfigError as error:
        return stood_in(error.problems)
    return os.environ


def _made(
    kind: str, options: argparse.Namespace, offered: Sequence[Option], around: Mapping[str, str]
) -> Made:
    """The entry that the options amount to."""
    connector_id = options.id or kind.rpartition(".")[2]
    if CONNECTOR_ID.fullmatch(connector_id) is None:
        raise OperatorError("--id: letters, digits, dots, dashes and underscores, at most 64")
    own = {option.key: option.value(options) for option in offered if option.is_given(options)}
    for option in offered:
        # Who we are there is rarely known before the redirect URI is registered: a variable stands for it.
        if option.key not in own and option.is_credential and not _proves_otherwise(own, option):
            own[option.key] = f"${{{_variable(connector_id, option.key)}}}"
        elif option.required and option.key not in own:
            options.parser.error(f"{option.flag} is needed")
    common = {"type": kind, "name": options.name or _NAMES.get(kind, connector_id)}
    entry = {**common, **own}
    named = re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", yaml.safe_dump(entry))
    missing = tuple(name for name in dict.fromkeys(named) if not os.environ.get(name))
    return Made(connector_id, entry, missing, around)


def _proves_otherwise(own: Mapping[str, Any], option: Option) -> bool:
    """Whether a client_secret has no use, since another proof was given."""
    other = (
        own.get("private_key") or own.get("tls_client_key") or own.get("token_endpoint_auth_method") == "none"
    )
    return option.key == "client_secret" and not option.required and bool(other)


def _variable(connector_id: str, key: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", f"{connector_id}_{key}".upper()).lstrip("0123456789_")


def _checked(made: Made, config: Path) -> Config:
    """The configuration with the new entry, read from a copy: nothing is written that would not be taken."""
    with TemporaryDirectory() as folder:
        piece = Path(folder) / f"{made.id}.yaml"
        piece.write_text(made.text, encoding="utf-8")
        whole = Path(folder) / "whole.yaml"
        include = {"include": [str(config.resolve()), str(piece)]}
        whole.write_text(yaml.safe_dump(include), encoding="utf-8")
        try:
            return load(whole, made.environ)
        except ConfigError as error:
            lines = [f"{problem.path}: {problem.message}" for problem in error.problems]
            raise OperatorError(*lines, "nothing was written") from error


def _is_reached(made: Made, config: Path) -> bool:
    """Whether the configuration includes the new file."""
    return made.id in load(config, made.environ).connectors


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror}") from error


def _found(findings: Sequence[Finding], made: Made) -> Sequence[Finding]:
    """What was found, without what nobody could know yet."""
    if not made.unset:
        return findings
    return [one for one in findings if one.what != _CREDENTIALS]


def _told(
    options: argparse.Namespace,
    made: Made,
    file: Path,
    config: Config,
    *,
    reached: bool,
    findings: Sequence[Finding],
    tell: Tell,
) -> None:
    uri = redirect_uri(config, made.id)
    if options.json:
        found = [asdict(one) for one in findings]
        said = {"file": str(file), "id": made.id, "type": made.entry["type"], "redirect_uri": uri}
        answer({**said, "included": reached, "unset": list(made.unset), "findings": found})
        return
    print(f"written: {file}")
    if uri is not None:
        print(f"redirect URI to register there: {uri}")
    tell(findings)
    if made.unset:
        names = ", ".join(made.unset)
        print(f"before it serves, set {names}, or write another reference into the file", file=sys.stderr)
    if not reached:
        line = "include: [connectors.d/*.yaml]"
        print(f"{options.config} does not include it yet; add there: {line}", file=sys.stderr)
