"""Token exchange: another token for another place, with no more than the first one had."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest

from broker.jose import SigningKey, sign
from tests.flow.broker import Broker, Browser, claims
from tests.flow.machines import API, EXCHANGE, SCOPES, TYPE, api, entry, exchanged, for_itself, introspected
from tests.flow.signing import written_jwks
from tests.flow.test_ends_late import goes_by
from tests.flow.test_logout import log_out

GATEWAY, LEDGER = "https://gateway.example", "https://ledger.example"
ASKED = "openid email groups reports.read"
KEY = SigningKey.generate("ES256")
WORKLOADS = "https://workloads.example"


def gateway(name: str = "Gateway", **policy: Any) -> dict[str, Any]:
    """An API that calls others on behalf of whoever calls it."""
    changes = policy.pop("entry", {})
    allowed = {"own_audiences": [GATEWAY], "audiences": [API, LEDGER]} | policy
    whole = {"token_exchange": allowed, "scope": ASKED + " reports.write account.*"} | changes
    return entry(name, EXCHANGE, "client_credentials", **whole)


@pytest.fixture
def start_with(start, tmp_path):
    """A broker with an app, gateways and APIs; ``policy`` is the gateway's."""

    async def started(
        top: dict[str, Any] | None = None, first: dict[str, Any] | None = None, **policy: Any
    ) -> Broker:
        keys = written_jwks(tmp_path, KEY)
        workloads = {"issuer": WORKLOADS, "jwks": keys, "clients": ["gateway"]}
        app = {"scope": ASKED + " offline_access account.*", "audience": GATEWAY, "connectors": ["staff"]}
        app |= first or {}
        kinds = {"subject_tokens": ["access_token", "id_token", "jwt"]}
        return await start(
            top={"scopes": SCOPES, "assertion_issuers": {"workloads": workloads}} | (top or {}),
            client=app,
            trusted=app,
            connectors={"partners": {"name": "Partners"}},
            clients={
                "gateway": gateway(**kinds | policy),
                "opaque": gateway("Opaque", entry={"access_token_format": "opaque"}),
                "second": gateway("Second", own_audiences=[API], audiences=[GATEWAY, LEDGER]),
                "third": gateway("Third", own_audiences=[LEDGER], audiences=[API], max_actors=2),
                "stranger": gateway("Stranger", own_audiences=["https://nothing.example"]),
                "reports": api(),
                "ledger": api("Ledger", LEDGER),
            },
        )

    return started


@pytest.fixture
async def broker(start_with) -> Broker:
    return await start_with()


async def tokens_of(browser: Browser, scope: str = ASKED) -> dict[str, Any]:
    landed = await browser.login(scope=scope)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return tokens


# ── What comes of it ──────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 8693", "§2.2.1 the answer")
@pytest.mark.standard("RFC 8693", "§4.1 the act claim")
async def test_a_token_for_the_gateway_becomes_one_for_the_api_behind_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        status, answer = await exchanged(browser, first, audience=API, scope="reports.read")
        assert status == 200, answer
        assert set(answer) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
        assert (answer["issued_token_type"], answer["token_type"]) == (TYPE + "access_token", "Bearer")
        said, before = claims(answer["access_token"]), claims(first)
        assert (said["sub"], said["aud"], said["client_id"]) == (before["sub"], API, "gateway")
        assert said["act"] == {"sub": "gateway"}
        assert said["scope"] == answer["scope"] == "reports.read"
        told = await introspected(browser, answer["access_token"], "reports")
        assert told["active"] is True
        assert (told["act"], told["client_id"], told["sub"]) == ({"sub": "gateway"}, "gateway", said["sub"])


