"""``broker explain``: why a claim is what it is, of documents in a file or of a login of the last minutes."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from broker.cli.operator import (
    OperatorError,
    answer,
    command,
    config_argument,
    file_name,
    json_argument,
    load_config,
    moment,
)

if TYPE_CHECKING:
    from broker.config import Config, ConnectorConfig
    from broker.mapping import Documents
    from broker.protocol.client import Client
    from broker.protocol.explained import ClaimKept, ClaimTold, Explained
    from broker.protocol.flow import Consent

_DOCUMENTS = ("id_token", "userinfo", "api")
_FACTS = ("upstream", "client")
_CORRELATION = re.compile(r"[0-9a-f]{16}")


def register(commands: Any) -> None:
    """``explain CORRELATION_ID`` or ``explain --connector X --claims FILE [--client Y]``."""
    parser = command(commands, "explain", run)
    parser.add_argument(
        "correlation_id", metavar="CORRELATION_ID", nargs="?", help="a login, by the id in the log"
    )
    config_argument(parser)
    parser.add_argument("--connector", metavar="ID", help="apply the map of this connector instead")
    parser.add_argument(
        "--claims",
        metavar="FILE",
        type=file_name,
        help="to this JSON: claims, or an object of id_token, userinfo and api",
    )
    parser.add_argument("--client", metavar="CLIENT_ID", help="as this app would see them")
    parser.add_argument("--show-values", action="store_true", help="with --claims: values, but for sensitive")
    json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Explain it."""
    offline = options.connector is not None or options.claims is not None
    if offline == (options.correlation_id is not None):
        options.parser.error("a CORRELATION_ID is needed, or --connector and --claims")
    if not offline:
        if options.show_values or options.client is not None:
            options.parser.error("--show-values and --client are for --claims; of a login no value is kept")
        return _login(options)
    if options.connector is None or options.claims is None:
        options.parser.error("--connector and --claims belong together")
    return _file(options)


# ── Documents in a file ───────────────────────────────────────────────────────────────────────


def _file(options: argparse.Namespace) -> int:
    from broker.endpoints.explaining import told  # noqa: PLC0415  (half the house)
    from broker.mapping import shape, trace  # noqa: PLC0415

    config = load_config(options)
    connector = config.connectors.get(options.connector)
    if connector is None:
        raise OperatorError(f"there is no connector {options.connector}")
    client = _client(config, options.client)
    documents = _documents(_read(options), connector, client)
    show: Callable[[Any], str] = _value if options.show_values else shape
    traced = list(trace(connector.claims, documents))
    found = _whole([told(config, one, show) for one in traced], config, connector, client, None)
    refused = [one.claim for one in traced if one.refuses]
    if options.json:
        about = {"connector": connector.id, "client": client.client_id if client is not None else None}
        answer({**about, "refused_for": refused, "claims": [asdict(one) for one in found]})
        return 0
    as_whom = f", as {client.client_id} sees it" if client is not None else ""
    print(f"connector {connector.id} ({connector.type}){as_whom}")
    _print_claims(found)
    if refused:
        print(f"\nno login: {', '.join(refused)} required")
    return 0


def _client(config: Config, client_id: str | None) -> Client | None:
    if client_id is None:
        return None
    client = config.clients_by_id.get(client_id)
    if client is None:
        raise OperatorError(f"there is no client {client_id}")
    return client


def _read(options: argparse.Namespace) -> Mapping[str, Any]:
    from broker.strictjson import StrictJSONError, parse  # noqa: PLC0415

    try:
        said = parse(options.claims.read_bytes())
    except OSError as error:
        raise OperatorError(f"{options.claims}: {error.strerror}") from error
    except StrictJSONError as error:
        raise OperatorError(f"{options.claims}: {error}") from error
    if not isinstance(said, dict):
        raise OperatorError(f"{options.claims}: expected an object")
    if not said.keys() & set(_DOCUMENTS):  # one document's claims
        return {"id_token": said}
    for name, value in said.items():
        if name not in (*_DOCUMENTS, *_FACTS) or not isinstance(value, dict):
            raise OperatorError(
                f"{options.claims}: {name}: expected objects id_token, userinfo, api, upstream"
            )
    return said


