"""Auth0, Okta, Keycloak and Google: what each is beyond OpenID Connect, on what each has really published."""

from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from broker.connector import UpstreamInvalid, UpstreamRefused
from broker.jose import KeySet
from connectors import auth0, keycloak, oidc, okta
from tests.connectors.desk import LOGIN, PROVIDERS, Desk, finish, recorded
from tests.connectors.stage import on_stage, opened
from tests.fakes.provider import FakeProvider

SECRET = {"client_id": "broker", "client_secret": "secret"}


def settings(module, **keys):
    return module.Settings.model_validate({**SECRET, **keys})


def made(module, document, claims="keycloak/id_token.claims.json", url=None, **keys):
    said = recorded(document) if isinstance(document, str) else document
    where = url or f"{said['issuer'].removesuffix('/')}/.well-known/openid-configuration"
    desk = Desk(recorded(claims), {where: said})
    return module.Connector(settings(module, **keys), desk.tools), desk


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# ── What they publish ─────────────────────────────────────────────────────────────────────────

PUBLISHED = [
    (auth0, "auth0/openid-configuration.json", {"domain": "example-tenant.us.auth0.com"}),
    (auth0, "auth0/openid-configuration.agents.json", {"domain": "example-tenant.us.auth0.com"}),
    (auth0, "auth0/openid-configuration.2019.json", {"domain": "example-tenant.eu.auth0.com"}),
    (
        okta,
        "okta/openid-configuration.custom.json",
        {"domain": "example.oktapreview.com", "authorization_server_id": "default"},
    ),
    (
        okta,
        "okta/openid-configuration.shared-resource.json",
        {
            "domain": "example.okta.com",
            "authorization_server_id": "aus8aus76q8iphupD0h7",
            "get_user_info": False,
        },
    ),
    (
        keycloak,
        "keycloak/openid-configuration.json",
        {"base_url": "https://keycloak.example.com", "realm": "example"},
    ),
    (oidc, "google/openid-configuration.json", {"issuer": "https://accounts.google.com"}),
]


@pytest.mark.parametrize(("module", "document", "keys"), PUBLISHED, ids=[row[1] for row in PUBLISHED])
async def test_what_a_provider_publishes_is_understood(module, document, keys):
    connector, desk = made(module, document, **keys)
    said = recorded(document)
    departure = await connector.begin(LOGIN)
    assert departure.url.startswith(said["authorization_endpoint"] + "?")
    assert asked_of(departure.url)["code_challenge_method"] == "S256"
    answer = {"iss": said["issuer"]} if said.get("authorization_response_iss_parameter_supported") else {}
    await finish(connector, **answer)
    assert desk.posted[0]["url"] == said["token_endpoint"]
    assert desk.posted[0]["basic"] is not None
    assert desk.expected.issuer == said["issuer"]
    assert "HS256" not in desk.expected.algorithms


@pytest.mark.parametrize(
    ("module", "document", "keys"),
    [
        (auth0, "auth0/openid-configuration.json", {"domain": "other-tenant.us.auth0.com"}),
        (okta, "okta/openid-configuration.custom.json", {"domain": "example.oktapreview.com"}),
        (
            keycloak,
            "keycloak/openid-configuration.json",
            {"base_url": "https://keycloak.example.com", "realm": "exampl"},
        ),
        (oidc, "auth0/openid-configuration.json", {"issuer": "https://example-tenant.us.auth0.com"}),
        (oidc, "google/openid-configuration.json", {"issuer": "https://accounts.google.com/"}),
        (oidc, "google/openid-configuration.json", {"issuer": "https://Accounts.google.com"}),
    ],
)
@pytest.mark.row("UP-01")
@pytest.mark.proves("oidc", "metadata of another issuer")
async def test_metadata_of_another_issuer_is_nobodys(module, document, keys):
    theirs = settings(module, **keys).issuer.removesuffix("/")
    connector, _ = made(module, document, url=f"{theirs}/.well-known/openid-configuration", **keys)
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_issuer_mismatch"


async def test_a_provider_that_only_knows_the_implicit_flow_is_told_from_one_that_can_be_used():
    connector, _ = made(okta, "okta/openid-configuration.org-legacy.json", domain="example.okta.com")
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_endpoint_missing"


