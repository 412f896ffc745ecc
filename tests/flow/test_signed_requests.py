"""Requests that their client app signed: at /authorize and at /par."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import web

from broker.jose import sign, sign_with_secret
from tests.flow.broker import CALLBACK, SECRET, Broker
from tests.flow.signing import asked, give, jwks, key, request_object
from tests.serving import serving

pytestmark = pytest.mark.standard("RFC 9101", "§6 what a client app signed counts, and nothing else")


@pytest.fixture
def signs(broker: Broker) -> Broker:
    """A broker that knows a key of ``billing``."""
    give(broker, jwks=jwks(key(), key("PS256")))
    return broker


async def authorize(browser: Any, text: str, **beside: str | None) -> Any:
    """Ask with a signed request, and with nothing that it does not need beside it."""
    nothing = dict.fromkeys(asked(), None) | {"client_id": "billing"} | beside
    return await browser.authorize(**nothing, request=text)


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
async def test_a_signed_request_leads_to_a_login(signs: Broker, alg) -> None:
    async with signs.browser() as browser:
        page = await authorize(browser, request_object(signs, asked(max_age=3600), by=key(alg)))
        landed = await browser.answer_consent(page)
        assert landed.params["state"] == "state-of-the-client"
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.standard("RFC 9101", "§6.3 parameters beside the object do not count")
async def test_what_stands_beside_the_object_does_not_count(signs: Broker) -> None:
    async with signs.browser() as browser:
        text = request_object(signs, asked(scope="openid profile", state=None))
        page = await authorize(
            browser, text, scope="openid email", state="beside", redirect_uri="https://evil.example/"
        )
        landed = await browser.answer_consent(page)
        assert landed.url.startswith(CALLBACK)
        assert "state" not in landed.params
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid profile"


def forged(broker: Broker) -> dict[str, str]:
    good = {"iss": "billing", "aud": broker.issuer, "exp": int(time.time()) + 300, **asked()}
    none = "eyJhbGciOiJub25lIn0." + request_object(broker, asked()).split(".")[1] + "."
    return {
        "alg none": none,
        "alg none with a signature": none + "AAAA",
        "HS256 with a public key": sign_with_secret(str(key().public_jwk()["x"]), good),
        "HS256 with its secret": sign_with_secret(SECRET, good),
        "another key": request_object(broker, asked(), by=key("ES256", "a stranger's")),
        "a nested request": request_object(broker, asked(), request="x"),
        "a nested request_uri": request_object(broker, asked(), request_uri="https://x.example"),
        "for another issuer": request_object(broker, asked(), aud="https://other.example"),
        "expired": request_object(broker, asked(), exp=int(time.time()) - 60),
        "of the future": request_object(broker, asked(), nbf=int(time.time()) + 60),
        "of another client": request_object(broker, asked("trusted"), iss="billing"),
        "another type": sign(key(), good, typ="at+jwt"),
        "encrypted, and to nobody": ".".join(
            ["eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ", *["AAAA"] * 4]
        ),
        "raw JSON": '{"client_id": "billing"}',
        "changed": request_object(broker, asked())[:-8] + "AAAAAAAA",
        "nothing": ".",
    }


@pytest.mark.row("PR-11")
@pytest.mark.row("PR-13")
@pytest.mark.row("PR-14")
@pytest.mark.row("AZ-15")
@pytest.mark.standard("RFC 9101", "§6.2 an object that is not believed is invalid_request_object")
async def test_an_object_that_is_not_believed_is_refused_where_the_client_is_registered(
    signs: Broker,
) -> None:
    for name, text in forged(signs).items():
        async with signs.browser() as browser:
            landed = await authorize(browser, text, redirect_uri=CALLBACK, state="s")
            assert landed.params.get("error") == "invalid_request_object", name
            assert (landed.params["state"], landed.params["iss"]) == ("s", signs.issuer)
            # and without a place that may be trusted, nobody is redirected
            for uri in (None, "https://evil.example/"):
                page = await authorize(browser, text, redirect_uri=uri)
                assert (page.status, "Location" in page.headers) == (400, False), name
            status, told = await browser.post("/par", {"client_id": "billing", "request": text})
            assert (status, told["error"]) == (400, "invalid_request_object"), name


@pytest.mark.row("AZ-15")
async def test_a_signed_redirect_uri_must_be_registered_all_the_same(signs: Broker) -> None:
    async with signs.browser() as browser:
        text = request_object(signs, asked(redirect_uri="https://evil.example/"))
        landed = await authorize(browser, text, redirect_uri=CALLBACK)
        assert (landed.status, "Location" in landed.headers) == (400, False)


@pytest.mark.row("PR-11")
async def test_another_algorithm_than_the_registered_one_is_refused(signs: Broker) -> None:
    give(signs, request_object_signing_alg="PS256")
    async with signs.browser() as browser:
        landed = await authorize(browser, request_object(signs, asked()), redirect_uri=CALLBACK)
        assert landed.params["error"] == "invalid_request_object"
        assert (
            'name="answer"'
            in (await authorize(browser, request_object(signs, asked(), by=key("PS256")))).body
        )


@pytest.mark.standard("RFC 9101", "§10.5 a client that must sign sends nothing unsigned")
async def test_a_client_that_must_sign_is_refused_everything_else(signs: Broker) -> None:
    give(signs, require_signed_request_object=True)
    async with signs.browser() as browser:
        assert (await browser.authorize()).params["error"] == "invalid_request"
        status, told = await browser.post("/par", asked())
        assert (status, told["error"]) == (400, "invalid_request")
        form = {"client_id": "billing", "request": request_object(signs, asked())}
        status, told = await browser.post("/par", form)
        assert status == 201
        page = await browser.go(
            f"{signs.issuer}/authorize?client_id=billing&request_uri={told['request_uri']}"
        )
        assert (await browser.answer_consent(page)).code


@pytest.mark.row("PR-15")
@pytest.mark.standard("RFC 9101", "§10.4 nothing is fetched on a client's word")
@pytest.mark.parametrize(
    "uri",
    ["{here}/request.jwt", "file:///etc/passwd", "gopher://127.0.0.1/", "http://169.254.169.254/", "urn:x:y"],
)
async def test_a_request_uri_of_anybodys_is_not_fetched(signs: Broker, uri) -> None:
    asked_for: list[str] = []

    async def seen(request: web.Request) -> web.Response:
        asked_for.append(request.path)
        return web.Response(text=request_object(signs, asked()))

    async with serving(seen) as here, signs.browser() as browser:
        landed = await browser.authorize(request_uri=uri.format(here=here))
        assert landed.params["error"] == "request_uri_not_supported"
    assert asked_for == []


@pytest.mark.row("AZ-31")
async def test_a_client_without_keys_hears_that_it_cannot_sign(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(request=request_object(broker, asked()))
        assert landed.params["error"] == "request_not_supported"


async def test_a_signed_request_cannot_be_hidden_in_a_pushed_one(signs: Broker) -> None:
    async with signs.browser() as browser:
        text = request_object(signs, asked())
        _, told = await browser.post("/par", asked())
        url = browser.authorize_url(request_uri=told["request_uri"], request=text)
        page = await browser.go(url)  # what stands beside the request_uri does not count
        assert (await browser.answer_consent(page)).params["state"] == "state-of-the-client"


@pytest.mark.standard("RFC 9101", "§5 request and request_uri do not go together")
async def test_a_request_that_comes_by_value_and_by_reference_is_refused(signs: Broker) -> None:
    async with signs.browser() as browser:
        text, reference = request_object(signs, asked()), "https://other.example/request"
        landed = await authorize(browser, text, request_uri=reference, redirect_uri=CALLBACK, state="s")
        assert landed.url.startswith(CALLBACK)
        assert (landed.params["error"], landed.params["state"]) == ("invalid_request", "s")


@pytest.mark.standard("RFC 6749", "§3.1 what is not known is ignored, also where it is signed")
async def test_a_name_that_an_app_made_up_is_ignored_whatever_it_stands_for(signs: Broker) -> None:
    async with signs.browser() as browser:
        text = request_object(signs, asked(größe=[1], vendor={"a": 1.5}))
        landed = await browser.answer_consent(await authorize(browser, text, redirect_uri=CALLBACK))
        assert landed.params["state"] == "state-of-the-client"
