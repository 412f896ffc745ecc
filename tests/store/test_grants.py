"""A code is redeemed once, a refresh token turns once, and revocation wins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from broker.config.settings import StoreConfig
from broker.protocol.flow import Grant
from broker.protocol.handles import Handle
from broker.store import FirstRefresh, OpaqueAccess, Rotation, Spent, Store, Turn
from broker.store.wire import Wire
from tests.store.samples import NOW, access_token, grant, handle


@pytest.fixture
async def mine(store: Store) -> Grant:
    return grant()


@pytest.fixture
async def code(store: Store, mine: Grant) -> Handle:
    made = handle(store, "code", mine)
    await store.put_grant(mine, made, 60)
    return made


@pytest.fixture
async def refresh(store: Store, mine: Grant, code: Handle) -> Handle:
    made = handle(store, "refresh", mine)
    assert await store.spend_code(code, ttl=5000, refresh=first(made)) is Spent.WON
    return made


@pytest.fixture
async def wire(store_config: StoreConfig) -> AsyncIterator[Wire]:
    opened = Wire(store_config.url)
    yield opened
    await opened.close()


def first(refresh: Handle) -> FirstRefresh:
    return FirstRefresh(handle=refresh, idle_until=NOW + 1000, absolute_until=NOW + 5000)


async def rotate(store: Store, presented: Handle, fresh: Handle, at: float = NOW, **more: object) -> Rotation:
    return await store.rotate_refresh(
        presented,
        fresh,
        now=at,
        grace=10,
        idle_until=at + 1000,
        ttl=5000,
        **more,  # type: ignore[arg-type]
    )


async def revoked(store: Store, of: Grant) -> bool:
    state = await store.read_grant(of.id)
    assert state is not None
    return state.revoked


# ── Codes ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_grant_comes_back_as_it_was_put(store: Store, mine: Grant, code: Handle) -> None:
    state = await store.read_grant(mine.id)
    assert state is not None
    assert state.grant == mine
    assert (state.spent, state.revoked, state.jti_revoked, state.access) == (False, False, False, None)
    assert await store.read_grant(grant().id) is None


@pytest.mark.row("TK-01")
async def test_the_second_use_of_a_code_revokes_what_the_first_gave(
    store: Store, mine: Grant, code: Handle
) -> None:
    refresh = handle(store, "refresh", mine)
    assert await store.spend_code(code, ttl=600, refresh=first(refresh)) is Spent.WON
    assert await store.spend_code(code, ttl=600) is Spent.REPLAYED
    assert await revoked(store, mine)
    assert (await rotate(store, refresh, handle(store, "refresh", mine))).turn is Turn.GONE
    assert await store.spend_code(code, ttl=600) is Spent.REPLAYED


@pytest.mark.row("TK-02")
async def test_of_a_hundred_who_redeem_a_code_one_wins(store: Store, mine: Grant, code: Handle) -> None:
    outcomes = await asyncio.gather(*(store.spend_code(code, ttl=600) for _ in range(100)))
    assert Counter(outcomes) == {Spent.WON: 1, Spent.REPLAYED: 99}
    assert await revoked(store, mine)


async def test_a_code_of_another_grant_or_of_none_spends_nothing(
    store: Store, mine: Grant, code: Handle, wire: Wire, store_config: StoreConfig
) -> None:
    wrong = handle(store, "code", mine)
    assert await store.spend_code(wrong, ttl=600) is Spent.GONE
    assert not await revoked(store, mine)
    unknown = handle(store, "code", grant())
    assert await store.spend_code(unknown, ttl=600) is Spent.GONE
    assert len(await wire.call("KEYS", f"{store_config.prefix}*")) == 1  # nothing came to be by asking
    assert await store.spend_code(code, ttl=600) is Spent.WON


async def test_a_revoked_grant_gives_no_tokens(store: Store, mine: Grant, code: Handle) -> None:
    assert await store.revoke_grant(mine.id)
    assert await store.spend_code(code, ttl=600) is Spent.GONE
    state = await store.read_grant(mine.id)
    assert state is not None
    assert (state.spent, state.revoked) == (False, True)


@pytest.mark.row("TK-18")
async def test_the_spent_mark_lives_as_long_as_the_tokens(
    store: Store, mine: Grant, code: Handle, wire: Wire, store_config: StoreConfig
) -> None:
    name = f"{store_config.prefix}grant:{{{mine.id}}}"
    assert await wire.call("PTTL", name) <= 60_000
    await store.spend_code(code, ttl=600)
    assert 500_000 < await wire.call("PTTL", name) <= 600_000


# ── Refresh tokens ────────────────────────────────────────────────────────────────────────────


async def test_a_refresh_token_turns_into_its_successor(store: Store, mine: Grant, refresh: Handle) -> None:
    second, third = handle(store, "refresh", mine), handle(store, "refresh", mine)
    assert await rotate(store, refresh, second) == Rotation(turn=Turn.NEW, refresh_token=second.text)
    assert await rotate(store, second, third) == Rotation(turn=Turn.NEW, refresh_token=third.text)


@pytest.mark.row("RT-14")
async def test_within_the_grace_the_predecessor_gives_the_same_successor(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    second = handle(store, "refresh", mine)
    await rotate(store, refresh, second)
    again = await rotate(store, refresh, handle(store, "refresh", mine), NOW + 9.9)
    assert again == Rotation(turn=Turn.GRACE, refresh_token=second.text)
    assert (await rotate(store, second, handle(store, "refresh", mine))).turn is Turn.NEW


@pytest.mark.row("RT-01")
async def test_after_the_grace_the_predecessor_ends_the_family(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    second = handle(store, "refresh", mine)
    await rotate(store, refresh, second)
    assert await rotate(store, refresh, handle(store, "refresh", mine), NOW + 10) == Rotation(
        turn=Turn.REUSED
    )
    assert await revoked(store, mine)
    assert (await rotate(store, second, handle(store, "refresh", mine), NOW + 10)).turn is Turn.GONE


@pytest.mark.row("RT-01")
async def test_the_grace_ends_when_the_successor_is_used(store: Store, mine: Grant, refresh: Handle) -> None:
    second, third = handle(store, "refresh", mine), handle(store, "refresh", mine)
    await rotate(store, refresh, second)
    await rotate(store, second, third)
    assert (await rotate(store, refresh, handle(store, "refresh", mine), NOW + 1)).turn is Turn.REUSED
    assert (await rotate(store, third, handle(store, "refresh", mine), NOW + 1)).turn is Turn.GONE


@pytest.mark.row("RT-02")
async def test_of_a_hundred_refreshes_one_makes_the_successor_and_all_get_it(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    turns = await asyncio.gather(
        *(rotate(store, refresh, handle(store, "refresh", mine)) for _ in range(100))
    )
    assert Counter(turn.turn for turn in turns) == {Turn.NEW: 1, Turn.GRACE: 99}
    assert len({turn.refresh_token for turn in turns}) == 1


@pytest.mark.row("RT-02")
async def test_without_grace_one_refresh_of_a_hundred_wins_and_the_others_end_the_family(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    turns = await asyncio.gather(
        *(
            store.rotate_refresh(
                refresh, handle(store, "refresh", mine), now=NOW, grace=0, idle_until=NOW + 9, ttl=100
            )
            for _ in range(100)
        )
    )
    assert Counter(turn.turn for turn in turns) == {Turn.NEW: 1, Turn.REUSED: 1, Turn.GONE: 98}
    assert await revoked(store, mine)


@pytest.mark.row("RT-06")
async def test_a_family_ends_when_idle_and_in_any_case_at_its_absolute_end(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    fresh = handle(store, "refresh", mine)
    assert (await rotate(store, refresh, fresh, NOW + 1000)).turn is Turn.GONE
    assert not await revoked(store, mine)
    held = refresh
    for at in range(900, 4901, 800):
        following = handle(store, "refresh", mine)
        assert (await rotate(store, held, following, NOW + at)).turn is Turn.NEW
        held = following
    assert (await rotate(store, held, handle(store, "refresh", mine), NOW + 5000)).turn is Turn.GONE


@pytest.mark.row("RT-15")
async def test_revocation_wins_over_a_refresh_in_flight(store: Store, mine: Grant, refresh: Handle) -> None:
    for _ in range(20):
        each = grant()
        code, held = handle(store, "code", each), handle(store, "refresh", each)
        await store.put_grant(each, code, 60)
        await store.spend_code(code, ttl=600, refresh=first(held))
        fresh = handle(store, "refresh", each)
        await asyncio.gather(rotate(store, held, fresh), store.revoke_grant(each.id))
        assert await revoked(store, each)
        assert (await rotate(store, fresh, handle(store, "refresh", each))).turn is Turn.GONE


async def test_a_refresh_of_a_grant_that_gave_none_is_gone(store: Store, mine: Grant, code: Handle) -> None:
    await store.spend_code(code, ttl=600)
    turned = await rotate(store, handle(store, "refresh", mine), handle(store, "refresh", mine))
    assert turned.turn is Turn.GONE
    unknown = grant()
    turned = await rotate(store, handle(store, "refresh", unknown), handle(store, "refresh", unknown))
    assert turned.turn is Turn.GONE


# ── Access tokens ─────────────────────────────────────────────────────────────────────────────


async def test_an_opaque_access_token_is_found_by_its_handle_until_it_is_revoked(
    store: Store, mine: Grant, code: Handle
) -> None:
    opaque = OpaqueAccess(handle=handle(store, "access", mine), token=access_token(mine))
    await store.spend_code(code, ttl=600, access=opaque)
    state = await store.read_grant(mine.id, access=opaque.handle)
    assert state is not None
    assert state.access == opaque.token
    other = await store.read_grant(mine.id, access=handle(store, "access", mine))
    assert other is not None
    assert other.access is None
    assert await store.revoke_access(opaque.handle)
    assert not await store.revoke_access(opaque.handle)
    state = await store.read_grant(mine.id, access=opaque.handle)
    assert state is not None
    assert state.access is None


async def test_a_refresh_stores_its_opaque_access_token_also_in_the_grace(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    made = [OpaqueAccess(handle=handle(store, "access", mine), token=access_token(mine)) for _ in range(3)]
    await rotate(store, refresh, handle(store, "refresh", mine), access=made[0])
    await rotate(store, refresh, handle(store, "refresh", mine), access=made[1])
    await rotate(store, refresh, handle(store, "refresh", mine), NOW + 99, access=made[2])
    states = [await store.read_grant(mine.id, access=each.handle) for each in made]
    assert [state.access if state else None for state in states] == [made[0].token, made[1].token, None]


async def test_one_jwt_access_token_is_revoked_by_itself(store: Store, mine: Grant, refresh: Handle) -> None:
    assert await store.revoke_jti(mine.id, "one", expires_at=NOW + 300, now=NOW)
    one, two = await store.read_grant(mine.id, jti="one"), await store.read_grant(mine.id, jti="two")
    assert one is not None
    assert two is not None
    assert (one.jti_revoked, two.jti_revoked, one.revoked) == (True, False, False)


async def test_revoking_what_is_not_there_makes_nothing(
    store: Store, wire: Wire, store_config: StoreConfig
) -> None:
    nothing = grant()
    assert not await store.revoke_grant(nothing.id)
    assert not await store.revoke_jti(nothing.id, "a", expires_at=NOW, now=NOW)
    assert not await store.revoke_access(handle(store, "access", nothing))
    assert await wire.call("KEYS", f"{store_config.prefix}*") == []


async def test_access_tokens_that_ran_out_leave_the_grant(
    store: Store, mine: Grant, refresh: Handle, wire: Wire, store_config: StoreConfig
) -> None:
    held, most = refresh, 0
    for turn in range(30):
        at, following = NOW + turn * 100, handle(store, "refresh", mine)
        token = access_token(mine, expires_at=int(at) + 300)
        opaque = OpaqueAccess(handle=handle(store, "access", mine), token=token)
        await rotate(store, held, following, at, access=opaque)
        await store.revoke_jti(mine.id, f"jti {turn}", expires_at=at + 300, now=at)
        held = following
        most = max(most, await wire.call("HLEN", f"{store_config.prefix}grant:{{{mine.id}}}"))
        state = await store.read_grant(mine.id, access=opaque.handle, jti=f"jti {turn}")
        assert state is not None
        assert state.access == token
        assert state.jti_revoked
    assert most < 30


async def test_one_more_access_token_is_kept_with_its_grant(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    made = handle(store, "access", mine)
    more = OpaqueAccess(handle=made, token=access_token(mine))
    assert await store.add_access(mine.id, more, 100)
    state = await store.read_grant(mine.id, access=made)
    assert state is not None
    assert state.access == more.token


@pytest.mark.row("TX-10")
async def test_nothing_more_is_kept_with_a_grant_that_is_revoked_or_gone(
    store: Store, mine: Grant, refresh: Handle, wire: Wire
) -> None:
    made = handle(store, "access", mine)
    more = OpaqueAccess(handle=made, token=access_token(mine))
    await store.revoke_grant(mine.id)
    assert not await store.add_access(mine.id, more, 100)
    assert not await store.add_access(mine.id, None, 100)
    state = await store.read_grant(mine.id, access=made)
    assert state is not None
    assert state.access is None
    other = grant()
    gone = OpaqueAccess(handle=handle(store, "access", other), token=access_token(other))
    assert not await store.add_access(other.id, gone, 100)
    assert await store.read_grant(other.id) is None


async def test_a_later_token_never_shortens_the_life_of_its_grant(
    store: Store, mine: Grant, refresh: Handle, wire: Wire
) -> None:
    name = store._grant(mine.id)
    before = await wire.call("PTTL", name)
    more = OpaqueAccess(handle=handle(store, "access", mine), token=access_token(mine))
    assert await store.add_access(mine.id, more, 1)
    assert await wire.call("PTTL", name) > before / 2
    assert await store.add_access(mine.id, None, before / 1000 + 100)
    assert await wire.call("PTTL", name) > before + 50_000


# ── refresh tokens that stay ──────────────────────────────────────────────────────────────────


async def keep(store: Store, presented: Handle, at: float = NOW) -> Rotation:
    return await store.keep_refresh(presented, now=at, idle_until=at + 1000, ttl=5000)


async def test_a_refresh_token_that_stays_is_answered_with_itself_by_all_who_ask(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    turns = await asyncio.gather(*(keep(store, refresh) for _ in range(50)))
    assert {turn.turn for turn in turns} == {Turn.KEPT}
    assert {turn.refresh_token for turn in turns} == {refresh.text}
    assert not await revoked(store, mine)


@pytest.mark.row("RT-01")
async def test_one_from_before_it_stayed_ends_the_family(store: Store, mine: Grant, refresh: Handle) -> None:
    fresh = handle(store, "refresh", mine)
    await rotate(store, refresh, fresh)
    assert (await keep(store, refresh)).turn is Turn.REUSED
    assert (await keep(store, fresh)).turn is Turn.GONE
    assert await revoked(store, mine)


@pytest.mark.row("RT-06")
@pytest.mark.row("RT-15")
async def test_it_ends_when_idle_at_its_absolute_end_and_when_it_is_revoked(
    store: Store, mine: Grant, refresh: Handle
) -> None:
    assert (await keep(store, refresh, NOW + 999)).turn is Turn.KEPT
    assert (await keep(store, refresh, NOW + 1998)).turn is Turn.KEPT  # not idle: it was used
    assert (await keep(store, refresh, NOW + 3000)).turn is Turn.GONE
    assert (await keep(store, refresh, NOW + 1999)).turn is Turn.KEPT
    assert (await keep(store, refresh, NOW + 5000)).turn is Turn.GONE
    await store.revoke_grant(mine.id)
    assert (await keep(store, refresh, NOW + 2000)) == Rotation(turn=Turn.GONE)
