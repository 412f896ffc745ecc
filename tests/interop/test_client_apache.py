"""mod_auth_openidc on Apache at both upstreams: an app behind it is told in headers who came."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from tests.interop import apache, between, broker
from tests.interop.between import Person
from tests.interop.browser import Page
from tests.interop.processes import free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(between.missing() is not None, reason=str(between.missing())),
    pytest.mark.skipif(apache.missing() is not None, reason=str(apache.missing())),
]

OPENIDC = """
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID wiki
OIDCClientSecret {secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCPKCEMethod S256
OIDCScope "openid profile email staff"
OIDCCryptoPassphrase nobody-else-seals-cookies-with-it
OIDCRemoteUserClaim email
"""
LOCATIONS = """
<Location />
    AuthzSendForbiddenOnFailure On
</Location>
<Location /engineers>
    Require claim groups:engines
    Require claim groups:/engineering/platform
</Location>
<Location /navy>
    Require claim groups:navy
</Location>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the address of Apache."""
    port = free_port()
    client = {
        **broker.TRUSTED_APP,
        "redirect_uris": [f"http://127.0.0.1:{port}/oidc"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile email staff",
    }
    folder = tmp_path_factory.mktemp("apache")
    async with between.serving(folder, acme, {"wiki": client}) as here:
        openidc = OPENIDC.format(issuer=here.issuer, secret=broker.APP_SECRET)
        async with apache.serving(folder, port, openidc, LOCATIONS) as site:
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
