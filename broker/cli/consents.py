"""``broker consents``: what a person allowed, and taking it back for them (RFC 7009 §2.1 in spirit)."""

from __future__ import annotations

import argparse
from typing import Any

from broker.cli.operator import (
    OperatorError,
    about_a_person,
    answer,
    command,
    day,
    load_config,
    nothing_of,
    one_or_all,
)
from broker.cli.stored import endings, with_store
from broker.protocol.flow import Consent, ConsentAt
from broker.store import Store


def register(commands: Any) -> None:
    """``consents list|withdraw --config FILE SUBJECT …``."""
    parser = command(commands, "consents", _list)
    ways = parser.add_subparsers(title="what to do", metavar="list|withdraw", required=True)
    listing = ways.add_parser("list", help="what a person allowed", allow_abbrev=False)
    listing.set_defaults(run=_list)
    withdrawal = ways.add_parser(
        "withdraw", help="forget it, and revoke the tokens that stand on it", allow_abbrev=False
    )
    withdrawal.set_defaults(run=_withdraw)
    about_a_person(listing)
    about_a_person(withdrawal)
    one_or_all(withdrawal, "--client", "CLIENT_ID", "for one app", "for all apps")
    withdrawal.add_argument("--at", metavar="URI", help="with --client: only what it may do at this API")


def _list(options: argparse.Namespace) -> int:
    consents = with_store(load_config(options), lambda store: store.list_consents(options.subject))
    if options.json:
        answer([_told(consent) for consent in consents])
        return 0
    if not consents:
        nothing_of(options, "consents")
    for consent in consents:
        print(f"{consent.client_id}: {_scopes(consent)}, since {day(consent.since)}")
        for uri, there in consent.at.items():
            print(f"  at {uri}: {_scopes(there)}, since {day(there.since)}")
    return 0


def _withdraw(options: argparse.Namespace) -> int:
    if options.at and options.all:
        options.parser.error("--at goes with --client")
    config = load_config(options)

    async def withdraw(store: Store) -> list[str]:
        ends = endings(config, store)
        if options.at:
            there = await ends.withdraw_at(options.subject, options.client, options.at)
            return [options.client] if there else []
        found = [consent.client_id for consent in await store.list_consents(options.subject)]
        wanted = found if options.all else [options.client]
        return [client for client in wanted if await ends.withdraw(options.subject, client)]

    withdrawn, where = with_store(config, withdraw), f" at {options.at}" if options.at else ""
    if not withdrawn and not options.all:
        raise OperatorError(f"this person has allowed {options.client} nothing{where}")
    if options.json:
        answer({"withdrawn": withdrawn})
        return 0
    if not withdrawn:
        nothing_of(options, "consents")
    for client_id in withdrawn:
        print(f"withdrawn: {client_id}{where}")
    return 0


def _told(consent: Consent) -> dict[str, Any]:
    return {
        "client_id": consent.client_id,
        "granted": list(consent.granted),
        "refused": list(consent.refused),
        "at": {
            uri: {"granted": list(there.granted), "refused": list(there.refused), "since": there.since}
            for uri, there in consent.at.items()
        },
        "since": consent.since,
        "last_used": consent.last_used,
        "expires_at": consent.expires_at,
    }


def _scopes(said: Consent | ConsentAt) -> str:
    refused = f" (not {' '.join(said.refused)})" if said.refused else ""
    return f"{' '.join(said.granted) or 'nothing'}{refused}"
