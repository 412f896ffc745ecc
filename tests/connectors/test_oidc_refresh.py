"""Asking an OpenID Provider again about somebody who is not there."""

import json

import pytest

from broker.connector import UpstreamIdentity
from broker.kit.provider import FakeProvider
from broker.kit.stage import Stage, on_stage
from broker.protocol.errors import AccessDenied, OAuthError, TemporarilyUnavailable

OFFLINE = "openid profile email offline_access"


async def again(stage: Stage, identity: UpstreamIdentity) -> UpstreamIdentity:
    return await stage.upstream.refresh(identity.keep)


async def refused(stage: Stage, identity: UpstreamIdentity) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await again(stage, identity)
    return caught.value


@pytest.mark.proves("oidc", "asked again by a refresh token: what was taken away there is gone here")
@pytest.mark.row("UI-19")
@pytest.mark.parametrize("rotates", [True, False])
async def test_a_refresh_token_tells_who_somebody_is_now(idp, rotates):
    idp.rotates = rotates
    idp.person("ann", groups=["staff", "admins"])
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        for groups in (["staff"], []):
            idp.people["ann"]["groups"] = groups
            second = await again(stage, first)
            assert (second.issuer, second.subject) == (first.issuer, first.subject)
            assert second.id_token["groups"] == groups
            assert (second.keep["refresh_token"] != first.keep["refresh_token"]) is rotates
            first = second
    form = idp.seen("token")[-1].form
    assert form.keys() >= {"grant_type", "refresh_token"}
    assert "code" not in form


@pytest.mark.proves("oidc", "a refresh whose ID Token repeats the nonce, leaves it out, or has another")
@pytest.mark.parametrize(
    ("nonce", "reason"), [(None, None), ("missing", None), ("wrong", "id_token_nonce_mismatch")]
)
async def test_the_nonce_of_a_refresh_is_the_logins_or_none(idp, nonce, reason):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(nonce=nonce)
        if reason is not None:
            assert (await refused(stage, first)).reason == reason
            return
        second = await again(stage, first)
        idp.switch(nonce="wrong")
        assert (await refused(stage, second)).reason == "id_token_nonce_mismatch"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"sub": "eve"}, "id_token_somebody_else"),
        ({"iss": "https://evil.example"}, "id_token_iss_mismatch"),
        ({"aud": "another"}, "id_token_aud_mismatch"),
        ({"exp": "wrong"}, "id_token_expired"),
        ({"at_hash": "wrong"}, "id_token_at_hash_mismatch"),
        ({"signature": "bad"}, "token_bad_signature"),
        ({"alg": "none"}, "token_bad_algorithm"),
    ],
    ids=str,
)
@pytest.mark.proves("oidc", "a refresh that tells of somebody else")
async def test_a_refresh_that_is_wrong_is_not_believed(idp, wrong, reason):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(**wrong)
        error = await refused(stage, first)
    assert error.reason == reason
    assert not isinstance(error, AccessDenied)


async def test_when_they_signed_in_is_told_by_the_login_and_not_by_a_refresh(idp):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(auth_time=int(stage.now()) + 5)
        assert (await again(stage, first)).auth_time == first.auth_time


@pytest.mark.proves("oidc", "a refresh token that is gone ends what stands on it")
async def test_a_grant_that_is_gone_is_a_refusal(idp):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(refresh="invalid_grant")
        assert isinstance(await refused(stage, first), AccessDenied)


@pytest.mark.parametrize("trouble", ["500", "429", "drop"])
@pytest.mark.proves("oidc", "an upstream that cannot be asked now")
async def test_an_upstream_that_is_away_is_no_refusal(idp, trouble):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(token=trouble)
        assert isinstance(await refused(stage, first), TemporarilyUnavailable)


async def test_our_own_credentials_being_wrong_is_no_refusal_of_the_person(idp):
    async with on_stage(idp, scope=OFFLINE) as stage:
        first = await stage.sign_in()
        idp.client_secret = "another"
        error = await refused(stage, first)
    assert error.reason == "token_invalid_client"
    assert not isinstance(error, AccessDenied)


@pytest.mark.proves("oidc", "a refresh without an ID Token")
async def test_without_a_new_id_token_the_last_one_holds_and_userinfo_is_asked(idp):
    idp.person("ann", email="ann@example.com", groups=["staff"])
    async with on_stage(idp, scope=OFFLINE, get_user_info=True) as stage:
        first = await stage.sign_in()
        idp.people["ann"]["email"] = "ann@new.example"
        idp.switch(token="no_id_token")
        second = await again(stage, first)
    assert second.userinfo["email"] == "ann@new.example"
    assert second.id_token["groups"] == ["staff"]
    assert second.subject == "ann"


