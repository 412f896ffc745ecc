"""What is told of a workspace, and by whom: the log, the numbers, and the well-known paths of its issuer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from broker.config import StoreConfig
from broker.store import Embedded
from broker.store.wire import Wire
from tests.fakes.provider import FakeProvider
from tests.flow.conftest import Start
from tests.flow.test_workspaces import Host, running_host


@pytest.fixture
async def host(idp: FakeProvider, store_config: StoreConfig, tmp_path: Path) -> AsyncIterator[Host]:
    async with AsyncExitStack() as stack:
        yield await running_host(stack, idp, store_config, tmp_path)


async def test_the_numbers_of_the_whole_process_are_no_workspaces_to_tell(host: Host) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{host.own.issuer}/metrics") as answer:
            assert answer.status == 200
        async with session.get(f"{host.acme.issuer}/metrics") as answer:
            assert answer.status == 404
        async with session.get(f"{host.acme.issuer}/readyz") as answer:
            assert answer.status == 200


async def test_each_workspace_wears_its_own_theme(start: Start) -> None:
    members = {"members": {"type": "pool", "name": "Members"}}
    names = {"": "The Host", "/t/acme": "Acme House", "/t/beta": "Beta Works"}
    accents = dict(zip(names, ("#004488", "#882244", "#226622"), strict=True))
    themes = {path: {"name": name, "accent": accents[path]} for path, name in names.items()}
    spaces = {path[3:]: {"connectors": members, "theme": theme} for path, theme in themes.items() if path}
    broker = await start(top={"theme": themes[""], "workspaces": spaces})
    async with broker.browser() as browser:
        for path, own in names.items():
            page = await browser.step("GET", f"{broker.issuer}{path}/signed-out")
            assert {name for name in names.values() if name in page.body} == {own}
            sheets = re.findall(rf'href="({path}/static/[^"]*\.css[^"]*)"', page.body)
            worn = [(await browser.step("GET", broker.issuer + sheet)).body for sheet in sheets]
            assert {one for one in accents.values() if any(one in sheet for sheet in worn)} == {accents[path]}


@pytest.mark.standard("RFC 8414", "§3.1 the well-known path of an issuer with a path, for scripts too")
@pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
async def test_a_script_reads_the_metadata_of_a_workspace_at_both_well_known_forms(
    host: Host, name: str
) -> None:
    spa = {"Origin": "https://spa.example"}
    urls = f"{host.acme.issuer}/.well-known/{name}", f"{host.own.issuer}/.well-known/{name}/t/acme"
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url, headers=spa) as answer:
                assert answer.headers.get("Access-Control-Allow-Origin") == spa["Origin"], url
                assert answer.headers["Vary"] == "Origin"
            async with session.options(url, headers=spa | {"Access-Control-Request-Method": "GET"}) as answer:
                assert answer.headers.get("Access-Control-Allow-Origin") == spa["Origin"], url
            async with session.get(url, headers={"Origin": "https://attacker.example"}) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
        async with session.post(urls[1]) as answer:
            assert (answer.status, answer.content_type) == (405, "application/json")


async def test_the_log_says_of_which_workspace_a_line_is(host: Host) -> None:
    for broker in host.all:
        async with broker.browser() as browser:
            await browser.login()
        told = broker.events("login")[-1].get("workspace", "")
        assert told == broker.issuer.partition("/t/")[2]
        assert all(event.get("workspace") != "" for event in broker.events())


async def test_what_one_workspace_has_to_tell_its_apps_is_not_counted_over_the_others(host: Host) -> None:
    for broker, count in zip(host.all, (5, 0, 2), strict=True):
        broker.services.events.noted(dead=count)
    async with aiohttp.ClientSession() as session, session.get(f"{host.own.issuer}/metrics") as answer:
        text = await answer.text()
    told = re.findall(r'broker_outbox_notices\{state="dead",workspace="(\w*)"\} (\d+)', text)
    assert {"": "5", "acme": "0", "beta": "2"}.items() <= dict(told).items()


@pytest.mark.row("WB-06")
@pytest.mark.parametrize("dots", ["..", ".", "%2e%2e", ".%2E"])
async def test_no_dots_lead_from_one_workspace_into_another(host: Host, dots: str) -> None:
    async with host.acme.browser() as browser:
        back = quote(f"/t/acme/{dots}/beta/account", safe="")
        page = await browser.step("GET", f"{host.acme.issuer}/language?to=fr&back={back}")
        assert (page.status, "Location" in page.headers) == (400, False)


async def test_the_numbers_do_not_grow_with_the_workspaces(host: Host) -> None:
    async with aiohttp.ClientSession() as session:
        for broker in host.all:
            async with session.get(f"{broker.issuer}/jwks") as answer:
                assert answer.status == 200
            async with session.get(f"{broker.issuer}/consent") as answer:
                assert answer.status == 403
            assert broker.events("refusal")[-1]["endpoint"] == "/consent"
        async with session.get(f"{host.own.issuer}/metrics") as answer:
            text = await answer.text()
    assert 'broker_request_seconds_count{endpoint="/jwks"' in text
    assert 'endpoint="/t/acme' not in text


async def test_the_issuers_of_a_host_share_one_connection_to_the_store(
    idp: FakeProvider, store_config: StoreConfig, valkey: Embedded, tmp_path: Path
) -> None:
    looking = Wire(valkey.url)

    async def connected() -> set[str]:
        told = (await looking.call("CLIENT", "LIST")).decode()
        return set(re.findall(r"^id=([0-9]+)", told, re.MULTILINE))

    before = await connected()
    async with AsyncExitStack() as stack:
        host = await running_host(stack, idp, store_config, tmp_path)
        for broker in host.all:
            async with broker.browser() as browser:
                assert (await browser.login()).params["iss"] == broker.issuer
        assert len(await connected() - before) == 1
    await looking.close()
