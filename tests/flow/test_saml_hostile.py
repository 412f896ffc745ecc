"""Two SAML connectors at one identity provider, and what a stranger may carry from one to the other."""

from __future__ import annotations

import pytest

from tests.fakes.saml import FakeIdp, pair
from tests.flow.broker import Browser, Landed, leaving
from tests.flow.test_saml import form_of

row = pytest.mark.row
proves = pytest.mark.proves

US = "urn:acme:broker"
"""Both connectors are this service provider, so that no audience tells their answers apart."""


class Two:
    """A broker with the connectors `one` and `two`, which only their addresses tell apart."""

    def __init__(self, broker, idp: FakeIdp) -> None:
        self.broker, self.idp = broker, idp
        idp.sp_entity_id, idp.now = US, broker.clock

    async def asked(self, browser: Browser, connector: str) -> dict[str, str]:
        """The identity provider's answer to a login at this connector."""
        self.idp.acs = f"{self.broker.issuer}/callback/{connector}"
        left = await browser.step("GET", browser.authorize_url(connector=connector))
        return form_of(await browser.step("GET", left.url))[1]

    async def brought(self, browser: Browser, connector: str, fields: dict[str, str]) -> Landed:
        """As from our own page: with the cookies."""
        action = f"{self.broker.issuer}/callback/{connector}"
        return leaving(await browser.step("POST", action, data=fields | {"bounced": "1"}))


@pytest.fixture
async def two(start):
    async with FakeIdp.running() as idp:
        entry = {
            "type": "saml",
            "metadata_url": f"{idp.base}/metadata",
            "idp_certificates": [idp.signing.pem],
            "entity_id": US,
            "private_key": pair("sp").private_pem,
        }
        connectors = {name: {**entry, "name": name} for name in ("one", "two")}
        yield Two(await start(top={"connectors": connectors}, client={"trusted": True}), idp)


@row("SM-05")
@row("SM-03")
@proves("saml", "an answer for one of two connectors at one identity provider is none for the other")
async def test_an_answer_for_one_connector_is_none_for_the_other(two) -> None:
    async with two.broker.browser() as browser:
        first, second = await two.asked(browser, "one"), await two.asked(browser, "two")
        assert (await two.brought(browser, "two", first)).status == 400  # nobody left from there with it
        swapped = await two.brought(browser, "two", second | {"SAMLResponse": first["SAMLResponse"]})
        assert swapped.params["error"] == "server_error"
        assert two.broker.reasons()[-1] == "destination_mismatch"
        assert (await two.brought(browser, "one", first)).code
        assert (await two.brought(browser, "one", first)).status == 400


@row("SM-05")
async def test_two_connectors_know_one_person_by_two_subjects(two) -> None:
    subjects = []
    for connector in ("one", "two"):
        async with two.broker.browser() as browser:
            landed = await two.brought(browser, connector, await two.asked(browser, connector))
            _, tokens = await browser.token(landed.code)
            subjects.append((await browser.userinfo(tokens["access_token"]))[1]["sub"])
    assert len(set(subjects)) == 2


@row("LG-01")
@proves("saml", "what goes wrong is logged without the person, the assertion, or what opens it")
async def test_nothing_of_a_person_or_an_answer_is_in_the_log(two) -> None:
    spoiled = [
        {"audience": "https://somebody.else.example"},
        {"key": "foreign"},
        {"name_id": " f7c2-ann"},
        {"name_id_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
        {"repeated": True},
        {"encrypt": "aes256-gcm", "transport": "rsa-1_5"},
        {"encrypt": "aes256-gcm", "sign": "none"},
        {"issuer": "ann@people.example"},
        {"mangle": lambda root: b"<!DOCTYPE r><r/>"},
        {},
    ]
    states, answers = [], []
    for switches in spoiled:
        two.idp.switches = switches
        async with two.broker.browser() as browser:
            fields = await two.asked(browser, "one")
            landed = await two.brought(browser, "one", fields)
        assert ("code" in landed.params) == (switches == {})
        if switches:  # the other leads on with a code, which may spell anything
            assert "ann" not in landed.body.lower().replace("cannot", "")
        states.append(fields["RelayState"])
        answers.append(fields["SAMLResponse"])
    log = b"".join(two.broker.log).decode()
    for secret in ("f7c2-ann", "people.example", "Ann Example", "PRIVATE KEY", *states):
        assert secret not in log
    pieces = [answer[at : at + 24] for answer in answers for at in range(0, 600, 24)]
    assert not [piece for piece in pieces if len(piece) == 24 and piece in log]
