"""openid-client at both upstreams: whom it says it knows, and everything that it can do with a token."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.interop import between, broker, node
from tests.interop.between import Person
from tests.interop.browser import Arrival

pytestmark = between.MARKS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(acme, tmp_path_factory):
    """A broker whose one app is `billing`."""
    clients = {"billing": broker.TRUSTED_APP}
    async with between.serving(tmp_path_factory.mktemp("openid-client"), acme, clients) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(here):
    """openid-client, that has read the broker's metadata."""
    async with node.billing(here.issuer) as speaking:
        yield speaking


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§3.1 a whole code flow, as openid-client checks it")
@pytest.mark.standard("RFC 7662", "§2.2 what a client is told of a token, active and revoked")
@pytest.mark.standard("RFC 7009", "§2 a refresh token is revoked, and its access token with it")
async def test_openid_client_logs_in_refreshes_introspects_and_revokes(here, app, person: Person):
    begun = await app.do("begin", scope="openid profile email staff offline_access")
    async with here.browser(broker.APP) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
    assert isinstance(arrived, Arrival)
    first = await app.do("finish", url=arrived.url)
    sub = first["claims"]["sub"]

    userinfo = await app.do("userinfo", access_token=first["access_token"], sub=sub)
    assert (userinfo["name"], userinfo["email"]) == (person.name, person.email)
    assert sorted(userinfo["groups"]) == sorted(person.groups)

    second = await app.do("refresh", refresh_token=first["refresh_token"])
    assert second["claims"]["sub"] == sub
    told = await app.do("introspect", token=second["access_token"])
    assert told["active"] is True
    assert told["sub"] == sub
    assert (told["client_id"], told["iss"]) == ("billing", here.issuer)

    await app.do("revoke", token=second["refresh_token"])
    for token in (second["refresh_token"], second["access_token"]):
        assert await app.do("introspect", token=token) == {"active": False}
    with pytest.raises(node.ClientRefused) as refused:
        await app.do("refresh", refresh_token=second["refresh_token"])
    assert refused.value.error == "invalid_grant"


@between.AT_BOTH
@pytest.mark.standard("OpenID RP-Initiated Logout", "§2, §3 back at the app with state and nothing else")
async def test_openid_client_signs_the_person_out(here, app, person: Person):
    async with here.browser(broker.APP) as browser:

        async def log_in(scope: str, **asked: str):
            begun = await app.do("begin", scope=scope, **asked)
            arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
            return await app.do("finish", url=arrived.url)

        tokens = await log_in("openid")
        for_later = await log_in("openid offline_access", prompt="none")
        ended = await app.do("end", id_token=tokens["id_token"], back=broker.APP, state="done")
        arrived = await browser.open(ended["url"])
        assert isinstance(arrived, Arrival)
        assert arrived.answer == {"state": "done"}
        with pytest.raises(node.ClientRefused) as refused:
            await log_in("openid", prompt="none")

    assert refused.value.error == "login_required"
    assert await app.do("introspect", token=tokens["access_token"]) == {"active": False}
    # What was given for when she is away stays (Back-Channel Logout §2.7).
    refreshed = await app.do("refresh", refresh_token=for_later["refresh_token"])
    assert refreshed["claims"]["sub"] == tokens["claims"]["sub"]
