"""``broker clients``: the apps that may sign people in, the operator's and those that registered themselves.

Owns the file that `add` writes, ``clients.d/ID.yaml`` beside the configuration, with its secret in a file of
its own beside that (mode 0600, and left out by git). Nothing is written that the broker would not take, and
nothing is overwritten. `remove` is for apps that registered themselves: what is in a file is taken out there.
RFC 7591; RFC 7592 §2.3.
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from broker.cli.operator import (
    OperatorError,
    answer,
    command,
    config_argument,
    day,
    json_argument,
    load_config,
)
from broker.cli.stored import with_store
from broker.config import ConfigError, load
from broker.config.clients import CLIENT_ID
from broker.protocol.client import DEVICE_CODE, Client
from broker.store import Registered
from broker.upstreams.passwords import hash_password

_KEPT = ".secret"
"""What the file of a secret ends with."""
_SHORTEST = 16
"""Characters of a secret that somebody chose."""


def register(commands: Any) -> None:
    """``clients list|add|remove|hash``."""
    parser = command(commands, "clients", _list)
    ways = parser.add_subparsers(title="what to do", metavar="list|add|remove|hash", required=True)
    listing = ways.add_parser("list", help="which there are, and who registered itself", allow_abbrev=False)
    listing.set_defaults(run=_list)
    adding = ways.add_parser("add", help="write the entry of a new app, and its secret", allow_abbrev=False)
    adding.set_defaults(run=_add)
    _entry_arguments(adding)
    removal = ways.add_parser(
        "remove", help="forget an app that registered itself, and end what it was given", allow_abbrev=False
    )
    removal.set_defaults(run=_remove)
    removal.add_argument("client_id", metavar="CLIENT_ID")
    for way in (listing, removal):
        config_argument(way)
        json_argument(way)
    config_argument(adding, of_one_issuer=False)
    json_argument(adding)
    hashing = ways.add_parser(
        "hash", help="hash a secret that somebody chose, for client_secret", allow_abbrev=False
    )
    hashing.set_defaults(run=_hash)


def _entry_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("client_id", metavar="CLIENT_ID")
    parser.add_argument("--name", metavar="NAME", required=True, help="what people know the app as")
    parser.add_argument(
        "--redirect-uri", metavar="URI", action="append", default=[], help="where it is answered; may repeat"
    )
    parser.add_argument("--scope", metavar="'SCOPE …'", help="what it may ask for")
    parser.add_argument("--public", action="store_true", help="it cannot keep a secret")
    parser.add_argument(
        "--native", action="store_true", help="it runs on people's machines: add --public too"
    )
    parser.add_argument("--device", action="store_true", help="it signs in devices without a browser")


# ── The commands ──────────────────────────────────────────────────────────────────────────────────


def _list(options: argparse.Namespace) -> int:
    config = load_config(options)
    registered = with_store(config, lambda store: store.list_clients())
    configured = config.clients_by_id.values()
    rows = [*(_configured(one) for one in configured), *(_of_stranger(one) for one in registered)]
    if options.json:
        answer(rows)
        return 0
    for row in rows:
        print(f"{row['client_id']}: {', '.join([row['client_name'], *row['remarks']])}")
    return 0


def _configured(client: Client) -> dict[str, Any]:
    marks = (("disabled", not client.enabled), ("trusted", client.trusted))
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "origin": "config",
        "enabled": client.enabled,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": list(client.grant_types),
        "redirect_uris": list(client.redirect_uris),
        "remarks": [word for word, holds in marks if holds],
    }


def _of_stranger(client: Registered) -> dict[str, Any]:
    used = "never used" if client.used_at is None else f"last used {day(client.used_at)}"
    remarks = [f"registered itself {day(client.issued_at)}", used]
    if client.lookalike:
        remarks.append(f"its name looks like that of {client.lookalike}")
    return {
        "client_id": client.client_id,
        "client_name": client.metadata["client_name"],
        "origin": "registered",
        "enabled": True,
        "token_endpoint_auth_method": client.metadata["token_endpoint_auth_method"],
        "grant_types": list(client.metadata["grant_types"]),
        "redirect_uris": list(client.metadata.get("redirect_uris", ())),
        "issued_at": client.issued_at,
        "used_at": client.used_at,
        "lookalike": client.lookalike,
        "remarks": remarks,
    }


def _remove(options: argparse.Namespace) -> int:
    config = load_config(options)
    if options.client_id in config.clients_by_id:
        raise OperatorError(
            f"{options.client_id} is in the configuration: take it out there, or set enabled: false"
        )
    if not with_store(config, lambda store: store.drop_client(options.client_id)):
        raise OperatorError(f"no app has registered itself as {options.client_id}")
    if options.json:
        answer({"removed": options.client_id})
    else:
        print(f"removed: {options.client_id}")
    return 0


def _hash(_options: argparse.Namespace) -> int:
    """The secret is typed, or comes by standard input; it is never an argument."""
    if sys.stdin.isatty():
        secret = getpass.getpass("Secret: ")
        if getpass.getpass("Once more: ") != secret:
            raise OperatorError("that was not the same secret")
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if len(secret) < _SHORTEST:
        raise OperatorError(f"a secret has at least {_SHORTEST} characters")
    try:
        print(hash_password(secret))
    except ValueError as error:
        raise OperatorError(str(error)) from error
    return 0


# ── A new entry ───────────────────────────────────────────────────────────────────────────────────


def _add(options: argparse.Namespace) -> int:
    config = load_config(options)
    if CLIENT_ID.fullmatch(options.client_id) is None or set(options.client_id) & set("/\\"):
        raise OperatorError("CLIENT_ID: visible ASCII characters without a colon or slash, at most 200")
    folder = options.config.parent / "clients.d"
    file, kept = folder / f"{options.client_id}.yaml", folder / f"{options.client_id}{_KEPT}"
    if options.client_id in config.clients_by_id or file.exists() or kept.exists():
        raise OperatorError(f"there is a client {options.client_id} already")
    secret = None if options.public else secrets.token_urlsafe(32)
    entry = _entry(options, kept.name if secret is not None else None)
    text = str(yaml.safe_dump({"clients": {options.client_id: entry}}, sort_keys=False, allow_unicode=True))
    _check(options, text, kept.name, secret)
    _write(folder, {file: text} if secret is None else {file: text, kept: f"{secret}\n"})
    included = options.client_id in load(options.config, os.environ).clients_by_id
    if options.json:
        said = {"client_id": options.client_id, "file": str(file), "client_secret": secret}
        answer({**said, "included": included})
        return 0
    print(f"written: {file}")
    print(f"client_id: {options.client_id}")
    if secret is not None:
        print(f"client_secret: {secret}")
    if not included:
        line = "include: [clients.d/*.yaml]"
        print(f"{options.config} does not include it yet; add there: {line}", file=sys.stderr)
    return 0


def _entry(options: argparse.Namespace, secret_file: str | None) -> Mapping[str, Any]:
    entry: dict[str, Any] = {"client_name": options.name}
    if secret_file is not None:
        entry["client_secret"] = f"file:{secret_file}"
    else:
        entry["token_endpoint_auth_method"] = "none"
    if options.native:
        entry["application_type"] = "native"
    if options.redirect_uri:
        entry["redirect_uris"] = options.redirect_uri
    by_browser = bool(options.redirect_uri) or not options.device
    ways = [("authorization_code", by_browser), (DEVICE_CODE, options.device), ("refresh_token", True)]
    entry["grant_types"] = [name for name, wanted in ways if wanted]
    if options.scope:
        entry["scope"] = options.scope
    return entry


def _check(options: argparse.Namespace, text: str, secret_file: str, secret: str | None) -> None:
    """That the configuration with the new entry would be taken, read from a copy."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "new.yaml").write_text(text, encoding="utf-8")
        if secret is not None:
            kept = folder / secret_file
            kept.touch(0o600)
            kept.write_text(secret, encoding="utf-8")
        include = {"include": [str(options.config.resolve()), str(folder / "new.yaml")]}
        (folder / "whole.yaml").write_text(yaml.safe_dump(include), encoding="utf-8")
        try:
            load(folder / "whole.yaml", os.environ)
        except ConfigError as error:
            lines = [f"{problem.path}: {problem.message}" for problem in error.problems]
            raise OperatorError(*lines, "nothing was written") from error


def _write(folder: Path, texts: Mapping[Path, str]) -> None:
    try:
        folder.mkdir(exist_ok=True)
        if not (folder / ".gitignore").exists():  # the configuration is often kept in git, and secrets never
            (folder / ".gitignore").write_text(f"*{_KEPT}\n", encoding="utf-8")
        for file, text in texts.items():
            mode = 0o600 if file.suffix == _KEPT else 0o644
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise OperatorError(f"{error.filename} cannot be written: {error.strerror}") from error
