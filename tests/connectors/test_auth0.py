"""Auth0 as its tenants behave: the slash, organizations, the claims under a URL, and how it refuses."""

import pytest
import yaml

from broker.mapping import Documents, compile_map
from broker.mapping import apply as mapped
from broker.protocol.errors import OAuthError, TemporarilyUnavailable
from connectors import auth0
from tests.connectors.stage import opened
from tests.fakes.auth0 import ANN, HOST, ROLES, FakeAuth0

PERSON = {
    "name": "Ann Example",
    "nickname": "ann",
    "email": "ann@acme.example",
    "email_verified": True,
    "updated_at": "2021-03-23T11:34:14.566Z",
    ROLES: ["admin"],
}
SECONDS = 1616499254


@pytest.fixture
async def tenant():
    async with FakeAuth0.running() as idp:
        idp.person(ANN, **PERSON)
        yield idp


def at(tenant, **more):
    entry = {
        "type": "auth0",
        "domain": HOST,
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secret,
        **more,
    }
    return opened(tenant, {"up": entry})


@pytest.mark.proves("auth0", "a login: the issuer with its slash, a subject with a bar in it")
async def test_a_login_at_auth0(tenant):
    async with at(tenant) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == ("https://acme.eu.auth0.com/", ANN)
    assert identity.sid == "upstream-session"


@pytest.mark.row("UP-01")
@pytest.mark.proves("auth0", "an issuer without its slash is somebody else")
async def test_without_its_slash_the_issuer_is_somebody_else(tenant):
    async with at(tenant) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        tenant.switch(iss=tenant.issuer.removesuffix("/"))
        with pytest.raises(OAuthError) as caught:
            await login.finish(answer)
        assert caught.value.reason == "id_token_iss_mismatch"
    tenant.switch(iss=None, issuer_without_slash=True)
    async with at(tenant) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
    assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.row("JW-02")
@pytest.mark.proves("auth0", "an ID Token signed with the client secret (HS256)")
async def test_an_id_token_by_the_client_secret_is_refused(tenant):
    tenant.switch(hs256_id_token=True)
    async with at(tenant) as stage:
        assert (await stage.refused()).reason == "token_bad_algorithm"


# ── Connections and organizations ─────────────────────────────────────────────────────────────


@pytest.mark.proves("auth0", "a connection, and one that is switched off")
async def test_a_connection_is_asked_for(tenant):
    async with at(tenant, connection="google-oauth2") as stage:
        assert (await stage.sign_in()).subject == ANN
    assert tenant.seen("authorize")[0].query["connection"] == "google-oauth2"
    async with at(tenant, connection="gone") as stage:
        refused = await stage.refused()
    assert (refused.error, refused.reason) == ("server_error", "upstream_refused")
    assert "the connection was disabled" in refused.detail


@pytest.mark.parametrize("organization", ["org_9ybsU1dN2dKfDkBi", "acme", "Acme"])
@pytest.mark.proves("auth0", "an organization by id or by name, checked in the ID Token")
async def test_an_organization_is_asked_for_and_must_be_the_one(tenant, organization):
    async with at(tenant, organization=organization) as stage:
        assert (await stage.sign_in()).id_token["org_id"] == "org_9ybsU1dN2dKfDkBi"
        for switch in ("org_mismatch", "org_missing"):
            tenant.reset()
            tenant.switch(**{switch: True})
            assert (await stage.refused()).error == "access_denied"


async def test_an_organization_that_is_not_there_is_our_mistake(tenant):
    async with at(tenant, organization="org_nowhere") as stage:
        assert (await stage.refused()).error == "server_error"


# ── What it tells ─────────────────────────────────────────────────────────────────────────────


def told(identity, **more):
    """What the map that comes along makes of it, with more claims of the operator's."""
    claims = yaml.safe_load(auth0.CLAIMS)["claims"] | more
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo)
    return mapped(compile_map({"claims": claims}), documents)


@pytest.mark.proves("auth0", "updated_at as text becomes seconds; roles under a URL are mapped")
async def test_what_it_tells_is_mapped(tenant):
    async with at(tenant, get_user_info=True) as stage:
        identity = await stage.sign_in()
    claims = told(identity, roles={"from": [ROLES], "cast": "list"}).claims
    assert claims["updated_at"] == SECONDS
    assert claims["roles"] == ["admin"]
    assert (claims["preferred_username"], claims["email"]) == ("ann", "ann@acme.example")


