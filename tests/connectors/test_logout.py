"""The way out at each upstream: the URL that ends the session there, held against its fake's own rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from yarl import URL

from broker.connector import UpstreamIdentity
from broker.protocol.errors import OAuthError, ServerError
from connectors import oidc_logout
from connectors.oauth2 import Tokens
from tests.connectors.stage import Stage, opened
from tests.fakes.auth0 import FakeAuth0
from tests.fakes.azure_b2c import NAME, POLICY, FakeB2C
from tests.fakes.cognito import POOL, FakeCognito
from tests.fakes.entra import FakeEntra
from tests.fakes.entrust import FakeEntrust
from tests.fakes.keycloak import FakeKeycloak
from tests.fakes.okta import FakeOkta, FakeOktaOrg
from tests.fakes.provider import FakeProvider

BACK = "https://broker.example/signed-out"


def at(idp: FakeProvider, **entry: Any):
    """The connector at its fake, with the way out offered."""
    common = {"client_id": idp.client_id, "client_secret": idp.client_secret, "upstream_logout": "offer"}
    return opened(idp, {"up": common | entry})


def asked(url: str) -> dict[str, str]:
    """The parameters of a URL, each there once."""
    return {
        name: value
        for name, (value,) in parse_qs(
            urlsplit(url).query, keep_blank_values=True, strict_parsing=True
        ).items()
    }


async def out(stage: Stage, identity: UpstreamIdentity) -> str:
    url = await stage.upstream.logout_url(identity.logout_by, BACK)
    assert url is not None
    return url


async def followed(idp: FakeProvider, url: str) -> tuple[int, str, str]:
    """What a browser finds there: the status, where it is sent on to, the page."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(URL(idp.reached(url), encoded=True), allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def ends(idp: FakeProvider, url: str) -> None:
    """The session is over there, nothing was asked, and the browser is on its way back to us."""
    assert idp.session_since is not None
    status, where, _ = await followed(idp, url)
    assert (status in (302, 303), where) == (True, BACK)
    assert idp.session_since is None


# ── Any OpenID Provider ───────────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "signed out there too: the ID Token as hint, the client, and the way back")
async def test_the_end_session_endpoint_gets_the_id_token_and_the_way_back():
    async with FakeProvider.running() as idp, at(idp, type="oidc", issuer=idp.issuer) as stage:
        identity = await stage.sign_in()
        url = await out(stage, identity)
        assert url.startswith(idp.url("end_session") + "?")
        hint = idp.told[-1]["id_token"]
        assert asked(url) == {
            "id_token_hint": hint,
            "client_id": "broker",
            "post_logout_redirect_uri": BACK,
        }
        assert hint not in repr(identity)
        await ends(idp, url)


@pytest.mark.proves("oidc", "an ID Token that is too long for a URL, or a provider without such an endpoint")
async def test_what_does_not_fit_is_left_out_and_without_an_endpoint_there_is_no_way():
    long = Tokens(access_token=None, id_token="x" * (oidc_logout.LONGEST_HINT + 1), refresh_token=None)
    assert oidc_logout.hint(long) == {}
    async with FakeProvider.running() as idp, at(idp, type="oidc", issuer=idp.issuer) as stage:
        idp.switch(discovery={"end_session_endpoint": None})
        identity = await stage.sign_in()
        assert await stage.upstream.logout_url(identity.logout_by, BACK) is None


@pytest.mark.proves(
    "oidc", "an end session endpoint that is no https URL: no link, and no login fails for it"
)
@pytest.mark.parametrize("wrong", ["javascript:alert(1)", "http://evil.example/out", "//evil.example", 7])
async def test_an_endpoint_that_is_no_place_for_a_browser_hurts_no_login(wrong):
    async with FakeProvider.running() as idp, at(idp, type="oidc", issuer=idp.issuer) as stage:
        idp.switch(discovery={"end_session_endpoint": wrong})
        identity = await stage.sign_in()
        with pytest.raises(OAuthError) as caught:
            await stage.upstream.logout_url(identity.logout_by, BACK)
        assert caught.value.reason == "metadata_endpoint_malformed"


