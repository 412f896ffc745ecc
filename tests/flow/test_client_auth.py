"""Client authentication over HTTP: the one registered method, once, and one answer whatever was wrong."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from broker.endpoints import client_auth, guessing
from broker.jose import SigningKey, sign
from broker.protocol.assertions import JWT_BEARER
from broker.upstreams.passwords import hash_password
from tests.flow.broker import SECRET, Broker
from tests.interop.processes import free_port
from tests.serving import serving

KEY, OTHER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
RSA = SigningKey.generate("RS256")
LONG = "a secret for client_secret_jwt that is long enough for every one of the three hashes"
CHOSEN = "tea at five"
REFUSED = {"error": "invalid_client", "error_description": "Client authentication failed."}


def jwks(*keys: SigningKey) -> dict[str, Any]:
    return {"keys": [key.public_jwk() for key in keys]}


SIGNS = {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(KEY, RSA)}
COMPUTES = {"client_secret": LONG, "token_endpoint_auth_method": "client_secret_jwt"}
API = {"grant_types": [], "redirect_uris": None, "audience": "https://api.example"}


def said(broker: Broker, client: str = "signer", **changes: Any) -> dict[str, Any]:
    now = int(broker.clock())
    claims = {
        "iss": client,
        "sub": client,
        "aud": broker.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def assertion(broker: Broker, key: SigningKey = KEY, *, typ: str = "JWT", **changes: Any) -> str:
    return sign(key, said(broker, **changes), typ=typ)


def computed(broker: Broker, secret: str = LONG, alg: str = "HS256", **changes: Any) -> str:
    def b64(data: bytes) -> str:
        return urlsafe_b64encode(data).rstrip(b"=").decode()

    head = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    message = f"{head}.{b64(json.dumps(said(broker, **changes)).encode())}"
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(alg, "sha256")
    return f"{message}.{b64(hmac.digest(secret.encode(), message.encode(), digest))}"


async def ask(
    broker: Broker, path: str = "/introspect", *, headers: dict[str, str] | None = None, **form: Any
) -> tuple[int, dict[str, Any], Any]:
    """One call of a client app itself. To introspect rubbish is allowed to everybody who is somebody."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{broker.issuer}{path}", data={"token": "rubbish"} | form, headers=headers) as answer,
    ):
        body = await answer.read()
        return answer.status, json.loads(body) if body else {}, answer.headers


async def by_assertion(broker: Broker, text: str, path: str = "/introspect", **form: Any) -> int:
    status, body, _ = await ask(broker, path, client_assertion=text, client_assertion_type=JWT_BEARER, **form)
    assert status == 200 or (status, body) == (401, REFUSED)
    return status


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(client, secret)}


# ── private_key_jwt ───────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 7523", "§2.2 client authentication by an assertion")
@pytest.mark.standard("OpenID Core", "§9 private_key_jwt")
async def test_a_client_that_signs_logs_in_and_turns_its_code_into_tokens(start) -> None:
    broker = await start(clients={"signer": SIGNS | {"trusted": True}})
    async with broker.browser() as browser:
        landed = await browser.login(client_id="signer")
        status, tokens = await browser.token(
            landed.code,
            client=None,
            client_assertion=assertion(broker),
            client_assertion_type=JWT_BEARER,
        )
        assert (status, tokens["token_type"]) == (200, "Bearer")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200


@pytest.mark.standard("RFC 7523", "§4 typ client-authentication+jwt (7523bis)")
@pytest.mark.parametrize("typ", ["JWT", "client-authentication+jwt", "application/client-authentication+jwt"])
async def test_each_of_its_types_and_keys_is_taken_at_every_endpoint(start, typ: str) -> None:
    broker = await start(clients={"signer": SIGNS})
    for path in ("/introspect", "/revoke"):
        for key in (KEY, RSA):
            assert await by_assertion(broker, assertion(broker, key, typ=typ), path) == 200
            assert (
                await by_assertion(broker, assertion(broker, key, typ=typ), path, client_id="signer") == 200
            )


@pytest.mark.row("JW-24")
@pytest.mark.row("JW-27")
@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt"])
async def test_what_was_signed_for_something_else_is_no_assertion(start, typ: str) -> None:
    broker = await start(clients={"signer": SIGNS})
    assert await by_assertion(broker, assertion(broker, typ=typ)) == 401
    assert broker.reasons() == ["assertion_bad_typ"]


