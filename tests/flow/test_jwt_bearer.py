"""jwt-bearer: an assertion of somebody whom the operator trusts becomes an access token."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from broker.jose import SigningKey, sign
from tests.flow.broker import Broker, Browser, claims
from tests.flow.machines import API, JWT_BEARER, SCOPES, api, entry, introspected
from tests.serving import serving

ISSUER = "https://workloads.example"
KEY, STRANGER = SigningKey.generate("ES256"), SigningKey.generate("ES256")


class Keys:
    """Where the issuer's keys are published."""

    def __init__(self) -> None:
        self.published, self.asked = [KEY], 0

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": [key.public_jwk() for key in self.published]})


@pytest.fixture
async def keys():
    """A real server with the keys, and its URL."""
    published = Keys()
    async with serving(published.serve, "/jwks") as origin:
        published.url = f"{origin}/jwks"
        yield published


@pytest.fixture
def start_with(start, keys):
    """A broker that trusts the issuer, under these rules."""

    async def started(**rules: Any) -> Broker:
        clients = {
            "runner": entry("Runner", JWT_BEARER, audience=API),
            "opaque": entry("Opaque", JWT_BEARER, audience=API, access_token_format="opaque"),
            "other": entry("Other", JWT_BEARER),
            "reports": api(),
        }
        trusted = {"issuer": ISSUER, "jwks_uri": keys.url, "clients": ["runner", "opaque"]} | rules
        top = {"scopes": SCOPES, "assertion_issuers": {"workloads": trusted}}
        return await start(top=top, clients=clients)

    return started


def assertion(
    broker: Broker, *, by: SigningKey = KEY, typ: str = "JWT", without: str = "", **changes: Any
) -> str:
    """A good one, changed."""
    now = int(time.time() + broker.clock.offset)
    said = {"iss": ISSUER, "sub": "pod-7", "aud": broker.issuer, "iat": now, "exp": now + 60, "jti": "one"}
    said |= changes
    kept = {name: value for name, value in said.items() if name != without and value is not None}
    return sign(by, kept, typ=typ)


async def brought(
    browser: Browser, token: str, client: str = "runner", **form: str
) -> tuple[int, dict[str, Any]]:
    """Bring an assertion."""
    members = {"grant_type": JWT_BEARER, "assertion": token, **form}
    return await browser.post("/token", members, client=client)


@pytest.mark.standard("RFC 7523", "§2.1 an assertion as a grant")
async def test_an_assertion_becomes_a_token_about_whom_it_names(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker))
        assert status == 200, answer
        assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
        said = claims(answer["access_token"])
        assert (said["client_id"], said["aud"]) == ("runner", API)
        assert len(said["sub"]) == 64
        _, again = await brought(browser, assertion(broker, jti="two"))
        _, other = await brought(browser, assertion(broker, jti="three", sub="pod-8"))
    assert claims(again["access_token"])["sub"] == said["sub"] != claims(other["access_token"])["sub"]


async def test_an_empty_scope_is_all_but_dynamic_scopes_and_offline_access(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, answer = await brought(browser, assertion(broker))
        assert answer["scope"].split() == ["openid", "email", "reports.read", "reports.write"]
        _, answer = await brought(browser, assertion(broker, jti="b"), scope="account.7")
        assert answer["scope"] == "account.7"
        status, refused = await brought(browser, assertion(broker, jti="c"), scope="offline_access")
    assert (status, refused["error"]) == (400, "invalid_scope")


async def test_its_words_become_claims_by_the_entrys_own_map(start_with) -> None:
    broker = await start_with(claims={"claims": {"email": {"from": ["contact"]}}})
    async with broker.browser() as browser:
        _, answer = await brought(browser, assertion(broker, contact="ops@people.example"))
        status, told = await browser.userinfo(answer["access_token"])
    assert status == 200
    assert told == {"sub": claims(answer["access_token"])["sub"], "email": "ops@people.example"}


@pytest.mark.row("TX-01")
@pytest.mark.standard("RFC 7523", "§3 what an assertion must say")
@pytest.mark.parametrize(
    "changes",
    [
        {"by": STRANGER},
        {"iss": "https://elsewhere.example"},
        {"iss": ISSUER + "/"},
        {"typ": "at+jwt"},
        {"typ": "logout+jwt"},
    ],
    ids=lambda changes: ", ".join(f"{k} {v}" for k, v in changes.items() if k != "by") or "a stranger's",
)
async def test_what_is_not_a_grant_is_refused_and_says_no_more(start_with, changes) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker, **changes))
    assert (status, answer) == (
        400,
        {"error": "invalid_grant", "error_description": "The grant is not valid."},
    )