async def test_an_operator_may_say_where_the_way_out_is():
    async with FakeProvider.running() as idp:
        where = "https://idp.example/out?tenant=acme&client_id=nobody"
        async with at(idp, type="oidc", issuer=idp.issuer, end_session_endpoint=where) as stage:
            url = await out(stage, await stage.sign_in())
        assert url.startswith("https://idp.example/out?tenant=acme&")
        assert asked(url)["client_id"] == "broker"


@pytest.mark.proves("oidc", "unless the operator offers it, nobody is led there")
async def test_unless_it_is_offered_there_is_no_way():
    async with (
        FakeProvider.running() as idp,
        at(idp, type="oidc", issuer=idp.issuer, upstream_logout="never") as stage,
    ):
        identity = await stage.sign_in()
        assert await stage.upstream.logout_url(identity.logout_by, BACK) is None


async def test_a_connector_that_leads_to_something_that_is_no_url_is_not_followed(monkeypatch):
    async def odd(self, by, back):
        return "javascript:alert(1)"

    async with FakeProvider.running() as idp, at(idp, type="oidc", issuer=idp.issuer) as stage:
        monkeypatch.setattr(stage.config.module.Connector, "logout_url", odd)
        with pytest.raises(ServerError) as caught:
            await stage.upstream.logout_url({}, BACK)
    assert caught.value.reason == "connector_failed"


# ── The vendors ───────────────────────────────────────────────────────────────────────────────

AUTH0 = {"type": "auth0", "domain": "acme.eu.auth0.com"}


@pytest.mark.proves("auth0", "signed out there too at /oidc/logout, by the session, without its consent page")
async def test_auth0_is_told_which_session_and_asks_nothing():
    async with FakeAuth0.running() as idp, at(idp, **AUTH0) as stage:
        idp.person("auth0|1", name="Ann")
        idp.current = "auth0|1"
        identity = await stage.sign_in()
        url = await out(stage, identity)
        assert url.startswith("https://acme.eu.auth0.com/oidc/logout?")
        wanted = {"logout_hint": identity.sid, "client_id": "broker", "post_logout_redirect_uri": BACK}
        assert asked(url) == wanted
        bare = await stage.upstream.logout_url({}, BACK)
        assert "Do you want" in (await followed(idp, bare))[2]  # what the hint is good for
        await ends(idp, url)


@pytest.mark.proves("auth0", "signed out there too at /v2/logout, where the metadata tells of no other way")
async def test_an_older_tenant_of_auth0_has_another_way():
    async with FakeAuth0.running() as idp:
        idp.switch(no_end_session_in_metadata=True)
        async with at(idp, **AUTH0) as stage:
            url = await out(stage, await stage.sign_in())
            assert url.startswith("https://acme.eu.auth0.com/v2/logout?")
            assert asked(url) == {"client_id": "broker", "returnTo": BACK}
            await ends(idp, url)


@pytest.mark.parametrize(("key", "path"), [("oidc", "/oidc/logout"), ("v2", "/v2/logout")])
async def test_an_operator_may_choose_between_auth0s_two_ways_and_end_what_is_behind(key, path):
    async with FakeAuth0.running() as idp:
        idp.switch(no_end_session_in_metadata=key == "oidc")
        async with at(idp, **AUTH0, logout_endpoint=key, federated_logout=True) as stage:
            url = await out(stage, await stage.sign_in())
            assert urlsplit(url).path == path
            assert asked(url)["federated"] == ""
            await ends(idp, url)


