"""What is posted is delivered, by whoever lives; what cannot be is tried again, and given up in sight."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.config.settings import StoreConfig
from broker.store import Holder, InHand, Look, Notice, Store, open_store
from tests.store.samples import NOW


def notice(number: int = 0, **changes: object) -> Notice:
    members = {
        "id": f"jti-{number}",
        "client_id": "billing",
        "subject": "subject-of-ada",
        "sid": "our-sid",
        "why": "signed_out",
        "posted_at": NOW + number,
    }
    return Notice(**members | changes)


async def take(
    store: Store, worker: str = "one", *, now: float = NOW, lost_after: float = 60, most: int = 10
) -> Sequence[InHand]:
    look = await store.take_notices(worker, now=now, lost_after=lost_after, most=most)
    return look.taken


async def test_what_is_posted_is_taken_once_and_gone_when_it_is_delivered(store: Store) -> None:
    assert await take(store) == []
    assert await store.post_notice(notice())
    (mine,) = await take(store)
    assert mine.notice == notice()
    assert await take(store, "two") == []
    assert await store.notice_delivered(mine)
    assert await store.list_notices() == []
    assert not await store.notice_delivered(mine)


async def test_a_notice_is_here_once_however_often_it_is_posted(store: Store) -> None:
    posted = await asyncio.gather(*(store.post_notice(notice()) for _ in range(50)))
    assert posted.count(True) == 1
    (mine,) = await take(store)
    assert not await store.post_notice(notice())
    await store.notice_delivered(mine)
    assert await store.post_notice(notice())


async def test_what_was_posted_before_anybody_listened_is_delivered(store: Store) -> None:
    for number in range(5):
        await store.post_notice(notice(number))
    assert [one.notice.id for one in await take(store)] == [f"jti-{n}" for n in range(5)]


async def test_of_many_workers_each_notice_is_in_one_hand(store: Store) -> None:
    await asyncio.gather(*(store.post_notice(notice(number)) for number in range(60)))
    taken = await asyncio.gather(*(take(store, f"worker-{n}", most=7) for n in range(20)))
    ids = [one.notice.id for hand in taken for one in hand]
    assert len(ids) == len(set(ids)) == 60


async def test_what_a_dead_worker_had_in_hand_is_claimed_and_the_dead_changes_nothing(store: Store) -> None:
    await store.post_notice(notice())
    (lost,) = await take(store, "dead")
    assert await take(store, "two", lost_after=60) == []
    while not (taken := await take(store, "two", lost_after=0.001)):
        pass  # a millisecond has not gone by yet
    (claimed,) = taken
    assert claimed.notice == lost.notice
    assert await store.notice_delivered(claimed)
    assert not await store.notice_failed(lost, "too late", again_at=NOW, now=NOW)
    assert await store.list_notices() == []


TAKES_AND_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from broker.config.settings import StoreConfig
from broker.connector import Secret
from broker.store import open_store

async def take():
    url, prefix, key = sys.argv[1:]
    config = StoreConfig(url=url, prefix=prefix, encryption_keys=(Secret(key),))
    store = await open_store(config, Path("."))
    look = await store.take_notices("killed", now=2e9, lost_after=60, most=10)
    assert look.taken
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(take())
"""


async def test_what_a_killed_process_had_in_hand_is_lost_by_nobody(
    store: Store, store_config: StoreConfig, tmp_path: Path
) -> None:
    await store.post_notice(notice())
    arguments = (store_config.url, store_config.prefix, store_config.encryption_keys[0].reveal())
    root = Path(__file__).parents[2]
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TAKES_AND_DIES, *arguments, cwd=tmp_path, env={"PYTHONPATH": str(root)}
    )
    assert await killed.wait() == -signal.SIGKILL
    while not (taken := await take(store, "two", lost_after=0.001)):
        pass
    assert [one.notice for one in taken] == [notice()]


