"""The Nimbus SDK: each way to prove who an app is, each grant but the code, apps that register themselves."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.interop import between, broker, jvm, nimbus
from tests.interop.browser import Arrival, Page

LEDGER = "https://ledger.example"
HR = "https://hr.example"
SECRET = "the-app-and-the-broker-know-it-and-it-is-long-enough"
SCOPES = {"ledger.read": {"description": "Read the ledger"}, "ledger.write": {"description": "Write into it"}}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

OWN = nimbus.new_key("ES256")
"""The app's whose method is private_key_jwt."""
HR_KEY = nimbus.new_key("RS256")
"""That of an issuer whose assertions the broker takes."""


def for_itself(name: str, *grant_types: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_name": name,
        "client_secret": SECRET,
        "grant_types": list(grant_types),
        "scope": "ledger.read ledger.write",
        "audience": LEDGER,
        **changes,
    }


METHODS: dict[str, dict[str, Any]] = {
    "client_secret_basic": {},
    "client_secret_post": {"secret": SECRET},
    "client_secret_jwt": {"secret": SECRET},
    "private_key_jwt": {"key": OWN.private},
}
"""What the SDK is told for each method."""
CLIENTS: dict[str, dict[str, Any]] = {
    **{
        method: for_itself(method, "client_credentials", token_endpoint_auth_method=method)
        for method in METHODS
        if method != "private_key_jwt"
    },
    "private_key_jwt": {
        "client_name": "private_key_jwt",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [OWN.public]},
        "grant_types": ["client_credentials"],
        "scope": "ledger.read ledger.write",
        "audience": LEDGER,
    },
    "teller": for_itself("Teller", JWT_BEARER),
    "billing": {**broker.TRUSTED_APP, "scope": "openid email ledger.read ledger.write"},
    "gateway": for_itself(
        "Gateway",
        TOKEN_EXCHANGE,
        scope="ledger.read",
        token_exchange={"clients": ["billing"], "audiences": [LEDGER]},
    ),
    "television": {
        "client_name": "Television",
        "token_endpoint_auth_method": "none",
        "grant_types": [DEVICE_CODE, "refresh_token"],
        "scope": "openid email offline_access",
    },
    "ledger": {
        "client_name": "Ledger",
        "client_secret": SECRET,
        "grant_types": [],
        "audience": LEDGER,
    },
}

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(acme, tmp_path_factory):
    """A broker that knows these apps, and lets others register."""
    folder = tmp_path_factory.mktemp("nimbus-grants")
    (folder / "hr.json").write_text(json.dumps({"keys": [HR_KEY.public]}), encoding="utf-8")
    hr = {"issuer": HR, "jwks": str(folder / "hr.json"), "clients": ["teller"]}
    more = {
        "scopes": SCOPES,
        "resources": {LEDGER: {"name": "Ledger"}},
        "assertion_issuers": {"hr": hr},
        "registration": {
            "policy": "open",
            "software_statement_issuers": {HR: {"jwks": str(folder / "hr.json")}},
        },
    }
    async with between.serving(folder, acme, CLIENTS, **more) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk():
    """The driver, with no app yet."""
    async with nimbus.driver() as speaking:
        yield speaking


@pytest.fixture
def an_app(here, sdk):
    """Makes an app of the driver's."""

    async def made(client_id: str, method: str = "client_secret_basic", **known: Any) -> nimbus.NimbusApp:
        usual = {
            "issuer": here.issuer,
            "client_id": client_id,
            "secret": SECRET,
            "method": method,
            "access_token_signing_alg": "RS256",
        }
        return await sdk.app(client_id, **usual | known)

    return made


@pytest.mark.standard("RFC 8414", "§2 grants, methods and registration, as the strictest parser wants them")
async def test_the_sdk_reads_every_member_of_documents_that_offer_this(here, sdk):
    assert await sdk.misread(here.issuer) == {}


