"""``broker users``: the people of an identity pool (connectors of the type ``pool``).

Owns the operator's side of a pool. A password is typed, or comes by standard input; it is never an argument,
where others on the machine and the shell's history would see it. Disabling somebody, removing them, or giving
them another password ends their sessions and everything that came of those.
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyotp import TOTP, random_base32

from broker.cli.operator import (
    OperatorError,
    answer,
    command,
    config_argument,
    day,
    json_argument,
    load_config,
)
from broker.cli.stored import endings, with_store
from broker.config import Config
from broker.keys import subject_key_of
from broker.mapping import PROTOCOL_CLAIMS
from broker.protocol import subject
from broker.protocol.usernames import as_typed, canonical
from broker.store import PoolPerson, Store
from broker.upstreams.passwords import hash_password

T = TypeVar("T")
SHORTEST = 10
"""Characters of a password. Length is what counts (NIST SP 800-63B §5.1.1): no rules about digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pool that was named, opened for one command."""

    store: Store
    name: str
    config: Config

    async def person(self, username: str) -> PoolPerson:
        """Whoever has this username.

        Raises:
            OperatorError: nobody.
        """
        found = await self.store.find_person(self.name, canonical(username) or "")
        if found is None:
            raise OperatorError(f"nobody in {self.name} is called {username!r}")
        return found

    async def changed(self, username: str, change: Callable[[PoolPerson], PoolPerson]) -> PoolPerson:
        """The person as ``change`` makes them."""
        found = await self.person(username)
        changed = await self.store.change_person(self.name, found.id, change)
        if changed is None:
            raise OperatorError(f"nobody in {self.name} is called {username!r}")
        return changed

    async def end_everything(self, person: PoolPerson) -> None:
        """End the sessions, codes and tokens that they have now."""
        await endings(self.config, self.store).end_everything(self.subject(person), "user_ended")

    def subject(self, person: PoolPerson) -> str:
        """Their ``sub``."""
        key = subject_key_of(self.config)
        issuer = f"pool:{self.name}"
        return subject.mint(connector=self.name, issuer=issuer, subject=person.id, key=key)


def register(commands: Any) -> None:
    """``users add|list|disable|enable|passwd|totp|remove --config FILE --connector ID …``."""
    parser = command(commands, "users", _list)
    ways = parser.add_subparsers(title="what to do", metavar="COMMAND", required=True)
    _way(ways, "list", _list, "who is in the pool", named=False)
    adding = _way(ways, "add", _add, "add somebody; asks for their password")
    adding.add_argument(
        "--claim",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_claim,
        help="what is known of them, such as email=ada@acme.example; JSON where it reads as JSON",
    )
    _way(ways, "passwd", _passwd, "give somebody another password, and end their sessions")
    _way(ways, "disable", _disable, "let somebody sign in no more, and end all that they have")
    _way(ways, "enable", _enable, "let somebody sign in again")
    totp = _way(ways, "totp", _totp, "set up one-time codes for somebody, and print what their app reads")
    totp.add_argument("--remove", action="store_true", help="let them sign in without codes again")
    _way(ways, "remove", _remove, "forget somebody, and end all that they have")


def _way(
    ways: Any, name: str, run: Callable[[argparse.Namespace], int], words: str, *, named: bool = True
) -> argparse.ArgumentParser:
    way: argparse.ArgumentParser = ways.add_parser(name, help=words, allow_abbrev=False)
    way.set_defaults(run=run)
    if named:
        way.add_argument("username", metavar="USERNAME")
    way.add_argument("--connector", metavar="ID", required=True, help="the pool")
    config_argument(way)
    json_argument(way)
    return way


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    if name in PROTOCOL_CLAIMS:
        raise argparse.ArgumentTypeError(f"{name} is minted by the broker")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


# ── The commands ──────────────────────────────────────────────────────────────────────────────────


def _list(options: argparse.Namespace) -> int:
    async def everybody(pool: Pool) -> list[dict[str, Any]]:
        found = [_told(pool, person) async for person in pool.store.list_people(pool.name)]
        return sorted(found, key=lambda told: str(told["username"]).casefold())

    people = _with_pool(options, everybody)
    if options.json:
        answer(people)
        return 0
    for told in people:
        marks = [word for word, holds in (("disabled", not told["enabled"]), ("totp", told["totp"])) if holds]
        print(f"{told['username']}: {told['sub']}, since {day(told['since'])}", *marks, sep=", ")
    return 0


def _add(options: argparse.Namespace) -> int:
    name = canonical(options.username)
    if name is None:
        raise OperatorError("a username has 1 to 255 characters, and no space or invisible one among them")
    now = time.time()

    async def add(pool: Pool) -> dict[str, Any]:
        if await pool.store.find_person(pool.name, name) is not None:
            raise OperatorError(f"{options.username!r} is taken")
        person = PoolPerson(
            id=secrets.token_urlsafe(16),
            username=as_typed(options.username),
            password_hash=_fresh_password(options.username),
            claims=dict(options.claim),
            since=now,
            password_since=now,
        )
        if not await pool.store.add_person(pool.name, name, person):
            raise OperatorError(f"{options.username!r} is taken")
        return _told(pool, person)

    return _answered(options, _with_pool(options, add), "added")


def _passwd(options: argparse.Namespace) -> int:
    async def passwd(pool: Pool) -> dict[str, Any]:
        await pool.person(options.username)
        fresh, now = _fresh_password(options.username), time.time()
        person = await pool.changed(
            options.username, lambda p: replace(p, password_hash=fresh, password_since=now)
        )
        await pool.end_everything(person)
        return _told(pool, person)

    return _answered(options, _with_pool(options, passwd), "has another password")


def _disable(options: argparse.Namespace) -> int:
    async def disable(pool: Pool) -> dict[str, Any]:
        person = await pool.changed(options.username, lambda p: replace(p, enabled=False))
        await pool.end_everything(person)
        return _told(pool, person)

    return _answered(options, _with_pool(options, disable), "disabled")


def _enable(options: argparse.Namespace) -> int:
    async def enable(pool: Pool) -> dict[str, Any]:
        return _told(pool, await pool.changed(options.username, lambda p: replace(p, enabled=True)))

    return _answered(options, _with_pool(options, enable), "enabled")


def _totp(options: argparse.Namespace) -> int:
    secret = None if options.remove else random_base32()

    async def totp(pool: Pool) -> dict[str, Any]:
        person = await pool.changed(options.username, lambda p: replace(p, totp_secret=secret))
        told = _told(pool, person)
        if secret is not None:
            shown = pool.config.connectors[pool.name].name
            told["otpauth_uri"] = TOTP(secret).provisioning_uri(name=person.username, issuer_name=shown)
        return told

    told = _with_pool(options, totp)
    if secret is not None and not options.json:
        print(told["otpauth_uri"])  # a secret, for their app alone
        return 0
    return _answered(options, told, "signs in without codes")


def _remove(options: argparse.Namespace) -> int:
    async def remove(pool: Pool) -> dict[str, Any]:
        # They go last: what broke off is done by asking again, and for that they must still be found. Until
        # then they sign in no more.
        person = await pool.changed(options.username, lambda p: replace(p, enabled=False))
        await pool.end_everything(person)
        await pool.store.remove_person(pool.name, canonical(person.username) or "", person.id)
        return _told(pool, person)

    return _answered(options, _with_pool(options, remove), "removed")


# ── What they share ───────────────────────────────────────────────────────────────────────────────


def _with_pool(options: argparse.Namespace, use: Callable[[Pool], Coroutine[Any, Any, T]]) -> T:
    """Open the pool in the store that the running broker uses."""
    config = load_config(options)
    connector = config.connectors.get(options.connector)
    if connector is None or not getattr(connector.module.Connector, "keeps_people", False):
        raise OperatorError(f"{options.connector} is no connector of the type pool")

    def ask(store: Store) -> Coroutine[Any, Any, T]:
        return use(Pool(store=store, name=options.connector, config=config))

    return with_store(config, ask)


def _fresh_password(username: str) -> str:
    """The hash of the password that is typed now, twice; or of the one line of standard input."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {username}: ")
        if getpass.getpass("Once more: ") != password:
            raise OperatorError("that was not the same password")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST:
        raise OperatorError(f"a password has at least {SHORTEST} characters")
    try:
        return hash_password(password)
    except ValueError as error:
        raise OperatorError(str(error)) from error


def _told(pool: Pool, person: PoolPerson) -> dict[str, Any]:
    return {
        "username": person.username,
        "id": person.id,
        "sub": pool.subject(person),
        "enabled": person.enabled,
        "totp": person.totp_secret is not None,
        "claims": dict(person.claims),
        "since": person.since,
        "password_since": person.password_since,
    }


def _answered(options: argparse.Namespace, told: dict[str, Any], done: str) -> int:
    if options.json:
        answer(told)
    else:
        print(f"{told['username']}: {done}")
    return 0