@pytest.mark.row("UI-02")
@pytest.mark.proves(
    "auth0", "an e-mail address whose proof is a text, as another provider behind Auth0 wrote it"
)
async def test_an_address_is_proved_by_true_alone(tenant):
    tenant.person(ANN, **{**PERSON, "email_verified": "true"})
    async with at(tenant) as stage:
        claims = told(await stage.sign_in()).claims
    assert "email" not in claims


@pytest.mark.row("UP-09")
@pytest.mark.proves("auth0", "userinfo that was asked too often")
async def test_a_rate_limit_is_later(tenant):
    tenant.switch(userinfo_429=True)
    async with at(tenant, get_user_info=True) as stage:
        assert (await stage.refused()).error == "temporarily_unavailable"
    assert len(tenant.seen("userinfo")) == 1


# ── How it refuses ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", ["login_required", "consent_required", "interaction_required"])
@pytest.mark.proves("auth0", "login_required, consent_required, interaction_required")
async def test_what_a_login_without_a_page_ends_in_keeps_its_name(tenant, error):
    tenant.switch(prompt_none=error)
    async with at(tenant) as stage:
        assert (await stage.refused()).error == error


@pytest.mark.parametrize("switch", ["action_denied", "unauthorized"])
@pytest.mark.proves("auth0", "an Action, or a rule, that refuses a person")
async def test_an_action_that_refuses_is_a_refusal_and_its_text_is_not_shown(tenant, switch):
    tenant.switch(**{switch: "<b>blocked</b> by ops"})
    async with at(tenant) as stage:
        refused = await stage.refused()
    assert refused.error == "access_denied"
    assert "blocked" in refused.detail
    assert "blocked" not in refused.description


@pytest.mark.proves("auth0", "a wrong client secret")
async def test_a_wrong_secret_is_no_refusal_of_the_person(tenant):
    async with at(tenant, client_secret="another") as stage:
        refused = await stage.refused()
        findings = {finding.what: finding for finding in await stage.upstream.probe()}
    assert (refused.error, refused.reason) == ("server_error", "token_access_denied")
    assert findings["our credentials"].good is False


@pytest.mark.row("CB-30")
@pytest.mark.proves("auth0", "a fresh login, stated by auth_time, and one that is not")
async def test_a_fresh_login_is_proved_by_auth_time(tenant):
    async with at(tenant) as stage:
        assert (await stage.sign_in()).auth_time is None
        for asked in ({"prompt": frozenset({"login"})}, {"max_age": 0}):
            stage.now.forward(3600)
            assert (await stage.sign_in(**asked)).auth_time == int(stage.now())
        tenant.switch(auth_time_missing_on_max_age=True)
        assert (await stage.refused(max_age=60)).error == "login_required"


# ── Keys and what lasts ───────────────────────────────────────────────────────────────────────


@pytest.mark.proves("auth0", "keys: the next one is published, then it signs")
async def test_the_key_that_comes_next_may_sign_at_once(tenant):
    tenant.switch(next_key_in_jwks=True)
    async with at(tenant) as stage:
        assert (await stage.sign_in()).subject == ANN
        tenant.rotate()
        assert (await stage.sign_in()).subject == ANN


@pytest.mark.proves("auth0", "asked again by a refresh token, rotating or not")
@pytest.mark.parametrize("rotates", [True, False])
async def test_auth0_is_asked_again(tenant, rotates):
    tenant.rotates = rotates
    async with at(tenant, scope="openid profile offline_access") as stage:
        identity = await stage.sign_in()
        tenant.people[ANN][ROLES] = []
        identity = await stage.upstream.refresh(identity.keep)
        assert identity.id_token[ROLES] == []
        assert (await stage.upstream.refresh(identity.keep)).subject == ANN


@pytest.mark.proves("auth0", "a tenant of before November 2023, which does not tell of its logout")
async def test_an_older_tenant_is_as_good_as_a_new_one(tenant):
    tenant.switch(no_end_session_in_metadata=True)
    async with at(tenant) as stage:
        assert (await stage.sign_in()).subject == ANN
