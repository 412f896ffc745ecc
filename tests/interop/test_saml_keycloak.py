"""Whole logins at a real Keycloak by SAML 2.0. It learns who the broker is from the broker's own metadata.

Three connectors stand before one realm: `plain` asks by an unsigned redirect, `signed` by a signed one, and
`sealed` by a signed form, and gets its assertions encrypted.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from lxml import etree

from tests.fakes.saml import NS, pair
from tests.interop import broker, keycloak, node
from tests.interop.browser import Arrival, Browser, Page
from tests.interop.registering import register

SCOPE = "openid profile email staff"
KEYCLOAK = f"Keycloak {keycloak.VERSION}"
PLAIN, SIGNED, SEALED = "plain", "signed", "sealed"
ATTRIBUTES = {  # of the client at Keycloak, beyond what it reads in our metadata
    PLAIN: {"saml.client.signature": "false"},  # else it wants signed requests, whatever the metadata says
    SIGNED: {"saml.signature.algorithm": "RSA_SHA512"},
    SEALED: {},
    "unpinned": {"saml.client.signature": "false"},
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(keycloak.missing() is not None, reason=str(keycloak.missing())),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


def proves(what: str) -> pytest.MarkDecorator:
    return pytest.mark.proves("saml", what, against=KEYCLOAK)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(acme, tmp_path_factory):
    """A broker in front of the realm, and registered there."""
    descriptor = f"{acme.issuer}/protocol/saml/descriptor"
    async with aiohttp.ClientSession() as http:
        metadata = await (await http.get(descriptor)).read()
    shown = etree.fromstring(metadata).findtext(".//ds:X509Certificate", namespaces=NS)
    common = {
        "type": "saml",
        "metadata_url": descriptor,
        "idp_certificates": [shown],
        "trust_email": True,
        "repeated_attributes": "merge",
        "pass_through": {"acr_values": "pass"},
    }
    key = {"private_key": pair("sp").private_pem}
    connectors = {
        PLAIN: {**common, "name": "Unsigned"},
        SIGNED: {**common, **key, "name": "Signed", "request_signature_algorithm": "RSA-SHA512"},
        SEALED: {
            **common,
            **key,
            "name": "Sealed",
            "request_binding": "post",
            "want_assertions_encrypted": True,
        },
        "unpinned": {**common, "name": "Another key", "idp_certificates": [pair("somebody else").pem]},
    }
    folder, issuer = tmp_path_factory.mktemp("broker"), broker.address()
    clients = {"billing": broker.TRUSTED_APP}
    async with broker.serving(folder, issuer, connectors=connectors, clients=clients) as serving:
        async with aiohttp.ClientSession() as http:
            for connector in connectors:
                ours = await (await http.get(f"{issuer}/connectors/{connector}/metadata")).read()
                await register(acme, ours, **ATTRIBUTES[connector])
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(served):
    """The client app that every test here uses."""
    async with node.billing(served.issuer) as speaking:
        yield speaking


@pytest_asyncio.fixture(loop_scope="session")
async def browser(served, acme):
    """A browser that has been nowhere."""
    async with Browser(apps=[broker.APP], sites=[served.issuer, acme.base_url]) as fresh:
        yield fresh


async def to_keycloak(app: node.ClientApp, browser: Browser, connector: str, **asked: str) -> Page | Arrival:
    """Keycloak's login page, reached through the broker; by a form where the connector posts."""
    begun = await app.do("begin", scope=SCOPE, connector=connector, **asked)
    page = await browser.page(begun["url"])
    return await browser.submit(page) if connector == SEALED else page


async def sign_in(browser: Browser, page: Page | Arrival, person: str = "alice") -> Page | Arrival:
    """Fill in Keycloak's form; its answer and our bounce are forms that post themselves."""
    assert isinstance(page, Page), page
    if any("password" in dict(form.fields) for form in page.forms):
        seen = await browser.submit(page, {"username": person, "password": f"{person}-pw"})
    else:
        seen = page
    for _ in range(3):
        if isinstance(seen, Arrival) or not any("SAMLResponse" in dict(form.fields) for form in seen.forms):
            break
        seen = await browser.submit(seen)
    return seen


def problem(page: Page) -> str:
    """What a page complains of, without its markup."""
    words = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page.text, flags=re.DOTALL)
    return f"{page.url[:100]}: {' '.join(words.split())[-500:]}"


