"""Apple: a secret made for each use, an answer by form, a name told once that proves nothing."""

import json
from base64 import urlsafe_b64decode

import aiohttp
import pytest
import yaml
from pydantic import ValidationError

from broker.mapping import Documents, apply, compile_map
from broker.protocol.errors import AccessDenied
from connectors import apple
from tests.connectors.desk import LOGIN, Desk, finish, recorded
from tests.connectors.stage import opened
from tests.fakes.apple import KEY_ID, SERVICE, TEAM, FakeApple
from tests.fakes.forging import Key

KEYS = {"client_id": SERVICE, "team_id": TEAM, "key_id": KEY_ID}


@pytest.fixture
async def idp():
    async with FakeApple.running() as fake:
        fake.person("000000.aa.0000")
        yield fake


def at(idp, **keys):
    entry = {"type": "apple", **KEYS, "private_key": idp.team_key.private_pem().decode(), **keys}
    return opened(idp, {"up": entry})


def settings(**keys):
    return apple.Settings.model_validate({**KEYS, "private_key": "unused here", **keys})


def mapped(identity):
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(compile_map(yaml.safe_load(apple.CLAIMS)), documents).claims


def parts_of(token):
    return [json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


@pytest.mark.proves("apple", "a login by form, with a name at the first and none at the next")
async def test_a_name_comes_with_the_first_login_and_never_again(idp):
    async with at(idp) as stage:
        first, second = await stage.sign_in(), await stage.sign_in()
    assert (first.issuer, first.subject) == ("https://appleid.apple.com", "000000.aa.0000")
    assert mapped(first) == {
        "name": "Ann Example",
        "given_name": "Ann",
        "family_name": "Example",
        "email": "7qjq5example@privaterelay.appleid.com",
        "email_verified": True,
    }
    assert second.subject == first.subject
    assert "name" not in mapped(second)


@pytest.mark.proves("apple", "the answer by form, and none of the parameters that Apple does not know")
async def test_the_way_out_says_what_apple_knows_and_nothing_else(idp):
    passing = {"pass_through": {"login_hint": "pass", "acr_values": "pass"}}
    async with at(idp, **passing) as stage:
        await stage.sign_in(
            prompt=frozenset({"login"}), login_hint="ann", max_age=0, acr_values=("x",), ui_locales=("de",)
        )
    asked = idp.seen("authorize")[0].query
    assert asked["response_mode"] == "form_post"
    assert asked["scope"] == "openid name email"
    assert asked.keys() == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
    }


@pytest.mark.proves("apple", "a client secret that is signed for each use and good for a minute")
async def test_the_secret_is_made_for_each_use(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        await stage.sign_in()
        now = int(stage.now())
    tokens = [seen.form["client_secret"] for seen in idp.seen("token")]
    assert len(set(tokens)) == 2
    header, claims = parts_of(tokens[0])
    assert (header["alg"], header["kid"]) == ("ES256", KEY_ID)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (TEAM, SERVICE, "https://appleid.apple.com")
    assert now < claims["exp"] <= now + 60
    assert all("Authorization" not in seen.headers for seen in idp.seen("token"))
    assert all("client_assertion" not in seen.form for seen in idp.seen("token"))


@pytest.mark.parametrize(
    "keys", [{"team_id": "TEAM000000"}, {"key_id": "KEY0000000"}, {"client_id": "com.other"}]
)
async def test_fake_knows_a_secret_that_is_not_the_teams(idp, keys):
    async with at(idp, **keys) as stage:
        if "client_id" in keys:
            idp.client_id = keys["client_id"]
            login = stage.login()
            answer = await login.at_the_upstream()
            idp.client_id = SERVICE
        else:
            login = stage.login()
            answer = await login.at_the_upstream()
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await login.finish(answer)
    assert caught.value.reason == "token_invalid_client"


async def test_a_key_that_is_none_fails_the_login_and_says_why(idp):
    async with at(idp, private_key="no key") as stage:
        assert (await stage.refused()).reason == "private_key_unusable"
    async with at(idp, private_key=Key("x", "ES256").private_pem().decode()) as stage:
        assert (await stage.refused()).reason == "token_invalid_client"


# ── The form ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("apple", "what the form says of the user is a hint: never an address, never trouble")
@pytest.mark.parametrize(
    ("user", "name"),
    [
        ('{"name":{"firstName":"Jane","lastName":"Doe"},"email":"ceo@corp.example"}', "Jane Doe"),
        ('{"name":{"firstName":"Jane"}}', "Jane"),
        ('{"name":{"lastName":" Doe "}}', "Doe"),
        ('{"name":{"firstName":"","lastName":""}}', None),
        ('{"name":{"firstName":["Jane"],"lastName":7}}', None),
        ('{"name":{"firstName":"Ja\\nne","lastName":"\\u202edoe"}}', None),
        ('{"name":{"firstName":"' + "x" * 201 + '"}}', None),
        ('{"name":{"firstName":"Jane","firstName":"Eve"}}', None),
        ('{"name":"Jane"}', None),
        ('["Jane"]', None),
        ("{'name': 1}", None),
        ('{"email":"ceo@corp.example"}', None),
        ("[" * 2000, None),
        ('{"name":{"firstName":"Jane"}, "x": "' + "y" * 5000 + '"}', None),
        ('{"name":{"firstName":"\\ud800"}}', None),
        ("", None),
    ],
    ids=range(16),
)
async def test_what_the_form_says_of_the_user_is_a_hint(idp, user, name):
    idp.switch(user=user)
    async with at(idp) as stage:
        identity = await stage.sign_in()
    assert mapped(identity).get("name") == name
    assert mapped(identity)["email"] == "7qjq5example@privaterelay.appleid.com"
    assert "ceo@corp.example" not in json.dumps([identity.api, identity.keep, dict(identity.id_token)])


async def test_the_form_that_apple_documents_is_understood():
    document = recorded("apple/openid-configuration.documented.json")
    where = "https://appleid.apple.com/.well-known/openid-configuration"
    desk = Desk(recorded("apple/id_token.claims.json"), {where: document})
    connector = apple.Connector(settings(), desk.tools)
    form = recorded("apple/callback.form_post.first-login.json")
    identity = await finish(connector, user=form["user"])
    assert identity.subject == "000000.00000000000000000000000000000000.0000"
    assert identity.id_token["email_verified"] is True
    assert identity.api["name"] == "Jane Doe"
    assert "email" not in identity.api
    assert desk.expected.algorithms == ("RS256",)
    assert desk.expected.nonce == LOGIN.nonce
    assert desk.posted[0]["form"]["client_secret"] == "assertion"


@pytest.mark.proves("apple", "who leaves by the button has said no")
async def test_who_leaves_by_the_button_has_said_no(idp):
    idp.switch(cancelled=True)
    async with at(idp) as stage:
        error = await stage.refused()
    assert isinstance(error, AccessDenied)


# ── The ID Token ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("apple", "booleans as text, read strictly")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    ("said", "verified"),
    [
        ("true", True),
        (True, True),
        ("false", False),
        (False, False),
        ("True", False),
        ("1", False),
        (1, False),
        ("yes", False),
        ([True], False),
    ],
    ids=repr,
)
async def test_only_true_is_true(idp, said, verified):
    idp.switch(booleans={"email_verified": said, "is_private_email": said})
    async with at(idp) as stage:
        identity = await stage.sign_in()
    assert identity.id_token["email_verified"] is verified
    assert identity.id_token["is_private_email"] is verified
    assert ("email" in mapped(identity)) is verified


