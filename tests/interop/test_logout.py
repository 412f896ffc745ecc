"""A real Keycloak tells the broker that somebody signed out there, and the broker tells its client app."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from tests.flow.broker import claims
from tests.flow.client_app import ClientApp
from tests.interop import broker, keycloak, node, realm
from tests.interop.browser import Arrival, Browser
from tests.interop.test_keycloak import sign_in

KEYCLOAK = f"Keycloak {keycloak.VERSION}"
RP = "broker-told-of-logout"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(keycloak.missing() is not None, reason=str(keycloak.missing())),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listener():
    async with ClientApp.running() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(acme, listener, tmp_path_factory):
    """A broker that the realm tells of sign-outs, and that tells its app."""
    issuer = broker.address()
    async with realm.administered(acme) as admin:
        await admin.register(
            RP,
            redirect_uris=[f"{issuer}/callback/staff"],
            backchannel__logout__url=f"{issuer}/connectors/staff/backchannel-logout",
            backchannel__logout__session__required="true",
        )
    entry = {
        "type": "keycloak",
        "name": "Staff",
        "base_url": acme.base_url,
        "realm": acme.realm,
        "client_id": RP,
        "client_secret": realm.SECRET,
    }
    app = {**broker.TRUSTED_APP, "backchannel_logout_uri": listener.backchannel_logout_uri}
    folder = tmp_path_factory.mktemp("broker")
    async with broker.serving(
        folder, issuer, connectors={"staff": entry}, clients={"billing": app}
    ) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(served):
    async with node.billing(served.issuer) as speaking:
        yield speaking


async def login(app: node.ClientApp, browser: Browser, person: str) -> dict[str, Any]:
    begun = await app.do("begin", scope="openid profile email")
    arrived = await sign_in(browser, await browser.page(begun["url"]), person)
    assert isinstance(arrived, Arrival)
    tokens: dict[str, Any] = await app.do("finish", url=arrived.url)
    return tokens


async def asked_silently(app: node.ClientApp, browser: Browser) -> dict[str, str]:
    begun = await app.do("begin", scope="openid", prompt="none")
    arrived = await browser.open(begun["url"])
    assert isinstance(arrived, Arrival)
    return arrived.answer


@pytest.mark.row("LO-07")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.5 a real provider ends the session here")
@pytest.mark.proves(
    "keycloak", "signed out there: the session here ends, and apps are told", against=KEYCLOAK
)
async def test_who_is_signed_out_of_the_realm_is_signed_out_here_and_the_app_hears_it(
    served, acme, app, listener, admin
):
    sites = [served.issuer, acme.base_url]
    async with (
        Browser(apps=[broker.APP], sites=sites) as alices,
        Browser(apps=[broker.APP], sites=sites) as bobs,
    ):
        tokens = await login(app, alices, "alice")
        await login(app, bobs, "bob")
        assert "code" in await asked_silently(app, alices)
        await admin.sign_out("alice")
        (told,) = await listener.hears()
        said = await listener.checked(told, issuer=served.issuer, client_id="billing")
        known = claims(tokens["id_token"])
        assert (said["sub"], said["sid"]) == (known["sub"], known["sid"])
        assert (await asked_silently(app, alices))["error"] == "login_required"
        assert "code" in await asked_silently(app, bobs)  # he has nothing to do with it
