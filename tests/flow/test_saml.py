"""Whole logins at a SAML identity provider: by redirect and by form, and back by a form from another site."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from lxml import etree

from tests.fakes.saml import NS, FakeIdp, pair
from tests.flow.broker import Broker, Browser, Landed, claims, leaving

row = pytest.mark.row
proves = pytest.mark.proves


class SamlBroker:
    """A broker with one SAML connector, and what is at its other end."""

    def __init__(self, broker: Broker, idp: FakeIdp) -> None:
        self.broker, self.idp = broker, idp
        idp.acs = f"{broker.issuer}/callback/saml"
        idp.sp_entity_id = f"{broker.issuer}/connectors/saml/metadata"
        idp.now = broker.clock

    async def to_the_idp(self, browser: Browser, **asked: str) -> Landed:
        """The identity provider's answer, as the browser has it: a form."""
        departed = await browser.step("GET", browser.authorize_url(scope="openid email groups", **asked))
        if departed.status == 303:
            return await browser.step("GET", departed.url)
        action, fields = form_of(departed)
        return await browser.step("POST", action, data=fields)

    async def bring(self, browser: Browser, form: Landed) -> Landed:
        """Post the form from the identity provider's site: first without our cookie, then again from ours."""
        action, fields = form_of(form)
        async with self.broker.browser() as cross_site:  # a Lax cookie does not come along
            bounce = await cross_site.step("POST", action, data=fields)
        action, again = form_of(bounce)
        assert {name: again[name] for name in fields} == fields
        return leaving(await browser.step("POST", self.broker.issuer + action, data=again))

    async def login(self, browser: Browser, **asked: str) -> Landed:
        return await self.bring(browser, await self.to_the_idp(browser, **asked))


def form_of(landed: Landed) -> tuple[str, dict[str, str]]:
    action = re.search(r'<form[^>]*action="([^"]*)"', landed.body)
    assert action, landed.body
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', landed.body)
    return unescape(action[1]), {unescape(name): unescape(value) for name, value in fields}


@pytest.fixture
async def saml_idp():
    async with FakeIdp.running() as idp:
        yield idp


@pytest.fixture
async def begun(start, saml_idp):
    idp = saml_idp

    async def begin(**keys: Any) -> SamlBroker:
        entry = {
            "type": "saml",
            "name": "Partner <login>",
            "metadata_url": f"{idp.base}/metadata",
            "idp_certificates": [idp.signing.pem],
            "trust_email": True,
            **keys,
        }
        broker = await start(top={"connectors": {"saml": entry}}, client={"trusted": True})
        return SamlBroker(broker, idp)

    return begin


async def told(saml: SamlBroker, browser: Browser, landed: Landed) -> dict[str, Any]:
    """What the client app learns."""
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    status, said = await browser.userinfo(tokens["access_token"])
    assert status == 200
    return said