async def test_a_failed_notice_comes_again_when_its_time_has_come_under_the_same_id(store: Store) -> None:
    await store.post_notice(notice())
    (mine,) = await take(store)
    assert await store.notice_failed(mine, "500", again_at=NOW + 30, now=NOW)
    (told,) = await store.list_notices()
    assert (told.state, told.at, told.notice.attempts, told.notice.problem) == ("later", NOW + 30, 1, "500")
    assert await take(store, now=NOW + 29) == []
    (again,) = await take(store, now=NOW + 30)
    assert (again.notice.id, again.notice.attempts) == ("jti-0", 1)


async def test_a_notice_that_is_given_up_stays_to_be_seen_and_can_be_tried_again(store: Store) -> None:
    await store.post_notice(notice())
    (mine,) = await take(store)
    await store.notice_failed(mine, "410", again_at=None, now=NOW)
    assert await take(store, now=NOW + 1e6) == []
    (dead,) = await store.list_notices()
    assert (dead.state, dead.at) == ("dead", NOW)
    counts = await store.count_notices()
    assert (counts.waiting, counts.later, counts.dead) == (0, 0, 1)
    assert await store.retry_notice(dead.notice)
    assert not await store.retry_notice(dead.notice)
    (again,) = await take(store)
    assert (again.notice.attempts, again.notice.problem) == (0, "410")


async def test_what_was_dropped_is_told_to_nobody_wherever_it_was(store: Store) -> None:
    for number in range(4):
        await store.post_notice(notice(number))
    first, second, third, _ = await take(store, most=4)
    await store.notice_failed(first, "500", again_at=NOW + 5, now=NOW)
    await store.notice_failed(second, "500", again_at=None, now=NOW)
    await store.post_notice(notice(9))
    for number in (0, 1, 2, 9):
        assert await store.drop_notice(f"jti-{number}")
    assert not await store.drop_notice("jti-0")
    assert not await store.notice_failed(third, "500", again_at=NOW + 5, now=NOW)
    assert await take(store, now=NOW + 1e6) == []
    assert [one.notice.id for one in await store.list_notices()] == ["jti-3"]


async def test_the_dead_go_after_a_week_when_another_comes(store: Store) -> None:
    for number, now in enumerate((NOW, NOW + 8 * 86_400)):
        await store.post_notice(notice(number))
        (mine,) = await take(store, now=now)
        await store.notice_failed(mine, "500", again_at=None, now=now)
    assert [one.notice.id for one in await store.list_notices()] == ["jti-1"]


async def test_notices_are_sealed_and_every_key_of_theirs_ends(store: Store) -> None:
    await store.post_notice(notice())
    await store.post_notice(notice(1))
    one, two = await take(store)
    await store.notice_failed(one, "https://app.example/secret", again_at=NOW, now=NOW)
    await store.notice_failed(two, "500", again_at=None, now=NOW)
    await store.post_notice(notice(2))
    names = await store._wire.call("KEYS", f"{store._prefix}*")
    assert len(names) == 4
    dump = b"".join([await store._wire.call("DUMP", name) for name in names])
    assert [word for word in (b"subject-of-ada", b"our-sid", b"app.example") if word in dump] == []
    assert [name for name in names if await store._wire.call("PTTL", name) < 0] == []


async def test_the_outbox_begins_anew_where_everything_in_it_had_run_out(store: Store) -> None:
    await store.post_notice(notice())
    await take(store)
    for name in await store._wire.call("KEYS", f"{store._prefix}*"):
        await store._wire.call("DEL", name)
    await store.post_notice(notice(1))
    assert [one.notice.id for one in await take(store)] == ["jti-1"]


async def test_nothing_is_made_by_looking_into_an_empty_outbox(store: Store) -> None:
    assert await take(store) == []
    await store.tidy_workers()
    assert await store._wire.call("KEYS", f"{store._prefix}*") == []


