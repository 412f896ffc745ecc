"""Okta as its two kinds of authorization server behave, and how it refuses."""

import pytest

from broker.jose import SigningKey
from broker.protocol.errors import AccessDenied, OAuthError, TemporarilyUnavailable
from broker.protocol.flow import ClaimAsk, ClaimsRequest
from tests.connectors.stage import opened
from tests.fakes.okta import ANN, HOST, PROFILE, FakeOkta, FakeOktaOrg

KEY = SigningKey.generate("RS256")
STRONG = "urn:okta:loa:2fa:any"
GROUPS = "openid profile email groups"


@pytest.fixture(params=[FakeOkta, FakeOktaOrg], ids=["custom", "org"])
async def okta(request):
    async with request.param.running() as idp:
        idp.person(ANN, **PROFILE)
        yield idp


def at(okta, **more):
    server = {} if isinstance(okta, FakeOktaOrg) else {"authorization_server_id": "default"}
    entry = {
        "type": "okta",
        "domain": HOST,
        "client_id": okta.client_id,
        "client_secret": okta.client_secret,
        **server,
        **more,
    }
    return opened(okta, {"up": {key: value for key, value in entry.items() if value is not None}})


@pytest.mark.proves("okta", "a login at the org's own and at a custom authorization server")
async def test_a_login_at_okta(okta):
    async with at(okta, scope=GROUPS) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == (okta.issuer, ANN)
    assert identity.issuer == f"https://{HOST}" + ("" if isinstance(okta, FakeOktaOrg) else "/oauth2/default")
    assert identity.id_token["groups"] == ["Everyone", "IT"]
    assert identity.id_token["idp"] == "00o1pcla3rQwWqDcQ5d7"
    assert identity.amr == ("pwd", "mfa")


@pytest.mark.row("CB-34")
@pytest.mark.proves("okta", "tokens of another authorization server of the same org")
async def test_a_token_of_the_other_server_of_the_org_is_nobodys(okta):
    other = f"https://{HOST}/oauth2/default" if isinstance(okta, FakeOktaOrg) else f"https://{HOST}"
    okta.switch(iss=other)
    async with at(okta) as stage:
        assert (await stage.refused()).reason == "id_token_iss_mismatch"


@pytest.mark.row("UP-01")
@pytest.mark.proves("okta", "an issuer that follows a custom domain")
async def test_an_issuer_that_follows_another_host_is_told(okta):
    okta.switch(dynamic_issuer_host="login.acme.example")
    async with at(okta) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
        assert caught.value.reason == "metadata_issuer_mismatch"
        stage.now.forward(61)
        findings = {finding.what: finding for finding in await stage.upstream.probe()}
    assert "https://login.acme.example" in findings["issuer"].detail


@pytest.mark.proves("okta", "a thin ID Token, filled by userinfo where that is wanted")
@pytest.mark.parametrize("pulled", [True, False])
async def test_a_thin_id_token_is_filled_by_userinfo(okta, pulled):
    okta.switch(thin_id_token=True)
    async with at(okta, get_user_info=pulled, scope=GROUPS) as stage:
        identity = await stage.sign_in()
    assert identity.subject == ANN
    assert "groups" not in identity.id_token
    assert identity.userinfo.get("groups") == (["Everyone", "IT"] if pulled else None)


@pytest.mark.proves("okta", "the probe: userinfo that a custom authorization server may need")
async def test_the_probe_tells_what_a_thin_token_lacks(okta):
    async with at(okta, get_user_info=False) as stage:
        found = {finding.what: finding.good for finding in await stage.upstream.probe()}
    assert False not in found.values()
    assert ("userinfo" in found) is not isinstance(okta, FakeOktaOrg)


@pytest.mark.row("UI-07")
@pytest.mark.proves("okta", "a login that was renamed: the subject is the user's id")
async def test_somebody_whose_login_changes_stays_the_same(okta):
    async with at(okta, get_user_info=True) as stage:
        before = await stage.sign_in()
        okta.switch(login_renamed="ann.new@acme.example")
        okta.people[ANN]["preferred_username"] = "ann.new@acme.example"
        after = await stage.sign_in()
    assert before.subject == after.subject == ANN


