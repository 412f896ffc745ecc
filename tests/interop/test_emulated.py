"""Whole logins at vendors as others emulate them, by the vendors' own names."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop import broker, emulated
from tests.interop.browser import Arrival, Browser, Page
from tests.interop.by_hand import authorize_url, redeem

EMULATE = "emulate 0.12"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("emulated"),
    pytest.mark.skipif(emulated.missing() is not None, reason=str(emulated.missing())),
]


def apple_key(folder) -> str:
    """A key as Apple gives one, in a file."""
    path = folder / "AuthKey.p8"
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return f"file:{path}"


def connectors(folder) -> dict[str, dict]:
    """As an operator writes them."""

    def entry(name: str, **more: object) -> dict:
        secret = {"client_id": f"{name}-client", "client_secret": f"{name}-secret"}
        return {"type": name, "name": name.title(), **secret, **more}

    return {
        "auth0": entry(
            "auth0",
            domain=emulated.AUTH0,
            scope="openid profile email offline_access",
            get_user_info=True,
            upstream_refresh="always",
            token_endpoint_auth_method="client_secret_post",  # who we are stands nowhere else for it
        ),
        "okta": entry(
            "okta",
            domain="acme.okta.com",
            authorization_server_id="default",
            scope="openid profile email groups",
            get_user_info=True,
        ),
        "entra": entry("entra", tenant=emulated.TENANT),
        "github": entry("github", groups=["{org}"], allowed_organizations=["acme"]),
        "google": entry(
            "google",
            hosted_domain="acme.example",
            token_endpoint_auth_method="client_secret_post",  # it says basic too, and refuses it
        ),
        "apple": {
            "type": "apple",
            "name": "Apple",
            "client_id": "apple-client",
            "team_id": "TEAM000001",
            "key_id": "KEY0000001",
            "private_key": apple_key(folder),
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def met(tmp_path_factory):
    """The vendors, and one broker that knows each."""
    issuer, folder = broker.address(), tmp_path_factory.mktemp("emulated")
    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(emulated.vendors(folder, issuer))
        entries = {name: {**entry, "outbound": known.outbound} for name, entry in connectors(folder).items()}
        clients = {"billing": broker.TRUSTED_APP}
        serving = broker.serving(folder, issuer, connectors=entries, clients=clients)
        yield await stack.enter_async_context(serving), known


async def _at_emulate(browser: Browser, page: Page) -> Page | Arrival:
    return await browser.submit(page, _hers(page))


async def _at_auth0(browser: Browser, page: Page) -> Page | Arrival:
    """Its login page is a program for a browser; this is what it sends."""
    asked = dict(parse_qsl(urlsplit(page.url).query))
    known = {"username": emulated.ADA, "password": emulated.PASSWORD, "client_id": asked["client"]}
    return await browser.post(page, f"{page.site}/usernamepassword/login", {**asked, **known})


def _hers(page: Page) -> dict[str, str]:
    """What Ada's button sends; there are others, of people whom the emulator brings along."""
    named = [form for form in page.forms if any(value.startswith("ada") for _, value in form.fields)]
    return dict((named or page.forms)[-1].fields)


async def login(met, name: str) -> tuple[dict, dict]:
    """A whole login by Ada."""
    served, known = met
    browser = Browser(
        apps=[broker.APP], sites=[served.issuer], tls=known.authority.client(), proxy=known.proxy
    )
    async with browser:
        landed = await browser.open(authorize_url(served.issuer, name))
        assert isinstance(landed, Page), landed
        landed = await (_at_auth0 if name == "auth0" else _at_emulate)(browser, landed)
        while isinstance(landed, Page) and landed.forms:  # a form_post leaves by itself where there is script
            landed = await browser.submit(landed)
    assert isinstance(landed, Arrival), landed
    assert "code" in landed.answer, (landed.answer, served.process.lines[-3:])
    return await redeem(served.issuer, landed.answer["code"])


@pytest.mark.proves("auth0", "an issuer with a slash, subjects with a bar", against="auth0-simulator 0.11")
async def test_somebody_signs_in_with_auth0(met) -> None:
    _, told = await login(met, "auth0")
    assert (told["name"], told["email"]) == ("Ada Example", emulated.ADA)


@pytest.mark.proves("okta", "a whole login at a custom authorization server, with userinfo", against=EMULATE)
async def test_somebody_signs_in_with_okta(met) -> None:
    _, told = await login(met, "okta")
    assert told["email"] == emulated.ADA
    assert told["groups"] == ["Engineering"]


@pytest.mark.proves("entra", "a whole login, by tid and oid", against=EMULATE)
async def test_somebody_signs_in_with_entra(met) -> None:
    _, told = await login(met, "entra")
    assert told["name"]


@pytest.mark.proves(
    "github", "a whole login, the address proved, the organization on the list", against=EMULATE
)
async def test_somebody_signs_in_with_github(met) -> None:
    _, told = await login(met, "github")
    assert (told["preferred_username"], told["email"]) == ("ada", emulated.ADA)
    assert told["groups"] == ["acme"]


@pytest.mark.proves("google", "a whole login, in the hosted domain", against=EMULATE)
async def test_somebody_signs_in_with_google(met) -> None:
    _, told = await login(met, "google")
    assert told["email"] == emulated.ADA


@pytest.mark.proves("apple", "a whole login by form_post, the client secret minted", against=EMULATE)
async def test_somebody_signs_in_with_apple(met) -> None:
    _, told = await login(met, "apple")
    assert told["email"] == "ada@icloud.com"
