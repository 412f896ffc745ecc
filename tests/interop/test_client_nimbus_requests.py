"""The Nimbus SDK with requests, answers and tokens that nobody else can read or use: PAR, JAR, JARM, DPoP."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.interop import between, broker, jvm, nimbus, node
from tests.interop.between import Person
from tests.interop.browser import Arrival

BANK = "https://bank.example/callback"
API = "https://payments.example"
SCOPE = "openid email offline_access"
OWN = nimbus.new_key("ES256")
PROVING = nimbus.new_key("ES256")
"""The key of its DPoP proofs."""
READING = nimbus.new_key("RSA-OAEP-256", use="enc")
BY_KEY = {
    "client_secret": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [OWN.public]},
    "scope": SCOPE,
}
PAYMENT = {"type": "payment", "amount": {"value": "12.50", "currency": "EUR"}, "to": "Grace"}
DETAILS = {
    "payment": {
        "description": "Make a payment",
        "display": "Pay {amount.value} {amount.currency} to {to}",
        "fields": {
            "amount": {"type": "object", "required": True},
            "to": {"type": "string", "required": True},
        },
    }
}


def entry(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**broker.TRUSTED_APP, **changes}.items() if value is not None}


CLIENTS: dict[str, dict[str, Any]] = {
    "pushing": entry(scope=SCOPE, require_pushed_authorization_requests=True),
    "signing": entry(**BY_KEY, require_signed_request_object=True),
    "answered": entry(scope=SCOPE, authorization_signed_response_alg="ES256"),
    "bound": entry(
        scope=SCOPE, dpop_bound_access_tokens=True, dpop_nonce="required", access_token_signing_alg="ES256"
    ),
    "public": entry(
        client_secret=None,
        token_endpoint_auth_method="none",
        application_type="native",
        trusted=None,
        scope=SCOPE,
        access_token_signing_alg="ES256",
    ),
    "sealed": entry(
        jwks={"keys": [READING.public]},
        scope=SCOPE,
        id_token_encrypted_response_alg="RSA-OAEP-256",
        id_token_encrypted_response_enc="A256GCM",
        userinfo_signed_response_alg="ES256",
        userinfo_encrypted_response_alg="RSA-OAEP-256",
        userinfo_encrypted_response_enc="A256GCM",
    ),
    "paying": entry(scope=SCOPE, audience=API, authorization_details_types=["payment"], trusted=False),
    **{
        profile: entry(**BY_KEY, profile=profile, redirect_uris=[BANK])
        for profile in ("fapi2_security", "fapi2_message_signing")
    },
}
FAPI = {
    "method": "private_key_jwt",
    "key": OWN.private,
    "dpop": PROVING.private,
    "id_token_signed_response_alg": "ES256",
    "access_token_signing_alg": "ES256",
    "redirect_uri": BANK,
}
EXPECTS: dict[str, dict[str, Any]] = {
    "pushing": {},
    "signing": {"method": "private_key_jwt", "key": OWN.private},
    "answered": {"authorization_signed_response_alg": "ES256"},
    "bound": {"dpop": PROVING.private, "access_token_signing_alg": "ES256"},
    "public": {"method": "none", "dpop": PROVING.private, "access_token_signing_alg": "ES256"},
    "sealed": {
        "decryption_key": READING.private,
        "userinfo_signed_response_alg": "ES256",
        **{
            f"{what}_encrypted_response_{kind}": value
            for what in ("id_token", "userinfo")
            for kind, value in (("alg", "RSA-OAEP-256"), ("enc", "A256GCM"))
        },
    },
    "paying": {"access_token_signing_alg": "RS256"},
    "fapi2_security": FAPI,
    "fapi2_message_signing": {**FAPI, "authorization_signed_response_alg": "ES256"},
}
"""What each app is told beside its id and secret."""

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("nimbus"),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(tmp_path_factory):
    """A broker that knows these apps."""
    folder = tmp_path_factory.mktemp("nimbus-requests")
    more = {"authorization_details_types": DETAILS}
    async with between.serving(folder, None, CLIENTS, **more) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk():
    """The driver, with no app yet."""
    async with nimbus.driver() as speaking:
        yield speaking


@pytest.fixture
def an_app(here, sdk):
    """Makes an app of the driver's."""

    async def made(client_id: str) -> nimbus.NimbusApp:
        known = {
            "issuer": here.issuer,
            "client_id": client_id,
            "secret": broker.APP_SECRET,
            "method": "client_secret_basic",
            "redirect_uri": broker.APP,
        }
        return await sdk.app(client_id, **known | EXPECTS[client_id])

    return made


