"""express-openid-connect at both upstreams: pushed requests, a key, and every way to sign out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from tests.interop import between, broker, keycloak, node, realm
from tests.interop.between import ADA, ALICE, Between, Person
from tests.interop.browser import Arrival, Browser, Page
from tests.interop.processes import STARTS, free_port

KEYCLOAK = f"Keycloak {keycloak.VERSION}"

pytestmark = between.MARKS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the address of the app."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    key = ECKey.generate_key("P-256")
    client = {
        "client_name": "Parcels",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": f"{site}/jwks",
        "require_pushed_authorization_requests": True,
        "redirect_uris": [f"{site}/callback"],
        "post_logout_redirect_uris": [site],
        "backchannel_logout_uri": f"{site}/backchannel-logout",
        "scope": "openid profile email staff",
        "trusted": True,
    }
    folder, issuer = tmp_path_factory.mktemp("express"), broker.address()
    clients = {"parcels": client, "billing": broker.TRUSTED_APP}
    told = await _told_of_logouts(acme, issuer)
    async with between.serving(folder, told, clients, issuer=issuer) as here:
        pem = key.as_pem(private=True).decode()
        asked = {"issuer": here.issuer, "clientId": "parcels", "key": pem, "port": port}
        async with node.program("apps/express_oidc.mjs", json.dumps(asked)) as app:
            await app.says('{"listens"', within=STARTS)
            yield here, site


async def _told_of_logouts(acme: keycloak.Keycloak, issuer: str) -> keycloak.Keycloak:
    """The Keycloak, where the broker is a client that is told when somebody's session ends there."""
    async with realm.administered(acme) as admin:
        await admin.register(
            "told-of-logouts",
            redirect_uris=[f"{issuer}/callback/staff"],
            backchannel__logout__url=f"{issuer}/connectors/staff/backchannel-logout",
            backchannel__logout__session__required="true",
        )
    return dataclasses.replace(acme, client_id="told-of-logouts", client_secret=realm.SECRET)


async def log_in(here: Between, site: str, browser: Browser, person: Person) -> dict[str, Any]:
    """What the app knows once the person is back."""
    back = await between.sign_in(here, browser, await browser.open(f"{site}/login"), person)
    assert isinstance(back, Page)
    assert (back.site, back.status) == (site, 200), back.text
    known: dict[str, Any] = json.loads(back.text)
    return known


@between.AT_BOTH
@pytest.mark.standard("RFC 9126", "§2 requests that are pushed, by express-openid-connect")
@pytest.mark.standard("OpenID Core", "§9 private_key_jwt, as express-openid-connect signs it")
@pytest.mark.standard(
    "OpenID RP-Initiated Logout", "§2, §3 the person is back at the app, and signed out of both"
)
async def test_express_knows_the_person_and_signs_her_out_at_the_broker_too(house, person: Person):
    here, site = house
    async with here.browser(sites=(site,)) as browser:
        known = await log_in(here, site, browser, person)
        assert (known["userinfo"]["name"], known["userinfo"]["email"]) == (person.name, person.email)
        assert known["claims"]["sub"] == known["userinfo"]["sub"] != person.username
        assert any("request_uri=" in url for url in browser.visited)

        away = await browser.page(f"{site}/logout")
        assert (away.url.rstrip("/"), away.text) == (site, "{}")
        assert any(url.startswith(f"{here.issuer}/logout") for url in browser.visited)
        asked_again = await browser.page(f"{site}/login")
        assert asked_again.site == here.issuer  # the chooser: there is no session any more


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.5 express-openid-connect takes the token")
async def test_express_forgets_who_signs_out_by_another_app(house):
    here, site = house
    async with here.browser(broker.APP, sites=(site,)) as browser, node.billing(here.issuer) as billing:
        await log_in(here, site, browser, ADA)
        begun = await billing.do("begin", scope="openid", prompt="none")
        arrived = await browser.open(begun["url"])
        tokens = await billing.do("finish", url=arrived.url)

        ended = await billing.do("end", id_token=tokens["id_token"], back=broker.APP, state="done")
        arrived = await browser.open(ended["url"])
        assert isinstance(arrived, Arrival)
        assert arrived.answer == {"state": "done"}
        assert await between.told_of_the_end(here, "parcels", tokens["claims"]["sid"]) == "ok"
        assert (await browser.page(f"{site}/")).text == "{}"


@pytest.mark.proves("keycloak", "a session that ends there ends here, and at the apps", against=KEYCLOAK)
@pytest.mark.standard(
    "OpenID Back-Channel Logout", "§2.5, §2.7 Keycloak tells the broker, and the broker the app"
)
async def test_express_forgets_whom_keycloak_has_signed_out(house, admin: realm.Admin):
    here, site = house
    async with here.browser(sites=(site,)) as browser:
        known = await log_in(here, site, browser, ALICE)
        await admin.sign_out("alice")
        assert await between.told_of_the_end(here, "parcels", known["claims"]["sid"]) == "ok"
        assert (await browser.page(f"{site}/")).text == "{}"
        asked_again = await browser.page(f"{site}/login")
        assert asked_again.site == here.issuer  # the chooser: nothing of hers is left
