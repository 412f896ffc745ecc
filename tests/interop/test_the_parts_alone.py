"""The upstreams and the client app agree with each other: when these fail, the broker is not to blame."""

import pytest

from tests.interop import keycloak, node
from tests.interop.browser import Arrival, Browser
from tests.interop.people import PANVA

APP = "http://127.0.0.1:9/app"

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.skipif(node.missing() is not None, reason=str(node.missing()))
async def test_the_client_app_logs_in_straight_at_the_identity_provider():
    registered = {"client_id": "app", "client_secret": "app-secret", "redirect_uris": [APP]}
    async with (
        node.identity_provider(clients=[registered], people=PANVA) as issuer,
        node.client_app(
            issuer, client_id="app", secret="app-secret", method="client_secret_basic", redirect_uri=APP
        ) as app,
        Browser(apps=[APP], sites=[issuer]) as browser,
    ):
        page = await browser.page((await app.do("begin", scope="openid email"))["url"])
        consent = await browser.submit(page, {"login": "ada", "password": "anything"})
        arrived = await browser.submit(consent)
        assert isinstance(arrived, Arrival)
        tokens = await app.do("finish", url=arrived.url)
        userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub="ada")

    assert tokens["claims"]["sub"] == "ada"
    assert userinfo["email"] == "ada@engines.example"


@pytest.mark.skipif(keycloak.missing() is not None, reason=str(keycloak.missing()))
@pytest.mark.xdist_group("keycloak")
async def test_keycloak_knows_the_realm_and_its_people(acme):
    callback = "http://127.0.0.1:4/callback/staff"
    async with Browser(apps=[callback], sites=[acme.issuer]) as browser:
        challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        page = await browser.page(
            f"{acme.issuer}/protocol/openid-connect/auth?client_id=broker-rp&response_type=code&scope=openid"
            f"&redirect_uri={callback}&state=s&code_challenge={challenge}&code_challenge_method=S256"
        )
        refused = await browser.submit(page, {"username": "alice", "password": "wrong"})
        assert not isinstance(refused, Arrival)
        assert "Invalid username or password" in refused.text
        arrived = await browser.submit(refused, {"username": "alice", "password": "alice-pw"})

    assert isinstance(arrived, Arrival)
    assert arrived.answer["state"] == "s"
    assert arrived.answer["iss"] == acme.issuer
