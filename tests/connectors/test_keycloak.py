"""Keycloak as its realms behave, 24 to 26, and how it refuses."""

import pytest

from broker.protocol.errors import AccessDenied, OAuthError, TemporarilyUnavailable
from tests.connectors.stage import opened
from tests.fakes.keycloak import ANN, SESSION, FakeKeycloak

PERSON = {
    "name": "Ann Example",
    "preferred_username": "ann",
    "email": "ann@acme.example",
    "email_verified": True,
    "groups": ["/staff/engineering"],
}


@pytest.fixture
async def realm():
    async with FakeKeycloak.running() as idp:
        idp.person(ANN, **PERSON)
        yield idp


def at(realm, **more):
    entry = {
        "type": "keycloak",
        "base_url": realm.issuer.partition("/realms/")[0],
        "realm": "acme",
        "client_id": realm.client_id,
        "client_secret": realm.client_secret,
        **more,
    }
    return opened(realm, {"up": entry})


@pytest.mark.proves("keycloak", "a login: realm, groups, sid; a key for encryption beside those that sign")
@pytest.mark.row("JW-07")
async def test_a_login_at_a_realm(realm):
    async with at(realm, kc_idp_hint="google") as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject, identity.sid) == (realm.issuer, ANN, SESSION)
    assert identity.id_token["groups"] == ["/staff/engineering"]
    assert realm.seen("authorize")[0].query["kc_idp_hint"] == "google"


@pytest.mark.proves("keycloak", "a realm of before 17, under /auth")
async def test_an_older_realm_lies_under_auth():
    async with FakeKeycloak.running(path="/auth/realms/acme") as realm:
        realm.person(ANN, **PERSON)
        async with at(realm) as stage:
            assert (await stage.sign_in()).subject == ANN


@pytest.mark.proves("keycloak", "a realm of before 24: session_state in its tokens")
async def test_a_session_state_in_a_token_does_no_harm(realm):
    realm.switch(session_state_legacy=True)
    async with at(realm) as stage:
        assert (await stage.sign_in()).sid == SESSION


@pytest.mark.row("UP-01")
@pytest.mark.proves("keycloak", "a realm without a fixed host name, asked by an inner address")
async def test_an_issuer_that_follows_the_host_is_told(realm):
    realm.switch(host_dependent_issuer="keycloak.internal:8080")
    async with at(realm) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
    assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.row("UP-01")
@pytest.mark.proves("keycloak", "metadata at an inner address, the issuer as people see it")
async def test_metadata_may_lie_at_an_inner_address(realm):
    inner = f"{realm.issuer}/.well-known/openid-configuration"
    realm.switch(host_dependent_issuer="localhost:9")
    async with at(realm, base_url="http://localhost:9", discovery_url=inner) as stage:
        assert (await stage.sign_in()).issuer == "http://localhost:9/realms/acme"


@pytest.mark.row("CB-09")
@pytest.mark.proves(
    "keycloak", "iss on the callback: right, wrong, and left out although the metadata promises it"
)
@pytest.mark.parametrize("told", ["off", "https://evil.example/realms/acme"])
async def test_the_iss_that_the_metadata_promises_must_come_and_be_right(realm, told):
    realm.switch(iss_param=told)
    async with at(realm) as stage:
        expected = "callback_iss_missing" if told == "off" else "callback_iss_mismatch"
        assert (await stage.refused()).reason == expected
        assert realm.seen("token") == []


# ── Roles ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("keycloak", "roles from the access token: checked as ours, and this person's")
async def test_roles_are_read_where_keycloak_keeps_them(realm):
    async with at(realm) as stage:
        assert set((await stage.sign_in()).api) == {"realm"}
    async with at(realm, roles_from_access_token=True) as stage:
        identity = await stage.sign_in()
    assert identity.api["realm_access"] == {"roles": ["staff"]}
    assert identity.api["resource_access"]["broker"] == {"roles": ["editor"]}
    assert "realm_access" not in identity.id_token