async def test_the_log_names_who_asked_and_whose_login_it_was(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        await exchanged(browser, tokens["access_token"], audience=API)
    last = broker.events("token")[-1]
    assert (last["grant_type"], last["client_id"]) == (EXCHANGE, "gateway")
    assert last["grant_id"] == claims(tokens["access_token"])["jti"].partition(".")[0]
    assert last["correlation_id"] == broker.events("code")[-1]["correlation_id"]


async def test_an_opaque_token_can_be_given_too_and_says_the_same_to_who_may_know(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, client="opaque", audience=API)
        assert "." not in answer["access_token"]
        told = await introspected(browser, answer["access_token"], "reports")
        assert (told["active"], told["act"], told["client_id"]) == (True, {"sub": "opaque"}, "opaque")
        _, as_jwt = await exchanged(
            browser, first, client="opaque", audience=API, requested_token_type=TYPE + "jwt"
        )
        assert as_jwt["issued_token_type"] == TYPE + "jwt"
        assert claims(as_jwt["access_token"])["aud"] == API


@pytest.mark.standard("RFC 8693", "§2.1 several audiences and resources")
async def test_it_can_be_for_several_places_at_once(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, audience=[API, LEDGER])
        assert claims(answer["access_token"])["aud"] == [API, LEDGER]
        _, answer = await exchanged(browser, first, audience=API, resource=LEDGER)
        assert set(claims(answer["access_token"])["aud"]) == {API, LEDGER}
        for api_ in ("reports", "ledger"):
            assert (await introspected(browser, answer["access_token"], api_))["active"] is True


async def test_the_gateway_sees_at_userinfo_only_what_the_first_token_released(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, "openid email reports.read")
        _, answer = await exchanged(browser, tokens["access_token"], audience=API)
        status, told = await browser.userinfo(answer["access_token"])
        assert (status, set(told)) == (200, {"sub", "email", "email_verified"})
        _, answer = await exchanged(browser, tokens["access_token"], audience=API, scope="reports.read")
        assert (await browser.userinfo(answer["access_token"]))[0] == 403


@pytest.mark.standard("RFC 8693", "§1.1 impersonation")
async def test_who_may_impersonate_is_not_named(start_with) -> None:
    broker = await start_with(may_impersonate=True)
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, audience=API)
        assert "act" not in claims(answer["access_token"])


