"""Whole logins at a real Keycloak, through the connector `keycloak`.

Three connectors stand before one realm: `staff` asks userinfo and passes login hints on, `thin` does neither,
and `deep` reads the access token.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio

from tests.interop import broker, keycloak, node
from tests.interop.browser import Arrival, Browser, Page

SCOPE = "openid profile email staff"
KEYCLOAK = f"Keycloak {keycloak.VERSION}"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(keycloak.missing() is not None, reason=str(keycloak.missing())),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(acme, tmp_path_factory):
    """A broker in front of the realm."""
    common = {
        "type": "keycloak",
        "base_url": acme.base_url,
        "realm": acme.realm,
        "client_id": acme.client_id,
        "client_secret": acme.client_secret,
    }
    connectors = {
        "staff": {
            **common,
            "name": "Staff",
            "get_user_info": True,
            "pass_through": {"login_hint": "pass"},
            "upstream_logout": "offer",
        },
        "thin": {**common, "name": "Staff, ID Token only"},
        "deep": {**common, "name": "Staff, with the access token", "roles_from_access_token": True},
    }
    folder, issuer = tmp_path_factory.mktemp("broker"), broker.address()
    clients = {"billing": broker.TRUSTED_APP}
    async with broker.serving(folder, issuer, connectors=connectors, clients=clients) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(served):
    """The client app that every test here uses."""
    async with node.billing(served.issuer) as speaking:
        yield speaking


@pytest_asyncio.fixture(loop_scope="session")
async def browser(served, acme):
    """A browser that has been nowhere."""
    async with Browser(apps=[broker.APP], sites=[served.issuer, acme.base_url]) as fresh:
        yield fresh


async def to_keycloak(app: node.ClientApp, browser: Browser, connector: str = "staff", **asked: str) -> Page:
    """Keycloak's login page, reached through the broker."""
    begun = await app.do("begin", scope=SCOPE, connector=connector, **asked)
    return await browser.page(begun["url"])


async def sign_in(browser: Browser, page: Page, person: str = "alice") -> Page | Arrival:
    return await browser.submit(page, {"username": person, "password": f"{person}-pw"})