# ── Proofs, and grants for the app itself ─────────────────────────────────────────────────────


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.standard("OpenID Core", "§9 each method by which a client proves who it is, from the Nimbus SDK")
@pytest.mark.standard("RFC 7523", "§2.2 an assertion of the SDK's in place of a secret")
@pytest.mark.standard("RFC 6749", "§4.4 a token for the app itself, and no refresh token with it")
async def test_an_app_gets_a_token_for_itself_by_each_method(an_app, method):
    app = await an_app(method, method, **METHODS[method])
    tokens = await app.do("grant", type="client_credentials", scope="ledger.read")
    assert tokens["scope"] == "ledger.read"
    assert "refresh_token" not in tokens
    claims = tokens["access_claims"]
    assert (claims["client_id"], claims["sub"], claims["aud"]) == (method, method, LEDGER)

    told = await app.do("introspect", access_token=tokens["access_token"])
    assert (told["active"], told["client_id"]) == (True, method)
    await app.do("revoke", access_token=tokens["access_token"])
    assert await app.do("introspect", access_token=tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.standard("RFC 6749", "§5.2 invalid_client, told so that the Nimbus SDK reads it")
@pytest.mark.standard("RFC 7591", "§2 the registered method and no other")
async def test_no_method_but_the_registered_one_is_taken(an_app, method):
    for other in METHODS:
        if other != method:
            app = await an_app(method, other, key=OWN.private)
            with pytest.raises(nimbus.Refused) as refused:
                await app.do("grant", type="client_credentials")
            assert (refused.value.error, refused.value.status) == ("invalid_client", 401)


@pytest.mark.standard(
    "RFC 7523", "§3 aud is the issuer; the token endpoint's URL only where the entry says so"
)
async def test_an_assertion_for_the_token_endpoint_is_refused(an_app, here):
    app = await an_app("private_key_jwt", "private_key_jwt", key=OWN.private, audience=f"{here.issuer}/token")
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("grant", type="client_credentials")
    assert refused.value.error == "invalid_client"


@pytest.mark.standard("RFC 7523", "§2.1 an assertion of a trusted issuer becomes a token, once")
async def test_an_assertion_about_a_person_becomes_a_token(an_app):
    app = await an_app("teller", key=HR_KEY.private)
    asked = {"type": "jwt_bearer", "subject": "ada", "scope": "ledger.read"}
    tokens = await app.do("grant", issuer=HR, **asked)
    assert tokens["access_claims"]["client_id"] == "teller"
    assert tokens["access_claims"]["sub"] not in ("ada", "teller")
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("grant", issuer="https://elsewhere.example", **asked)
    assert refused.value.error == "invalid_grant"


# ── Grants for a person ───────────────────────────────────────────────────────────────────────


@pytest.mark.standard(
    "RFC 8693", "§2 the token of one app becomes one for an API behind it, with who acts (§4.1)"
)
async def test_a_token_is_exchanged_for_one_that_names_who_acts(an_app, here):
    billing = await an_app("billing", secret=broker.APP_SECRET, redirect_uri=broker.APP)
    begun = await billing.do("begin", scope="openid email ledger.read ledger.write")
    async with here.browser(broker.APP) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), between.ADA)
    assert isinstance(arrived, Arrival)
    first = await billing.do("finish", url=arrived.url)

    gateway = await an_app("gateway")
    second = await gateway.do(
        "grant", type="token_exchange", subject_token=first["access_token"], audience=[LEDGER]
    )
    assert second["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert second["scope"] == "ledger.read"
    claims = second["access_claims"]
    assert (claims["sub"], claims["aud"]) == (first["claims"]["sub"], LEDGER)
    assert claims["act"]["sub"] == "gateway"
    with pytest.raises(nimbus.Refused) as refused:
        await gateway.do(
            "grant",
            type="token_exchange",
            subject_token=first["access_token"],
            audience=["https://x.example"],
        )
    assert refused.value.error == "invalid_target"


@between.AT_BOTH
@pytest.mark.standard("RFC 8628", "§3 a device is connected, and polls as the Nimbus SDK does")
async def test_a_device_is_connected_in_a_browser_elsewhere(an_app, here, person):
    app = await an_app("television", "none", secret=None)
    asked = await app.do("device", scope="openid email offline_access")
    poll = {"type": "device_code", "device_code": asked["device_code"]}
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("grant", **poll)
    assert refused.value.error == "authorization_pending"

    async with here.browser() as browser:
        page = await browser.page(asked["verification_uri_complete"])
        seen = await browser.submit(page, {"user_code": asked["user_code"]})
        seen = await between.sign_in(here, browser, seen, person, until="Device connected")
    assert isinstance(seen, Page)
    tokens = await app.do("grant", **poll)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"])
    assert (userinfo["email"], userinfo["sub"]) == (person.email, tokens["claims"]["sub"])
    refreshed = await app.do("refresh", refresh_token=tokens["refresh_token"])
    assert refreshed["claims"]["sub"] == userinfo["sub"]


# ── Registration ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 7591", "§3.2.1 an answer to a registration that the Nimbus SDK reads")
@pytest.mark.standard("RFC 7592", "§2 an app reads, changes and ends its registration")
@pytest.mark.standard("RFC 6749", "§10.2 who registered itself is never trusted: the person is asked")
async def test_an_app_registers_itself_logs_in_and_ends_its_registration(sdk, an_app, here):
    metadata = {
        "client_name": "Notebook",
        "redirect_uris": [broker.APP],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "openid email offline_access",
    }
    told = await sdk.do("register", issuer=here.issuer, metadata=metadata)
    assert {name: told[name] for name in metadata} == metadata
    own = {"token": told["registration_access_token"]}
    own["registration_client_uri"] = told["registration_client_uri"]

    app = await an_app(
        told["client_id"], "client_secret_post", secret=told["client_secret"], redirect_uri=broker.APP
    )
    begun = await app.do("begin", scope="openid email offline_access")
    async with here.browser(broker.APP) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), between.ADA)
        asked = [url for url in browser.visited if "/consent" in url]
    assert asked
    assert isinstance(arrived, Arrival)
    tokens = await app.do("finish", url=arrived.url)
    assert tokens["claims"]["aud"] == told["client_id"]

    again = await sdk.do("read", **own)
    assert again["client_name"] == "Notebook"
    renamed = {**metadata, "client_name": "Sketchbook"}
    secret = again.get("client_secret", told["client_secret"])
    changed = await sdk.do(
        "update",
        metadata=renamed,
        client_id=told["client_id"],
        client_secret=secret,
        token=again.get("registration_access_token", own["token"]),
        registration_client_uri=own["registration_client_uri"],
    )
    assert changed["client_name"] == "Sketchbook"
    own["token"] = changed.get("registration_access_token", own["token"])
    assert await sdk.do("delete", **own) == 204
    with pytest.raises(nimbus.Refused):
        await sdk.do("read", **own)
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("refresh", refresh_token=tokens["refresh_token"])
    assert refused.value.error == "invalid_client"


