"""What is stored tells nothing to who reads it, and takes nothing from who writes it."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.config.settings import StoreConfig
from broker.connector import Secret
from broker.record import replace
from broker.store import (
    FirstRefresh,
    OpaqueAccess,
    Origin,
    Store,
    StoreCorrupt,
    StoreMisconfigured,
    open_store,
)
from broker.store.vault import Vault
from broker.store.wire import Wire
from tests.store.proxy import Proxy
from tests.store.samples import (
    EMAIL,
    NOW,
    access_token,
    consent,
    grant,
    handle,
    pending_consent,
    pending_login,
    pending_request,
    remember,
    session,
)


@pytest.fixture
async def wire(store_config: StoreConfig) -> AsyncIterator[Wire]:
    """Somebody who can read and write Redis, and has no key."""
    opened = Wire(store_config.url)
    yield opened
    await opened.close()


async def _keys(wire: Wire, config: StoreConfig, family: str = "") -> list[str]:
    return sorted(key.decode() for key in await wire.call("KEYS", f"{config.prefix}{family}*"))


async def _fill(store: Store) -> list[str]:
    """One of everything; returns what must not be found in Redis."""
    await store.put_request("request-id", "browser-cookie", pending_request(), 60)
    await store.put_login("the-state", "browser-cookie", pending_login(), 60)
    await store.put_consent_page("page-id", "browser-cookie", pending_consent(), 60)
    origin = Origin(device="A browser", issuer="https://idp.example", sid="upstream sid", subject="their sub")
    await store.put_session("our-sid.session-cookie", session(), 60, origin=origin)
    await store.join_session("our-sid", "billing", now=NOW, known_for=600)
    await store.note_due("our-sid", NOW + 60, now=NOW)
    await store.end_session("another-sid", 60)
    mine = grant()
    code, refresh, opaque = (
        handle(store, "code", mine),
        handle(store, "refresh", mine),
        handle(store, "access", mine),
    )
    await store.put_grant(mine, code, 60)
    await store.spend_code(
        code,
        ttl=600,
        refresh=FirstRefresh(handle=refresh, idle_until=NOW + 100, absolute_until=NOW + 1000),
        access=OpaqueAccess(handle=opaque, token=access_token(mine)),
    )
    fresh = handle(store, "refresh", mine)
    await store.rotate_refresh(refresh, fresh, now=NOW, grace=10, idle_until=NOW + 100, ttl=600)
    await store.revoke_jti(mine.id, "a-jti", expires_at=NOW + 300, now=NOW)
    await remember(store, "subject-of-ada", consent(), 60)
    await store.replace_signing_keys(b"", b'{"d":"private part"}')
    handles = [code.text, refresh.text, opaque.text, fresh.text]
    cookies = ["request-id", "browser-cookie", "the-state", "page-id", "session-cookie"]
    return [
        *handles,
        *cookies,
        EMAIL,
        "our nonce",
        "our verifier",
        "the app's nonce",
        "private part",
        "upstream sid",
        "their sub",
        "https://idp.example",
    ]


@pytest.mark.row("RD-17")
async def test_a_dump_of_redis_holds_no_handle_cookie_address_or_key(
    store: Store, store_config: StoreConfig, wire: Wire
) -> None:
    hidden = await _fill(store)
    names = await _keys(wire, store_config)
    assert len(names) == 13
    dump = b"".join([name.encode() + await wire.call("DUMP", name) for name in names])
    assert [secret for secret in hidden if secret.encode() in dump] == []


@pytest.mark.row("RD-13")
async def test_every_key_has_a_ttl_except_the_one_that_is_listed(
    store: Store, store_config: StoreConfig, wire: Wire
) -> None:
    await _fill(store)
    without = [name for name in await _keys(wire, store_config) if await wire.call("PTTL", name) < 0]
    assert without == [f"{store_config.prefix}signing-keys"]


@pytest.mark.row("RD-13")
@pytest.mark.parametrize("ttl", [0, -5, 1e300, 0.0001])
async def test_a_ttl_of_nonsense_is_cut_to_one_that_ends(
    store: Store, store_config: StoreConfig, wire: Wire, ttl: float
) -> None:
    await store.put_request("id", "browser", pending_request(), ttl)
    for name in await _keys(wire, store_config):
        left = await wire.call("PTTL", name)
        assert left != -1  # that would be for ever
        assert left <= 11 * 366 * 86_400_000


@pytest.mark.row("RD-18")
async def test_a_value_that_was_copied_to_another_name_does_not_open(
    store: Store, store_config: StoreConfig, wire: Wire
) -> None:
    await store.put_session("sid-one.cookie", session(), 60)
    (one,) = await _keys(wire, store_config, "session:")
    await store.put_session("sid-two.cookie", replace(session(), sid="sid-two"), 60)
    (two,) = set(await _keys(wire, store_config, "session:")) - {one}
    await wire.call("COPY", one, two, "REPLACE")
    with pytest.raises(StoreCorrupt) as refused:
        await store.read_session("sid-two.cookie", 60)
    assert refused.value.reason == "seal_broken"


@pytest.mark.row("RD-18")
async def test_a_consent_that_was_moved_to_another_app_or_person_does_not_open(
    store: Store, store_config: StoreConfig, wire: Wire
) -> None:
    await remember(store, "ada", consent("billing"), 60)
    (name,) = await _keys(wire, store_config)
    sealed = await wire.call("HGET", name, "billing")
    await wire.call("HSET", name, "evil", sealed)
    with pytest.raises(StoreCorrupt):
        await store.read_consent("ada", "evil")
    with pytest.raises(StoreCorrupt):
        await store.list_consents("ada")
    await wire.call("HSET", name.replace("ada", "bob"), "billing", sealed)
    with pytest.raises(StoreCorrupt):
        await store.read_consent("bob", "billing")


@pytest.mark.row("RD-19")
@pytest.mark.parametrize("value", [b"", b"{}", b"\x02" + b"x" * 60, b"\x01" + b"x" * 60, b"\x80\x04K*."])
async def test_a_value_that_we_did_not_write_is_refused(
    store: Store,
    store_config: StoreConfig,
    wire: Wire,
    value: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store.put_session("sid.cookie", session(), 60)
    (name,) = await _keys(wire, store_config, "session:")
    await wire.call("SET", name, value)
    with pytest.raises(StoreCorrupt):
        await store.read_session("sid.cookie", 60)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


@pytest.mark.row("RD-03")
async def test_two_answers_that_changed_places_are_refused(store_config: StoreConfig, tmp_path: Path) -> None:
    async with Proxy(store_config.url) as proxy:
        store = await open_store(dataclasses.replace(store_config, url=proxy.url), tmp_path)
        await store.put_login("one", "browser", pending_login(), 60)
        await store.put_login("two", "browser", pending_login(), 60)
        mine, other = grant(), grant()
        for each in (mine, other):
            await store.put_grant(each, handle(store, "code", each), 60)
        await remember(store, "ada", consent(), 60)
        await remember(store, "bob", consent(), 60)
        await store.session_ended("one")  # the server knows the scripts now
        await store.revoke_grant(mine.id)
        swapped: list[tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]] = [
            (
                lambda: store.take_login("one", "browser", "staff"),
                lambda: store.take_login("two", "browser", "staff"),
            ),
            (lambda: store.read_grant(mine.id), lambda: store.read_grant(other.id)),
            (lambda: store.session_ended("one"), lambda: store.session_ended("two")),
            (lambda: store.revoke_grant(mine.id), lambda: store.revoke_grant(other.id)),
            (lambda: store.read_consent("ada", "billing"), lambda: store.read_consent("bob", "billing")),
            (lambda: store.read_grant(mine.id), lambda: store.session_ended("one")),
            (lambda: store.read_grant(mine.id), lambda: store.read_consent("ada", "billing")),
        ]
        for one, two in swapped:
            proxy.swap_next_two = True
            outcomes: list[Any] = await asyncio.gather(one(), two(), return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [StoreCorrupt, StoreCorrupt]
        await store.close()


async def test_keys_rotate_and_what_the_old_one_sealed_still_opens(
    store_config: StoreConfig, tmp_path: Path
) -> None:
    before = await open_store(store_config, tmp_path)
    await before.put_session("sid.cookie", session(), 60)
    new, (old,) = Secret(secrets.token_urlsafe(32)), store_config.encryption_keys
    both = await open_store(dataclasses.replace(store_config, encryption_keys=(new, old)), tmp_path)
    assert await both.read_session("sid.cookie", 60) == session()
    assert both.handle_keys[1] == before.handle_keys[0]
    await both.put_session("sid.cookie", session(), 60)
    only_new = await open_store(dataclasses.replace(store_config, encryption_keys=(new,)), tmp_path)
    assert await only_new.read_session("sid.cookie", 60) == session()
    with pytest.raises(StoreCorrupt) as refused:
        await before.read_session("sid.cookie", 60)
    assert refused.value.reason == "unknown_key"
    for opened in (before, both, only_new):
        await opened.close()


async def test_a_release_that_knows_more_members_can_be_read_by_one_that_does_not(
    store: Store, store_config: StoreConfig, wire: Wire
) -> None:
    vault = Vault(store_config.encryption_keys)
    name = f"{store_config.prefix}consents:ada"
    written = consent()
    more = msgspec.json.encode({**msgspec.to_builtins(written), "a_member_of_tomorrow": 1})
    await wire.call("HSET", name, "billing", vault.seal(f"{name}\0billing", more))
    assert await store.read_consent("ada", "billing") == written


def test_short_keys_and_no_keys_are_refused() -> None:
    with pytest.raises(StoreMisconfigured, match="at least 32"):
        Vault([Secret("password")])
    with pytest.raises(StoreMisconfigured, match="at least one"):
        Vault([])


@pytest.mark.row("KY-09")
def test_every_purpose_has_a_key_of_its_own() -> None:
    key = Secret("k" * 40)
    vault, name = Vault([key]), "grant:{x}\0successor"
    with pytest.raises(StoreCorrupt):
        vault.open(name, vault.seal_successor("predecessor", name, "successor"))
    with pytest.raises(StoreCorrupt):
        vault.open_successor("predecessor", name, vault.seal(name, b"successor"))


def test_a_successor_opens_only_with_its_predecessor_and_under_its_grant() -> None:
    vault = Vault([Secret("k" * 40)])
    sealed = vault.seal_successor("predecessor", "grant:{a}", "successor")
    assert vault.open_successor("predecessor", "grant:{a}", sealed) == "successor"
    with pytest.raises(StoreCorrupt):
        vault.open_successor("another", "grant:{a}", sealed)
    with pytest.raises(StoreCorrupt):
        vault.open_successor("predecessor", "grant:{b}", sealed)


def test_the_same_record_is_never_sealed_alike() -> None:
    vault = Vault([Secret("k" * 40)])
    assert len({vault.seal("name", b"record") for _ in range(100)}) == 100