@pytest.mark.row("UI-19")
@pytest.mark.parametrize("scope", [OFFLINE, "openid profile email"], ids=["refresh token", "access token"])
@pytest.mark.proves("oidc", "groups that userinfo tells no more, beside an ID Token of before")
async def test_what_userinfo_says_no_more_is_not_read_from_the_old_id_token(idp, scope):
    idp.person("ann", email="ann@example.com", groups=["admins"])
    async with on_stage(idp, scope=scope, get_user_info=True) as stage:
        first = await stage.sign_in()
        idp.switch(token="no_id_token")
        second = await again(stage, first)
        assert second.id_token["groups"] == ["admins"]
        del idp.people["ann"]["groups"]
        for _ in range(2):
            second = await again(stage, second)
            assert "groups" not in second.userinfo
            assert "groups" not in second.id_token
            assert (second.id_token["email"], second.subject) == ("ann@example.com", "ann")


@pytest.mark.row("UI-19")
@pytest.mark.parametrize("now", [["staff"], [], None], ids=str)
async def test_a_map_that_reads_the_id_token_hears_of_what_userinfo_took_away_too(idp, now):
    idp.person("ann", email_verified=True, groups=["staff", "admins"])
    async with on_stage(idp, scope=OFFLINE, get_user_info=True) as stage:
        first = await stage.sign_in()
        idp.switch(token="no_id_token", userinfo={"groups": now, "email_verified": False})
        second = await again(stage, first)
    assert second.id_token.get("groups", []) == (now or [])
    assert "email_verified" not in second.id_token


# ── Without a refresh token ───────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "asked again at userinfo while the access token lasts")
async def test_without_a_refresh_token_userinfo_is_asked_until_the_access_token_ends(idp):
    idp.person("ann", groups=["staff"])
    async with on_stage(idp, get_user_info=True) as stage:
        first = await stage.sign_in()
        assert first.keep.keys() == {"access_token", "expires_at", "claims", "told"}
        idp.people["ann"]["groups"] = []
        second = await again(stage, first)
        assert second.userinfo["groups"] == []
        assert len(idp.seen("token")) == 1
        stage.now.forward(299)
        third = await again(stage, second)
        stage.now.forward(2)
        assert isinstance(await refused(stage, third), TemporarilyUnavailable)


async def test_an_access_token_that_ends_before_its_time_is_a_refusal(idp):
    async with on_stage(idp, get_user_info=True) as stage:
        first = await stage.sign_in()
        idp.access_tokens.clear()
        assert isinstance(await refused(stage, first), AccessDenied)
        idp.switch(token={"expires_in": None})
        second = await stage.sign_in()
        idp.access_tokens.clear()
        assert isinstance(await refused(stage, second), TemporarilyUnavailable)


async def test_where_userinfo_was_switched_off_since_nobody_is_asked_and_nobody_is_believed(idp):
    async with on_stage(idp, get_user_info=True) as stage:
        first = await stage.sign_in()
    async with on_stage(idp) as stage:
        assert isinstance(await refused(stage, first), TemporarilyUnavailable)


async def test_userinfo_of_somebody_else_is_not_believed_later_either(idp):
    async with on_stage(idp, get_user_info=True) as stage:
        first = await stage.sign_in()
        idp.switch(userinfo="other_sub")
        assert (await refused(stage, first)).reason == "userinfo_sub_mismatch"


async def test_where_nothing_can_be_asked_nothing_is_kept(stage, idp):
    assert (await stage.sign_in()).keep == {}
    with pytest.raises(TemporarilyUnavailable):
        await stage.upstream.refresh({})


@pytest.mark.parametrize(
    "keep",
    [
        {"refresh_token": "r"},
        {"refresh_token": "r", "claims": "rubbish"},
        {"refresh_token": "r", "claims": "[]"},
        {"refresh_token": "r", "claims": json.dumps({"iss": "i"})},
        {"refresh_token": "r", "claims": json.dumps({"iss": "i", "sub": 7})},
        {"access_token": "a", "expires_at": "soon", "claims": json.dumps({"iss": "i", "sub": "s"})},
    ],
)
async def test_what_this_connector_never_kept_is_not_used(stage, idp, keep):
    with pytest.raises(OAuthError) as caught:
        await stage.upstream.refresh(keep)
    assert caught.value.reason == "kept_unreadable"
    assert idp.seen("token") == []


async def test_what_is_kept_is_no_more_than_is_asked_for_again(idp):
    async with on_stage(idp, scope=OFFLINE) as stage:
        kept = (await stage.sign_in()).keep
    assert kept.keys() == {"refresh_token", "claims"}
    assert not json.loads(kept["claims"]).keys() & {"exp", "iat", "aud", "at_hash"}
    assert "refresh_token" not in repr(UpstreamIdentity(issuer="i", subject="s", keep=kept))


async def test_a_client_without_a_secret_names_itself_at_a_refresh_too():
    async with FakeProvider.running(auth_method="none") as idp, on_stage(idp, scope=OFFLINE) as stage:
        await again(stage, await stage.sign_in())
        assert idp.seen("token")[-1].form["client_id"] == "broker"