async def test_a_worker_that_leaves_is_forgotten_unless_it_has_something_in_hand(store: Store) -> None:
    await store.post_notice(notice())
    (mine,) = await take(store, "one")
    await take(store, "two")

    async def workers() -> list[bytes]:
        name = f"{store._prefix}outbox:{{outbox}}"
        return [one[1] for one in await store._wire.call("XINFO", "CONSUMERS", name, "workers")]

    await store.tidy_workers("two")
    await store.tidy_workers("one")
    assert await workers() == [b"one"]
    await store.notice_delivered(mine)
    await store.tidy_workers("one")
    assert await workers() == []


async def test_two_issuers_in_one_store_have_outboxes_of_their_own(
    store: Store, store_config: StoreConfig, tmp_path: Path
) -> None:
    other = await open_store(
        StoreConfig(url=store_config.url, prefix="other:", encryption_keys=store_config.encryption_keys),
        tmp_path,
    )
    await store.post_notice(notice())
    assert await take(other) == []
    await other.close()


@pytest.mark.parametrize("client_id", ["billing", "https://app.example/id?a=b"])
async def test_who_holds_tokens_of_a_person_is_known_for_as_long_as_those_may_live(
    store: Store, client_id: str
) -> None:
    holder, other = Holder(client_id=client_id, sid="one"), Holder(client_id="wiki", sid="two")
    await store.hold_tokens("ada", holder, until=NOW + 100, now=NOW)
    await store.hold_tokens("ada", holder, until=NOW + 50, now=NOW)
    await store.hold_tokens("ada", other, until=NOW + 10, now=NOW)
    assert sorted(map(str, await store.list_holders("ada", now=NOW))) == sorted(map(str, [holder, other]))
    assert await store.list_holders("ada", now=NOW + 60) == [holder]
    assert await store.list_holders("bob", now=NOW) == []
    await store.let_go("ada", [holder])
    assert await store.list_holders("ada", now=NOW) == [other]
    await store.let_go("ada", [])


async def test_an_outbox_whose_group_is_gone_is_delivered_all_the_same(store: Store) -> None:
    """A copy of a stream, as tools make it, has no groups."""
    await store.post_notice(notice())
    (mine,) = await take(store)
    await store._wire.call("XGROUP", "DESTROY", f"{store._prefix}outbox:{{outbox}}", "workers")
    assert not await store.notice_delivered(mine)
    assert [one.notice.id for one in await take(store, "two")] == ["jti-0"]


async def test_a_notice_that_cannot_be_read_is_given_up_as_it_stands_and_can_be_tried_again(
    store: Store,
) -> None:
    name = f"{store._prefix}outbox-notices:{{outbox}}"
    for number in range(3):
        await store.post_notice(notice(number))
    whole = await store._wire.call("HGET", name, "jti-1")
    await store._wire.call("HSET", name, "jti-1", whole[:-1])
    assert [one.notice.id for one in await take(store)] == ["jti-0", "jti-2"]
    (dead,) = [one for one in await store.list_notices() if one.state == "dead"]
    assert (dead.notice.id, dead.notice.why) == ("jti-1", "unreadable")
    assert await store._wire.call("HGET", name, "jti-1") == whole[:-1]
    await store._wire.call("HSET", name, "jti-1", whole)  # as if its key were there again
    assert await store.retry_notice(dead.notice)
    (again,) = await take(store)
    assert again.notice == notice(1)


async def test_who_looks_hears_whether_there_is_anything_to_be_done(store: Store) -> None:
    async def look(worker: str, now: float = NOW) -> Look:
        return await store.take_notices(worker, now=now, lost_after=60, most=1)

    assert (await look("one")).is_empty
    await store.post_notice(notice())
    (mine,) = (await look("one")).taken
    assert not (await look("two")).is_empty, "another has it in hand, who may die"
    await store.notice_failed(mine, "500", again_at=NOW + 30, now=NOW)
    assert not (await look("two")).is_empty, "it is tried again later"
    (mine,) = (await look("two", NOW + 30)).taken
    await store.notice_failed(mine, "500", again_at=None, now=NOW)
    assert (await look("one", NOW + 99)).is_empty, "it was given up"