def test_a_published_key_that_is_too_weak_is_left_out():
    assert KeySet.from_jwks(recorded("okta/jwks.json")).keys == ()


def test_every_recorded_file_is_used_by_a_test():
    tests = PROVIDERS.parent.parent
    text = "".join(path.read_text(encoding="utf-8") for path in tests.glob("*/*.py"))
    files = [path for path in PROVIDERS.glob("*/*.json") if "id_token" not in path.name]
    assert len(files) > 8
    assert [str(path) for path in files if f"{path.parent.name}/{path.name}" not in text] == []


# ── Auth0 ─────────────────────────────────────────────────────────────────────────────────────

AUTH0 = {"document": "auth0/openid-configuration.json", "domain": "example-tenant.us.auth0.com"}


async def test_auth0_is_asked_for_a_connection_and_an_organization():
    connector, _ = made(auth0, **AUTH0, connection="google-oauth2", organization="org_1")
    asked = asked_of((await connector.begin(LOGIN)).url)
    assert (asked["connection"], asked["organization"]) == ("google-oauth2", "org_1")
    plain, _ = made(auth0, **AUTH0)
    assert not {"connection", "organization"} & asked_of((await plain.begin(LOGIN)).url).keys()


@pytest.mark.parametrize(
    ("claims", "organization", "good"),
    [
        ("auth0/id_token.claims.organization.json", "org_9ybsU1dN2dKfDkBi", True),
        ("auth0/id_token.claims.organization.json", "exampleco", True),
        ("auth0/id_token.claims.organization.json", "ExampleCo", True),
        ("auth0/id_token.claims.organization.json", "org_other", False),
        ("auth0/id_token.claims.organization.json", "ORG_9ybsU1dN2dKfDkBi", False),
        ("auth0/id_token.claims.json", "org_9ybsU1dN2dKfDkBi", False),
        ("auth0/id_token.claims.json", "exampleco", False),
    ],
)
async def test_who_signed_in_to_another_organization_is_refused(claims, organization, good):
    connector, _ = made(auth0, **AUTH0, claims=claims, organization=organization)
    if good:
        assert (await finish(connector)).subject == "auth0|602c0dcab993d10073daf680"
        return
    with pytest.raises(UpstreamRefused) as caught:
        await finish(connector)
    assert caught.value.error == "access_denied"


async def test_auth0_tokens_are_signed_with_rsa_unless_the_operator_says_otherwise():
    connector, desk = made(auth0, **AUTH0)
    await finish(connector)
    assert desk.expected.algorithms == ("RS256", "PS256")


@pytest.mark.parametrize(
    "domain", ["", "https://a.auth0.com", "a.auth0.com/", "A.auth0.com", "a@b", "a b", "-a", "a.auth0.com:x"]
)
def test_an_auth0_domain_is_a_bare_name(domain):
    with pytest.raises(ValidationError):
        settings(auth0, domain=domain)


# ── Okta ──────────────────────────────────────────────────────────────────────────────────────

OKTA = {"document": "okta/openid-configuration.custom.json", "domain": "example.oktapreview.com"}


def test_okta_has_an_issuer_for_the_org_and_one_for_each_authorization_server():
    assert settings(okta, domain="acme.okta.com").issuer == "https://acme.okta.com"
    custom = settings(okta, domain="acme.okta.com", authorization_server_id="default")
    assert custom.issuer == "https://acme.okta.com/oauth2/default"
    with pytest.raises(ValidationError, match="admin"):
        settings(okta, domain="acme-admin.okta.com")


@pytest.mark.parametrize(("said", "pulled"), [(None, True), (True, True), (False, False)])
async def test_a_custom_authorization_server_may_send_thin_tokens_and_userinfo_fills_them(said, pulled):
    more = {} if said is None else {"get_user_info": said}
    connector, desk = made(
        okta, **OKTA, claims="okta/id_token.claims.thin.json", authorization_server_id="default", **more
    )
    identity = await finish(connector)
    assert identity.userinfo == ({"sub": "00ukoeEqIogiFHpDe0g3", "more": "told"} if pulled else {})
    assert bool(desk.got) is pulled