@pytest.mark.standard("RFC 7591", "§3.2.2 a registration that is refused, told as JSON")
async def test_a_registration_that_cannot_be_is_refused_with_its_error(sdk, here):
    with pytest.raises(nimbus.Refused) as refused:
        await sdk.do("register", issuer=here.issuer, metadata={"redirect_uris": ["http://evil.example/app"]})
    assert (refused.value.error, refused.value.status) == ("invalid_redirect_uri", 400)


@pytest.mark.standard("RFC 7591", "§2.3 what a software statement says wins, as the Nimbus SDK sends it")
async def test_an_app_registers_with_somebodys_word_for_it(sdk, here):
    header = {"alg": "RS256", "kid": HR_KEY.public["kid"]}
    statement = {"iss": HR, "software_id": "4711", "client_name": "Payroll", "iat": int(time.time())}
    signed = jwt.encode(header, statement, RSAKey.import_key(dict(HR_KEY.private)))
    metadata = {"client_name": "Mine", "redirect_uris": [broker.APP], "token_endpoint_auth_method": "none"}
    told = await sdk.do("register", issuer=here.issuer, metadata=metadata, software_statement=signed)
    assert (told["client_name"], told["software_id"]) == ("Payroll", "4711")
    assert told["software_statement"] == signed
    forged = signed[:-8] + "AAAAAAAA"
    with pytest.raises(nimbus.Refused) as refused:
        await sdk.do("register", issuer=here.issuer, metadata=metadata, software_statement=forged)
    assert (refused.value.error, refused.value.status) == ("invalid_software_statement", 400)