# ── How it refuses ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("switch", "error", "detail"),
    [
        pytest.param(
            "unassigned_user",
            "access_denied",
            "not assigned",
            marks=pytest.mark.proves("okta", "a person who is not assigned to the app"),
        ),
        pytest.param(
            "no_access_policy",
            "access_denied",
            "Policy evaluation failed",
            marks=pytest.mark.proves("okta", "a custom authorization server without an access policy"),
        ),
        pytest.param(
            "groups_over_100",
            "server_error",
            "too many groups",
            marks=pytest.mark.proves("okta", "more than 100 groups: no login, and not some of them"),
        ),
    ],
)
@pytest.mark.row("UI-09")
async def test_its_refusals_keep_their_meaning_and_tell_the_log_why(okta, switch, error, detail):
    okta.switch(**{switch: True})
    async with at(okta) as stage:
        refused = await stage.refused()
    assert refused.error == error
    assert detail in refused.detail
    assert detail not in refused.description


@pytest.mark.row("CB-30")
@pytest.mark.proves("okta", "step-up by acr_values: reached, not reached, and refused by Okta itself")
async def test_a_level_that_cannot_be_reached_is_told_as_such(okta):
    more = {"pass_through": {"acr_values": "pass"}}
    async with at(okta, **more) as stage:
        assert (await stage.sign_in(acr_values=(STRONG,))).acr == STRONG
        essential = ClaimsRequest(id_token={"acr": ClaimAsk(essential=True, values=(STRONG,))})
        okta.switch(unmet_acr=True)
        refused = await stage.refused(acr_values=(STRONG,), claims=essential)
        assert refused.error == "unmet_authentication_requirements"
        okta.switch(unmet_acr=None, acr="urn:okta:loa:1fa:any")
        refused = await stage.refused(acr_values=(STRONG,), claims=essential)
    assert (refused.error, refused.reason) == ("unmet_authentication_requirements", "acr_unmet")


@pytest.mark.row("UP-09")
@pytest.mark.proves("okta", "a rate limit, told in the words of Okta's own API")
async def test_a_rate_limit_is_later(okta):
    okta.switch(errorCode_429=True)
    async with at(okta) as stage:
        assert (await stage.refused()).error == "temporarily_unavailable"


@pytest.mark.proves("okta", "userinfo without the scope for it, told in a header only")
async def test_what_is_told_in_a_header_only_reaches_the_log(okta):
    okta.switch(userinfo_403_header_only=True)
    async with at(okta, get_user_info=True) as stage:
        refused = await stage.refused()
    assert refused.reason == "userinfo_refused"
    assert "insufficient_scope" in refused.detail


# ── Proving who we are ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
@pytest.mark.proves("okta", "client authentication in one way, never in two")
async def test_one_way_of_proving_is_used(okta, method):
    okta.auth_method = method
    secret = {"client_secret": None} if method == "none" else {}
    async with at(okta, token_endpoint_auth_method=method, **secret) as stage:
        assert (await stage.sign_in()).subject == ANN


@pytest.mark.row("UP-18")
@pytest.mark.proves("okta", "private_key_jwt, for the token endpoint as Okta wants it")
async def test_an_assertion_is_for_the_token_endpoint(okta):
    okta.auth_method, okta.client_jwks = "private_key_jwt", {"keys": [KEY.public_jwk()]}
    async with at(okta, client_secret=None, private_key=KEY.to_json()) as stage:
        assert (await stage.sign_in()).subject == ANN


# ── Asked again ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("UI-19")
@pytest.mark.proves("okta", "asked again: a group that was lost is lost here; a static refresh token is kept")
async def test_okta_is_asked_again(okta):
    async with at(okta, scope=f"{GROUPS} offline_access", get_user_info=True) as stage:
        identity = await stage.sign_in()
        okta.people[ANN]["groups"] = ["Everyone"]
        again = await stage.upstream.refresh(identity.keep)
        assert again.userinfo["groups"] == ["Everyone"]
        assert again.keep["refresh_token"] == identity.keep["refresh_token"]


@pytest.mark.proves("okta", "a refresh token that was used twice, or a person who was taken off the app")
async def test_a_family_that_is_gone_is_a_refusal(okta):
    okta.rotates = True
    async with at(okta, scope="openid offline_access") as stage:
        identity = await stage.sign_in()
        await stage.upstream.refresh(identity.keep)
        with pytest.raises(OAuthError) as caught:
            await stage.upstream.refresh(identity.keep)
    assert isinstance(caught.value, AccessDenied)