async def test_an_org_server_sends_whole_tokens():
    document = {
        **recorded("okta/openid-configuration.custom.json"),
        "issuer": "https://example.oktapreview.com",
    }
    connector, desk = made(
        okta, document, "okta/id_token.claims.org-as.json", domain="example.oktapreview.com"
    )
    identity = await finish(connector)
    assert (identity.subject, identity.amr) == ("00u1pcla5qYIREDLWCQV", ("kba", "mfa", "pwd"))
    assert desk.got == []


async def test_okta_takes_assertions_for_its_token_endpoint_and_a_hint_where_to_sign_in():
    key = {"client_secret": None, "private_key": "unused here"}
    connector, desk = made(okta, **OKTA, authorization_server_id="default", idp="0oa1", **key)
    assert asked_of((await connector.begin(LOGIN)).url)["idp"] == "0oa1"
    await finish(connector)
    endpoint = recorded("okta/openid-configuration.custom.json")["token_endpoint"]
    assert desk.assertions == [{"client_id": "broker", "audience": endpoint}]
    assert desk.posted[0]["basic"] is None
    assert "client_secret" not in desk.posted[0]["form"]


# ── Keycloak ──────────────────────────────────────────────────────────────────────────────────

KEYCLOAK = {
    "document": "keycloak/openid-configuration.json",
    "base_url": "https://keycloak.example.com",
    "realm": "example",
}
ISS = {"iss": "https://keycloak.example.com/realms/example"}


@pytest.mark.parametrize(
    ("base_url", "realm", "issuer"),
    [
        ("https://sso.example", "acme", "https://sso.example/realms/acme"),
        ("https://sso.example/", "acme", "https://sso.example/realms/acme"),
        ("https://sso.example/auth", "acme", "https://sso.example/auth/realms/acme"),
        ("https://sso.example", "a/../b c", "https://sso.example/realms/a%2F..%2Fb%20c"),
    ],
)
def test_a_keycloak_issuer_is_a_realm(base_url, realm, issuer):
    assert settings(keycloak, base_url=base_url, realm=realm).issuer == issuer


async def test_keycloak_is_told_which_provider_behind_it_and_may_lie_elsewhere_for_us():
    inner = "https://keycloak.internal/realms/example/.well-known/openid-configuration"
    connector, _ = made(keycloak, **KEYCLOAK, url=inner, discovery_url=inner, kc_idp_hint="google")
    assert asked_of((await connector.begin(LOGIN)).url)["kc_idp_hint"] == "google"


@pytest.fixture
async def realm():
    async with FakeProvider.running(path="/realms/acme") as idp:
        yield idp


async def sign_in_at(realm, **more):
    entry = {
        "type": "keycloak",
        "base_url": realm.issuer.removesuffix("/realms/acme"),
        "realm": "acme",
        "client_id": realm.client_id,
        "client_secret": realm.client_secret,
        **more,
    }
    return opened(realm, {"up": entry})


async def test_roles_stay_in_the_access_token_unless_they_are_wanted(realm):
    async with await sign_in_at(realm) as stage:
        name = (await stage.sign_in()).api["realm"]
        assert (await stage.sign_in()).api == {"realm": name}
    async with await sign_in_at(realm, roles_from_access_token=True) as stage:
        assert (await stage.sign_in()).api == {"realm": name, "realm_access": {"roles": ["staff"]}}


async def test_the_access_token_never_changes_what_the_id_token_says(realm):
    realm.person("ann", realm_access={"roles": ["reader"]})
    async with await sign_in_at(realm, roles_from_access_token=True) as stage:
        assert (await stage.sign_in()).id_token["realm_access"] == {"roles": ["reader"]}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"typ": "ID"}, "access_token_typ_mismatch"),
        ({"typ": None}, "access_token_typ_mismatch"),
        ({"azp": "another-app"}, "access_token_azp_mismatch"),
        ({"azp": None}, "access_token_azp_mismatch"),
        ({"iss": "https://evil.example"}, "access_token_iss_mismatch"),
        ({"sub": "somebody else"}, "access_token_sub_mismatch"),
        ({"exp": 1}, "access_token_exp_mismatch"),
        ({"exp": "soon"}, "access_token_exp_mismatch"),
        ({"exp": True}, "access_token_exp_mismatch"),
    ],
    ids=str,
)
async def test_an_access_token_that_is_not_ours_gives_no_roles(realm, wrong, reason):
    realm.switch(access_token=wrong)
    async with await sign_in_at(realm, roles_from_access_token=True) as stage:
        assert (await stage.refused()).reason == reason


