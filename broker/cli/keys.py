"""``broker keys``: see the signing keys, bring in the next ones, or take one out at once.

Works on the keys where they are kept, whether a broker is running or not; running workers notice within
seconds. Keys that the operator keeps as files (``keys.files``) are listed, and changed by changing that list.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from broker.cli.operator import (
    OperatorError,
    answer,
    command,
    config_argument,
    json_argument,
    load_config,
    moment,
)

if TYPE_CHECKING:
    from broker.config import Config
    from broker.keys import KeyRing, Known


def register(commands: Any) -> None:
    """``keys list|rotate|retire --config FILE [--json]``."""
    parser = command(commands, "keys", run)
    ways = parser.add_subparsers(title="what to do", metavar="list|rotate|retire", required=True)
    for name, act, words in (
        ("list", _list, "which keys there are, and what each is for"),
        ("rotate", _rotate, "publish the next keys; they sign once every cache can have seen them"),
        ("retire", _retire, "take a key out of everything at once, with all that it signed: it leaked"),
    ):
        way = ways.add_parser(name, help=words, allow_abbrev=False)
        way.set_defaults(act=act)
        config_argument(way)
        json_argument(way)
        if name == "retire":
            way.add_argument("kid", metavar="KID", help="the key's name, as broker keys list tells it")


def run(options: argparse.Namespace) -> int:
    """Do it, and tell the keys as they are then."""
    from broker.cli.stored import told  # noqa: PLC0415  (usage errors should not wait for these)
    from broker.jose import JoseError  # noqa: PLC0415
    from broker.store import StoreError  # noqa: PLC0415

    try:
        known = asyncio.run(_acted(load_config(options), options))
    except StoreError as error:
        raise told(error) from error
    except JoseError as error:
        raise OperatorError(str(error)) from error
    if options.json:
        answer({"keys": [asdict(key) for key in known]})
    else:
        _print(known)
    return 0


async def _acted(config: Config, options: argparse.Namespace) -> tuple[Known, ...]:
    async with _keys(config) as ring:
        await options.act(ring, options)
        return ring.known()


@asynccontextmanager
async def _keys(config: Config) -> AsyncIterator[KeyRing]:
    """The key ring, with the store only where that holds the keys."""
    from broker.config import EMBEDDED  # noqa: PLC0415
    from broker.keys import KeyRing  # noqa: PLC0415
    from broker.store import open_store  # noqa: PLC0415

    shared = config.store.url != EMBEDDED and not config.keys.files
    store = await open_store(config.store, config.state_dir) if shared else None
    try:
        yield await KeyRing.open(config, store, now=time.time, watch=False)
    finally:
        if store is not None:
            await store.close()


async def _list(_ring: KeyRing, _options: argparse.Namespace) -> None:
    """Nothing is changed."""


async def _rotate(ring: KeyRing, _options: argparse.Namespace) -> None:
    await ring.rotate()


async def _retire(ring: KeyRing, options: argparse.Namespace) -> None:
    if not await ring.retire(options.kid):
        raise OperatorError(f"there is no key {options.kid}")


def _print(known: tuple[Known, ...]) -> None:
    for key in sorted(known, key=lambda key: (key.alg, key.signs_from or 0)):
        print(f"{key.kid}  {key.alg:<7}  {key.state:<7}  {_span(key)}".rstrip())


def _span(key: Known) -> str:
    if key.signs_from is None:
        return "from a file"
    if key.published_until is not None and key.state == "old":
        return f"published until {moment(key.published_until)}"
    return f"signs from {moment(key.signs_from)}" + (
        f" to {moment(key.stops_at)}" if key.stops_at is not None else ""
    )
