"""Whole logins by way of OpenID Providers that others wrote, through the connector `oidc`."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.interop import broker, strangers
from tests.interop.browser import Arrival, Browser
from tests.interop.by_hand import authorize_url, redeem

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("strangers"),
    pytest.mark.skipif(strangers.missing() is not None, reason=str(strangers.missing())),
]

CLAIMS = {"claims": {"name": {"from": ["name"]}, "email": {"from": ["email"]}}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def met(tmp_path_factory):
    """All of them, and one broker that knows each."""
    issuer, folder = broker.address(), tmp_path_factory.mktemp("strangers")
    async with AsyncExitStack() as stack:
        found = {
            "toolkit": strangers.toolkit(folder, f"{issuer}/callback/toolkit"),
            "mock": strangers.mock(),
            "glewlwyd": strangers.glewlwyd(folder, f"{issuer}/callback/glewlwyd"),
            "lemonldap": strangers.lemonldap(folder / "lemonldap", f"{issuer}/callback/lemonldap"),
        }
        known = {name: await stack.enter_async_context(stranger) for name, stranger in found.items()}
        connectors = {
            name: {
                "type": "oidc",
                "name": name,
                "issuer": stranger.issuer,
                "client_id": strangers.CLIENT,
                "client_secret": strangers.SECRET,
                "scope": "openid" if name == "glewlwyd" else "openid profile email",
                "get_user_info": True,
                "claims": CLAIMS,
            }
            for name, stranger in known.items()
        }
        clients = {"billing": broker.TRUSTED_APP}
        serving = broker.serving(folder, issuer, connectors=connectors, clients=clients)
        yield await stack.enter_async_context(serving), known


async def login(met, name: str, **asked: str) -> tuple[dict, dict]:
    """A whole login at this one: our ID Token's claims, and our userinfo answer."""
    served, known = met
    site = "://".join(urlsplit(known[name].issuer)[:2])
    async with Browser(apps=[broker.APP], sites=[site, served.issuer]) as browser:
        landed = await known[name].sign_in(browser, authorize_url(served.issuer, name, **asked))
    assert isinstance(landed, Arrival), landed
    assert "code" in landed.answer, (landed.answer, served.process.lines[-5:])
    return await redeem(served.issuer, landed.answer["code"])


@pytest.mark.proves("oidc", "a whole login, with userinfo", against="django-oauth-toolkit 3.4")
async def test_somebody_signs_in_by_way_of_django_oauth_toolkit(met) -> None:
    _, told = await login(met, "toolkit")
    assert told["email"] == "ada@acme.example"


@pytest.mark.proves(
    "oidc", "a provider whose keys have no kid and whose aud is a list", against="oidc-provider-mock 0.3"
)
async def test_somebody_signs_in_by_way_of_oidc_provider_mock(met) -> None:
    told, _ = await login(met, "mock")
    assert told["sub"]


@pytest.mark.proves(
    "oidc", "an issuer with a path, and endpoints with double slashes", against="Glewlwyd 2.7"
)
async def test_somebody_signs_in_by_way_of_glewlwyd(met) -> None:
    _, told = await login(met, "glewlwyd")
    assert told["name"] == "Ada Example"


@pytest.mark.proves("oidc", "an issuer with a slash, aud a list beside azp", against="LemonLDAP::NG 2.16")
async def test_somebody_signs_in_by_way_of_lemonldap_ng(met) -> None:
    _, told = await login(met, "lemonldap")
    assert told["email"] == "dwho@badwolf.org"


@pytest.mark.proves("oidc", "the same person again is the same subject", against="LemonLDAP::NG 2.16")
async def test_the_same_person_is_the_same_subject_the_next_time(met) -> None:
    first, _ = await login(met, "lemonldap")
    second, _ = await login(met, "lemonldap")
    assert first["sub"] == second["sub"]
