"""Entrust Identity as a Service: every switch of an application there, and nothing unsigned."""

import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import ValidationError

from broker.connector import UpstreamInvalid
from broker.mapping import Documents, apply, compile_map
from broker.protocol.errors import AccessDenied, ServerError
from connectors import entrust
from tests.connectors.desk import LOGIN, Desk, finish, recorded
from tests.connectors.stage import opened
from tests.fakes.entrust import PASSWORD, TOKEN_SYNC, FakeEntrust

SECRET = {"client_id": "broker", "client_secret": "secret"}
DOMAIN = "acme.us.trustedauth.com"
ANN = {"name": "Ann Example", "email": "ann@example.com", "email_verified": True, "groups": ["Staff"]}


@pytest.fixture
async def idp():
    async with FakeEntrust.running() as fake:
        fake.person("5b5e2c1a", **ANN)
        yield fake


def at(idp, **keys):
    entry = {
        "type": "entrust",
        "domain": DOMAIN,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
        **keys,
    }
    return opened(idp, {"up": entry})


def settings(**keys):
    return entrust.Settings.model_validate({**SECRET, "domain": DOMAIN, **keys})


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def mapped(identity):
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(compile_map(yaml.safe_load(entrust.CLAIMS)), documents).claims


@pytest.mark.proves("entrust", "a login, the issuer made of the account's domain")
async def test_a_login_at_entrust(idp):
    async with at(idp) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == (f"https://{DOMAIN}/api/oidc", "5b5e2c1a")
    assert (identity.acr, identity.amr) == (TOKEN_SYNC, ("pwd", "otp"))
    assert mapped(identity) == {
        "name": "Ann Example",
        "email": "ann@example.com",
        "email_verified": True,
        "phone_number_verified": False,
        "groups": ["Staff"],
    }


@pytest.mark.parametrize("region", ["us", "ie", "de"])
def test_the_issuer_follows_the_region(region):
    found = settings(domain=f"acme.{region}.trustedauth.com")
    assert found.issuer == f"https://acme.{region}.trustedauth.com/api/oidc"


@pytest.mark.proves("entrust", "ID Tokens that are not signed are refused, as an object too")
@pytest.mark.row("JW-01")
@pytest.mark.row("CB-18")
@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ({"id_token_object": True}, "token_malformed"),
        ({"alg": "none"}, "token_bad_algorithm"),
        ({"token": "no_id_token"}, "id_token_missing"),
    ],
    ids=str,
)
async def test_an_id_token_that_nobody_signed_is_refused(idp, switch, reason):
    idp.switch(**switch)
    async with at(idp, get_user_info=True) as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", reason)
    assert not idp.seen("userinfo")


async def test_the_object_that_entrusts_own_sdk_takes_is_refused():
    said = recorded("entrust/token.response.unsigned-id-token.json")

    class Unsigned(Desk):
        async def post(self, url, form, *, basic=None, bearer=None):
            answer = await super().post(url, form, basic=basic)
            return type(answer)(200, "application/json", json.dumps(said).encode())

    document = recorded("entrust/openid-configuration.synthetic.json")
    where = f"{document['issuer']}/.well-known/openid-configuration"
    desk = Unsigned(recorded("entrust/id_token.claims.json"), {where: document})
    connector = entrust.Connector(settings(domain="example-tenant.us.trustedauth.com"), desk.tools)
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "token_malformed"


async def test_what_the_vendors_sdk_reads_is_understood():
    document = recorded("entrust/openid-configuration.synthetic.json")
    where = f"{document['issuer']}/.well-known/openid-configuration"
    desk = Desk(recorded("entrust/id_token.claims.json"), {where: document})
    connector = entrust.Connector(settings(domain="example-tenant.us.trustedauth.com"), desk.tools)
    assert (await connector.begin(LOGIN)).url.startswith(document["authorization_endpoint"] + "?")
    identity = await finish(connector)
    assert (identity.acr, identity.auth_time) == (TOKEN_SYNC, 1722951940)
    assert recorded("entrust/access_token.claims.json")["iss"] == desk.expected.issuer


@pytest.mark.proves("entrust", "userinfo as a signed JWT, or as JSON")
@pytest.mark.parametrize("switch", [{}, {"userinfo_jwt": True}])
async def test_userinfo_is_read_as_the_application_sends_it(idp, switch):
    idp.switch(**switch)
    async with at(idp, get_user_info=True) as stage:
        assert (await stage.sign_in()).userinfo["name"] == "Ann Example"


@pytest.mark.proves("entrust", "userinfo that somebody else signed is refused")
async def test_userinfo_that_somebody_else_signed_is_refused(idp):
    idp.switch(userinfo_jwt_bad_sig=True)
    async with at(idp, get_user_info=True) as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", "token_bad_signature")


@pytest.mark.proves("entrust", "an application that wants its secret by form, or by header")
@pytest.mark.parametrize(
    ("switch", "method", "good"),
    [
        ({}, None, True),
        ({"basic_only": True}, None, True),
        ({"post_only": True}, "client_secret_post", True),
        ({"post_only": True}, None, False),
        ({"basic_only": True}, "client_secret_post", False),
    ],
)
async def test_the_secret_goes_the_way_that_the_application_wants(idp, switch, method, good):
    idp.switch(**switch)
    more = {} if method is None else {"token_endpoint_auth_method": method}
    async with at(idp, **more) as stage:
        if good:
            await stage.sign_in()
            return
        error = await stage.refused()
    assert isinstance(error, ServerError)
    assert error.reason == "token_invalid_client"


