"""GitLab: groups from userinfo, and nobody in on groups that are not told."""

import pytest
import yaml
from pydantic import ValidationError

from broker.mapping import Documents, apply, compile_map
from broker.protocol.errors import AccessDenied
from connectors import gitlab
from tests.connectors.stage import opened
from tests.fakes.gitlab import FakeGitLab

SECRET = {"client_id": "broker", "client_secret": "secret"}
ANN = {
    "name": "Ann Example",
    "nickname": "ann",
    "preferred_username": "ann",
    "email": "ann@acme.example",
    "email_verified": True,
    "profile": "https://gitlab.com/ann",
    "groups": ["Acme", "Acme/platform"],
    "groups_direct": ["Acme"],
}


@pytest.fixture
async def lab():
    async with FakeGitLab.running() as fake:
        fake.person("7", **ANN)
        yield fake


def at(lab, **keys):
    entry = {
        "type": "gitlab",
        "base_url": lab.base,
        "client_id": lab.client_id,
        "client_secret": lab.client_secret,
        **keys,
    }
    return opened(lab, {"up": entry})


def settings(**keys):
    return gitlab.Settings.model_validate({**SECRET, **keys})


def mapped(identity):
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(compile_map(yaml.safe_load(gitlab.CLAIMS)), documents).claims


@pytest.mark.proves("gitlab", "a login, with names and groups from userinfo")
async def test_a_login_at_gitlab(lab):
    async with at(lab) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == (lab.base, "7")
    assert mapped(identity) == {
        "name": "Ann Example",
        "preferred_username": "ann",
        "profile": "https://gitlab.com/ann",
        "email": "ann@acme.example",
        "email_verified": True,
        "groups": ["Acme", "Acme/platform"],
    }


async def test_without_userinfo_there_are_only_the_groups_of_the_id_token(lab):
    async with at(lab, get_user_info=False) as stage:
        identity = await stage.sign_in()
    assert mapped(identity)["groups"] == ["Acme"]
    assert "name" not in mapped(identity)


@pytest.mark.proves("gitlab", "an address that was never confirmed is not told")
@pytest.mark.row("UI-01")
async def test_an_address_that_was_never_confirmed_is_not_told(lab):
    lab.switch(unconfirmed_email=True)
    async with at(lab) as stage:
        claims = mapped(await stage.sign_in())
    assert "email" not in claims
    assert claims["email_verified"] is False


@pytest.mark.proves("gitlab", "only members of allowed groups sign in")
@pytest.mark.parametrize("allowed", [["acme"], ["Acme/Platform"], ["nobody", "acme/platform"]])
async def test_a_member_of_an_allowed_group_signs_in(lab, allowed):
    async with at(lab, allowed_groups=allowed) as stage:
        assert (await stage.sign_in()).subject == "7"


@pytest.mark.proves("gitlab", "who is in no allowed group, or in none that is told, is refused")
@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    ("keys", "switch"),
    [
        ({"allowed_groups": ["acm"]}, {}),
        ({"allowed_groups": ["acme/platform/sre"]}, {}),
        ({"allowed_groups": ["platform"]}, {}),
        ({"allowed_groups": ["acme"]}, {"groups_absent": True}),
        ({"allowed_groups": ["acme/platform"], "get_user_info": False}, {}),
    ],
    ids=str,
)
async def test_who_is_in_no_allowed_group_is_refused(lab, keys, switch):
    lab.switch(**switch)
    async with at(lab, **keys) as stage:
        assert (await stage.refused()).error == "access_denied"


@pytest.mark.proves("gitlab", "who left the allowed group, asked again without a new ID Token")
@pytest.mark.row("UI-19")
async def test_who_left_the_group_is_not_let_in_on_the_old_id_token(lab):
    async with at(lab, allowed_groups=["acme"]) as stage:
        first = await stage.sign_in()
        lab.switch(token="no_id_token")
        second = await stage.upstream.refresh(first.keep)
        lab.people["7"] |= {"groups": [], "groups_direct": []}
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(second.keep)


@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    "switch",
    [{"groups_text": True}, {"userinfo": {"groups": [["acme"]]}}, {"userinfo": {"groups": {"acme": 1}}}],
)
async def test_groups_that_are_no_list_of_paths_let_nobody_in(lab, switch):
    lab.switch(**switch)
    async with at(lab, allowed_groups=["acme"]) as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", "groups_malformed")


async def test_trouble_at_userinfo_lets_nobody_in(lab):
    lab.switch(userinfo="500")
    async with at(lab, allowed_groups=["acme"]) as stage:
        assert (await stage.refused()).error == "temporarily_unavailable"


@pytest.mark.proves("gitlab", "asked again at a refresh: groups follow")
@pytest.mark.row("UI-19")
async def test_who_is_asked_about_again_has_the_groups_of_now(lab):
    async with at(lab, allowed_groups=["acme"]) as stage:
        first = await stage.sign_in()
        lab.people["7"] = {**ANN, "groups": ["Acme"]}
        again = await stage.upstream.refresh(first.keep)
        assert mapped(again)["groups"] == ["Acme"]
        assert again.keep["refresh_token"] != first.keep["refresh_token"]
        lab.people["7"] = {**ANN, "groups": ["other"], "groups_direct": []}
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(again.keep)
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)


@pytest.mark.proves("gitlab", "a server of one's own")
@pytest.mark.parametrize(
    ("base_url", "issuer"),
    [
        (None, "https://gitlab.com"),
        ("https://git.acme.example/", "https://git.acme.example"),
        ("https://acme.example/gitlab", "https://acme.example/gitlab"),
    ],
)
def test_the_issuer_is_the_address(base_url, issuer):
    assert settings(**({} if base_url is None else {"base_url": base_url})).issuer == issuer


@pytest.mark.parametrize(
    "keys",
    [
        {"allowed_groups": []},
        {"allowed_groups": ["/acme"]},
        {"allowed_groups": ["acme//x"]},
        {"allowed_groups": ["a b"]},
        {"base_url": "http://git.acme.example"},
    ],
    ids=str,
)
def test_what_cannot_work_or_is_not_safe_stops_the_start(keys):
    with pytest.raises(ValidationError):
        settings(**keys)


async def test_a_choice_of_account_becomes_a_login(lab):
    async with at(lab) as stage:
        login = stage.login(prompt=frozenset({"select_account"}))
        assert "prompt=login" in await login.begin()


async def test_fake_has_a_short_id_token_and_no_issuer_on_the_callback(lab):
    async with at(lab) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        assert answer.keys() == {"code", "state"}
        identity = await login.finish(answer)
    assert not {"name", "groups", "sid", "acr", "at_hash"} & identity.id_token.keys()
    assert identity.userinfo["groups"] == ["Acme", "Acme/platform"]