@pytest.mark.proves("keycloak", "roles that a mapper puts into the ID Token")
async def test_roles_in_the_id_token_need_no_access_token(realm):
    realm.switch(roles_in_id_token=True)
    async with at(realm) as stage:
        assert (await stage.sign_in()).id_token["realm_access"] == {"roles": ["staff"]}


@pytest.mark.proves("keycloak", "access tokens without a subject, or lightweight ones without roles")
@pytest.mark.parametrize(
    ("switch", "roles"), [("no_sub_in_access_token", {"roles": ["staff"]}), ("lightweight_token", None)]
)
async def test_an_access_token_may_say_little(realm, switch, roles):
    realm.switch(**{switch: True})
    async with at(realm, roles_from_access_token=True) as stage:
        assert (await stage.sign_in()).api.get("realm_access") == roles


@pytest.mark.row("JW-24")
@pytest.mark.proves("keycloak", "an access token of another app, realm, person or kind")
@pytest.mark.parametrize(
    "wrong",
    [{"azp": "another"}, {"iss": "https://evil.example"}, {"sub": "eve"}, {"typ": "ID"}, {"typ": "Refresh"}],
    ids=str,
)
async def test_somebody_elses_access_token_gives_no_roles(realm, wrong):
    realm.switch(access_token=wrong)
    async with at(realm, roles_from_access_token=True) as stage:
        assert (await stage.refused()).reason == f"access_token_{next(iter(wrong))}_mismatch"


@pytest.mark.proves("keycloak", "userinfo as a signed JWT")
async def test_userinfo_may_be_signed(realm):
    realm.switch(userinfo_jwt=True)
    async with at(realm, get_user_info=True) as stage:
        assert (await stage.sign_in()).userinfo["name"] == "Ann Example"


# ── How it refuses ────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("keycloak", "a person who took too long")
async def test_a_login_that_took_too_long_may_be_tried_again(realm):
    realm.switch(authentication_expired=True)
    async with at(realm) as stage:
        refused = await stage.refused()
    assert refused.error == "temporarily_unavailable"
    assert "authentication_expired" in refused.detail


@pytest.mark.proves("keycloak", "a code that was used already")
async def test_a_code_that_was_used_is_refused(realm):
    async with at(realm) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        assert (await login.finish(answer)).subject == ANN
        with pytest.raises(OAuthError) as caught:
            await login.finish(answer)
    assert caught.value.reason == "token_invalid_grant"


@pytest.mark.proves("keycloak", "a wrong client secret, which Keycloak calls unauthorized_client")
async def test_a_wrong_secret_is_found_by_the_probe(realm):
    async with at(realm, client_secret="another") as stage:
        assert (await stage.refused()).reason == "token_unauthorized_client"
        findings = {finding.what: finding for finding in await stage.upstream.probe()}
    assert findings["our credentials"].good is False


# ── Asked again ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("UI-19")
@pytest.mark.proves(
    "keycloak", "asked again: without a nonce as of 24, with one before; roles and groups anew"
)
@pytest.mark.parametrize("nonce_on_refresh", [True, None])
async def test_a_realm_is_asked_again(realm, nonce_on_refresh):
    realm.switch(nonce_on_refresh=nonce_on_refresh)
    async with at(realm, roles_from_access_token=True) as stage:
        identity = await stage.sign_in()
        for groups in (["/staff"], []):
            realm.people[ANN]["groups"] = groups
            identity = await stage.upstream.refresh(identity.keep)
            assert identity.id_token["groups"] == groups
            assert identity.api["realm_access"] == {"roles": ["staff"]}


@pytest.mark.proves("keycloak", "a session that has ended, or a person who was disabled")
async def test_a_session_that_ended_is_a_refusal(realm):
    async with at(realm) as stage:
        identity = await stage.sign_in()
        realm.switch(session_not_active=True)
        with pytest.raises(OAuthError) as caught:
            await stage.upstream.refresh(identity.keep)
    assert isinstance(caught.value, AccessDenied)