@pytest.mark.proves("entrust", "a refresh token, with the consent page that it comes with")
async def test_offline_access_comes_with_the_consent_page(idp):
    async with at(idp, scope="openid profile offline_access") as stage:
        assert asked_of(await stage.login().begin())["prompt"] == "consent"
        fresh = stage.login(prompt=frozenset({"select_account"}))
        assert asked_of(await fresh.begin())["prompt"] == "login consent"
        first = await stage.sign_in()
        again = await stage.upstream.refresh(first.keep)
        assert (again.issuer, again.subject) == (first.issuer, first.subject)
        idp.switch(refresh="invalid_grant")
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
    async with at(idp) as stage:
        assert "prompt" not in asked_of(await stage.login().begin())
        assert (await stage.sign_in()).keep == {}


@pytest.mark.proves("entrust", "a way of signing in that the account does not list is refused")
async def test_a_way_of_signing_in_that_is_not_listed_is_refused(idp):
    idp.switch(acr_not_supported=True)
    async with at(idp) as stage:
        assert (await stage.refused()).reason == "id_token_acr_unknown"


async def test_an_acr_that_is_asked_for_goes_as_it_is(idp):
    async with at(idp, pass_through={"acr_values": "pass"}) as stage:
        assert (await stage.sign_in(acr_values=(PASSWORD,))).acr == PASSWORD
    async with at(idp) as stage:
        idp.switch(acr="missing")
        assert (await stage.sign_in()).acr is None


@pytest.mark.proves("entrust", "a fresh login without its time is not believed")
@pytest.mark.row("CB-30")
async def test_without_its_time_a_login_is_not_fresh(idp):
    async with at(idp) as stage:
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now())
        idp.switch(no_auth_time=True)
        assert (await stage.sign_in()).auth_time is None
        assert (await stage.refused(max_age=60)).error == "login_required"


@pytest.mark.proves("entrust", "a warning where people are known by an address")
@pytest.mark.row("UI-14")
async def test_who_is_known_by_an_address_is_warned_about_once(idp, caplog):
    idp.switch(sub_is_email=True)
    with caplog.at_level(logging.WARNING):
        async with at(idp) as stage:
            before = await stage.upstream._connector.probe()
            await stage.sign_in()
            await stage.sign_in()
            after = await stage.upstream._connector.probe()
    assert [(one.what, one.good) for one in (before[-1], after[-1])] == [
        ("subject", None),
        ("subject", False),
    ]
    told = [record.getMessage() for record in caplog.records if record.name == "connectors.entrust"]
    assert len(told) == 1
    assert "Subject ID Attribute" in told[0]
    assert "example.com" not in told[0]


@pytest.mark.proves("entrust", "endpoints of older accounts")
async def test_endpoints_are_where_the_metadata_says(idp):
    idp.switch(legacy_path=True)
    async with at(idp) as stage:
        login = stage.login()
        assert "/api/oidc/OIDC/authorize?" in await login.begin()
        assert (await stage.sign_in()).subject == "5b5e2c1a"


@pytest.mark.parametrize("as_text", [True, False])
async def test_when_a_token_ends_may_be_text(idp, as_text):
    idp.switch(expires_in_string=as_text)
    async with at(idp, get_user_info=True) as stage:
        kept = (await stage.sign_in()).keep
        assert kept["expires_at"] == str(int(stage.now()) + 300)


async def test_people_go_straight_to_an_organization(idp):
    async with at(idp, org_id="org-1") as stage:
        assert asked_of(await stage.login().begin())["org_id"] == "org-1"


@pytest.mark.parametrize(
    "domain", ["", "https://acme.us.trustedauth.com", "acme.us.trustedauth.com/api", "a b"]
)
def test_a_domain_is_a_bare_name(domain):
    with pytest.raises(ValidationError):
        settings(domain=domain)


async def test_fake_gives_a_refresh_token_only_with_the_consent_page(idp):
    asked = {"scope": "openid offline_access", "nonce": "n"}
    plain, agreed = idp.codes[idp.code(asked)], idp.codes[idp.code({**asked, "prompt": "consent"})]
    assert "refresh_token" not in idp.token_answer(plain, {})
    answer = idp.token_answer(agreed, {})
    assert answer["refresh_token"]
    assert answer["expires_in"] == "300"
    idp.switch(offline_without_consent=True)
    assert "refresh_token" in idp.token_answer(plain, {})


async def test_fake_takes_a_hint_of_an_id_token_for_nothing(idp):
    asked = {
        "response_type": "code",
        "scope": "openid",
        "id_token_hint": "x",
        "code_challenge": "c",
        "code_challenge_method": "S256",
    }
    assert idp.accepts(asked) is None
    idp.switch(id_token_hint_ignored=False)
    assert idp.accepts(asked) == {"error": "invalid_request"}