async def test_an_access_token_that_is_no_jwt_gives_no_roles(realm):
    realm.switch(token={"access_token": "opaque"}, at_hash="missing")
    async with await sign_in_at(realm, roles_from_access_token=True) as stage:
        assert (await stage.refused()).reason == "token_not_a_jws"


async def test_an_access_token_without_a_subject_is_still_this_logins(realm):
    realm.switch(access_token={"sub": None})
    async with await sign_in_at(realm, roles_from_access_token=True) as stage:
        assert (await stage.sign_in()).api["realm_access"] == {"roles": ["staff"]}


async def test_keycloaks_own_tokens_have_the_shape_that_is_read():
    connector, desk = made(keycloak, **KEYCLOAK, roles_from_access_token=True)
    desk.claims = {**recorded("keycloak/id_token.claims.legacy-pre25.json"), "sub": "somebody else"}
    with pytest.raises(UpstreamInvalid) as caught:  # the recorded two are about two people
        await finish(connector, **ISS)
    assert caught.value.reason == "access_token_sub_mismatch"
    desk.claims["sub"] = recorded("keycloak/access_token.claims.json")["sub"]
    identity = await finish(connector, **ISS)
    assert identity.api["resource_access"]["broker"] == {"roles": ["editor"]}
    assert identity.sid == "3b1b0d36-0000-4000-8000-000000000001"


# ── What an operator may write ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"client_secret": None}, "client_secret: missing"),
        ({"private_key": "k"}, "give the one that is used"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "private_key: missing"),
        ({"token_endpoint_auth_method": "none"}, "has no secret"),
        (
            {"client_secret": None, "token_endpoint_auth_method": "client_secret_post"},
            "client_secret: missing",
        ),
        (
            {"client_secret": None, "private_key": "k", "token_endpoint_auth_method": "none"},
            "has no secret and no key",
        ),
        ({"scope": "profile email"}, "must contain openid"),
        ({"id_token_signing_algs": ["HS256"]}, "id_token_signing_algs"),
        ({"id_token_signing_algs": ["none"]}, "id_token_signing_algs"),
        ({"id_token_signing_algs": []}, "id_token_signing_algs"),
        ({"issuer": "http://idp.example"}, "must be https"),
        ({"issuer": "https://idp.example?x=1"}, "query"),
        ({"issuer": "https://idp.example#x"}, "fragment"),
        ({"issuer": "https://user@idp.example"}, "user"),
        ({"issuer": "idp.example"}, "absolute"),
        ({"token_endpoint": "https://idp.example/ x"}, "characters"),
        ({"pkce": "off"}, "pkce"),
        ({"response_mode": "fragment"}, "response_mode"),
        ({"token_issuer": []}, "token_issuer"),
        ({"token_issuer": {"template": "https://idp.example/v2", "allowed": ["a"]}}, "must have {tid} in it"),
        ({"token_issuer": {"template": "http://idp.example/{tid}", "allowed": ["a"]}}, "must be https"),
        ({"token_issuer": {"template": "https://idp.example/{tid}"}}, "allowed"),
        ({"token_issuer": {"template": "https://idp.example/{tid}", "allowed": ["*", "a"]}}, "stands alone"),
    ],
    ids=str,
)
def test_what_cannot_work_or_is_not_safe_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(oidc, **{"issuer": "https://idp.example", **keys})
    assert said in str(caught.value)


def test_settings_do_not_print_a_secret():
    shown = repr(settings(oidc, issuer="https://idp.example", client_secret="hidden-away"))
    assert "hidden-away" not in shown


@pytest.mark.proves("oidc", "endpoints written by hand, no metadata")
async def test_endpoints_that_are_all_given_need_no_metadata(realm):
    base = realm.issuer
    given = {
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "jwks_uri": f"{base}/jwks",
    }
    async with on_stage(realm, **given) as stage:
        assert (await stage.sign_in()).subject == "ann"
    assert not realm.seen("discovery")
