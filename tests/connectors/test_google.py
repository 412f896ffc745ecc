"""Google: organizations by a claim and not by a hint, addresses that it hosts, refresh tokens by consent."""

from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import ValidationError

from broker.mapping import Documents, apply, compile_map
from broker.protocol.errors import AccessDenied
from connectors import google
from tests.connectors.desk import recorded
from tests.connectors.stage import opened
from tests.fakes.google import ANN, FakeGoogle

SECRET = {"client_id": "broker", "client_secret": "secret"}


@pytest.fixture
async def idp():
    async with FakeGoogle.running() as fake:
        fake.person("110169484474386276334", **ANN)
        yield fake


def at(idp, **keys):
    entry = {"type": "google", "client_id": idp.client_id, "client_secret": idp.client_secret, **keys}
    return opened(idp, {"up": entry})


def settings(**keys):
    return google.Settings.model_validate({**SECRET, **keys})


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def mapped(identity):
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(compile_map(yaml.safe_load(google.CLAIMS)), documents).claims


@pytest.mark.proves("google", "a login, at the addresses that Google publishes")
async def test_a_login_at_google(idp):
    async with at(idp) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == ("https://accounts.google.com", "110169484474386276334")
    assert mapped(identity) == {
        "name": "Ann Example",
        "given_name": "Ann",
        "family_name": "Example",
        "picture": "https://lh3.googleusercontent.com/a/ann",
        "email": "ann@acme.example",
        "email_verified": True,
        "tenant": "acme.example",
    }
    asked = idp.seen("authorize")[0].query
    assert not {"hd", "access_type", "prompt"} & asked.keys()
    assert asked["code_challenge_method"] == "S256"


async def test_what_google_publishes_is_what_the_fake_says(idp):
    assert idp.metadata() == recorded("google/openid-configuration.json")
    assert settings().issuer == idp.metadata()["issuer"]


# ── Organizations ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("google", "the hosted domain is asked for, and checked in the ID Token")
@pytest.mark.parametrize(
    ("domain", "hint"),
    [
        ("acme.example", "acme.example"),
        ("ACME.example", "acme.example"),
        (["acme.example", "acme.org"], "*"),
        ("*", "*"),
    ],
)
async def test_people_of_an_organization_sign_in(idp, domain, hint):
    async with at(idp, hosted_domain=domain) as stage:
        login = stage.login()
        assert asked_of(await login.begin())["hd"] == hint
        assert (await stage.sign_in()).id_token["hd"] == "acme.example"


@pytest.mark.proves("google", "an account of another organization, or of none, is refused")
@pytest.mark.parametrize(
    "told", ["missing", "other.example", "acme.example.evil.example", "", 7, True, ["acme.example"]]
)
@pytest.mark.parametrize("domain", ["acme.example", ["acme.example", "acme.org"], "*"])
async def test_people_of_another_organization_or_of_none_are_refused(idp, told, domain):
    if domain == "*" and told in ("other.example", "acme.example.evil.example"):
        return
    idp.switch(hd=told)
    async with at(idp, hosted_domain=domain) as stage:
        error = await stage.refused()
    assert isinstance(error, AccessDenied)


async def test_an_address_in_the_domain_is_no_account_of_the_organization(idp):
    idp.person("eve", email="eve@acme.example", email_verified=True)
    async with at(idp, hosted_domain="acme.example") as stage:
        assert (await stage.refused()).error == "access_denied"


