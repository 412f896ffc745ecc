"""Pairwise subjects: what one sector calls a person tells another nothing."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from tests.flow.broker import Broker, Browser, claims, leaving
from tests.flow.machines import SCOPES, api, entry
from tests.serving import serving

ONE, SAME, OTHER = "https://one.example/cb", "https://one.example/other-app", "https://two.example/cb"
API = "https://api.example"


def app(*redirect_uris: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_name": "App",
        "trusted": True,
        "redirect_uris": list(redirect_uris),
        "subject_type": "pairwise",
        "audience": API,
    } | changes


@pytest.fixture
async def broker(start) -> Broker:
    return await start(
        top={"scopes": SCOPES},
        clients={
            "one": app(ONE),
            "same": app(SAME, access_token_format="opaque"),
            "other": app(OTHER),
            "everybody": app(ONE, subject_type="public"),
            "reports": api(),
        },
    )


async def signed_in(browser: Browser, client: str, redirect_uri: str, **asked: str) -> dict[str, Any]:
    """The tokens of a login at this app."""
    landed = await browser.login(client_id=client, redirect_uri=redirect_uri, **asked)
    status, tokens = await browser.token(leaving(landed).code, client=client, redirect_uri=redirect_uri)
    assert status == 200, tokens
    return tokens


async def everywhere(browser: Browser, tokens: dict[str, Any]) -> set[str]:
    """Every ``sub`` that is said with these tokens."""
    _, told = await browser.userinfo(tokens["access_token"])
    _, seen = await browser.post("/introspect", {"token": tokens["access_token"]}, client="reports")
    said = {claims(tokens["id_token"])["sub"], told["sub"], seen["sub"]}
    if "." in tokens["access_token"]:
        said.add(claims(tokens["access_token"])["sub"])
    return said


@pytest.mark.row("UI-13")
@pytest.mark.standard("OpenID Core", "§8.1 pairwise subjects by sector")
async def test_a_person_has_one_sub_in_each_sector_and_another_in_every_other(broker: Broker) -> None:
    async with broker.browser() as browser:
        one = await everywhere(browser, await signed_in(browser, "one", ONE))
        again = await everywhere(browser, await signed_in(browser, "one", ONE))
        same = await everywhere(browser, await signed_in(browser, "same", SAME))
        other = await everywhere(browser, await signed_in(browser, "other", OTHER))
        public = await everywhere(browser, await signed_in(browser, "everybody", ONE))
    assert len(one) == len(other) == len(public) == 1
    assert one == again == same
    assert len({*one, *other, *public}) == 3


@pytest.mark.row("UI-13")
async def test_another_person_has_another_sub_in_the_same_sector(broker: Broker) -> None:
    async with broker.browser() as browser:
        one = await everywhere(browser, await signed_in(browser, "one", ONE))
    broker.idp.person("grace", name="Grace Example", email="grace@people.example", email_verified=True)
    async with broker.browser() as browser:
        two = await everywhere(browser, await signed_in(browser, "one", ONE))
    assert one != two


@pytest.mark.standard("OpenID Core", "§3.1.2.1 id_token_hint with a pairwise sub")
async def test_a_hint_and_a_sub_that_was_asked_for_are_the_sectors_own(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser, "one", ONE)
        other = await signed_in(browser, "other", OTHER)
        silent = {"client_id": "one", "redirect_uri": ONE, "prompt": "none"}
        landed = await browser.authorize(**silent, id_token_hint=tokens["id_token"])
        assert "code" in landed.params
        _, mine = await browser.userinfo(tokens["access_token"])
        _, theirs = await browser.userinfo(other["access_token"])
        wanted = '{"id_token": {"sub": {"value": "%s"}}}'
        landed = await browser.authorize(**silent, claims=wanted % mine["sub"])
        assert "code" in landed.params
        landed = await browser.authorize(**silent, claims=wanted % theirs["sub"])
        assert landed.params["error"] == "login_required"


@pytest.mark.row("UI-13")
@pytest.mark.standard("OpenID Core", "§8.1 no other claim tells two sectors that it is the same person")
async def test_a_session_has_another_sid_in_each_sector_too(broker: Broker) -> None:
    async with broker.browser() as browser:
        said = [
            claims((await signed_in(browser, client, uri))["id_token"])["sid"]
            for client, uri in (
                ("one", ONE),
                ("one", ONE),
                ("same", SAME),
                ("other", OTHER),
                ("everybody", ONE),
            )
        ]
    assert said[0] == said[1] == said[2]
    assert len({said[0], said[3], said[4]}) == 3


async def test_at_a_refresh_it_is_the_same(start) -> None:
    scope = {"scope": "openid offline_access", "grant_types": ["authorization_code", "refresh_token"]}
    broker = await start(clients={"one": app(ONE, **scope)})
    async with broker.browser() as browser:
        tokens = await signed_in(browser, "one", ONE, scope="openid offline_access")
        _, later = await browser.refresh(tokens["refresh_token"], client="one")
    assert claims(later["id_token"])["sub"] == claims(tokens["id_token"])["sub"]


# ── Sectors that a document names ─────────────────────────────────────────────────────────────


class Sector:
    """Where the sector's list is."""

    def __init__(self) -> None:
        self.listed: Any = [ONE, OTHER]
        self.asked = 0

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.listed)