@pytest.mark.row("TX-01")
@pytest.mark.standard("RFC 7523", "§3 what an assertion must say")
@pytest.mark.standard("RFC 7523", "§3.1 invalid_grant, with why the assertion is none")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"aud": "https://elsewhere.example"},
            "aud of the assertion must name this issuer, and nobody else.",
        ),
        (
            {"aud": ["https://elsewhere.example"]},
            "aud of the assertion must name this issuer, and nobody else.",
        ),
        ({"without": "aud"}, "aud of the assertion must name this issuer, and nobody else."),
        ({"without": "exp"}, "exp of the assertion is missing or malformed."),
        ({"exp": "soon"}, "exp of the assertion is missing or malformed."),
        ({"exp": True}, "exp of the assertion is missing or malformed."),
        ({"exp": 1}, "The assertion has expired."),
        ({"exp": 9e9}, "exp of the assertion is too far off."),
        ({"nbf": 9e9}, "nbf of the assertion is in the future."),
        ({"iat": 9e9}, "iat of the assertion is in the future."),
        ({"without": "sub"}, "sub of the assertion is missing or malformed."),
        ({"sub": ""}, "sub of the assertion is missing or malformed."),
        ({"sub": 7}, "sub of the assertion is missing or malformed."),
        ({"sub": "x" * 256}, "sub of the assertion is missing or malformed."),
        ({"jti": 7}, "jti of the assertion is malformed."),
    ],
    ids=ascii,
)
async def test_who_brings_what_its_issuer_signed_hears_what_is_wrong_with_it(
    start_with, changes, said
) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker, **changes))
    assert (status, answer) == (400, {"error": "invalid_grant", "error_description": said})


@pytest.mark.row("TX-01")
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "e30.e30.e30", "a" * 20_000, "é.é.é"])
async def test_rubbish_is_no_assertion(start_with, token) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        status, answer = await brought(browser, token)
    assert status == 400
    assert answer["error"] in ("invalid_grant", "invalid_request")


@pytest.mark.row("TX-01")
async def test_no_algorithm_that_the_entry_does_not_name_is_taken(start_with) -> None:
    broker = await start_with(algorithms=["RS256"])
    _, body, _ = assertion(broker).split(".")
    none = json.dumps({"alg": "none"}).encode()

    unsigned = f"{urlsafe_b64encode(none).rstrip(b'=').decode()}.{body}."
    async with broker.browser() as browser:
        for token in (assertion(broker), unsigned):
            status, answer = await brought(browser, token)
            assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.standard("RFC 7523", "§3 an aud that names the token endpoint")
async def test_the_token_endpoint_is_an_audience_only_where_the_entry_allows_it(start_with) -> None:
    strict, lax = await start_with(), await start_with(allow_token_endpoint_audience=True)
    for broker, expected in ((strict, 400), (lax, 200)):
        async with broker.browser() as browser:
            token = assertion(broker, aud=f"{broker.issuer}/token", jti="a")
            assert (await brought(browser, token))[0] == expected


async def test_a_name_of_its_own_for_us_and_a_list_of_one_are_audiences_too(start_with) -> None:
    broker = await start_with(audience="broker")
    async with broker.browser() as browser:
        assert (await brought(browser, assertion(broker, aud="broker", jti="a")))[0] == 200
        assert (await brought(browser, assertion(broker, aud=[broker.issuer], jti="b")))[0] == 200
        both = assertion(broker, aud=[broker.issuer, "https://elsewhere.example"], jti="c")
        assert (await brought(browser, both))[0] == 400