@row("CB-15")
@proves("saml", "a whole login by redirect, and back by a form from another site")
async def test_a_whole_login_by_redirect(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        said = await told(saml, browser, await saml.login(browser))
        assert said["email"] == "ann@people.example"
        assert said["groups"] == ["Staff", "Admins, all"]
        assert "f7c2-ann" not in said["sub"]


@proves("saml", "a whole login with signed requests by form and an encrypted assertion")
async def test_a_whole_login_by_form_signed_and_encrypted(begun, saml_idp) -> None:
    ours = pair("sp")
    saml_idp.wants_signed_requests = ours
    saml = await begun(
        private_key=ours.private_pem,
        certificate=ours.pem,
        request_binding="post",
        want_assertions_encrypted=True,
    )
    saml_idp.switch(encrypt="aes256-gcm")
    async with saml.broker.browser() as browser:
        assert (await told(saml, browser, await saml.login(browser)))["email"] == "ann@people.example"


@row("SM-14")
async def test_the_page_that_posts_the_request_goes_to_the_identity_provider_and_nowhere_else(
    begun, saml_idp
) -> None:
    saml = await begun(request_binding="post")
    async with saml.broker.browser() as browser:
        page = await browser.step("GET", browser.authorize_url())
    assert page.status == 200
    assert f"form-action {saml_idp.base};" in page.headers["Content-Security-Policy"]
    assert "Taking you to <bdi>Partner &lt;login&gt;</bdi>" in page.body
    assert form_of(page)[0] == f"{saml_idp.base}/sso"


@row("SM-14")
@row("SM-10")
async def test_what_comes_back_is_escaped_on_the_page_that_bounces_it(begun) -> None:
    saml = await begun()
    nasty = '"><script>alert(1)</script>'
    async with saml.broker.browser() as browser:
        answer = {"SAMLResponse": nasty, "RelayState": nasty}
        page = await browser.step("POST", saml.idp.acs, data=answer)
    assert "<script>alert" not in page.body
    assert form_of(page)[1]["RelayState"] == nasty


@row("SM-10")
@pytest.mark.parametrize("state", ["missing", "https://evil.example/", "//evil.example", "x" * 5000])
async def test_a_relay_state_that_is_not_ours_leads_nowhere(begun, state) -> None:
    saml = await begun()
    saml.idp.switch(relay_state=state)
    async with saml.broker.browser() as browser:
        landed = await saml.login(browser)
    assert landed.status == 400
    assert "Location" not in landed.headers
    assert "evil.example" not in landed.body


@row("CB-38")
async def test_a_victims_browser_cannot_be_signed_in_with_somebody_elses_answer(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as attacker, saml.broker.browser() as victim:
        form = await saml.to_the_idp(attacker)
        landed = await saml.bring(victim, form)
        assert landed.status == 400
        assert "Location" not in landed.headers
        assert (await saml.bring(attacker, form)).params[
            "state"
        ] == "state-of-the-client"  # nothing was consumed


@row("CB-41")
async def test_who_comes_back_too_late_hears_so_and_can_begin_again(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        form = await saml.to_the_idp(browser)
        saml.broker.clock.forward(3600)
        assert (await saml.bring(browser, form)).params["error"] == "server_error"
        assert saml.broker.reasons()[-1] == "confirmation_expired"
        assert (await saml.bring(browser, form)).status == 400  # the login is gone: a page
        assert (await saml.login(browser)).code


@row("SM-05")
async def test_the_same_answer_twice_is_good_once(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        form = await saml.to_the_idp(browser)
        assert (await saml.bring(browser, form)).code
        assert (await saml.bring(browser, form)).status == 400


@row("CB-15")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_assertion_in_a_url_is_refused(begun, method) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        _, fields = form_of(await saml.to_the_idp(browser))
        url = f"{saml.idp.acs}?RelayState={fields['RelayState']}&SAMLResponse=PGE-"
        landed = await browser.step(method, url, data={} if method == "POST" else None)
        assert landed.status == 400
        assert (await saml.bring(browser, await saml.to_the_idp(browser))).code


@row("SM-09")
async def test_a_large_answer_is_taken_here_and_nowhere_else(begun, saml_idp) -> None:
    saml = await begun()
    saml_idp.attributes["groups"] = [
        f"group-{number:05}-with-a-name-of-some-length" for number in range(1200)
    ]
    async with saml.broker.browser() as browser:
        form = await saml.to_the_idp(browser)
        assert len(form.body) > 100_000
        assert (await saml.bring(browser, form)).code
        for path, size in (("/callback/saml", 300_000), ("/authorize", 100_000)):
            landed = await browser.step("POST", saml.broker.issuer + path, data={"SAMLResponse": "x" * size})
            assert landed.status == 413


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("AuthnFailed", "access_denied"),
        ("NoPassive", "login_required"),
        ("UnsupportedBinding", "server_error"),
    ],
)
async def test_what_the_identity_provider_refuses_the_client_app_hears(
    begun, saml_idp, status, error
) -> None:
    saml = await begun()
    saml_idp.switch(status=status, sign="response")
    async with saml.broker.browser() as browser:
        assert (await saml.login(browser)).params["error"] == error


async def test_what_is_not_believed_is_told_as_an_error_and_named_in_the_log(begun, saml_idp) -> None:
    saml = await begun()
    saml_idp.switch(audience="https://somebody.else.example")
    async with saml.broker.browser() as browser:
        assert (await saml.login(browser)).params["error"] == "server_error"
    assert "audience_mismatch" in saml.broker.reasons()


@proves("saml", "step-up by RequestedAuthnContext")
async def test_a_stronger_login_is_asked_for_in_its_words_and_told_in_ours(begun, saml_idp) -> None:
    saml = await begun(acr={"strong": "urn:mfa", "weak": "urn:password"})
    async with saml.broker.browser() as browser:
        saml_idp.switch(context="urn:mfa")
        landed = await saml.login(browser, acr_values="strong")
        _, tokens = await browser.token(landed.code)
        assert claims(tokens["id_token"])["acr"] == "strong"
        saml_idp.switch(context="urn:password")
        landed = await saml.login(browser, acr_values="strong", prompt="login")
        assert landed.params["error"] == "unmet_authentication_requirements"
    asked = saml_idp.asked[0].find("samlp:RequestedAuthnContext", NS)
    assert [one.text for one in asked] == ["urn:mfa"]


async def test_a_session_that_is_too_old_there_is_renewed_in_one_go(begun, saml_idp) -> None:
    saml = await begun()
    saml_idp.switch(authn_instant=-7200)
    async with saml.broker.browser() as browser:
        form = await saml.to_the_idp(browser, max_age="600")
        again = await saml.bring(browser, form)
        assert urlsplit(again.url).netloc == urlsplit(saml_idp.base).netloc or again.status in (200, 303)
        saml_idp.switch(authn_instant=-1)
        assert [one.get("ForceAuthn") for one in saml_idp.asked] == [None]
        target = again.url if again.url.startswith(saml_idp.base) else form_of(again)[0]
        landed = await saml.bring(browser, await browser.step("GET", target))
        assert landed.code
    assert [one.get("ForceAuthn") for one in saml_idp.asked] == [None, "true"]


@row("SM-03")
@proves("saml", "a session here ends no later than the identity provider says (SessionNotOnOrAfter)")
async def test_a_session_ends_when_the_identity_provider_says(begun, saml_idp) -> None:
    saml = await begun()
    saml_idp.switch(session_until=600)
    saml.broker.clock.stand()
    async with saml.broker.browser() as browser:
        assert (await saml.login(browser)).code
        saml.broker.clock.forward(590)
        assert (await browser.step("GET", browser.authorize_url())).code  # without the identity provider
        saml.broker.clock.forward(20)
        again = await browser.step("GET", browser.authorize_url())
        assert again.url.startswith(saml_idp.base)
        saml_idp.switch(session_until="missing")
        assert (await saml.login(browser)).code
        saml.broker.clock.forward(620)
        assert (await browser.step("GET", browser.authorize_url())).code


@row("SM-11")
async def test_a_logout_request_at_the_callback_is_a_page(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        bounce = await browser.step("POST", saml.idp.acs, data={"SAMLRequest": "PGE+"})
        action, fields = form_of(bounce)
        assert (await browser.step("POST", saml.broker.issuer + action, data=fields)).status == 400


# ── Coming unasked ────────────────────────────────────────────────────────────────────────────

HOME = "https://billing.example/login"


@proves("saml", "IdP-initiated answers are off by default, and never believed")
async def test_who_comes_unasked_gets_a_page_unless_an_app_takes_them(begun) -> None:
    saml = await begun()
    async with saml.broker.browser() as browser:
        form = Landed(200, "", saml.idp.form(saml.idp.respond(None), "https://evil.example"), {})
        assert (await saml.bring(browser, form)).status == 400


async def test_who_comes_unasked_begins_a_login_at_the_app_that_was_named(begun) -> None:
    saml = await begun(idp_initiated=HOME)
    async with saml.broker.browser() as browser:
        answer = {"SAMLResponse": saml.idp.respond(None), "RelayState": "https://evil.example/"}
        landed = await browser.step("POST", saml.idp.acs, data=answer)
        assert landed.status == 303
        assert landed.url.startswith(f"{HOME}?iss=http")
        assert not browser.cookies()
        _, fields = form_of(await saml.to_the_idp(browser))
        fields["SAMLResponse"] = saml.idp.respond(None)
        signed_in = await browser.step(
            "POST", saml.idp.acs, data=fields
        )  # with the cookie of a login under way
        assert leaving(signed_in).params["error"] == "server_error"


# ── Our metadata ──────────────────────────────────────────────────────────────────────────────


@proves("saml", "metadata of its own at a URL")
async def test_the_identity_provider_can_read_our_metadata(begun) -> None:
    saml = await begun(private_key=pair("sp").private_pem)
    async with saml.broker.browser() as browser:
        landed = await browser.step("GET", saml.idp.sp_entity_id)
        assert landed.status == 200
        assert landed.headers["Content-Type"] == "application/samlmetadata+xml"
        assert landed.headers["Cache-Control"].startswith("public")
        root = etree.fromstring(landed.body.encode())
        service = root.find(".//md:AssertionConsumerService", NS)
        assert (root.get("entityID"), service.get("Location")) == (saml.idp.sp_entity_id, saml.idp.acs)
        nobody = await browser.step("GET", f"{saml.broker.issuer}/connectors/nobody/metadata")
        assert nobody.status == 404


async def test_a_connector_that_publishes_nothing_has_no_metadata(broker) -> None:
    async with broker.browser() as browser:
        assert (await browser.step("GET", f"{broker.issuer}/connectors/staff/metadata")).status == 404
