"""Whole logins between two programs that others wrote: openid-client asks, oidc-provider knows who it is.

openid-client checks every answer as strictly as the standards let it, signatures included, so a login that it
accepts is right; what it cannot know, where each claim came from, is asserted here.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from tests.interop import broker, node
from tests.interop.browser import Arrival, Browser, Page
from tests.interop.people import PANVA

PROVIDER = "oidc-provider 9.13"
UPSTREAM_SECRET = "the-broker-and-the-upstream-know-it"
EVERYTHING = "openid profile email offline_access staff"

ASKING_APP = {**broker.TRUSTED_APP, "client_name": "Letters", "trusted": False}
CLIENTS: dict[str, dict[str, Any]] = {
    "billing": dict(broker.TRUSTED_APP),
    "posting": {**broker.TRUSTED_APP, "token_endpoint_auth_method": "client_secret_post"},
    "letters": ASKING_APP,
    "desktop": {
        "client_name": "Desktop",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [broker.APP],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": EVERYTHING,
    },
    "curves": {
        **broker.TRUSTED_APP,
        "id_token_signed_response_alg": "ES256",
        "access_token_signing_alg": "ES256",
        "access_token_format": "opaque",
        "id_token_claims": True,
    },
}
METHODS = {"posting": "client_secret_post", "desktop": "none"}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("openid-client"),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


@dataclass
class House:
    """A broker between a provider and its apps; what is opened here is closed at its end."""

    issuer: str
    upstream: str
    served: broker.Served
    stack: AsyncExitStack
    apps: dict[str, node.ClientApp] = field(default_factory=dict)

    async def app(self, client_id: str) -> node.ClientApp:
        """A client app that knows the broker by its metadata."""
        if client_id not in self.apps:
            signed = CLIENTS[client_id].get("id_token_signed_response_alg")
            self.apps[client_id] = await self.stack.enter_async_context(
                node.client_app(
                    self.issuer,
                    client_id=client_id,
                    secret=CLIENTS[client_id].get("client_secret"),
                    method=METHODS.get(client_id, "client_secret_basic"),
                    redirect_uri=broker.APP,
                    metadata={"id_token_signed_response_alg": signed} if signed else {},
                )
            )
        return self.apps[client_id]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory):
    """Two connectors to one provider: by secret with userinfo, and by key without."""
    folder = tmp_path_factory.mktemp("house")
    issuer = broker.address()
    key = ECKey.generate_key("P-256")
    (folder / "upstream-key.pem").write_bytes(key.as_pem(private=True))
    (folder / "upstream-key.pem").chmod(0o600)
    known = [
        {
            "client_id": "broker",
            "client_secret": UPSTREAM_SECRET,
            "redirect_uris": [f"{issuer}/callback/engines"],
        },
        {
            "client_id": "broker-with-a-key",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks_uri": f"{issuer}/connectors/keyed/jwks",
            "redirect_uris": [f"{issuer}/callback/keyed"],
        },
    ]
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(
            node.identity_provider(clients=known, people=PANVA, conformIdTokenClaims=True)
        )
        connectors = {
            "engines": {
                "type": "oidc",
                "name": "Engines",
                "issuer": upstream,
                "client_id": "broker",
                "client_secret": UPSTREAM_SECRET,
                "get_user_info": True,
            },
            "keyed": {
                "type": "oidc",
                "name": "Engines, by key",
                "issuer": upstream,
                "client_id": "broker-with-a-key",
                "token_endpoint_auth_method": "private_key_jwt",
                "private_key": f"file:{folder}/upstream-key.pem",
            },
        }
        clients = {name: {**client, "connectors": ["engines"]} for name, client in CLIENTS.items()}
        clients["posting"]["connectors"] = ["keyed"]
        served = await stack.enter_async_context(
            broker.serving(folder, issuer, connectors=connectors, clients=clients)
        )
        yield House(issuer, upstream, served, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def browser(house):
    """A browser that has been nowhere."""
    async with Browser(apps=[broker.APP], sites=[house.issuer, house.upstream]) as fresh:
        yield fresh


async def sign_in(browser: Browser, page: Page | Arrival, person: str = "ada") -> Page | Arrival:
    """What a person does at the provider: who they are, and yes."""
    while isinstance(page, Page) and page.forms and ("prompt", "login") in page.forms[0].fields:
        page = await browser.submit(page, {"login": person, "password": "whatever it is"})
        if isinstance(page, Page) and page.forms and ("prompt", "consent") in page.forms[0].fields:
            page = await browser.submit(page)
    return page


async def log_in(app: node.ClientApp, browser: Browser, scope: str = EVERYTHING, **asked: str) -> Any:
    """The tokens at the end of a login that asks nothing of the person but to sign in."""
    begun = await app.do("begin", scope=scope, **asked)
    arrived = await sign_in(browser, await browser.open(begun["url"]))
    assert isinstance(arrived, Arrival), arrived
    return await app.do("finish", url=arrived.url, form=arrived.form)


def was_at(browser: Browser, site: str) -> bool:
    return any(url.startswith(f"{site}/") for url in browser.visited)


# ── A login, whole ────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "a whole login, with userinfo", against=PROVIDER)
async def test_a_person_of_the_provider_is_told_to_the_app_in_our_words(house, browser):
    app = await house.app("billing")
    tokens = await log_in(app, browser)
    sub = tokens["claims"]["sub"]
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=sub)

    assert tokens["claims"]["iss"] == house.issuer
    assert tokens["claims"]["aud"] == "billing"
    assert sub != "ada"
    assert "email" not in tokens["claims"]  # the code flow gives scope claims at userinfo (Core §5.4)
    assert userinfo == {
        "sub": sub,
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "preferred_username": "ada",
        "email": "ada@engines.example",
        "email_verified": True,
        "groups": ["engines", "letters"],
    }


async def test_an_address_that_the_provider_has_not_proved_is_not_passed_on(house, browser):
    app = await house.app("billing")
    begun = await app.do("begin", scope="openid email")
    arrived = await sign_in(browser, await browser.open(begun["url"]), "grace")
    tokens = await app.do("finish", url=arrived.url)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])
    assert "email" not in userinfo
    assert userinfo["email_verified"] is False


async def test_the_same_person_is_the_same_subject_and_another_one_is_not(house, browser):
    app = await house.app("billing")
    first = await log_in(app, browser)
    subjects = {}
    for person in ("ada", "grace"):
        async with Browser(apps=[broker.APP], sites=[house.issuer, house.upstream]) as other:
            begun = await app.do("begin", scope="openid")
            arrived = await sign_in(other, await other.open(begun["url"]), person)
            subjects[person] = (await app.do("finish", url=arrived.url))["claims"]["sub"]
    assert subjects["ada"] == first["claims"]["sub"]
    assert subjects["grace"] != subjects["ada"]


@pytest.mark.proves("oidc", "private_key_jwt, and the answer by form", against=PROVIDER)
async def test_a_form_post_answer_and_a_secret_in_the_body_and_a_key_upstream(house, browser):
    app = await house.app("posting")
    begun = await app.do("begin", scope="openid email", response_mode="form_post")
    page = await sign_in(browser, await browser.open(begun["url"]))
    assert isinstance(page, Page)  # the broker's page that posts itself to the app
    arrived = await browser.submit(page)
    assert isinstance(arrived, Arrival)
    assert arrived.form is not None
    assert arrived.form["iss"] == house.issuer

    tokens = await app.do("finish", url=arrived.url, form=arrived.form)
    assert tokens["claims"]["aud"] == "posting"


async def test_es256_with_opaque_access_tokens_and_claims_in_the_id_token(house, browser):
    app = await house.app("curves")
    tokens = await log_in(app, browser)
    assert tokens["access_token"].count(".") == 0
    assert tokens["claims"]["email"] == "ada@engines.example"
    assert tokens["claims"]["groups"] == ["engines", "letters"]
    told = await app.do("introspect", token=tokens["access_token"])
    assert told["active"] is True
    assert told["sub"] == tokens["claims"]["sub"]


# ── Consent ───────────────────────────────────────────────────────────────────────────────────


async def consent_page(app: node.ClientApp, browser: Browser, scope: str = EVERYTHING, **asked: str) -> Page:
    begun = await app.do("begin", scope=scope, **asked)
    page = await sign_in(browser, await browser.open(begun["url"]))
    assert isinstance(page, Page)
    return page


async def test_a_public_app_is_allowed_by_the_person_who_unticks_one_thing(house, browser):
    app = await house.app("desktop")
    page = await consent_page(app, browser)
    assert "Desktop" in page.text
    offered = {value for form in page.forms for _, value, _ in form.boxes}
    assert {"profile", "email", "staff"} <= offered

    allow = next(button for form in page.forms for button in form.buttons if "allow" in button[1].lower())
    arrived = await browser.submit(page, button=allow, ticked=offered - {"email"})
    assert isinstance(arrived, Arrival)
    tokens = await app.do("finish", url=arrived.url)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])
    assert "email" not in tokens["scope"].split()
    assert "email" not in userinfo
    assert userinfo["groups"] == ["engines", "letters"]


async def test_an_app_that_the_person_refuses_hears_access_denied(house, browser):
    app = await house.app("letters")
    page = await consent_page(app, browser)
    deny = next(button for form in page.forms for button in form.buttons if "deny" in button[1].lower())
    arrived = await browser.submit(page, button=deny)
    assert isinstance(arrived, Arrival)
    with pytest.raises(node.ClientRefused) as refused:
        await app.do("finish", url=arrived.url)
    assert refused.value.error == "access_denied"


# ── Sessions ──────────────────────────────────────────────────────────────────────────────────


async def test_a_second_app_logs_in_without_the_provider(house, browser):
    first = await log_in(await house.app("billing"), browser)
    browser.visited.clear()
    second = await log_in(await house.app("curves"), browser, prompt="none")
    assert not was_at(browser, house.upstream)
    assert second["claims"]["sub"] == first["claims"]["sub"]
    assert second["claims"]["sid"] == first["claims"]["sid"]


async def test_prompt_none_without_a_session_is_login_required(house, browser):
    app = await house.app("billing")
    begun = await app.do("begin", scope="openid", prompt="none")
    arrived = await browser.open(begun["url"])
    assert isinstance(arrived, Arrival)
    assert not was_at(browser, house.upstream)
    with pytest.raises(node.ClientRefused) as refused:
        await app.do("finish", url=arrived.url)
    assert refused.value.error == "login_required"


@pytest.mark.proves("oidc", "prompt=login, and a later auth_time", against=PROVIDER)
async def test_prompt_login_makes_the_person_sign_in_again(house, browser):
    app = await house.app("billing")
    first = await log_in(app, browser, max_age="3600")
    browser.visited.clear()
    second = await log_in(app, browser, prompt="login", max_age="3600")
    assert any("/interaction/" in url for url in browser.visited)
    assert second["claims"]["auth_time"] >= first["claims"]["auth_time"]


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────


async def test_a_refresh_token_is_exchanged_for_the_next_one(house, browser):
    app = await house.app("billing")
    tokens = await log_in(app, browser)
    fresh = await app.do("refresh", refresh_token=tokens["refresh_token"], scope="openid email")
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert set(fresh["scope"].split()) == {"openid", "email"}
    assert fresh["claims"]["sub"] == tokens["claims"]["sub"]


async def test_a_refresh_token_used_after_its_successor_ends_the_family(house, browser):
    app = await house.app("billing")
    tokens = await log_in(app, browser)
    second = await app.do("refresh", refresh_token=tokens["refresh_token"])
    third = await app.do("refresh", refresh_token=second["refresh_token"])
    for stolen in (tokens, third):
        with pytest.raises(node.ClientRefused) as refused:
            await app.do("refresh", refresh_token=stolen["refresh_token"])
        assert refused.value.error == "invalid_grant"


async def test_a_revoked_token_is_inactive(house, browser):
    app = await house.app("billing")
    tokens = await log_in(app, browser)
    assert (await app.do("introspect", token=tokens["access_token"]))["active"] is True
    await app.do("revoke", token=tokens["access_token"])
    assert await app.do("introspect", token=tokens["access_token"]) == {"active": False}


async def test_a_code_that_is_used_again_ends_what_it_gave(house, browser):
    app = await house.app("billing")
    begun = await app.do("begin", scope=EVERYTHING)
    arrived = await sign_in(browser, await browser.open(begun["url"]))
    tokens = await app.do("finish", url=arrived.url)
    with pytest.raises(node.ClientRefused) as refused:
        await app.do("finish", url=arrived.url)
    assert refused.value.error == "invalid_grant"
    assert await app.do("introspect", token=tokens["access_token"]) == {"active": False}
    with pytest.raises(node.ClientRefused):
        await app.do("refresh", refresh_token=tokens["refresh_token"])