@pytest.fixture
async def sector():
    found = Sector()
    async with serving(found.serve, "/sector.json") as origin:
        found.url = f"{origin}/sector.json"
        yield found


@pytest.mark.row("UI-13")
@pytest.mark.standard("OpenID Core", "§8.1 sector_identifier_uri")
async def test_apps_on_several_hosts_are_of_one_sector_where_its_document_lists_them(start, sector) -> None:
    of_it = {"sector_identifier_uri": sector.url}
    broker = await start(clients={"one": app(ONE, **of_it), "other": app(OTHER, **of_it), "alone": app(ONE)})
    async with broker.browser() as browser:
        one = claims((await signed_in(browser, "one", ONE))["id_token"])["sub"]
        other = claims((await signed_in(browser, "other", OTHER))["id_token"])["sub"]
        alone = claims((await signed_in(browser, "alone", ONE))["id_token"])["sub"]
    assert one == other != alone
    assert sector.asked == 1  # and then it is kept


async def test_an_app_that_its_sector_lists_from_now_on_need_not_wait_until_the_old_list_is_forgotten(
    start, sector
) -> None:
    of_it = {"sector_identifier_uri": sector.url}
    broker = await start(clients={"one": app(ONE, **of_it), "other": app(OTHER, **of_it)})
    sector.listed = [ONE]
    async with broker.browser() as browser:
        one = claims((await signed_in(browser, "one", ONE))["id_token"])["sub"]
        sector.listed = [ONE, OTHER]
        assert claims((await signed_in(browser, "other", OTHER))["id_token"])["sub"] == one
    assert sector.asked == 2


@pytest.mark.row("UI-13")
@pytest.mark.parametrize("listed", [[], [ONE], {"redirect_uris": [ONE, OTHER]}, None, ONE + OTHER])
async def test_a_sector_that_does_not_list_the_app_is_not_the_apps(start, sector, listed) -> None:
    sector.listed = listed
    broker = await start(clients={"other": app(OTHER, sector_identifier_uri=sector.url)})
    async with broker.browser() as browser:
        landed = await browser.login(client_id="other", redirect_uri=OTHER)
    assert landed.params["error"] == "server_error"
    assert "sector_not_listed" in broker.reasons()


@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("https://169.254.169.254/sector.json", "server_error"),
        ("https://127.0.0.1:9/sector.json", "temporarily_unavailable"),
    ],
)
async def test_a_sector_is_asked_by_way_of_the_guard(start, uri, error) -> None:
    broker = await start(clients={"other": app(OTHER, sector_identifier_uri=uri)})
    async with broker.browser() as browser:
        landed = await browser.login(client_id="other", redirect_uri=OTHER)
    assert landed.params["error"] == error


async def test_a_machine_is_known_by_its_client_id_to_everybody(start) -> None:
    broker = await start(
        top={"scopes": SCOPES},
        clients={"nightly": entry("Nightly", "client_credentials", subject_type="pairwise",
                                  sector_identifier_uri="https://sector.example/list.json")},
    )  # fmt: skip
    async with broker.browser() as browser:
        _, answer = await browser.post("/token", {"grant_type": "client_credentials"}, client="nightly")
    assert claims(answer["access_token"])["sub"] == "nightly"
