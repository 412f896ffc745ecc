"""``broker outbox``: what client apps are still to be told, and what became of it so far.

The running broker delivers. Here an operator sees what waits, what failed and why, has it tried again now,
or gives it up.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from broker.cli.operator import (
    OperatorError,
    answer,
    command,
    config_argument,
    json_argument,
    load_config,
    moment,
)
from broker.cli.stored import with_store
from broker.store import Notice, Posted, Store


def register(commands: Any) -> None:
    """``outbox list|retry|drop --config FILE …``."""
    parser = command(commands, "outbox", _list)
    ways = parser.add_subparsers(title="what to do", metavar="list|retry|drop", required=True)
    listing = ways.add_parser("list", help="what is not delivered yet", allow_abbrev=False)
    listing.set_defaults(run=_list)
    retrying = ways.add_parser("retry", help="try again now, from the first attempt", allow_abbrev=False)
    retrying.set_defaults(run=_retry)
    dropping = ways.add_parser("drop", help="tell nobody", allow_abbrev=False)
    dropping.set_defaults(run=_drop)
    for way in (listing, retrying, dropping):
        config_argument(way)
        json_argument(way)
    for way, every in ((retrying, "all that failed"), (dropping, "all that were given up")):
        way.add_argument("id", metavar="ID", nargs="*", help="as `broker outbox list` says them")
        way.add_argument("--all", action="store_true", help=every)


def _list(options: argparse.Namespace) -> int:
    posted = with_store(load_config(options), lambda store: store.list_notices())
    if options.json:
        answer([_told(one) for one in posted])
        return 0
    for one in posted:
        notice = one.notice
        when = "" if one.at is None else f" {'since' if one.state == 'dead' else 'at'} {moment(one.at)}"
        print(f"{notice.id}: {notice.client_id}, {notice.why}, posted {moment(notice.posted_at)}")
        print(f"    {one.state}{when}{_tried(notice)}")
    return 0


def _tried(notice: Notice) -> str:
    if not notice.attempts:
        return ""
    often = "1 attempt" if notice.attempts == 1 else f"{notice.attempts} attempts"
    return f", {often}, last: {notice.problem}"


def _retry(options: argparse.Namespace) -> int:
    _is_said(options)

    async def retry(store: Store) -> list[str]:
        wanted = await _wanted(store, options, {"later", "dead"})
        return [one.notice.id for one in wanted if await store.retry_notice(one.notice)]

    done = with_store(load_config(options), retry)
    return _done(options, done, "retrying", none="was to be tried later or was given up")


def _drop(options: argparse.Namespace) -> int:
    _is_said(options)

    async def drop(store: Store) -> list[str]:
        wanted = await _wanted(store, options, {"dead"})
        return [one.notice.id for one in wanted if await store.drop_notice(one.notice.id)]

    return _done(options, with_store(load_config(options), drop), "dropped", none="was given up")


def _is_said(options: argparse.Namespace) -> None:
    """Which are meant, or the usage is told: one group cannot say that of words and a flag."""
    if options.config is not None and bool(options.id) == options.all:
        options.parser.error("say which: one ID or several, or --all")


async def _wanted(store: Store, options: argparse.Namespace, of_all: set[str]) -> list[Posted]:
    """Those that were named, or all of some states.

    Raises:
        OperatorError: there is none of that name.
    """
    posted = await store.list_notices()
    if options.all:
        return [one for one in posted if one.state in of_all]
    missing = sorted(set(options.id) - {one.notice.id for one in posted})
    if missing:
        raise OperatorError(*(f"there is no notice {name}" for name in missing))
    return [one for one in posted if one.notice.id in options.id]


def _done(options: argparse.Namespace, ids: list[str], word: str, *, none: str) -> int:
    if options.json:
        answer({word: ids})
        return 0
    if not ids:
        print(f"there is none that {none}", file=sys.stderr)
    for name in ids:
        print(f"{word}: {name}")
    return 0


def _told(one: Posted) -> dict[str, Any]:
    notice = one.notice
    return {
        "id": notice.id,
        "state": one.state,
        "at": one.at,
        "client_id": notice.client_id,
        "sub": notice.subject,
        "sid": notice.sid,
        "why": notice.why,
        "posted_at": notice.posted_at,
        "attempts": notice.attempts,
        "problem": notice.problem,
    }
