"""Consent: asked once, answered once, by the person who was asked."""

from __future__ import annotations

import asyncio

import pytest

from tests.flow.broker import Broker, leaving


async def test_the_page_names_app_host_person_and_each_scope_in_words(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(scope="openid profile email offline_access groups")
    assert page.status == 200
    for words in ("Billing", "billing.example", "ada@people.example", "See your groups"):
        assert words in page.body.replace("<wbr>", "")
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_what_was_granted_is_not_asked_again_and_a_wider_request_asks_only_what_is_new(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid profile")
        assert "code" in (await browser.authorize(scope="openid profile")).params
        page = await browser.authorize(scope="openid profile email")
        assert 'value="email"' in page.body
        assert 'value="profile"' not in page.body
        assert "code" in (await browser.answer_consent(page)).params


async def test_openid_alone_is_nothing_to_grant(broker: Broker) -> None:
    async with broker.browser() as browser:
        assert "code" in (await browser.authorize(scope="openid")).params


async def test_an_unticked_scope_is_remembered_as_refused_until_prompt_consent(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        await browser.answer_consent(page, scopes=["profile"])
        landed = await browser.authorize()
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid profile"
        page = await browser.authorize(prompt="consent")
        assert 'value="email"' in page.body


async def test_a_trusted_client_is_not_asked_about_unless_it_asks_for_it(broker: Broker) -> None:
    trusted = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb"}
    async with broker.browser() as browser:
        assert "code" in (await browser.authorize(**trusted)).params
        page = await browser.authorize(prompt="consent", **trusted)
        assert 'name="answer"' in page.body


@pytest.mark.row("CS-10")
async def test_denial_is_told_once_at_the_client(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        landed = await browser.answer_consent(page, answer="deny")
        assert landed.params["error"] == "access_denied"
        assert landed.params["state"] == "state-of-the-client"
        again = await browser.answer_consent(page)
        assert again.status in (400, 403, 409)
        assert "code" not in again.params


@pytest.mark.row("CS-01")
@pytest.mark.parametrize("csrf", [None, "", "x" * 43])
async def test_an_answer_without_the_forms_own_token_is_forbidden(broker: Broker, csrf) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        data = {"flow": page.field("flow"), "answer": "allow", "scope": "profile"}
        if csrf is not None:
            data["csrf"] = csrf
        answer = await browser.step("POST", f"{broker.issuer}/consent", data=data)
        assert answer.status == 403
        assert "code" in (await browser.answer_consent(page)).params


@pytest.mark.row("CS-02")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_an_answer_from_another_site_is_forbidden(broker: Broker, headers) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "allow"}
        answer = await browser.step("POST", f"{broker.issuer}/consent", data=data, headers=headers)
        assert answer.status == 403
        for kind in ("text/plain", "multipart/form-data; boundary=x"):
            answer = await browser.step(
                "POST", f"{broker.issuer}/consent", data="answer=allow", headers={"Content-Type": kind}
            )
            assert answer.status == 403


@pytest.mark.row("CS-03")
async def test_approving_is_never_a_get(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        url = f"{broker.issuer}/consent?flow={page.field('flow')}&csrf={page.field('csrf')}&answer=allow"
        shown = await browser.step("GET", url)
        assert "code=" not in shown.url
        assert 'name="answer"' in shown.body
        assert (await browser.step("HEAD", url)).status == 405


@pytest.mark.row("CS-05")
async def test_fields_that_were_tampered_with_change_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(scope="openid profile")
        data = [
            ("csrf", page.field("csrf")),
            ("flow", page.field("flow")),
            ("answer", "allow"),
            ("scope", "profile"),
            ("scope", "email"),
            ("scope", "groups"),
            ("client_id", "trusted"),
            ("redirect_uri", "https://evil.example/"),
            ("connector", "other"),
            ("sub", "somebody"),
        ]
        landed = leaving(await browser.step("POST", f"{broker.issuer}/consent", data=data))
        assert landed.url.startswith("https://billing.example/callback?")
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid profile"


@pytest.mark.row("CS-06")
async def test_of_fifty_approvals_at_once_exactly_one_gives_a_code(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        answers = await asyncio.gather(*(browser.answer_consent(page) for _ in range(50)))
        assert sum("code" in answer.params for answer in answers) == 1
        assert {answer.status for answer in answers if "code" not in answer.params} == {400}
        assert "code" not in (await browser.answer_consent(page)).params


@pytest.mark.row("CS-07")
async def test_a_transaction_of_somebody_else_cannot_be_answered(broker: Broker) -> None:
    async with broker.browser() as mine, broker.browser() as theirs:
        page, other = await mine.authorize(), await theirs.authorize()
        data = {"csrf": page.field("csrf"), "flow": other.field("flow"), "answer": "allow"}
        answer = await mine.step("POST", f"{broker.issuer}/consent", data=data)
        assert answer.status == 403
        assert "code" in (await mine.answer_consent(page)).params
        assert "code" in (await theirs.answer_consent(other)).params


@pytest.mark.row("CS-09")
async def test_an_app_that_anybody_could_impersonate_is_always_asked_about(start) -> None:
    native = {
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "client_secret": None,
        "redirect_uris": ["http://127.0.0.1/cb"],
    }
    broker = await start(clients={"cli": native})
    asked = {"client_id": "cli", "redirect_uri": "http://127.0.0.1:49152/cb"}
    async with broker.browser() as browser:
        page = await browser.authorize(**asked)
        await browser.answer_consent(page)
        page = await browser.authorize(**asked)
        assert 'name="answer"' in page.body
        landed = await browser.authorize(prompt="none", **asked)
        assert landed.params["error"] == "consent_required"


@pytest.mark.row("CS-17")
async def test_a_page_shown_to_one_person_cannot_be_answered_by_the_next(broker: Broker) -> None:
    broker.idp.person("grace", name="Grace Example", email="grace@people.example", email_verified=True)
    broker.idp.current = "ada"
    async with broker.browser() as browser:
        page = await browser.authorize()
        broker.idp.current = "grace"
        await browser.authorize(prompt="login")
        answer = await browser.answer_consent(page)
        assert answer.status == 403


async def test_withdrawing_ends_the_tokens_and_the_next_login_asks_again(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid profile offline_access")
        _, tokens = await browser.token(landed.code)
        page = await browser.go(f"{broker.issuer}/account")
        assert "Billing" in page.body
        data = {"csrf": page.field("csrf"), "client_id": "billing"}
        answer = await browser.step("POST", f"{broker.issuer}/account/withdraw", data=data)
        assert answer.status == 200
        assert "Billing no longer has access" in answer.body.replace("<bdi>", "").replace("</bdi>", "")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400
        page = await browser.authorize(scope="openid profile offline_access")
        assert 'name="answer"' in page.body


async def test_not_you_leads_to_a_login_by_somebody_else(broker: Broker) -> None:
    broker.idp.person("grace", name="Grace Example", email="grace@people.example", email_verified=True)
    broker.idp.current = "ada"
    async with broker.browser() as browser:
        page = await browser.authorize()
        broker.idp.current = "grace"
        page = await browser.go(f"{broker.issuer}/not-you?flow={page.field('flow')}")
        assert "grace@people.example" in page.body
        assert "code" in (await browser.answer_consent(page)).params