@pytest.mark.proves("cognito", "signed out there too at its own /logout, which is not OpenID Connect's")
async def test_cognito_wants_its_own_parameters_on_the_pools_domain():
    async with FakeCognito.running() as idp:
        idp.sign_out_urls = {BACK}
        keys = {"type": "cognito", "user_pool_id": POOL, "endpoint_url": idp.origin}
        async with at(idp, **keys) as stage:
            identity = await stage.sign_in()
            assert identity.logout_by == {}
            url = await out(stage, identity)
            assert urlsplit(url)[:3] == urlsplit(idp.url("end_session"))[:3]
            assert asked(url) == {"client_id": "broker", "logout_uri": BACK}
            await ends(idp, url)
            idp.sign_out_urls = set()
            assert "Required+parameters+missing" in (await followed(idp, url))[1]


@pytest.mark.proves("okta", "signed out there too, with the ID Token that Okta wants; without it no link")
@pytest.mark.parametrize(
    ("kind", "keys"), [(FakeOkta, {"authorization_server_id": "default"}), (FakeOktaOrg, {})]
)
async def test_okta_gets_the_id_token_or_nothing(kind, keys):
    async with kind.running() as idp, at(idp, type="okta", domain="acme.okta.com", **keys) as stage:
        identity = await stage.sign_in()
        url = await out(stage, identity)
        assert asked(url).keys() == {"id_token_hint", "post_logout_redirect_uri"}
        assert await stage.upstream.logout_url({}, BACK) is None
        bare = url.replace("id_token_hint=", "nothing=")
        assert (await followed(idp, bare))[0] == 400
        await ends(idp, url)


@pytest.mark.proves("keycloak", "signed out there too, without its confirmation page")
async def test_keycloak_gets_the_id_token_and_the_client():
    async with (
        FakeKeycloak.running() as idp,
        at(idp, type="keycloak", base_url=idp.origin, realm="acme") as stage,
    ):
        url = await out(stage, await stage.sign_in())
        assert asked(url).keys() == {"id_token_hint", "client_id", "post_logout_redirect_uri"}
        await ends(idp, url)


@pytest.mark.proves("entra", "signed out there too; which account, where the optional claim login_hint tells")
async def test_entra_is_told_which_account_where_that_is_known():
    async with FakeEntra.running() as idp:
        keys = {"type": "entra", "tenant": idp.tid, "authority": idp.origin, "graph": idp.origin}
        async with at(idp, **keys) as stage:
            identity = await stage.sign_in()
            url = await out(stage, identity)
            assert (identity.logout_by, urlsplit(url).path) == ({}, f"/{idp.tid}/oauth2/v2.0/logout")
            assert asked(url)["post_logout_redirect_uri"] == BACK
            await ends(idp, url)
            idp.switch(claims={"login_hint": "O.CiQ"})
            assert asked(await out(stage, await stage.sign_in()))["logout_hint"] == "O.CiQ"


@pytest.mark.proves("azure_b2c", "signed out there too, at the policy that people sign in with")
async def test_b2c_has_a_way_out_for_each_policy():
    async with FakeB2C.running() as idp:
        keys = {"type": "azure_b2c", "tenant": NAME, "policy": POLICY, "custom_domain": idp.origin[7:]}
        async with at(idp, **keys) as stage:
            url = await out(stage, await stage.sign_in())
            assert urlsplit(url).path.endswith(f"/{POLICY.lower()}/oauth2/v2.0/logout")
            assert asked(url).keys() == {"id_token_hint", "client_id", "post_logout_redirect_uri"}
            await ends(idp, url)


@pytest.mark.proves("entrust", "signed out there too, without a hint, which Entrust does not know")
async def test_entrust_gets_the_client_and_the_way_back():
    async with (
        FakeEntrust.running() as idp,
        at(idp, type="entrust", domain="acme.us.trustedauth.com") as stage,
    ):
        identity = await stage.sign_in()
        assert identity.logout_by == {}
        url = await out(stage, identity)
        assert asked(url) == {"client_id": "broker", "post_logout_redirect_uri": BACK}
        await ends(idp, url)
