"""mod_auth_openidc on Apache at both upstreams: an app behind it is told in headers who came."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio

from tests.interop import apache, between, broker, node
from tests.interop.between import ADA, Person
from tests.interop.browser import Arrival, Page
from tests.interop.processes import free_port

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(apache.missing() is not None, reason=str(apache.missing())),
]

API = "https://wiki.example/api"
OPENIDC = """
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID wiki
OIDCClientSecret ${{WIKI_SECRET}}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCPKCEMethod S256
OIDCScope "openid profile email staff"
OIDCCryptoPassphrase ${{WIKI_PASSPHRASE}}
OIDCRemoteUserClaim email
OIDCOAuthServerMetadataURL {issuer}/.well-known/oauth-authorization-server
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthClientID wiki-api
OIDCOAuthClientSecret ${{WIKI_SECRET}}
OIDCOAuthTokenIntrospectionInterval -1
"""
LOCATIONS = """
<Location />
    AuthzSendForbiddenOnFailure On
</Location>
<Location /engineers>
    Require claim groups:engines
    Require claim groups:/engineering/platform
</Location>
<Location /api>
    AuthType oauth20
    Require claim "scope~(^| )staff( |$)"
</Location>
<Location /bye>
    AuthType None
    Require all granted
</Location>
<Location /navy>
    Require claim groups:navy
</Location>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the address of Apache."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    client = {
        **broker.TRUSTED_APP,
        "redirect_uris": [f"{site}/oidc"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile email staff",
        "post_logout_redirect_uris": [f"{site}/bye"],
        "backchannel_logout_uri": f"{site}/oidc?logout=backchannel",
    }
    api = {
        "client_name": "Wiki's API",
        "grant_types": [],
        "audience": API,
        "client_secret": broker.APP_SECRET,
    }
    clients = {"wiki": client, "wiki-api": api, "billing": {**broker.TRUSTED_APP, "audience": API}}
    folder = tmp_path_factory.mktemp("apache")
    async with between.serving(folder, acme, clients) as here:
        openidc = OPENIDC.format(issuer=here.issuer)
        secrets = {"WIKI_SECRET": broker.APP_SECRET, "WIKI_PASSPHRASE": "nobody-else-seals-cookies-with-it"}
        async with apache.serving(folder, port, openidc, LOCATIONS, env=secrets):
            yield here, site


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§3.1 a whole code flow, as mod_auth_openidc checks it")
@pytest.mark.standard("OpenID Core", "§5.3 userinfo read by mod_auth_openidc")
async def test_the_app_behind_apache_is_told_who_came(house, person: Person):
    here, site = house
    async with here.browser(sites=(site,)) as browser:
        page = await between.sign_in(here, browser, await browser.open(f"{site}/engineers"), person)
        assert isinstance(page, Page)
        assert (page.url, page.status) == (f"{site}/engineers", 200)
        told = json.loads(page.text)
        elsewhere = await browser.page(f"{site}/navy")

    assert told["oidc_claim_email"] == person.email
    assert told["oidc_claim_email_verified"] == "1"
    assert told["oidc_claim_name"] == person.name
    assert sorted(told["oidc_claim_groups"].split(",")) == sorted(person.groups)
    assert told["oidc_claim_iss"] == here.issuer
    assert told["oidc_claim_sub"] not in ("", person.username)
    assert elsewhere.status == 403


@pytest.mark.standard(
    "OpenID RP-Initiated Logout", "§2, §3 signed out by mod_auth_openidc, and back at its page"
)
async def test_apache_signs_the_person_out_at_the_broker_too(house):
    here, site = house
    async with here.browser(sites=(site,)) as browser:
        await between.sign_in(here, browser, await browser.open(f"{site}/engineers"), ADA)
        away = await browser.page(f"{site}/oidc?{urlencode({'logout': f'{site}/bye'})}")
        assert (away.url.partition("?")[0], away.status) == (f"{site}/bye", 200)
        asked_again = await browser.page(f"{site}/engineers")
        assert asked_again.site == here.issuer  # the chooser: neither has a session any more
        assert asked_again.status == 200


@pytest.mark.standard(
    "OpenID Back-Channel Logout", "§2.5 mod_auth_openidc takes the token and ends its session"
)
async def test_apache_forgets_who_signs_out_by_another_app(house):
    here, site = house
    async with here.browser(broker.APP, sites=(site,)) as browser, node.billing(here.issuer) as billing:
        await between.sign_in(here, browser, await browser.open(f"{site}/engineers"), ADA)
        begun = await billing.do("begin", scope="openid", prompt="none")
        arrived = await browser.open(begun["url"])
        tokens = await billing.do("finish", url=arrived.url)
        ended = await billing.do("end", id_token=tokens["id_token"], back=broker.APP)
        assert isinstance(await browser.open(ended["url"]), Arrival)
        assert await between.told_of_the_end(here, "wiki", tokens["claims"]["sid"]) == "ok"

        asked_again = await browser.page(f"{site}/engineers")
        assert asked_again.site == here.issuer


async def ask(site: str, token: str | None) -> tuple[int, Any, str]:
    """What the API behind Apache answers: status, the headers that it was told, and how to come in."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as app, app.get(f"{site}/api", headers=headers) as answer:
        told = await answer.json() if answer.status == 200 else None
        return answer.status, told, answer.headers.get("WWW-Authenticate", "")


@between.AT_BOTH
@pytest.mark.standard("RFC 7662", "§2 mod_auth_openidc asks about each token, and hears what became of it")
@pytest.mark.standard("RFC 6750", "§2.1 a token in the header, for an API behind Apache")
async def test_an_api_behind_apache_lets_in_who_has_a_token_for_it(house, person: Person):
    here, site = house
    async with here.browser(broker.APP) as browser, node.billing(here.issuer) as billing:

        async def token(scope: str) -> dict[str, Any]:
            begun = await billing.do("begin", scope=scope)
            arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
            return await billing.do("finish", url=arrived.url)

        tokens, narrow = await token("openid staff"), await token("openid")
        status, told, _ = await ask(site, tokens["access_token"])
        assert status == 200
        assert told["oidc_claim_sub"] == tokens["claims"]["sub"]
        assert told["oidc_claim_client_id"] == "billing"
        assert (await ask(site, narrow["access_token"]))[0] == 403  # without the scope

        await billing.do("revoke", token=tokens["access_token"])
        status, _, challenge = await ask(site, tokens["access_token"])
        assert status == 401
        assert challenge.startswith("Bearer")
    assert (await ask(site, None))[0] == 401