@pytest.mark.standard("RFC 8693", "§2.1 actor_token")
async def test_an_actor_token_says_who_acts(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, own = await for_itself(browser, "gateway")
        actor = {"actor_token": own["access_token"], "actor_token_type": TYPE + "access_token"}
        _, answer = await exchanged(browser, first, audience=API, **actor)
        assert claims(answer["access_token"])["act"] == {"sub": "gateway"}
        _, others = await for_itself(browser, "second")
        actor["actor_token"] = others["access_token"]
        status, answer = await exchanged(browser, first, audience=API, **actor)
        assert (status, answer["error"]) == (400, "invalid_request")
        for alone in ("actor_token", "actor_token_type"):
            status, answer = await exchanged(browser, first, audience=API, **{alone: actor[alone]})
            assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.standard("RFC 8693", "§4.1 a chain of delegation")
@pytest.mark.row("TX-05")
async def test_a_chain_names_everybody_and_is_neither_long_nor_a_ring(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, one = await exchanged(browser, first, audience=API)
        status, two = await exchanged(browser, one["access_token"], client="second", audience=LEDGER)
        assert status == 200, two
        assert claims(two["access_token"])["act"] == {"sub": "second", "act": {"sub": "gateway"}}
        status, three = await exchanged(browser, two["access_token"], client="third", audience=API)
        assert (status, three["error"]) == (400, "invalid_request")  # two act already
        _, back = await exchanged(browser, one["access_token"], client="second", audience=GATEWAY)
        status, ring = await exchanged(browser, back["access_token"], audience=API)
        assert (status, ring["error"]) == (400, "invalid_request")
    assert {"actors_too_many", "actors_loop"} <= set(broker.reasons())


async def test_an_app_may_exchange_its_own_token_for_another_place_and_acts_for_nobody(start) -> None:
    own = {"token_exchange": {"audiences": [API]}, "scope": ASKED}
    grants = ["authorization_code", EXCHANGE]
    broker = await start(top={"scopes": SCOPES}, client=own | {"grant_types": grants})
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, client="billing", audience=API, scope="reports.read")
        said = claims(answer["access_token"])
    assert (said["aud"], said["client_id"], "act" in said) == (API, "billing", False)


@pytest.mark.standard("RFC 8693", "§3 an ID Token as subject_token")
async def test_an_id_token_stands_for_the_login_it_came_of_where_the_entry_says_so(start_with) -> None:
    broker = await start_with(clients=["billing"])
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        status, answer = await exchanged(browser, tokens["id_token"], kind="id_token", audience=API)
        assert status == 200, answer
        assert claims(answer["access_token"])["sub"] == claims(tokens["id_token"])["sub"]
        await browser.post("/revoke", {"token": tokens["access_token"]})
        broker.clock.forward(301)
        status, answer = await exchanged(browser, tokens["id_token"], kind="id_token", audience=API)
        assert (status, answer["error"]) == (400, "invalid_request")
    assert "id_token_expired" in broker.reasons()


@pytest.mark.row("TX-10")
@pytest.mark.parametrize("client", ["gateway", "opaque"])
async def test_what_comes_of_an_id_token_lives_as_long_as_it_says(start_with, client: str) -> None:
    """An ID Token may outlive the access tokens of its login, and then what is kept of the grant."""
    broker = await start_with(clients=["billing"], top={"lifetimes": {"id_token": "1h"}})
    broker.services.clients.configured["opaque"] = replace(
        broker.services.clients.configured["opaque"],
        token_exchange=broker.services.clients.configured["gateway"].token_exchange,
    )
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        store = broker.services.store
        grant_id = claims(tokens["id_token"])["jti"].partition(".")[0]
        name = store._grant(grant_id)
        assert await store._wire.call("PEXPIRE", name, 20_000)  # as if most of its time were over
        status, answer = await exchanged(
            browser, tokens["id_token"], client=client, kind="id_token", audience=API
        )
        assert status == 200, answer
        assert await store._wire.call("PTTL", name) >= (answer["expires_in"] - 5) * 1000


# ── What does not ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("TX-01")
@pytest.mark.parametrize("kind", ["access_token", "id_token", "jwt"])
@pytest.mark.parametrize(
    "how", ["rubbish", "none", "foreign", "cut", "other kind", "HMAC with a public key", "unknown issuer"]
)
async def test_a_token_that_is_not_what_it_is_said_to_be_is_refused(start_with, kind, how) -> None:
    broker = await start_with(clients=["billing"])
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        good = tokens["id_token" if kind == "id_token" else "access_token"]
        said = claims(good)
        token = {
            "rubbish": "rubbish",
            "none": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
            "foreign": sign(KEY, said, typ="at+jwt" if kind == "access_token" else "JWT"),
            "cut": good[:-4],
            "other kind": tokens["access_token" if kind == "id_token" else "id_token"],
            "HMAC with a public key": by_public_key(
                broker, said, "at+jwt" if kind == "access_token" else "JWT"
            ),
            "unknown issuer": assertion(broker, iss="https://nobody.example"),
        }[how]
        status, answer = await exchanged(browser, token, kind=kind, audience=API)
    assert status == 400
    assert answer["error"] in ("invalid_request", "invalid_grant")
    assert "access_token" not in answer


def by_public_key(broker: Broker, said: dict[str, Any], typ: str) -> str:
    """A token with the algorithm that takes our own published key for a secret."""
    public = next(key for key in broker.services.keys.jwks()["keys"] if key["kty"] == "EC")
    parts = {"alg": "HS256", "typ": typ, "kid": public["kid"]}, said
    message = ".".join(urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts)
    mac = hmac.digest(json.dumps(public).encode(), message.encode(), "sha256")
    return f"{message}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.row("TX-02")
@pytest.mark.parametrize("how", ["expired", "revoked", "logged out", "grant revoked"])
async def test_a_token_that_is_good_no_more_is_refused(broker: Broker, how: str) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        token = tokens["access_token"]
        assert (await exchanged(browser, token, audience=API))[0] == 200
        if how == "expired":
            broker.clock.forward(301)
        elif how == "revoked":
            await browser.post("/revoke", {"token": token})
        elif how == "grant revoked":
            await broker.services.store.revoke_grant(claims(token)["jti"].partition(".")[0])
        else:
            sid = claims(tokens["id_token"])["sid"]
            await broker.services.endings.end(sid, "signed_out")
        status, answer = await exchanged(browser, token, audience=API)
    assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.row("TX-03")
async def test_a_token_of_others_that_is_not_meant_for_the_client_is_refused(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        status, answer = await exchanged(browser, first, client="stranger", audience=API)
        assert (status, answer["error"]) == (400, "invalid_request")
        status, answer = await exchanged(
            browser, (await tokens_of(browser))["id_token"], kind="id_token", audience=API
        )
        assert (status, answer["error"]) == (400, "invalid_request")
    assert broker.reasons().count("subject_token_of_others") == 2


@pytest.mark.row("TX-05")
@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"scope": "reports.write"}, "invalid_scope"),
        ({"scope": "reports.read reports.write"}, "invalid_scope"),
        ({"scope": "account.7"}, "invalid_scope"),
        ({"scope": "unheard.of"}, "invalid_scope"),
        ({"audience": "https://elsewhere.example"}, "invalid_target"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"audience": [API, "https://elsewhere.example"]}, "invalid_target"),
        ({"audience": "connector:staff"}, "invalid_target"),
        ({"requested_token_type": TYPE + "refresh_token"}, "invalid_request"),
        ({"requested_token_type": TYPE + "id_token"}, "invalid_request"),
        ({"subject_token_type": TYPE + "saml2"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token": None}, "invalid_request"),
    ],
    ids=str,
)
async def test_more_than_there_is_is_never_given(broker: Broker, asked, error) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        status, answer = await exchanged(browser, first, **{"audience": API} | asked)
    assert (status, answer["error"]) == (400, error)