async def test_booleans_may_be_booleans_and_an_address_may_be_hidden(idp):
    idp.switch(booleans="json")
    async with at(idp) as stage:
        assert (await stage.sign_in()).id_token["email_verified"] is True
        idp.switch(no_email=True)
        claims = mapped(await stage.sign_in())
    assert "email" not in claims
    assert claims["email_verified"] is False


@pytest.mark.proves("apple", "the nonce is demanded")
@pytest.mark.row("CB-21")
@pytest.mark.parametrize("nonce", ["missing", "wrong"])
async def test_the_nonce_is_demanded(idp, nonce):
    idp.switch(nonce=nonce)
    async with at(idp) as stage:
        assert (await stage.refused()).reason.startswith("id_token_nonce_")


@pytest.mark.row("CB-30")
async def test_a_fresh_login_cannot_be_asked_for_and_an_old_one_is_not_believed(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        stage.now.forward(600)
        assert (await stage.refused(prompt=frozenset({"login"}))).error == "login_required"
        assert (await stage.refused(max_age=60)).error == "login_required"


# ── Asked again ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("apple", "asked again at a refresh, and the name of the login stays")
async def test_the_name_of_the_login_stays_when_apple_is_asked_again(idp):
    async with at(idp) as stage:
        first = await stage.sign_in()
        again = await stage.upstream.refresh(first.keep)
        assert (again.subject, mapped(again)) == (first.subject, mapped(first))
        once_more = await stage.upstream.refresh(again.keep)
        assert mapped(once_more)["name"] == "Ann Example"
        idp.switch(refresh="invalid_grant")
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
        second = await stage.sign_in()
    assert "name" not in second.keep


async def test_a_lost_form_is_a_login_without_a_name(idp):
    idp.switch(lost_form=True)
    async with at(idp) as stage:
        assert "name" not in mapped(await stage.sign_in())


# ── What an operator may write ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "keys",
    [
        {"team_id": "team"},
        {"key_id": "KEY"},
        {"private_key": None},
        {"client_secret": "made by hand"},
        {"scope": "name email"},
        {"scope": "openid profile"},
        {"issuer": "https://evil.example"},
        {"response_mode": "query"},
    ],
    ids=str,
)
def test_what_cannot_work_or_is_not_safe_stops_the_start(keys):
    with pytest.raises(ValidationError):
        settings(**keys)


async def test_fake_answers_a_name_by_form_only(idp):
    url = f"{idp.origin}/auth/authorize?client_id={SERVICE}&redirect_uri=https://b.example/cb"
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{url}&scope=openid%20name") as response:
            assert response.status == 400
        async with browser.get(f"{url}&scope=openid%20name&response_mode=form_post") as response:
            assert '<form method="post"' in await response.text()


async def test_fake_says_what_apple_documents(idp):
    assert idp.metadata().keys() == recorded("apple/openid-configuration.documented.json").keys()
    claims = idp.id_token_claims(idp.codes[idp.code({"nonce": "n"})], "token", "code")
    assert claims["email_verified"] == "true"
    assert recorded("apple/id_token.claims.json").keys() - {"c_hash"} <= claims.keys()
