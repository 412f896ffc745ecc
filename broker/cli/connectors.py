"""``broker connectors``: which upstreams there are, a new one in one command, and whether one of them works.

Owns `list` and `probe`, and the words in which a finding is told; `broker.cli.connectors_add` owns `add`.
Neither needs a variable that only another entry takes. Nobody signs in here, and nothing is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from broker.cli import connectors_add
from broker.cli.operator import OperatorError, answer, command, config_argument, json_argument
from broker.cli.partly import load_for, read_outline
from broker.config import Config
from broker.connector import Finding
from broker.protocol.metadata import SIGNED_OUT
from broker.upstreams import Upstreams

_SIGNS = {True: "✓", False: "✗", None: "·"}


def register(commands: Any) -> None:
    """``connectors list|add|probe``."""
    parser = command(commands, "connectors", _list)
    ways = parser.add_subparsers(title="what to do", metavar="list|add|probe", required=True)
    listing = ways.add_parser("list", help="which there are", allow_abbrev=False)
    listing.set_defaults(run=_list)
    connectors_add.register(ways, probe=look, tell=tell)
    probing = ways.add_parser(
        "probe",
        help="what works at an upstream and what does not, without anybody signing in",
        allow_abbrev=False,
    )
    probing.add_argument("name", metavar="NAME", help="the connector's id")
    probing.set_defaults(run=_probe)
    for way in (listing, probing):
        config_argument(way)
        json_argument(way)


def _list(options: argparse.Namespace) -> int:
    rows = [
        {
            "id": one.id,
            "type": one.type,
            "name": one.name,
            "enabled": one.enabled,
            "redirect_uri": f"{issuer}/callback/{one.id}" if one.speaks_http else None,
            "post_logout_redirect_uri": issuer + SIGNED_OUT if one.offers_logout else None,
        }
        for issuer, found in [read_outline(options)]
        for one in found
    ]
    if options.json:
        answer(rows)
        return 0
    for row in rows:
        off = "" if row["enabled"] else " (disabled)"
        uris = (row["redirect_uri"], row["post_logout_redirect_uri"])
        told = "".join(f", {uri}" for uri in uris if uri is not None)
        print(f"{row['id']}: {row['type']}, {row['name']}{off}{told}")
    return 0


def _probe(options: argparse.Namespace) -> int:
    config = load_for(options, options.name)
    if options.name not in config.connectors:
        known = ", ".join(config.connectors) or "none"
        raise OperatorError(f"there is no connector {options.name}; there are: {known}")
    findings = look(config, options.name)
    if options.json:
        answer({"id": options.name, "ok": is_well(findings), "findings": [asdict(one) for one in findings]})
    else:
        tell(findings)
    return 0 if is_well(findings) else 1


def look(config: Config, connector_id: str) -> Sequence[Finding]:
    """What the connector says of its upstream."""

    async def asked() -> Sequence[Finding]:
        upstreams = Upstreams.open(config, time.time)
        try:
            return await upstreams[connector_id].probe()
        finally:
            await upstreams.close()

    return asyncio.run(asked())


def tell(findings: Sequence[Finding]) -> None:
    """Each finding in a line of its own."""
    for one in findings:
        print(f"{_SIGNS[one.good]} {one.what}{': ' if one.detail else ''}{one.detail}")


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing was found that does not work."""
    return all(one.good is not False for one in findings)
