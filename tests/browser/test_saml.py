"""A whole SAML login in a real Chromium, whose rules for cookies and forms hold between two sites."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.fakes.provider import FakeProvider
from tests.fakes.saml import FakeIdp, pair
from tests.flow.broker import CALLBACK, CHALLENGE, running_broker

pytestmark = pytest.mark.browser


@pytest.mark.row("CB-15")
@pytest.mark.row("SM-14")
@pytest.mark.proves("saml", "a login in a real browser, by redirect and by form", against="Chromium")
@pytest.mark.parametrize("scripting", [True, False])
@pytest.mark.parametrize("binding", ["redirect", "post"])
async def test_a_login_at_another_site_comes_back_by_its_form(
    browser, store_config, tmp_path, binding, scripting
):
    ours = pair("sp")
    async with FakeIdp.running(wants_signed_requests=ours) as idp:
        idp.base = idp.base.replace("127.0.0.1", "localhost")  # another site than the broker's
        entry = {
            "type": "saml",
            "name": "Partner login",
            "metadata_url": f"{idp.base}/metadata",
            "idp_certificates": [idp.signing.pem],
            "private_key": ours.private_pem,
            "certificate": ours.pem,
            "request_binding": binding,
        }
        changes = {"top": {"connectors": {"saml": entry}}, "client": {"trusted": True}}
        async with running_broker(FakeProvider(), store_config, tmp_path, **changes) as broker:
            idp.acs = f"{broker.issuer}/callback/saml"
            idp.sp_entity_id = f"{broker.issuer}/connectors/saml/metadata"
            page = await browser.new_page(java_script_enabled=scripting)
            arrived: list[str] = []

            async def the_app(route):
                arrived.append(route.request.url)
                await route.fulfill(body="welcome", content_type="text/plain")

            await page.route("https://billing.example/**", the_app)
            await page.goto(authorize_url(broker.issuer))
            if binding == "post" and not scripting:
                await press(page)
            await page.wait_for_url(f"{idp.base}/sso**")
            await press(page)  # its own form, which has no script
            if not scripting:
                await page.wait_for_url("**/callback/saml")
                await press(page)
            await page.wait_for_url("https://billing.example/**")
    said = parse_qs(urlsplit(arrived[0]).query)
    assert said["state"] == ["of-the-app"]
    assert "code" in said


async def press(page) -> None:
    await page.get_by_role("button", name="Continue").click()


def authorize_url(issuer: str) -> str:
    asked = {
        "client_id": "billing",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "of-the-app",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{issuer}/authorize?{urlencode(asked)}"