@pytest.mark.parametrize(
    ("domain", "good", "detail"),
    [
        (None, None, "everybody with an account; hosted_domain would change that"),
        (["acme.example", "acme.org"], True, "accounts of acme.example, acme.org"),
    ],
)
async def test_a_probe_says_who_may_sign_in(idp, domain, good, detail):
    async with at(idp, **({} if domain is None else {"hosted_domain": domain})) as stage:
        found = await stage.upstream._connector.probe()
    assert all(one.good for one in found[:-1])
    assert (found[-1].what, found[-1].good, found[-1].detail) == ("who may sign in", good, detail)


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("google", "an address counts only where Google hosts it")
@pytest.mark.row("UI-01")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize(
    ("person", "good"),
    [
        ({"email": "ann@gmail.com", "email_verified": True}, True),
        ({"email": "ann@Googlemail.com", "email_verified": True}, True),
        ({"email": "ann@acme.example", "email_verified": True, "hd": "acme.example"}, True),
        ({"email": "ann@acme.example", "email_verified": True}, False),
        ({"email": "ann@acme.example", "email_verified": True, "hd": ""}, False),
        ({"email": "ann@acme.example", "email_verified": True, "hd": True}, False),
        ({"email": "ann@gmail.com", "email_verified": False}, False),
        ({"email": "ann@gmail.com", "email_verified": "true"}, False),
        ({"email": "ann@gmail.com", "email_verified": 1}, False),
        ({"email": "ann@evil.example@gmail.com", "email_verified": True}, False),
        ({"email": "ann@gmail.com.evil.example", "email_verified": True}, False),
        ({"email": "@gmail.com", "email_verified": True}, False),
        ({"email": ["ann@gmail.com"], "email_verified": True}, False),
    ],
    ids=str,
)
async def test_an_address_counts_where_google_hosts_it(idp, person, good, pulled):
    idp.person("7", **person)
    async with at(idp, get_user_info=pulled) as stage:
        claims = mapped(await stage.sign_in())
    assert claims["email_verified"] is good
    assert ("email" in claims) is good


# ── Asked again ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("google", "a refresh token by access_type=offline and a consent page")
async def test_with_offline_access_google_can_be_asked_again(idp):
    async with at(idp, access_type="offline", hosted_domain="acme.example") as stage:
        asked = asked_of(await stage.login().begin())
        assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
        assert "offline_access" not in asked["scope"]
        await stage.sign_in()
        first = await stage.sign_in()
        again = await stage.upstream.refresh(first.keep)
        assert again.subject == first.subject
        assert mapped(again) == mapped(first)
        idp.switch(hd="missing")
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
        idp.switch(hd=None, refresh="invalid_grant")
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)


async def test_a_choice_of_account_stays_beside_the_consent_page(idp):
    async with at(idp, access_type="offline", freshness="trusted") as stage:
        asked = asked_of(await stage.login(prompt=frozenset({"select_account"})).begin())
    assert asked["prompt"] == "select_account consent"


async def test_without_it_nothing_is_kept(idp):
    async with at(idp) as stage:
        assert (await stage.sign_in()).keep == {}


# ── What is Google's own ──────────────────────────────────────────────────────────────────────


async def test_the_issuer_on_the_callback_may_be_there_and_is_then_google(idp):
    async with at(idp) as stage:
        idp.switch(iss_present=True)
        await stage.sign_in()
        idp.switch(callback={"iss": "accounts.google.com"})
        assert (await stage.refused()).reason == "callback_iss_mismatch"


@pytest.mark.row("CB-22")
async def test_an_issuer_without_its_scheme_is_another(idp):
    idp.switch(old_iss=True)
    async with at(idp) as stage:
        assert (await stage.refused()).reason == "id_token_iss_mismatch"


@pytest.mark.row("CB-30")
async def test_a_fresh_login_is_proved_where_google_tells_its_time(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        stage.now.forward(600)
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now())
        idp.switch(auth_time="missing")
        assert (await stage.refused(max_age=60)).error == "login_required"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"scope": "openid email offline_access"}, "access_type: offline"),
        ({"hosted_domain": []}, "hosted_domain"),
        ({"hosted_domain": ["*", "acme.example"]}, "stands alone"),
        ({"hosted_domain": "https://acme.example"}, "hosted_domain"),
        ({"hosted_domain": "*.acme.example"}, "hosted_domain"),
        ({"access_type": "always"}, "access_type"),
        ({"issuer": "https://evil.example"}, "issuer"),
    ],
    ids=str,
)
def test_what_cannot_work_or_is_not_safe_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert said in str(caught.value)


async def test_fake_gives_a_refresh_token_once_or_with_the_consent_page(idp):
    asked = {"access_type": "offline", "scope": "openid"}
    code = idp.codes[idp.code(asked)]
    assert idp.gives_refresh(code)
    idp._refresh_token(code)
    assert not idp.gives_refresh(code)
    assert idp.gives_refresh(idp.codes[idp.code({**asked, "prompt": "consent"})])
    assert not idp.gives_refresh(idp.codes[idp.code({"scope": "openid"})])
    assert idp.accepts({"response_type": "code", "scope": "openid offline_access"}) == {
        "error": "invalid_scope"
    }