async def arrive(here: between.Between, url: str, person: Person = between.ADA) -> Arrival:
    """What reaches the app after she has signed in."""
    async with here.browser(broker.APP, BANK) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(url), person)
    assert isinstance(arrived, Arrival)
    return arrived


async def log_in(here: between.Between, app: nimbus.NimbusApp, **asked: Any) -> Any:
    """The tokens, after the SDK has looked at them."""
    begun = await app.do("begin", **{"scope": SCOPE, **asked})
    arrived = await arrive(here, begun["url"])
    return await app.do("finish", url=arrived.url, form=arrived.form)


def members(url: str) -> set[str]:
    return set(parse_qs(urlsplit(url).query))


@pytest.mark.standard(
    "RFC 8414", "§2 requests, answers, proofs and details, as the strictest parser wants them"
)
async def test_the_sdk_reads_every_member_of_documents_that_offer_this(here, sdk):
    assert await sdk.misread(here.issuer) == {}


# ── Requests ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard(
    "RFC 9126", "§2 a request that the Nimbus SDK pushes, and what of it goes through the browser"
)
async def test_a_request_is_pushed(here, an_app):
    app = await an_app("pushing")
    begun = await app.do("begin", scope=SCOPE, pushed=True)
    assert members(begun["url"]) == {"client_id", "request_uri"}
    arrived = await arrive(here, begun["url"])
    assert (await app.do("finish", url=arrived.url))["claims"]["aud"] == "pushing"


@pytest.mark.standard("RFC 9126", "§5 what was not pushed is refused where it must be")
async def test_a_request_that_was_not_pushed_is_refused(here, an_app):
    app = await an_app("pushing")
    begun = await app.do("begin", scope=SCOPE)
    async with here.browser(broker.APP) as browser:
        seen = await browser.open(begun["url"])
    assert isinstance(seen, Arrival)
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("finish", url=seen.url)
    assert refused.value.error == "invalid_request"


@pytest.mark.parametrize("pushed", [False, True], ids=["by value", "pushed"])
@pytest.mark.standard(
    "RFC 9101", "§5.1 a request that the Nimbus SDK signs, by value or pushed (RFC 9126 §3)"
)
async def test_a_request_is_signed(here, an_app, pushed):
    app = await an_app("signing")
    begun = await app.do("begin", scope=SCOPE, signed=True, pushed=pushed)
    assert members(begun["url"]) == {"client_id", "request_uri" if pushed else "request"}
    arrived = await arrive(here, begun["url"])
    assert (await app.do("finish", url=arrived.url))["claims"]["aud"] == "signing"


# ── Answers ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
@pytest.mark.standard("JARM", "§2.3 an answer in one signed token, in each mode that the code flow has")
async def test_an_answer_is_signed(here, an_app, mode):
    app = await an_app("answered")
    begun = await app.do("begin", scope=SCOPE, response_mode=mode)
    arrived = await arrive(here, begun["url"])
    assert (arrived.form is not None) is (mode == "form_post.jwt")
    assert set(arrived.answer) == {"response"}
    tokens = await app.do("finish", url=arrived.url, form=arrived.form)
    assert tokens["claims"]["aud"] == "answered"


@pytest.mark.standard("JARM", "§2.1 an error in a signed token, too")
async def test_an_error_is_signed(here, an_app):
    app = await an_app("answered")
    begun = await app.do("begin", scope=SCOPE, response_mode="jwt", prompt="none")
    async with here.browser(broker.APP) as browser:
        arrived = await browser.open(begun["url"])
    assert isinstance(arrived, Arrival)
    assert set(arrived.answer) == {"response"}
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("finish", url=arrived.url)
    assert refused.value.error == "login_required"