@pytest.mark.row("TX-05")
async def test_what_was_narrowed_once_stays_narrow(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, one = await exchanged(browser, first, audience=API, scope="reports.read")
        _, two = await exchanged(browser, one["access_token"], client="second", audience=LEDGER)
        assert two["scope"] == "reports.read"
        status, answer = await exchanged(
            browser, one["access_token"], client="second", audience=LEDGER, scope="email"
        )
    assert (status, answer["error"]) == (400, "invalid_scope")


async def test_scopes_are_cut_to_what_the_client_and_its_policy_have(start_with) -> None:
    broker = await start_with(scope="reports.read email")
    async with broker.browser() as browser:
        first = (await tokens_of(browser, ASKED + " offline_access"))["access_token"]
        _, answer = await exchanged(browser, first, audience=API)
        assert answer["scope"].split() == ["email", "reports.read"]


@pytest.mark.row("TX-06")
async def test_a_connector_that_was_taken_out_of_service_ends_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, audience=API)
        routes = broker.services.config.routing.routes
        object.__setattr__(routes, "all", type(routes.all)(()))
        status, refused = await exchanged(browser, first, audience=API)
        assert (status, refused["error"]) == (400, "invalid_request")
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}
    assert "connector_gone" in broker.reasons()


@pytest.mark.row("TX-07")
async def test_a_client_brings_no_token_of_people_whose_connector_it_does_not_allow(start_with) -> None:
    broker = await start_with(entry={"connectors": ["partners"]})
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        status, answer = await exchanged(browser, first, audience=API)
    assert (status, answer["error"]) == (400, "invalid_request")
    assert "connector_not_allowed" in broker.reasons()


@pytest.mark.row("TX-09")
async def test_who_has_no_policy_or_no_credentials_exchanges_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        status, answer = await exchanged(browser, first, client="billing", audience=API)
        assert (status, answer["error"]) == (400, "unauthorized_client")
        form = {
            "grant_type": EXCHANGE,
            "client_id": "spa",
            "subject_token": first,
            "subject_token_type": TYPE + "access_token",
        }
        status, answer = await browser.post("/token", form, client=None)
        assert (status, answer["error"]) == (400, "unauthorized_client")
        status, answer = await browser.post("/token", form | {"client_id": "gateway"}, client=None)
        assert (status, answer["error"]) == (401, "invalid_client")


# ── How long it lasts ─────────────────────────────────────────────────────────────────────────


@pytest.mark.row("TX-10")
@pytest.mark.parametrize("client", ["gateway", "opaque"])
async def test_it_ends_no_later_than_the_token_that_was_brought(broker: Broker, client: str) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        broker.clock.forward(250)
        _, answer = await exchanged(browser, first, client=client, audience=API)
        assert answer["expires_in"] <= 50
        broker.clock.forward(51)
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}


@pytest.mark.row("TX-10")
@pytest.mark.parametrize("client", ["gateway", "opaque"])
async def test_it_ends_with_the_grant_of_the_token_that_was_brought(broker: Broker, client: str) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, ASKED + " offline_access")
        _, answer = await exchanged(browser, tokens["access_token"], client=client, audience=API)
        _, chained = await exchanged(browser, answer["access_token"], client="second", audience=LEDGER)
        assert (await introspected(browser, chained["access_token"], "ledger"))["active"] is True
        await browser.post("/revoke", {"token": tokens["refresh_token"]})
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}
        assert await introspected(browser, chained["access_token"], "ledger") == {"active": False}


