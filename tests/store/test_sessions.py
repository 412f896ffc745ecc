"""A session is the browser's alone; its end outlives it. Consent stands until it is withdrawn."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.config.settings import StoreConfig
from broker.protocol.flow import Consent
from broker.record import replace
from broker.store import Store, open_store
from broker.store.wire import Wire
from tests.store.samples import consent, remember, session

COOKIE = "our-sid.the-secret"


@pytest.fixture
async def wire(store_config: StoreConfig) -> AsyncIterator[Wire]:
    opened = Wire(store_config.url)
    yield opened
    await opened.close()


async def test_a_session_is_found_by_its_cookie_and_not_by_its_sid(store: Store) -> None:
    await store.put_session(COOKIE, session(), 60)
    assert await store.read_session(COOKIE, 60) == session()
    for other in ("our-sid", "our-sid.", "our-sid.another", "another.the-secret"):
        assert await store.read_session(other, 60) is None


async def test_reading_a_session_starts_its_idle_time_anew(
    store: Store, wire: Wire, store_config: StoreConfig
) -> None:
    await store.put_session(COOKIE, session(), 60)
    await store.read_session(COOKIE, 3600)
    (name,) = await wire.call("KEYS", f"{store_config.prefix}session:*")
    assert await wire.call("PTTL", name) > 3_500_000


async def test_an_ended_session_is_gone_and_its_tokens_know(store: Store) -> None:
    await store.put_session(COOKIE, session(), 60)
    assert not await store.session_ended("our-sid")
    ended = await store.end_session("our-sid", 300)
    assert ended is not None
    assert ended.was_live
    assert await store.session_ended("our-sid")
    assert await store.read_session(COOKIE, 60) is None
    again = await store.end_session("our-sid", 300)
    assert again is not None
    assert not again.was_live


async def test_a_session_that_is_read_while_it_ends_does_not_come_back(store: Store) -> None:
    await store.put_session(COOKIE, session(), 60)
    reads = [store.read_session(COOKIE, 60) for _ in range(50)]
    await asyncio.gather(*reads[:25], store.end_session("our-sid", 300), *reads[25:])
    assert await store.read_session(COOKIE, 60) is None


async def test_a_replaced_cookie_opens_nothing_from_that_moment_on(store: Store) -> None:
    await store.put_session(COOKIE, session(), 60)
    assert await store.put_session("our-sid.another", session(), 60, replaces=COOKIE)
    assert await store.read_session(COOKIE, 60) is None
    assert await store.read_session("our-sid.another", 60) == session()
    assert not await store.session_ended("our-sid")


async def test_consent_is_remembered_for_each_person_and_app(store: Store) -> None:
    billing, wiki = consent("billing"), consent("wiki")
    await remember(store, "ada", billing, 60)
    await remember(store, "ada", wiki, 60)
    assert await store.read_consent("ada", "billing") == billing
    assert await store.read_consent("bob", "billing") is None
    assert await store.list_consents("ada") == (billing, wiki)
    assert await store.list_consents("bob") == ()


async def test_withdrawn_consent_is_gone_and_the_next_has_another_id(store: Store) -> None:
    first = consent("billing")
    await remember(store, "ada", first, 60)
    assert await store.withdraw_consent("ada", "billing")
    assert await store.read_consent("ada", "billing") is None
    assert not await store.withdraw_consent("ada", "billing")
    await remember(store, "ada", consent("billing"), 60)
    second = await store.read_consent("ada", "billing")
    assert second is not None
    assert second.id != first.id


async def test_a_short_consent_does_not_shorten_the_others(
    store: Store, wire: Wire, store_config: StoreConfig
) -> None:
    await remember(store, "ada", consent("billing"), 3600)
    await remember(store, "ada", consent("wiki"), 60)
    assert await wire.call("PTTL", f"{store_config.prefix}consents:ada") > 3_500_000


async def test_two_brokers_with_their_own_prefix_do_not_meet(
    store: Store, store_config: StoreConfig, tmp_path: Path
) -> None:
    other = await open_store(dataclasses.replace(store_config, prefix="another:"), tmp_path)
    await store.put_session(COOKIE, session(), 60)
    assert await other.read_session(COOKIE, 60) is None
    await other.close()


@pytest.mark.parametrize("seen", [b"", b"nonsense"])
async def test_signing_keys_are_replaced_only_by_whoever_has_seen_them(store: Store, seen: bytes) -> None:
    assert await store.read_signing_keys() == (b"", b"")
    wrote = await asyncio.gather(*(store.replace_signing_keys(b"", b"%d" % n) for n in range(50)))
    assert wrote.count(True) == 1
    document, edition = await store.read_signing_keys()
    assert document == b"%d" % wrote.index(True)
    assert not await store.replace_signing_keys(seen, b"x")
    assert await store.replace_signing_keys(edition, b"next")
    assert (await store.read_signing_keys())[0] == b"next"


async def test_an_answer_that_was_read_before_a_withdrawal_does_not_undo_it(store: Store) -> None:
    given = consent("billing")
    await remember(store, "ada", given, 60)
    seen: list[Consent | None] = []
    original = store._wire.call

    async def withdrawn_after_reading(*command: object) -> object:
        answer = await original(*command)
        if command[0] == "HGET" and not seen:
            await store.withdraw_consent("ada", "billing")
        return answer

    def answered(before: Consent | None) -> Consent:
        seen.append(before)
        return replace(before or given, id="the same person's next answer" if before is None else before.id)

    store._wire.call = withdrawn_after_reading  # type: ignore[method-assign, assignment]
    written = await store.change_consent("ada", "billing", answered, 60)
    assert seen == [given, None]
    assert written.id != given.id


async def test_of_many_answers_at_once_none_is_lost(store: Store) -> None:
    def granting(scope: str):
        def change(before: Consent | None) -> Consent:
            kept = before or replace(consent("billing"), granted=())
            return replace(kept, granted=(*kept.granted, scope))

        return change

    names = [f"scope-{number}" for number in range(12)]
    await asyncio.gather(*(store.change_consent("ada", "billing", granting(n), 60) for n in names))
    kept = await store.read_consent("ada", "billing")
    assert kept is not None
    assert sorted(kept.granted) == sorted(names)


async def test_a_change_that_says_none_leaves_what_is_there(store: Store) -> None:
    assert await store.change_consent("ada", "billing", lambda _before: None, 60) is None
    assert await store.read_consent("ada", "billing") is None