async def told(app: node.ClientApp, arrived: Page | Arrival) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tokens and the userinfo answer at the end of a login."""
    assert isinstance(arrived, Arrival), problem(arrived)
    tokens = await app.do("finish", url=arrived.url)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])
    return tokens, userinfo


@proves("a whole login: unsigned and signed redirect, signed form, encrypted assertions")
@pytest.mark.parametrize("connector", [PLAIN, SIGNED, SEALED])
async def test_a_person_of_the_realm_arrives_with_groups_and_roles(app, browser, connector):
    arrived = await sign_in(browser, await to_keycloak(app, browser, connector))
    tokens, userinfo = await told(app, arrived)
    assert userinfo["email"] == "alice@acme.example"
    assert userinfo["given_name"] == "Alice"
    assert sorted(userinfo["groups"]) == ["/engineering/platform", "/sales"]
    assert "staff" in userinfo["roles"]
    assert tokens["claims"]["sub"]


@proves("metadata of its own, read by the identity provider")
async def test_keycloak_reads_what_our_metadata_says(served, acme):
    async with aiohttp.ClientSession() as http:
        ours = await (await http.get(f"{served.issuer}/connectors/{SEALED}/metadata")).read()
    made = await register_again(acme, ours)
    attributes = made["attributes"]
    assert made["protocol"] == "saml"
    assert made["redirectUris"] == [f"{served.issuer}/callback/{SEALED}"]
    assert attributes["saml.client.signature"] == "true"
    assert attributes["saml.encrypt"] == "true"
    assert attributes["saml.encryption.certificate"] == attributes["saml.signing.certificate"]


async def register_again(acme, metadata: bytes) -> Any:
    renamed = metadata.replace(b'entityID="', b'entityID="again-')
    return await register(acme, renamed)


@proves("a persistent NameID is the same person at every login")
async def test_a_person_is_the_same_at_the_next_login_and_another_at_another_connector(served, acme, app):
    subjects = []
    for connector in (PLAIN, PLAIN, SIGNED):
        async with Browser(apps=[broker.APP], sites=[served.issuer, acme.base_url]) as fresh:
            tokens, _ = await told(app, await sign_in(fresh, await to_keycloak(app, fresh, connector)))
            subjects.append(tokens["claims"]["sub"])
    assert subjects[0] == subjects[1]
    assert subjects[1] != subjects[2]


@proves("ForceAuthn for prompt=login, and a later AuthnInstant")
async def test_prompt_login_asks_the_password_again_and_gives_a_later_auth_time(app, browser):
    first, _ = await told(app, await sign_in(browser, await to_keycloak(app, browser, PLAIN, max_age="3600")))
    while time.time() < first["claims"]["auth_time"] + 1:  # it counts in seconds
        await to_keycloak(app, browser, PLAIN, prompt="login")
    page = await to_keycloak(app, browser, PLAIN, prompt="login", max_age="3600")
    assert isinstance(page, Page)
    arrived = await browser.submit(page, {"password": "alice-pw"})
    second, _ = await told(app, await sign_in(browser, arrived))
    assert second["claims"]["auth_time"] > first["claims"]["auth_time"]


@proves("a key that the metadata lists and nobody pinned is not believed")
async def test_a_key_that_only_the_metadata_knows_is_not_believed(app, browser):
    arrived = await sign_in(browser, await to_keycloak(app, browser, "unpinned"))
    assert isinstance(arrived, Arrival)
    assert parse_qs(urlsplit(arrived.url).query)["error"] == ["server_error"]


@proves("an answer that was changed on its way is refused")
async def test_an_answer_that_was_changed_is_not_believed(app, browser):
    page = await to_keycloak(app, browser, PLAIN)
    assert isinstance(page, Page)
    answered = await browser.submit(page, {"username": "alice", "password": "alice-pw"})
    assert isinstance(answered, Page)
    (form,) = [form for form in answered.forms if "SAMLResponse" in dict(form.fields)]
    fields = dict(form.fields)
    octets = base64.b64decode(fields["SAMLResponse"])
    assert b"alice@acme.example" in octets
    lied = octets.replace(b"alice@acme.example", b"admin@acme.example")
    bounced = await browser.submit(answered, {"SAMLResponse": base64.b64encode(lied).decode()})
    arrived = bounced if isinstance(bounced, Arrival) else await browser.submit(bounced)
    assert isinstance(arrived, Arrival)
    assert parse_qs(urlsplit(arrived.url).query)["error"] == ["server_error"]
