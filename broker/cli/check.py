"""``broker check FILE``: everything that is wrong with a configuration, before it serves."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from broker.cli.operator import OperatorError, answer, command, file_name, json_argument
from broker.config import Config, ConfigError, Problem, load
from broker.connector import Secret, UpstreamInvalid


def register(commands: Any) -> None:
    """``check FILE [--json]``."""
    parser = command(commands, "check", run)
    parser.add_argument(
        "config",
        metavar="FILE",
        nargs="?",
        type=file_name,
        default=os.environ.get("BROKER_CONFIG") or None,
        help="the configuration (default: the environment's BROKER_CONFIG)",
    )
    json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Tell what is wrong, or how much is right."""
    if options.config is None:
        options.parser.error("FILE is needed, or BROKER_CONFIG in the environment")
    try:
        config = load(options.config, os.environ, thorough=True)
    except ConfigError as error:
        return _wrong([_told(problem) for problem in error.problems], list(error.problems), json=options.json)
    material = _key_material(config)
    if material:
        lines = [f"{options.config}: {line}" for line in material]
        return _wrong([{"message": line} for line in material], lines, json=options.json)
    if options.json:
        answer({"ok": True, "notes": [_told(note) for note in config.notes], **_counts(config)})
        return 0
    for note in config.notes:
        print(note, file=sys.stderr)
    counted = (f"{n} {word if n != 1 else word.removesuffix('s')}" for word, n in _counts(config).items())
    print(f"{options.config}: ok: {', '.join(counted)}")
    return 0


def _wrong(told: list[dict[str, Any]], lines: list[Any], *, json: bool) -> int:
    if not json:
        raise OperatorError(*map(str, lines), ours=False)
    answer({"ok": False, "problems": told})
    return 1


def _told(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "path": problem.path,
        "message": problem.message,
    }


def _counts(config: Config) -> dict[str, int]:
    found = {
        "connectors": len(config.connectors),
        "clients": len(config.clients_by_id),
        "scopes": len(config.scope_rules),
    }
    return found | ({"workspaces": len(config.workspaces)} if config.workspaces else {})


def _key_material(config: Config) -> list[str]:
    """What cannot be opened; when serving that would show at the start, or at the first login."""
    wrong: list[str] = []
    if config.tls is not None:
        from broker.cli.listening import tls_context  # noqa: PLC0415  (only where there is TLS)

        try:
            tls_context(config.tls)
        except OperatorError as error:
            wrong += error.lines
    for one in (config, *config.workspaces.values()):
        where = f"workspaces.{one.workspace}." if one.workspace else ""
        wrong += (where + line for line in _keys_of(one))
        wrong += _subject_key(one)
    return wrong


def _keys_of(config: Config) -> Iterator[str]:
    """What cannot be opened of one issuer's."""
    if config.keys.files:
        yield from _signing_keys(config)
    for connector in config.connectors.values():
        private_key = getattr(connector.settings, "private_key", None)
        if isinstance(private_key, Secret):
            for line in _client_key(private_key):
                yield f"connectors.{connector.id}.private_key: {line}"


def _subject_key(config: Config) -> list[str]:
    if config.subject_key is None:  # the one beside the store, which is made at the first start
        return []
    from broker.keys import subject_key_of  # noqa: PLC0415  (costs 0.1 s)
    from broker.store import StoreMisconfigured  # noqa: PLC0415

    try:
        subject_key_of(config)
    except StoreMisconfigured as error:
        return [str(error)]
    return []


def _signing_keys(config: Config) -> list[str]:
    from broker.keys import KeyRing, KeysMisconfigured  # noqa: PLC0415  (costs 0.1 s)

    # Checking makes nothing, so the subject key is none of those here, and lies nowhere.
    borrowed = replace(config, subject_key=Secret("x" * 43), state_dir=Path(os.devnull))
    try:
        asyncio.run(KeyRing.open(borrowed, None, now=time.time, watch=False))
    except KeysMisconfigured as error:
        return [str(error)]
    return []


def _client_key(private_key: Secret) -> list[str]:
    from broker.upstreams.tools import ClientKey  # noqa: PLC0415  (costs 0.2 s)

    try:
        ClientKey(private_key, time.time).public_jwks()
    except UpstreamInvalid as error:
        return [error.detail]
    return []