@pytest.mark.row("TX-10")
@pytest.mark.parametrize("client", ["gateway", "opaque"])
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_it_ends_with_the_token_that_was_brought(start_with, client: str, form: str) -> None:
    broker = await start_with(first={"access_token_format": form})
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        other = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, client=client, audience=API)
        _, beside = await exchanged(browser, other, client=client, audience=API)
        _, chained = await exchanged(browser, answer["access_token"], client="second", audience=LEDGER)
        await browser.post("/revoke", {"token": first})
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}
        assert await introspected(browser, chained["access_token"], "ledger") == {"active": False}
        assert (await introspected(browser, beside["access_token"], "reports"))["active"] is True


async def test_a_token_is_not_handed_on_for_ever(start) -> None:
    """What one is made of is looked at whenever it is used."""
    again = {"token_exchange": {"audiences": [API]}, "grant_types": ["authorization_code", EXCHANGE]}
    broker = await start(client=again)
    async with broker.browser() as browser:
        token = (await tokens_of(browser, "openid email"))["access_token"]
        statuses = []
        for _ in range(20):
            status, answer = await exchanged(browser, token, client="billing", audience=API)
            statuses.append(status)
            token = answer.get("access_token", token)
    assert statuses == [200] * 16 + [400] * 4
    assert "exchanged_too_often" in broker.reasons()