def _documents(said: Mapping[str, Any], connector: ConnectorConfig, client: Client | None) -> Documents:
    from broker.endpoints.recognition import client_facts  # noqa: PLC0415
    from broker.mapping import Documents, upstream_facts  # noqa: PLC0415
    from broker.upstreams.passing import ours  # noqa: PLC0415

    id_token, userinfo, api = (said.get(name) or {} for name in _DOCUMENTS)
    acr, amr = id_token.get("acr"), id_token.get("amr")
    known = upstream_facts(
        issuer=str(id_token.get("iss") or getattr(connector.settings, "issuer", "") or ""),
        documents=(userinfo, id_token, api),
        auth_time=id_token.get("auth_time"),
        acr=ours(acr, connector.acr) if isinstance(acr, str) else None,
        amr=tuple(amr) if isinstance(amr, list) else (),
        sid=id_token.get("sid"),
    )
    return Documents(
        id_token=id_token,
        userinfo=userinfo,
        api=api,
        upstream={**known, **(said.get("upstream") or {})},
        connector={"id": connector.id, "type": connector.type, "name": connector.name},
        client=client_facts(client) if client is not None else said.get("client") or {},
    )


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# ── A login ───────────────────────────────────────────────────────────────────────────────────


def _login(options: argparse.Namespace) -> int:
    config = load_config(options)
    if _CORRELATION.fullmatch(options.correlation_id) is None:
        raise OperatorError("a correlation id is the 16 letters and digits that the log and the page show")
    if not config.lifetimes.explain:
        raise OperatorError("nothing is kept: lifetimes.explain is 0s")
    found, consent = _from_store(config, options.correlation_id)
    if found is None:
        raise OperatorError("nothing is kept of this login: too long ago, not ended yet, or another broker's")
    now = _consent_now(found, consent)
    connector, client = config.connectors.get(found.connector), config.clients_by_id.get(found.client_id)
    claims = _whole(found.claims, config, connector, client, found)
    if options.json:
        told = [asdict(one) for one in claims]
        answer({**msgspec.to_builtins(found), "claims": told, "consent_now": now})
        return 0
    print(f"login {found.correlation_id} of {found.client_id}, {moment(found.at)}")
    why = f": {found.reason}" + (f" ({found.detail})" if found.detail else "") if found.reason else ""
    print(f"{found.outcome}{why}\n")
    for one in found.decisions:
        print(f"{one.about}: {one.outcome}" + (f", {one.why}" if one.why else ""))
    if now:
        print(f"consent now: {now}")
    _print_claims(claims)
    return 0


def _from_store(config: Config, correlation_id: str) -> tuple[Explained | None, Consent | None]:
    from broker.cli.stored import with_store  # noqa: PLC0415  (a file of claims needs no store)
    from broker.store import Store  # noqa: PLC0415

    async def look(store: Store) -> tuple[Explained | None, Consent | None]:
        found = await store.read_explained(correlation_id)
        if found is None or not found.subject:
            return found, None
        return found, await store.read_consent(found.subject, found.client_id)

    return with_store(config, look)


def _consent_now(found: Explained, consent: Consent | None) -> str:
    """What came of a question, which the person may have answered since."""
    if not any(one.about == "consent" and one.outcome == "asked" for one in found.decisions):
        return ""
    if consent is None:
        return "none: not answered yet, denied, or withdrawn"
    refused = f", not {' '.join(consent.refused)}" if consent.refused else ""
    at = "".join(f"; at {uri} for {' '.join(one.granted) or 'no scope'}" for uri, one in consent.at.items())
    return f"given for {' '.join(consent.granted) or 'nothing'}{refused}{at}"


# ── In words ──────────────────────────────────────────────────────────────────────────────────


def _whole(
    claims: Sequence[ClaimKept],
    config: Config,
    connector: ConnectorConfig | None,
    client: Client | None,
    asked: Explained | None,
) -> list[ClaimTold]:
    """With the rule of each claim, the tokens where it is, and the claims of which nothing came."""
    from broker.mapping import NOTHING, in_words  # noqa: PLC0415
    from broker.protocol.explained import ClaimKept, ClaimTold, released  # noqa: PLC0415

    rules = {rule.claim: in_words(rule) for rule in connector.claims.rules} if connector is not None else {}
    known = {one.claim: one for one in claims}
    if not claims and asked is not None:  # it never came to a map
        return []
    names = [*rules, *(name for name in known if name not in rules)]
    whole = (known.get(name) or ClaimKept(claim=name, why=NOTHING) for name in names)
    return [
        ClaimTold(
            **one._asdict(),
            rule=rules.get(one.claim, ""),
            released=released(one.claim, client, config.scope_rules, asked) if one.after and client else "",
        )
        for one in whole
    ]


def _print_claims(claims: Sequence[ClaimTold]) -> None:
    for one in claims:
        print(f"\n{one.claim}")
        for line in _lines(one):
            print(f"  {line}")


def _lines(one: ClaimTold) -> Iterator[str]:
    if one.after:
        came = "" if one.before in ("", one.after) else f"{one.before} → "
        yield f"{came}{one.after}" + (f", from {one.source}" if one.source else "")
    else:
        found = f" ({one.before} in {one.source})" if one.before else ""
        yield f"left out: {one.why}{found}"
    if one.rule:
        yield f"rule: {one.rule}"
    if one.released:
        yield one.released if one.released.startswith("not") else f"released in {one.released}"
