"""Whole logins at a real SimpleSAMLphp, whose attributes are named by OIDs.

The connectors before it: `plain` sends unsigned requests, `signed` signed ones, `sealed` gets its assertions
encrypted with AES-GCM, `old` as it encrypts by itself, with AES-CBC; for `halves` only the assertion is
signed, and `tile` takes those who come unasked.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from lxml import etree

from tests.fakes.saml import NS, pair
from tests.interop import broker, node, simplesamlphp
from tests.interop.browser import Arrival, Browser, Page

SCOPE = "openid profile email staff"
AGAINST = "SimpleSAMLphp 1.19"
SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "signed": {"validate.authnrequest": True, "signature.algorithm": SHA256.replace("256", "512")},
    "sealed": {"validate.authnrequest": True, "assertion.encryption": True, "sharedkey_algorithm": GCM},
    "old": {"assertion.encryption": True},
    "halves": {"saml20.sign.response": False},
    "tile": {},
}
"""What the identity provider is told of each service provider, beside what our metadata says."""

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("simplesamlphp"),
    pytest.mark.skipif(simplesamlphp.missing() is not None, reason=str(simplesamlphp.missing())),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
]


def proves(what: str) -> pytest.MarkDecorator:
    return pytest.mark.proves("saml", what, against=AGAINST)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idp(tmp_path_factory):
    async with simplesamlphp.serving(tmp_path_factory.mktemp("php") / "idp") as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(idp, tmp_path_factory):
    """A broker in front of it, and registered there."""
    folder, issuer = tmp_path_factory.mktemp("broker"), broker.address()
    clients = {"billing": broker.TRUSTED_APP}
    async with broker.serving(folder, issuer, connectors=connectors(idp), clients=clients) as serving:
        idp.know({f"{issuer}/connectors/{name}/metadata": await _registered(issuer, name) for name in ASKED})
        yield serving


def connectors(idp: simplesamlphp.SimpleSamlPhp) -> dict[str, Any]:
    common = {
        "type": "saml",
        "metadata_url": idp.metadata_url,
        "idp_certificates": [f"sha256:{pair('simplesamlphp').fingerprint}"],
        "trust_email": True,
    }
    key = {"private_key": pair("sp").private_pem}
    return {
        "plain": {**common, "name": "Unsigned"},
        "signed": {**common, **key, "name": "Signed", "request_signature_algorithm": "RSA-SHA256"},
        "sealed": {**common, **key, "name": "Sealed", "want_assertions_encrypted": True},
        "old": {**common, **key, "name": "As it was", "want_assertions_encrypted": True},
        "halves": {**common, "name": "Only the assertion is signed"},
        "tile": {**common, "name": "From a portal", "idp_initiated": broker.APP},
    }


async def _registered(issuer: str, name: str) -> dict[str, Any]:
    """What SimpleSAMLphp's converter makes of our metadata."""
    async with aiohttp.ClientSession() as http:
        root = etree.fromstring(await (await http.get(f"{issuer}/connectors/{name}/metadata")).read())
    role = root.find("md:SPSSODescriptor", NS)
    service = role.find("md:AssertionConsumerService", NS)
    keys = [
        {
            "type": "X509Certificate",
            "X509Certificate": one.findtext(".//ds:X509Certificate", namespaces=NS),
            "encryption": one.get("use") == "encryption",
            "signing": one.get("use") == "signing",
        }
        for one in role.findall("md:KeyDescriptor", NS)
    ]
    return {
        "entityid": root.get("entityID"),
        "metadata-set": "saml20-sp-remote",
        "AssertionConsumerService": [
            {"Binding": service.get("Binding"), "Location": service.get("Location"), "index": 0}
        ],
        "NameIDFormat": role.findtext("md:NameIDFormat", namespaces=NS),
        "keys": keys,
        **ASKED[name],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(served):
    async with node.billing(served.issuer) as speaking:
        yield speaking


@pytest_asyncio.fixture(loop_scope="session")
async def browser(served, idp):
    async with Browser(apps=[broker.APP], sites=[served.issuer, idp.base_url]) as fresh:
        yield fresh


async def to_the_idp(app: node.ClientApp, browser: Browser, connector: str, **asked: str) -> Page | Arrival:
    begun = await app.do("begin", scope=SCOPE, connector=connector, **asked)
    page = await browser.page(begun["url"])
    return await browser.submit(page) if _posts(page, "SAMLRequest") else page


async def sign_in(browser: Browser, page: Page | Arrival, password: str = "alice-pw") -> Page | Arrival:
    """Fill in its form, if it asks; the answer and our bounce are forms that post themselves."""
    assert isinstance(page, Page), page
    seen: Page | Arrival = page
    if _posts(page, "username"):
        seen = await browser.submit(page, {"username": "alice", "password": password})
    for _ in range(3):
        if isinstance(seen, Arrival) or not _posts(seen, "SAMLResponse"):
            break
        seen = await browser.submit(seen)
    return seen


def _posts(page: Page, field: str) -> bool:
    return any(field in dict(form.fields) for form in page.forms)


async def told(app: node.ClientApp, arrived: Page | Arrival) -> tuple[dict[str, Any], dict[str, Any]]:
    assert isinstance(arrived, Arrival), arrived.text[-3000:]
    tokens = await app.do("finish", url=arrived.url)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])
    return tokens, userinfo