async def test_its_holder_may_give_it_back_and_nobody_else(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        _, answer = await exchanged(browser, tokens["access_token"], audience=API)
        await browser.post("/revoke", {"token": answer["access_token"]}, client="billing")
        assert (await introspected(browser, answer["access_token"], "reports"))["active"] is True
        await browser.post("/revoke", {"token": answer["access_token"]}, client="gateway")
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200


async def test_it_ends_when_its_holder_is_disabled_or_loses_its_policy(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        _, answer = await exchanged(browser, tokens["access_token"], audience=API)
        known = dict(broker.services.clients.configured)
        for change in ({"enabled": False}, {"token_exchange": None}):
            broker.services.clients.configured = known | {"gateway": replace(known["gateway"], **change)}
            assert await introspected(browser, answer["access_token"], "reports") == {"active": False}
        broker.services.clients.configured = known
        assert (await introspected(browser, answer["access_token"], "reports"))["active"] is True


@pytest.mark.row("RT-15")
async def test_of_exchanges_that_race_with_a_revocation_none_leaves_a_live_token(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, ASKED + " offline_access")
        racing = [
            exchanged(browser, tokens["access_token"], client=client, audience=API)
            for client in ("gateway", "opaque") * 10
        ]
        *answers, _ = await asyncio.gather(
            *racing, browser.post("/revoke", {"token": tokens["refresh_token"]})
        )
        for _, answer in answers:
            if "access_token" in answer:
                assert await introspected(browser, answer["access_token"], "reports") == {"active": False}


# ── Assertions of others ──────────────────────────────────────────────────────────────────────


def assertion(broker: Broker, **changes: Any) -> str:
    now = int(time.time() + broker.clock.offset)
    said = {"iss": WORKLOADS, "sub": "pod-7", "aud": broker.issuer, "iat": now, "exp": now + 60, "jti": "one"}
    return sign(KEY, said | changes, typ="JWT")


async def test_an_assertion_of_an_issuer_that_names_the_client_is_a_subject(broker: Broker) -> None:
    async with broker.browser() as browser:
        token = assertion(broker, act={"sub": "deployer", "email": "x@people.example"})
        status, answer = await exchanged(browser, token, kind="jwt", audience=API, scope="reports.read")
        assert status == 200, answer
        said = claims(answer["access_token"])
        assert (said["aud"], said["client_id"]) == (API, "gateway")
        assert said["act"] == {"iss": WORKLOADS, "sub": "deployer"}
        assert answer["expires_in"] <= 60
        status, again = await exchanged(browser, token, kind="jwt", audience=API)
        assert (status, again["error"]) == (400, "invalid_grant")
        assert (await introspected(browser, answer["access_token"], "reports"))["active"] is True


@pytest.mark.row("TX-02")
@pytest.mark.parametrize("when", ["nbf", "iat", "exp"])
async def test_an_assertion_that_is_not_good_yet_or_any_more_is_no_subject(broker: Broker, when: str) -> None:
    off = -61 if when == "exp" else 61
    async with broker.browser() as browser:
        token = assertion(broker, **{when: int(broker.clock()) + off})
        status, answer = await exchanged(browser, token, kind="jwt", audience=API)
        assert (status, answer["error"]) == (400, "invalid_request")
        assert (await exchanged(browser, assertion(broker), kind="jwt", audience=API))[0] == 200


@pytest.mark.row("TX-05")
@pytest.mark.standard("RFC 8693", "§4.4 may_act")
async def test_may_act_is_kept(broker: Broker) -> None:
    async with broker.browser() as browser:
        mine = assertion(broker, may_act={"sub": "gateway"})
        assert (await exchanged(browser, mine, kind="jwt", audience=API))[0] == 200
        for party in ({"sub": "somebody"}, {"sub": "gateway", "iss": WORKLOADS}, {}):
            token = assertion(broker, may_act=party, jti=str(party))
            status, answer = await exchanged(browser, token, kind="jwt", audience=API)
            assert (status, answer["error"]) == (400, "invalid_request")
    assert "may_act_violated" in broker.reasons()


@pytest.mark.row("TX-07")
async def test_an_issuer_that_does_not_name_the_client_is_none_of_its(broker: Broker) -> None:
    async with broker.browser() as browser:
        status, answer = await exchanged(
            browser, assertion(broker), client="second", kind="jwt", audience=LEDGER
        )
    assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.row("TX-10")
@pytest.mark.parametrize("ends", [-5, -0.5])
async def test_an_assertion_that_has_ended_gives_no_token_and_is_not_used_up(broker: Broker, ends) -> None:
    """It is still taken for a moment where clocks differ; nothing that comes of it could live."""
    async with broker.browser() as browser:
        token = assertion(broker, exp=time.time() + broker.clock.offset + ends)
        status, answer = await exchanged(browser, token, kind="jwt", audience=API)
        assert (status, answer["error"]) == (400, "invalid_request"), answer
    assert "subject_token_expired" in broker.reasons()


@pytest.mark.row("TX-05")
@pytest.mark.standard("RFC 8693", "§4.4 a may_act that nobody can read allows nobody")
@pytest.mark.parametrize("said", [["gateway"], "gateway", None, 1])
async def test_a_may_act_that_names_nobody_lets_nobody_act(broker: Broker, said: Any) -> None:
    async with broker.browser() as browser:
        status, answer = await exchanged(browser, assertion(broker, may_act=said), kind="jwt", audience=API)
    assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.row("LO-10")
@pytest.mark.parametrize("more", ["", " offline_access"])
async def test_an_id_token_of_before_a_sign_out_gives_nothing_however_long_it_lives(start_with, more) -> None:
    client = {"post_logout_redirect_uris": ["https://billing.example/bye"]}
    broker = await start_with(clients=["billing"], top={"lifetimes": {"id_token": "1h"}}, first=client)
    async with broker.browser() as browser:
        hint = (await tokens_of(browser, ASKED + more))["id_token"]

        async def again() -> int:
            return (await exchanged(browser, hint, kind="id_token", audience=API))[0]

        assert await again() == 200
        await log_out(browser, id_token_hint=hint)
        assert await again() == 400
        await goes_by(broker, 2000)
        assert await again() == 400


@pytest.mark.row("RS-07")
async def test_a_place_that_is_taken_out_of_the_policy_is_gone_from_the_tokens_for_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        _, answer = await exchanged(browser, first, audience=[API, LEDGER], scope="reports.read")
        text = answer["access_token"]
        assert (await introspected(browser, text, "ledger"))["active"]
        known = broker.services.clients.configured
        policy = known["gateway"].token_exchange
        known["gateway"] = replace(known["gateway"], token_exchange=replace(policy, audiences=(API,)))
        assert await introspected(browser, text, "ledger") == {"active": False}
        assert (await introspected(browser, text, "reports"))["aud"] == API


@pytest.mark.standard("RFC 9396", "§5 what cannot be given in detail is refused, and not left out in silence")
async def test_nothing_is_given_in_detail_by_an_exchange(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = (await tokens_of(browser))["access_token"]
        asked = {"audience": API, "authorization_details": '[{"type": "payment"}]'}
        status, answer = await exchanged(browser, first, **asked)
        assert (status, answer["error"]) == (400, "invalid_authorization_details")