@pytest.mark.row("CA-09")
@pytest.mark.row("CA-17")
@pytest.mark.standard("RFC 7523", "§3 aud is the issuer, as one string (7523bis)")
async def test_it_is_for_us_by_the_one_name_of_our_issuer(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    issuer = broker.issuer
    for audience in (
        f"{issuer}/token",
        f"{issuer}/introspect",
        f"{issuer}/par",
        f"{issuer}/",
        [issuer],
        [issuer, "https://idp.example"],
        issuer[:-1],
        "https://idp.example",
        None,
    ):
        assert await by_assertion(broker, assertion(broker, aud=audience)) == 401
    assert set(broker.reasons()) == {"assertion_audience"}
    assert await by_assertion(broker, assertion(broker)) == 200


@pytest.mark.row("CA-09")
async def test_the_url_of_the_token_endpoint_is_taken_from_whom_the_operator_lets(start) -> None:
    broker = await start(clients={"signer": SIGNS | {"allow_token_endpoint_audience": True}})
    assert await by_assertion(broker, assertion(broker, aud=f"{broker.issuer}/token")) == 200
    assert await by_assertion(broker, assertion(broker)) == 200
    for audience in ([f"{broker.issuer}/token"], f"{broker.issuer}/introspect", f"{broker.issuer}/token/"):
        assert await by_assertion(broker, assertion(broker, aud=audience)) == 401


@pytest.mark.row("CA-10")
@pytest.mark.standard("RFC 7523", "§3 jti only once")
async def test_it_is_good_once_whatever_endpoint_it_is_shown_at(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    text = assertion(broker)
    assert await by_assertion(broker, text) == 200
    assert await by_assertion(broker, text) == 401
    assert await by_assertion(broker, text, "/revoke") == 401
    assert await by_assertion(broker, assertion(broker, RSA, jti=json_jti(text))) == 401
    assert set(broker.reasons()) == {"assertion_replayed", "token_unknown"}


def json_jti(text: str) -> str:
    from tests.flow.broker import claims  # noqa: PLC0415

    return str(claims(text)["jti"])


@pytest.mark.row("CA-10")
async def test_of_many_who_show_it_at_once_one_is_let_in(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    text = assertion(broker)
    found = await asyncio.gather(*(by_assertion(broker, text) for _ in range(20)))
    assert sorted(found) == [200, *[401] * 19]


@pytest.mark.row("CA-10")
async def test_the_same_name_from_another_client_is_another_assertion(start) -> None:
    broker = await start(clients={"signer": SIGNS, "second": SIGNS})
    assert await by_assertion(broker, assertion(broker, jti="1")) == 200
    assert await by_assertion(broker, assertion(broker, client="second", jti="1")) == 200
    assert await by_assertion(broker, assertion(broker, client="second", jti="1")) == 401


@pytest.mark.row("CA-10")
async def test_an_emptied_store_lets_nothing_be_used_again(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    before, unused = assertion(broker), assertion(broker, iat=None)
    assert await by_assertion(broker, before) == 200
    store = broker.services.store
    for name in await store._wire.call("KEYS", f"{store._prefix}*once*"):
        await store._wire.call("DEL", name)
    assert await by_assertion(broker, before) == 401
    assert await by_assertion(broker, unused) == 401  # it does not say that it is younger
    broker.clock.forward(12)
    assert await by_assertion(broker, assertion(broker)) == 200


@pytest.mark.row("CA-10")
async def test_an_emptied_store_lets_nothing_of_a_clock_before_ours_be_used_again(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    ahead = assertion(broker, iat=int(broker.clock()) + 8)
    assert await by_assertion(broker, ahead) == 200
    store = broker.services.store
    for name in await store._wire.call("KEYS", f"{store._prefix}*once*"):
        await store._wire.call("DEL", name)
    assert await by_assertion(broker, ahead) == 401


@pytest.mark.row("CA-10")
async def test_what_was_used_is_remembered_until_a_slower_clock_has_forgotten_it(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    broker.clock.stand()
    assert await by_assertion(broker, assertion(broker, exp=int(broker.clock()) + 2)) == 200
    assert await longest_once(broker) > 8_000


async def longest_once(broker: Broker) -> int:
    """For how many milliseconds what was used is remembered: another host may be seconds behind us."""
    store = broker.services.store
    names = await store._wire.call("KEYS", f"{store._prefix}*once:*")
    return max([int(await store._wire.call("PTTL", name)) for name in names])


@pytest.mark.row("CA-11")
async def test_its_times_are_held_against_our_clock(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    broker.clock.stand()
    now = int(broker.clock())
    for times in (
        {"exp": None},
        {"exp": now - 1},
        {"exp": now + 10 * 365 * 86400},
        {"iat": now + 61},
        {"nbf": now + 61},
        {"iat": now - 3601},
        {"exp": str(now + 60)},
        {"exp": True},
    ):
        assert await by_assertion(broker, assertion(broker, **times)) == 401, times
    assert await by_assertion(broker, assertion(broker, iat=now + 8, nbf=now + 8)) == 200
    assert await by_assertion(broker, assertion(broker, exp=now + 60.5)) == 200  # RFC 7519 §2


@pytest.mark.row("CA-02")
async def test_every_name_in_it_is_the_clients(start) -> None:
    broker = await start(clients={"signer": SIGNS, "second": SIGNS | {"jwks": jwks(OTHER)}})
    assert await by_assertion(broker, assertion(broker), client_id="second") == 401
    assert await by_assertion(broker, assertion(broker, sub="second")) == 401
    assert await by_assertion(broker, assertion(broker, iss="second")) == 401
    assert await by_assertion(broker, assertion(broker, client="second")) == 401  # by the other's key
    assert await by_assertion(broker, assertion(broker, client="nobody")) == 401
    assert broker.reasons()[-2:] == ["assertion_unknown_kid", "client_unknown"]


@pytest.mark.row("CA-03")
@pytest.mark.row("CA-14")
@pytest.mark.row("JW-02")
async def test_the_algorithm_is_the_registered_one_and_never_a_secret(start) -> None:
    only = SIGNS | {"token_endpoint_auth_signing_alg": "ES256"}
    broker = await start(clients={"signer": SIGNS, "only": only, "computer": COMPUTES})
    assert await by_assertion(broker, assertion(broker, client="only")) == 200
    assert await by_assertion(broker, assertion(broker, RSA, client="only")) == 401
    public = json.dumps(KEY.public_jwk())
    assert await by_assertion(broker, computed(broker, public)) == 401
    assert await by_assertion(broker, assertion(broker, client="computer")) == 401
    unsigned = f"{computed(broker, alg='none').rpartition('.')[0]}."
    assert await by_assertion(broker, unsigned) == 401
    assert broker.reasons().count("assertion_bad_algorithm") == 4


@pytest.mark.row("CA-13")
@pytest.mark.parametrize("text", ["x", "a.b", "e30.e30.e30", "." * 100, "é", "a.b.c.d.e", "x" * 40_000])
async def test_what_is_no_assertion_is_refused_like_any_other(start, text: str) -> None:
    broker = await start(clients={"signer": SIGNS})
    assert await by_assertion(broker, text, client_id="signer") == 401


async def test_a_bad_signature_spends_nothing(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    text = assertion(broker)
    head, payload, _ = text.split(".")
    forged = ".".join([head, payload, assertion(broker).split(".")[2]])
    assert await by_assertion(broker, forged) == 401
    assert await by_assertion(broker, text) == 200


# ── keys that are fetched ─────────────────────────────────────────────────────────────────────


class KeyServer:
    """Where a client app has its keys."""

    def __init__(self) -> None:
        self.document: Any = jwks(KEY)
        self.asked: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KeyServer]:
        async def answer(request: web.Request) -> web.Response:
            self.asked.append(request.path)
            if request.path == "/moved":
                return web.Response(status=302, headers={"Location": "/jwks"})
            if request.path == "/huge":
                return web.json_response({**self.document, "more": "x" * (1 << 20)})
            if request.path == "/page":
                return web.Response(text="<html>", content_type="text/html")
            return web.json_response(self.document)

        async with serving(answer, "/{path}") as self.url:
            yield self


@pytest.fixture
async def keys() -> AsyncIterator[KeyServer]:
    async with KeyServer().running() as server:
        yield server


async def test_an_app_may_move_its_keys_as_often_as_it_likes(start, keys) -> None:
    """RFC 7592 lets it; nobody starts the broker anew for that."""
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": f"{keys.url}/jwks"}})
    clients = broker.services.clients
    for n in range(20):
        moved = replace(clients.configured["signer"], jwks_uri=f"{keys.url}/jwks-{n}")
        clients.configured = {**clients.configured, "signer": moved}
        assert await by_assertion(broker, assertion(broker)) == 200, n
    assert keys.asked[-1] == "/jwks-19"


@pytest.mark.standard("RFC 7591", "§2 jwks_uri")
async def test_keys_are_fetched_kept_and_asked_for_anew_when_one_is_missing(start, keys) -> None:
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": f"{keys.url}/jwks"}})
    for _ in range(3):
        assert await by_assertion(broker, assertion(broker)) == 200
    assert keys.asked == ["/jwks"]
    keys.document = jwks(OTHER)
    assert await by_assertion(broker, assertion(broker, OTHER)) == 200
    assert keys.asked == ["/jwks"] * 2
    assert await by_assertion(broker, assertion(broker, KEY)) == 401


@pytest.mark.row("CA-15")
@pytest.mark.row("JW-05")
async def test_a_storm_of_names_of_keys_is_no_storm_of_fetches(start, keys) -> None:
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": f"{keys.url}/jwks"}})
    for _ in range(30):
        stranger = SigningKey.generate("ES256")
        assert await by_assertion(broker, assertion(broker, stranger)) == 401
    assert len(keys.asked) == 2
    assert await by_assertion(broker, assertion(broker)) == 200


@pytest.mark.row("CA-15")
@pytest.mark.row("UP-05")
@pytest.mark.row("UP-07")
@pytest.mark.parametrize("path", ["moved", "huge", "page"])
async def test_a_redirect_a_flood_and_a_page_are_no_keys(start, keys, path: str) -> None:
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": f"{keys.url}/{path}"}})
    assert await by_assertion(broker, assertion(broker)) == 401
    assert set(keys.asked) == {f"/{path}"}
    assert await by_assertion(broker, assertion(broker)) == 401
    assert len(keys.asked) <= 2


@pytest.mark.row("CA-15")
@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest",
        "https://10.0.0.1/jwks",
        "https://[fd00::1]/jwks",
        "https://[::ffff:10.0.0.1]/jwks",
        "https://0.0.0.0/jwks",
    ],
)
async def test_keys_that_lie_in_somebodys_inner_network_are_not_fetched(start, url: str) -> None:
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": url}})
    assert await by_assertion(broker, assertion(broker)) == 401
    assert broker.reasons() == ["assertion_jwks_address_not_allowed"]


async def test_keys_that_cannot_be_had_now_are_nobodys_fault(start) -> None:
    url = f"http://127.0.0.1:{free_port()}/jwks"
    broker = await start(clients={"signer": SIGNS | {"jwks": None, "jwks_uri": url}})
    status, body, headers = await ask(
        broker, client_assertion=assertion(broker), client_assertion_type=JWT_BEARER
    )
    assert (status, body["error"]) == (503, "temporarily_unavailable")
    assert headers["Retry-After"]


# ── client_secret_jwt ─────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("OpenID Core", "§9 client_secret_jwt")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_a_client_computes_its_assertion_with_its_secret(start, alg: str) -> None:
    two = ["another secret of the same app that is on its way out, as long as the first one is", LONG]
    broker = await start(clients={"computer": COMPUTES, "rotating": COMPUTES | {"client_secret": two}})
    assert await by_assertion(broker, computed(broker, alg=alg, client="computer")) == 200
    for secret in two:
        assert await by_assertion(broker, computed(broker, secret, alg=alg, client="rotating")) == 200
    assert await by_assertion(broker, computed(broker, two[0], alg=alg, client="computer")) == 401
    once = computed(broker, alg=alg, client="computer")
    assert [await by_assertion(broker, once) for _ in range(2)] == [200, 401]


@pytest.mark.row("CA-03")
async def test_its_secret_itself_is_not_taken(start) -> None:
    broker = await start(clients={"computer": COMPUTES})
    assert (await ask(broker, headers=basic("computer", LONG)))[0] == 401
    assert (await ask(broker, client_id="computer", client_secret=LONG))[0] == 401
    assert (await ask(broker, client_id="computer"))[0] == 401
    assert LONG not in repr(broker.services.config.clients_by_id["computer"])


# ── one answer ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("CA-19")
@pytest.mark.standard("RFC 6749", "§5.2 invalid_client")
async def test_whatever_was_wrong_the_answer_is_the_same_to_the_byte(start) -> None:
    broker = await start(clients={"signer": SIGNS, "computer": COMPUTES})
    forms: list[dict[str, Any]] = [
        {"client_assertion": text, "client_assertion_type": JWT_BEARER}
        for text in (
            assertion(broker, client="nobody"),
            assertion(broker, OTHER),
            assertion(broker, aud="https://other.example"),
            assertion(broker, exp=1),
            computed(broker, "x" * 64, client="computer"),
            "rubbish",
        )
    ]
    forms += [{"client_id": "billing", "client_secret": "wrong"}, {"client_id": "nobody"}, {}]
    found = [await ask(broker, **form) for form in forms]
    assert {(status, json.dumps(body), headers["Cache-Control"]) for status, body, headers in found} == {
        (401, json.dumps(REFUSED), "no-store")
    }
    by_header = [await ask(broker, headers=basic(*who)) for who in (("nobody", "x"), ("billing", "x"))]
    assert by_header[0][1] == by_header[1][1] == REFUSED
    assert by_header[0][2]["WWW-Authenticate"] == by_header[1][2]["WWW-Authenticate"]


@pytest.mark.row("CA-01")
async def test_two_methods_at_once_are_a_bad_request(start) -> None:
    broker = await start(clients={"signer": SIGNS})
    by_key = {"client_assertion": assertion(broker), "client_assertion_type": JWT_BEARER}
    for headers, form in (
        (basic("billing", SECRET), {"client_secret": SECRET}),
        (basic("billing", SECRET), by_key),
        (None, by_key | {"client_id": "signer", "client_secret": SECRET}),
    ):
        status, body, _ = await ask(broker, headers=headers, **form)
        assert (status, body["error"]) == (400, "invalid_request")
    assert await by_assertion(broker, by_key["client_assertion"]) == 200  # nothing of it was spent


# ── secrets that people chose, and guesses ────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(CHOSEN)


async def test_a_chosen_secret_is_kept_as_its_hash_and_hashed_once(start, hashed, monkeypatch) -> None:
    broker = await start(clients={"chosen": {"client_secret": hashed}})
    counted = []
    matches = guessing.matches

    async def counting(*args: Any) -> bool:
        counted.append(args)
        return await matches(*args)

    monkeypatch.setattr(guessing, "matches", counting)
    for _ in range(3):
        assert (await ask(broker, headers=basic("chosen", CHOSEN)))[0] == 200
    assert len(counted) == 1
    assert (await ask(broker, headers=basic("chosen", "tea at six")))[0] == 401
    assert (await ask(broker, headers=basic("chosen", hashed)))[0] == 401  # the hash is not the secret
    assert not [secret for secret in (CHOSEN, hashed) if secret in repr(broker.services.config)]


@pytest.mark.row("CA-07")
@pytest.mark.row("DS-15")
async def test_a_chosen_secret_that_is_in_use_stays_known(start, hashed) -> None:
    """Else guessers, who use up what strangers have, would lock its client out a month later."""
    broker = await start(clients={"chosen": {"client_secret": hashed}})
    store = broker.services.store
    assert (await ask(broker, headers=basic("chosen", CHOSEN)))[0] == 200
    (known,) = await store._wire.call("KEYS", f"{store._prefix}known:*")
    await store._wire.call("PEXPIRE", known, 60_000)
    assert (await ask(broker, headers=basic("chosen", CHOSEN)))[0] == 200
    assert await store._wire.call("PTTL", known) > 20 * 86_400_000


@pytest.mark.row("CA-18")
async def test_two_secrets_are_good_while_one_replaces_the_other(start, hashed) -> None:
    broker = await start(
        clients={"both": {"client_secret": [SECRET, hashed]}, "one": {"client_secret": hashed}}
    )
    assert [(await ask(broker, headers=basic("both", s)))[0] for s in (SECRET, CHOSEN)] == [200, 200]
    assert [(await ask(broker, headers=basic("one", s)))[0] for s in (SECRET, CHOSEN)] == [401, 200]


@pytest.mark.row("CA-07")
@pytest.mark.row("RS-05")
@pytest.mark.row("DS-15")
async def test_a_guesser_waits_and_the_client_with_its_secret_does_not(start, hashed) -> None:
    broker = await start(clients={"chosen": {"client_secret": hashed}})
    assert (await ask(broker, headers=basic("chosen", CHOSEN)))[0] == 200
    for client in ("chosen", "billing", "nobody"):
        found = [await ask(broker, headers=basic(client, f"guess {n}")) for n in range(22)]
        assert [status for status, _, _ in found] == [401] * 20 + [429] * 2, client
        assert {json.dumps(body) for _, body, _ in found} == {json.dumps(REFUSED)}
        assert 0 < int(found[-1][2]["Retry-After"]) <= 900
    assert (await ask(broker, headers=basic("chosen", CHOSEN)))[0] == 200
    assert (await ask(broker, headers=basic("billing", SECRET)))[0] == 200
    assert "client_secret_guessed" in broker.reasons()


@pytest.mark.row("CA-07")
async def test_the_wait_grows(start) -> None:
    broker = await start()
    store = broker.services.store
    waits: list[int] = []
    while not waits or waits[-1] <= 3600:
        status, _, headers = await ask(broker, headers=basic("billing", f"guess {secrets.token_hex(4)}"))
        if status == 429:
            waits.append(int(headers["Retry-After"]))
            for name in await store._wire.call("KEYS", f"{store._prefix}attempts:*"):
                if 0 < await store._wire.call("PTTL", name) <= waits[-1] * 1000 + 1000:
                    await store._wire.call("DEL", name)  # as if it were over
    assert waits[0] <= 900
    assert [wait for wait in waits if 900 < wait <= 3600]
    assert waits[-1] <= 86_400


@pytest.mark.row("CA-07")
@pytest.mark.row("DS-15")
async def test_guesses_from_elsewhere_are_no_wait_here(start, hashed) -> None:
    proxies = {"trusted_proxies": {"networks": ["127.0.0.0/8"]}}
    broker = await start(top=proxies, clients={"chosen": {"client_secret": hashed}})
    there, here = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "203.0.113.9"}
    for n in range(21):
        await ask(broker, headers=basic("chosen", f"guess {n}") | there)
    assert (await ask(broker, headers=basic("chosen", CHOSEN) | there))[0] == 429  # never right before
    assert (await ask(broker, headers=basic("chosen", CHOSEN) | here))[0] == 200
    assert (await ask(broker, headers=basic("chosen", CHOSEN) | there))[0] == 200  # known by now


@pytest.mark.row("CA-07")
@pytest.mark.row("DS-15")
async def test_a_guesser_with_many_addresses_waits_too(start) -> None:
    broker = await start(top={"trusted_proxies": {"networks": ["127.0.0.0/8"]}})
    found = []
    for n in range(51):
        here = {"X-Forwarded-For": f"198.51.100.{n}"}
        tries = (ask(broker, headers=basic("billing", f"guess {n} {m}") | here) for m in range(10))
        found += [status for status, _, _ in await asyncio.gather(*tries)]
    assert found == [401] * 500 + [429] * 10
    new = {"X-Forwarded-For": "203.0.113.9"}
    assert (await ask(broker, headers=basic("billing", "guess") | new))[0] == 429
    assert (await ask(broker, headers=basic("billing", SECRET) | new))[0] == 200


@pytest.mark.row("CA-07")
@pytest.mark.row("DS-17")
async def test_guessing_at_names_that_nobody_has_does_not_fill_the_store(start) -> None:
    broker = await start()
    who = {guessing._limits(f"client-{n}", "127.0.0.1")[0].of for n in range(10_000)}
    assert len(who) <= 4096
    assert (await ask(broker, headers=basic("nobody", "x")))[0] == 401


async def test_a_public_client_is_known_by_its_name_alone(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(client_id="spa", redirect_uri="https://spa.example/")
        status, tokens = await browser.token(
            landed.code, client=None, client_id="spa", redirect_uri="https://spa.example/"
        )
        assert (status, tokens["token_type"]) == (200, "Bearer")


# ── FAPI 2.0 ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("CA-09")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.4.1 PS256, ES256 or EdDSA for assertions too")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 nothing but the issuer is an audience")
async def test_under_a_profile_fewer_algorithms_and_one_audience(start) -> None:
    pss, edwards = SigningKey.generate("PS256"), SigningKey.generate("EdDSA")
    bank = SIGNS | {"profile": "fapi2_security", "jwks": {"keys": [*jwks(KEY, RSA, pss, edwards)["keys"]]}}
    broker = await start(clients={"bank": bank, "signer": SIGNS})
    for key, known in ((KEY, 200), (pss, 200), (edwards, 200), (RSA, 401)):
        assert await by_assertion(broker, assertion(broker, key, client="bank")) == known
    token_endpoint = f"{broker.issuer}/token"
    allowed = broker.services.config.clients_by_id["signer"]
    lenient = replace(allowed, allow_token_endpoint_audience=True)
    assert client_auth._audiences(broker.services, lenient) == (token_endpoint,)
    assert client_auth._audiences(broker.services, replace(lenient, profile="fapi2_security")) == ()