@pytest.mark.standard("RFC 7523", "§3 a jti is taken once")
async def test_one_is_used_once_also_by_many_at_once(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        token = assertion(broker)
        answers = await asyncio.gather(*(brought(browser, token) for _ in range(20)))
        assert sorted(status for status, _ in answers) == [200] + [400] * 19
        unnamed = assertion(broker, without="jti")
        answers = [await brought(browser, unnamed) for _ in range(2)]
        assert [status for status, _ in answers] == [200, 400]
        same_jti = assertion(broker, exp=int(time.time()) + 90)
        assert (await brought(browser, same_jti))[0] == 400
    assert "assertion_replayed" in broker.reasons()


@pytest.mark.row("RD-11")
async def test_an_emptied_store_lets_none_be_used_again(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        before = assertion(broker, jti="before")
        assert (await brought(browser, before))[0] == 200
        await broker.services.store._wire.call("FLUSHDB")
        assert (await brought(browser, before))[0] == 400
        assert (await brought(browser, assertion(broker, jti="unused", iat=None)))[0] == 400
        broker.clock.forward(12)
        assert (await brought(browser, assertion(broker, jti="after")))[0] == 200


async def test_a_refusal_for_another_reason_spends_none(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        token = assertion(broker)
        assert (await brought(browser, token, scope="groups"))[0] == 400
        assert (await brought(browser, token, resource="https://elsewhere.example"))[0] == 400
        assert (await brought(browser, token))[0] == 200


async def test_where_the_operator_says_so_one_is_taken_until_its_end(start_with) -> None:
    broker = await start_with(allow_reuse=True, max_lifetime="1h")
    async with broker.browser() as browser:
        token = assertion(broker, exp=int(time.time()) + 3600)
        assert [(await brought(browser, token))[0] for _ in range(3)] == [200] * 3
        broker.clock.forward(3611)
        assert (await brought(browser, token))[0] == 400


@pytest.mark.row("TX-07")
async def test_a_client_that_the_entry_does_not_name_may_not_bring_one(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker), client="other")
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert "assertion_not_for_client" in broker.reasons()


@pytest.mark.row("JW-24")
async def test_our_own_tokens_are_no_assertions(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        for token in (tokens["id_token"], tokens["access_token"]):
            status, answer = await brought(browser, token)
            assert (status, answer["error"]) == (400, "invalid_grant")


async def test_keys_that_changed_are_looked_up_again_and_those_that_cannot_be_had_are_told(
    start_with, keys
) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        assert (await brought(browser, assertion(broker)))[0] == 200
        newer = SigningKey.generate("ES256")
        keys.published.append(newer)
        assert (await brought(browser, assertion(broker, by=newer, jti="b")))[0] == 200
        assert keys.asked == 2
        for _ in range(5):  # strangers are no reason to ask again and again
            await brought(browser, assertion(broker, by=SigningKey.generate("ES256"), jti="c"))
        assert keys.asked == 2


async def test_an_issuer_that_cannot_be_reached_is_no_refusal_for_good(start_with) -> None:
    broker = await start_with(jwks_uri="http://127.0.0.1:9/jwks")
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker))
    assert (status, answer["error"]) == (503, "temporarily_unavailable")


@pytest.mark.row("UP-03")
async def test_its_keys_are_fetched_from_no_address_that_is_not_allowed(start_with) -> None:
    broker = await start_with(jwks_uri="https://169.254.169.254/jwks")
    async with broker.browser() as browser:
        status, answer = await brought(browser, assertion(broker))
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.row("RS-07")
@pytest.mark.parametrize("client", ["runner", "opaque"])
async def test_its_token_ends_with_the_entry_that_allowed_it(start_with, start, client) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, answer = await brought(browser, assertion(broker), client=client)
        token = answer["access_token"]
        assert (await introspected(browser, token, "reports"))["active"] is True
        config = broker.services.config
        entry_now = config.assertion_issuers["workloads"]

        object.__setattr__(
            config, "assertion_issuers", {"workloads": replace(entry_now, clients=("somebody",))}
        )
        assert await introspected(browser, token, "reports") == {"active": False}
        object.__setattr__(config, "assertion_issuers", {})
        assert await introspected(browser, token, "reports") == {"active": False}
    assert "assertion_not_for_client" in broker.reasons()
    assert "assertion_issuer_gone" in broker.reasons()


@pytest.mark.standard("RFC 9396", "§5 what cannot be given in detail is refused, and not left out in silence")
async def test_nothing_is_given_in_detail_and_the_assertion_stays_good(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        token = assertion(broker)
        status, answer = await brought(browser, token, authorization_details='[{"type": "payment"}]')
        assert (status, answer["error"]) == (400, "invalid_authorization_details")
        assert (await brought(browser, token))[0] == 200