async def told(app: node.ClientApp, arrived: Page | Arrival) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tokens and the userinfo answer at the end of a login."""
    assert isinstance(arrived, Arrival), arrived
    tokens = await app.do("finish", url=arrived.url)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])
    return tokens, userinfo


async def refused(app: node.ClientApp, arrived: Page | Arrival) -> str | None:
    """The error that the client app hears."""
    assert isinstance(arrived, Arrival), arrived
    with pytest.raises(node.ClientRefused) as error:
        await app.do("finish", url=arrived.url)
    return error.value.error


# ── Who it is ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("keycloak", "a whole login, with groups as paths and realm roles", against=KEYCLOAK)
async def test_a_person_of_the_realm_arrives_with_groups_and_roles(app, browser):
    arrived = await sign_in(browser, await to_keycloak(app, browser))
    tokens, userinfo = await told(app, arrived)

    assert userinfo["email"] == "alice@acme.example"
    assert userinfo["name"] == "Alice Acme"
    assert sorted(userinfo["groups"]) == ["/engineering/platform", "/sales"]
    assert "staff" in userinfo["roles"]
    assert "11111111" not in tokens["claims"]["sub"]  # Keycloak's own id of her stays with us


async def test_without_userinfo_only_the_id_token_is_read(app, browser):
    _, userinfo = await told(app, await sign_in(browser, await to_keycloak(app, browser, "thin")))
    assert sorted(userinfo["groups"]) == ["/engineering/platform", "/sales"]
    assert "roles" not in userinfo  # the realm tells roles at userinfo and in the access token only


@pytest.mark.proves("keycloak", "roles that are only in the access token", against=KEYCLOAK)
async def test_roles_can_be_read_from_the_access_token(app, browser):
    _, userinfo = await told(app, await sign_in(browser, await to_keycloak(app, browser, "deep")))
    assert "staff" in userinfo["roles"]


@pytest.mark.proves("keycloak", "an address that nobody proved is not passed on", against=KEYCLOAK)
async def test_an_address_that_keycloak_has_not_proved_is_not_passed_on(app, browser):
    _, userinfo = await told(app, await sign_in(browser, await to_keycloak(app, browser), "bob"))
    assert "email" not in userinfo
    assert "auditor" in userinfo["roles"]
    assert not userinfo.get("groups")


async def test_connectors_to_one_realm_are_separate_people(served, acme, app):
    subjects = set()
    for connector in ("staff", "thin"):
        async with Browser(apps=[broker.APP], sites=[served.issuer, acme.base_url]) as fresh:
            tokens, _ = await told(app, await sign_in(fresh, await to_keycloak(app, fresh, connector)))
            subjects.add(tokens["claims"]["sub"])
    assert len(subjects) == 2


@pytest.mark.proves("keycloak", "a key for encryption beside the one that signs", against=KEYCLOAK)
async def test_a_key_for_encryption_stands_beside_the_one_that_signs(acme):
    # So every login here shows that the broker takes the right one.
    async with aiohttp.ClientSession() as http:
        keys = (await (await http.get(f"{acme.issuer}/protocol/openid-connect/certs")).json())["keys"]
    assert {(key["use"], key["alg"]) for key in keys} == {("sig", "RS256"), ("enc", "RSA-OAEP")}


# ── What stays at Keycloak ────────────────────────────────────────────────────────────────────


async def test_a_wrong_password_is_between_the_person_and_keycloak(served, acme, app, browser):
    page = await to_keycloak(app, browser)
    again = await browser.submit(page, {"username": "alice", "password": "not hers"})
    assert isinstance(again, Page)
    assert again.site == acme.base_url
    assert "Invalid username or password" in again.text
    assert not any(url.startswith(served.callback("staff")) for url in browser.visited)

    tokens, _ = await told(app, await sign_in(browser, again))
    assert tokens["claims"]["aud"] == "billing"


@pytest.mark.parametrize(("connector", "filled_in"), [("staff", "alice"), ("thin", "")])
async def test_a_login_hint_is_passed_on_where_the_connector_says_so(app, browser, connector, filled_in):
    page = await to_keycloak(app, browser, connector, login_hint="alice")
    (form,) = page.forms
    assert dict(form.fields)["username"] == filled_in


# ── How fresh it is ───────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("keycloak", "prompt=login, and a later auth_time", against=KEYCLOAK)
async def test_prompt_login_asks_the_password_again_and_gives_a_later_auth_time(app, browser):
    first, _ = await told(app, await sign_in(browser, await to_keycloak(app, browser, max_age="3600")))
    while time.time() < first["claims"]["auth_time"] + 1:  # it counts in seconds
        await to_keycloak(app, browser, prompt="login")

    page = await to_keycloak(app, browser, prompt="login", max_age="3600")
    arrived = await browser.submit(page, {"password": "alice-pw"})  # Keycloak knows whose session it is
    second, _ = await told(app, arrived)
    assert second["claims"]["auth_time"] > first["claims"]["auth_time"]
    assert second["claims"]["sub"] == first["claims"]["sub"]


# ── What the broker believes of what comes back ───────────────────────────────────────────────


async def callback(served, app: node.ClientApp, browser: Browser) -> str:
    """The URL with which Keycloak sends the browser back, not yet followed."""
    browser.apps = (served.callback("staff"), broker.APP)
    arrived = await sign_in(browser, await to_keycloak(app, browser))
    assert isinstance(arrived, Arrival)
    browser.apps = (broker.APP,)
    return arrived.url


def changed(url: str, **parameters: str) -> str:
    parts = urlsplit(url)
    return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **parameters})).geturl()


@pytest.mark.proves("keycloak", "iss on the callback, and another one", against=KEYCLOAK)
async def test_keycloak_says_who_it_is_and_another_name_is_not_believed(served, acme, app, browser):
    url = await callback(served, app, browser)
    assert parse_qs(urlsplit(url).query)["iss"] == [acme.issuer]

    arrived = await browser.open(changed(url, iss="https://evil.example/realms/acme"))
    assert await refused(app, arrived) == "server_error"


async def test_another_browser_cannot_finish_the_login(served, acme, app, browser):
    url = await callback(served, app, browser)
    async with Browser(apps=[broker.APP], sites=[served.issuer, acme.base_url]) as thief:
        page = await thief.open(url)
        assert isinstance(page, Page)
        assert not page.url.startswith(broker.APP)
    # And its attempt has not spoilt the login of the one who began it.
    tokens, _ = await told(app, await browser.open(url))
    assert tokens["claims"]["aud"] == "billing"


@pytest.mark.proves("keycloak", "a code that was used or is too old", against=KEYCLOAK)
async def test_a_code_that_keycloak_no_longer_takes_ends_the_login_with_an_error(served, acme, app, browser):
    url = await callback(served, app, browser)
    spent = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(url).query)["code"][0],
        "redirect_uri": served.callback("staff"),
        "code_verifier": "v" * 43,
    }
    credentials = base64.b64encode(f"{acme.client_id}:{acme.client_secret}".encode()).decode()
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {credentials}"}) as http:
        answer = await http.post(f"{acme.issuer}/protocol/openid-connect/token", data=spent)
        assert json.loads(await answer.read())["error"] == "invalid_grant"

    assert await refused(app, await browser.open(url)) == "server_error"


async def test_a_callback_that_was_used_is_used_up(served, app, browser):
    url = await callback(served, app, browser)
    await told(app, await browser.open(url))
    again = await browser.open(url)
    assert isinstance(again, Page)
    assert again.status >= 400


# ── The way out ───────────────────────────────────────────────────────────────────────────────


async def signed_out(served, browser: Browser) -> Page:
    """The page that says so, after the button on the account page."""
    account = await browser.page(f"{served.issuer}/account")
    ways = [way for form in account.forms for way in form.elsewhere.items()]
    (button,) = [button for button, to in ways if to.endswith("/sign-out")]
    page = await browser.submit(account, button=button)
    assert isinstance(page, Page)
    return page


@pytest.mark.proves(
    "keycloak", "signed out here and there, without a question; the next login asks again", against=KEYCLOAK
)
async def test_who_wants_it_is_signed_out_of_the_realm_too(served, app, browser):
    await sign_in(browser, await to_keycloak(app, browser))
    await signed_out(served, browser)
    begun = await app.do("begin", scope=SCOPE, connector="staff")
    # Signed out here alone: the realm still knows her, and lets her in without a word.
    assert isinstance(await browser.open(begun["url"]), Arrival)

    page = await signed_out(served, browser)
    (link,) = [link for link in page.links if "/protocol/openid-connect/logout?" in link]
    back = await browser.page(link)
    assert (back.url, back.status) == (f"{served.issuer}/signed-out", 200)
    assert "You are signed out" in back.text
    asked_again = await to_keycloak(app, browser)
    assert any("username" in dict(form.fields) for form in asked_again.forms)