@pytest.mark.standard(
    "OpenID Core", "§10.2 an ID Token that is signed and then encrypted, read by the Nimbus SDK"
)
@pytest.mark.standard(
    "OpenID Core", "§5.3.2 userinfo that is signed and then encrypted, read by the Nimbus SDK"
)
async def test_what_is_told_is_encrypted(here, an_app):
    app = await an_app("sealed")
    tokens = await log_in(here, app)
    assert tokens["id_token"].count(".") == 4
    userinfo = await app.do("userinfo", access_token=tokens["access_token"])
    assert (userinfo["email"], userinfo["aud"]) == (between.ADA.email, "sealed")


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("client_id", ["bound", "public"])
@pytest.mark.standard(
    "RFC 9449", "§5 a token that is bound to the Nimbus SDK's key, and used with its proofs (§7)"
)
@pytest.mark.standard("RFC 9449", "§8 a nonce that the app is told, and sends in its next proof")
@pytest.mark.standard("RFC 9449", "§10 dpop_jkt binds the code to the key")
async def test_a_token_is_bound_to_a_key(here, an_app, sdk, client_id):
    app = await an_app(client_id)
    tokens = await log_in(here, app)
    assert tokens["token_type"] == "DPoP"
    thumbprint = tokens["access_claims"]["cnf"]["jkt"]
    userinfo = await app.do("userinfo", access_token=tokens["access_token"])
    assert userinfo["email"] == between.ADA.email
    refreshed = await app.do("refresh", refresh_token=tokens["refresh_token"])
    assert refreshed["access_claims"]["cnf"]["jkt"] == thumbprint

    # Whoever has the token and another key, or none, has nothing.
    known = {"issuer": here.issuer, "client_id": client_id, "method": "none"}
    for key in (nimbus.new_key("ES256").private, None):
        thief = await sdk.app("thief", **known, dpop=key) if key else await sdk.app("thief", **known)
        with pytest.raises(nimbus.Refused) as refused:
            await thief.do("userinfo", access_token=refreshed["access_token"])
        assert refused.value.status == 401


@pytest.mark.standard(
    "RFC 9396", "§5 what is allowed in particular stands in the token answer, and in the token (§9.1)"
)
async def test_particular_permissions_are_asked_for_and_told(here, an_app):
    app = await an_app("paying")
    begun = await app.do("begin", scope=SCOPE, authorization_details=[PAYMENT])
    async with here.browser(broker.APP) as browser:
        seen = await between.sign_in(
            here, browser, await browser.open(begun["url"]), between.ADA, until="Pay 12.50 EUR to Grace"
        )
        assert not isinstance(seen, Arrival)
        arrived = await between.sign_in(here, browser, seen, between.ADA)
    assert isinstance(arrived, Arrival)
    tokens = await app.do("finish", url=arrived.url)
    assert tokens["authorization_details"] == [PAYMENT]
    assert tokens["access_claims"]["authorization_details"] == [PAYMENT]


# ── All of it ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3 a whole login of the Nimbus SDK under the profile")
async def test_a_login_under_the_security_profile(here, an_app):
    app = await an_app("fapi2_security")
    tokens = await log_in(here, app, pushed=True)
    assert tokens["token_type"] == "DPoP"
    userinfo = await app.do("userinfo", access_token=tokens["access_token"])
    assert userinfo["email"] == between.ADA.email
    again = await app.do("refresh", refresh_token=tokens["refresh_token"])
    # Refresh tokens do not rotate under the profile (§5.3.2.1).
    assert again.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]
    with pytest.raises(nimbus.Refused) as refused:
        await log_in(here, app)
    assert refused.value.error == "invalid_request"


@pytest.mark.standard(
    "FAPI 2.0 Message Signing", "§5 a whole login of the Nimbus SDK with signed requests and answers"
)
async def test_a_login_under_message_signing(here, an_app):
    app = await an_app("fapi2_message_signing")
    tokens = await log_in(here, app, signed=True, pushed=True, response_mode="jwt")
    assert tokens["claims"]["aud"] == "fapi2_message_signing"
    assert tokens["token_type"] == "DPoP"
    with pytest.raises(nimbus.Refused) as refused:
        await log_in(here, app, pushed=True)
    assert refused.value.error in ("invalid_request", "invalid_request_object")
