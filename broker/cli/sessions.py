"""``broker sessions``: where a person is signed in, and ending that for them.

Whoever was given tokens in a session that is ended here is told by the running broker, from its outbox.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from broker.cli.operator import (
    OperatorError,
    about_a_person,
    answer,
    command,
    load_config,
    moment,
    nothing_of,
    one_or_all,
)
from broker.cli.stored import endings, with_store
from broker.config import Config
from broker.store import KnownSession, Store

WHY = "operator_ended"


def register(commands: Any) -> None:
    """``sessions list|end --config FILE SUBJECT …``."""
    parser = command(commands, "sessions", _list)
    ways = parser.add_subparsers(title="what to do", metavar="list|end", required=True)
    listing = ways.add_parser("list", help="where a person is signed in", allow_abbrev=False)
    listing.set_defaults(run=_list)
    ending = ways.add_parser("end", help="end sessions, and tell the apps", allow_abbrev=False)
    ending.set_defaults(run=_end)
    about_a_person(listing)
    about_a_person(ending)
    one_or_all(ending, "--session", "SID", "one session", "all of them")


def _list(options: argparse.Namespace) -> int:
    config, now = load_config(options), time.time()
    found = with_store(config, lambda store: store.list_sessions(options.subject, now=now, most=None))
    sessions = [_told(config, one, now) for one in found]
    if options.json:
        answer(sessions)
        return 0
    if not sessions:
        nothing_of(options, "sessions")
    for said in sessions:
        apps = f", apps: {' '.join(said['clients'])}" if said["clients"] else ""
        since, used = moment(said["started_at"]), moment(said["last_used"])
        print(f"{said['sid']}: {said['connector']}, since {since}, last used {used}{apps}")
        if said["device"]:
            print(f"    {said['device']}")
    return 0


def _end(options: argparse.Namespace) -> int:
    config = load_config(options)

    async def end(store: Store) -> list[str]:
        ends = endings(config, store)
        if options.all:
            ended = await ends.end_all(options.subject, WHY)
            return [one.known.sid for one in ended if one.known.was_live]
        known = await store.known_session(options.session)
        if known is None or known.listed.subject != options.subject:
            return []
        one = await ends.end(options.session, WHY)
        return [options.session] if one is not None else []

    ended = with_store(config, end)
    if not ended and not options.all:
        raise OperatorError(f"this person has no session {options.session}")
    if options.json:
        answer({"ended": ended})
        return 0
    if not ended:
        nothing_of(options, "sessions")
    for sid in ended:
        print(f"ended: {sid}")
    return 0


def _told(config: Config, one: KnownSession, now: float) -> dict[str, Any]:
    listed = one.listed
    return {
        "sid": one.sid,
        "connector": listed.connector,
        "device": listed.origin.device,
        "started_at": listed.started_at,
        "last_used": one.last_used(now, config.lifetimes.session.idle),
        "ends_at": min(listed.ends_at, now + one.idle_left),
        "clients": sorted(one.clients),
    }