@proves("a whole login: unsigned and signed requests, signed responses, AES-GCM and AES-CBC, OID attributes")
@pytest.mark.parametrize("connector", list(ASKED))
async def test_a_person_arrives_with_what_is_known_of_her(app, browser, connector):
    arrived = await sign_in(browser, await to_the_idp(app, browser, connector))
    tokens, userinfo = await told(app, arrived)
    assert userinfo["email"] == "alice@acme.example"
    assert userinfo["name"] == "Alice Acme"
    assert userinfo["given_name"] == "Alice"
    assert userinfo["preferred_username"] == "alice"
    assert userinfo["groups"] == ["Engineering", "Sales, all"]
    assert tokens["claims"]["sub"] != "alice"


@proves("a persistent NameID is the same person at every login")
async def test_she_is_the_same_person_at_the_next_login(served, idp, app):
    subjects = set()
    for _ in range(2):
        async with Browser(apps=[broker.APP], sites=[served.issuer, idp.base_url]) as fresh:
            tokens, _ = await told(app, await sign_in(fresh, await to_the_idp(app, fresh, "plain")))
            subjects.add(tokens["claims"]["sub"])
    assert len(subjects) == 1


@proves("ForceAuthn for prompt=login")
async def test_prompt_login_asks_the_password_again(app, browser):
    await told(app, await sign_in(browser, await to_the_idp(app, browser, "plain")))
    silent = await to_the_idp(app, browser, "signed")
    assert isinstance(silent, Page)
    assert _posts(silent, "SAMLResponse")  # it knows her, and asks nothing
    asked = await to_the_idp(app, browser, "plain", prompt="login")
    assert isinstance(asked, Page)
    assert _posts(asked, "username")


@proves("IdP-initiated: sent to an app that begins a login of its own, or to a page")
@pytest.mark.parametrize("connector", ["tile", "plain"])
async def test_who_comes_from_its_portal_is_not_signed_in_by_that(served, idp, browser, connector):
    sp = f"{served.issuer}/connectors/{connector}/metadata"
    page = await browser.page(f"{idp.base_url}/saml2/idp/SSOService.php?spentityid={quote(sp, safe='')}")
    arrived = await sign_in(browser, page)
    if connector == "plain":
        assert isinstance(arrived, Page)
        assert arrived.status == 400
        return
    assert isinstance(arrived, Arrival)
    assert arrived.answer == {"iss": served.issuer}


@proves("an answer comes once")
async def test_an_answer_that_is_brought_twice_is_good_once(app, browser):
    page = await to_the_idp(app, browser, "plain")
    assert isinstance(page, Page)
    answered = await browser.submit(page, {"username": "alice", "password": "alice-pw"})
    assert isinstance(answered, Page)
    assert isinstance(await sign_in(browser, answered), Arrival)
    again = await sign_in(browser, answered)
    assert isinstance(again, Page)
    assert again.status == 400


async def test_a_wrong_password_is_between_the_person_and_it(app, browser):
    page = await sign_in(browser, await to_the_idp(app, browser, "plain"), password="not hers")
    assert isinstance(page, Page)
    assert _posts(page, "username")
    arrived = await sign_in(browser, page)
    assert isinstance(arrived, Arrival)
    assert "code" in parse_qs(urlsplit(arrived.url).query)
