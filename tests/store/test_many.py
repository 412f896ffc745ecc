"""One person with thousands of sessions, an outbox of thousands: all of it is found, ended and told of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import cast

import pytest

from broker.clients import Clients
from broker.config.settings import Lifetimes
from broker.logout import Endings, look_after
from broker.protocol.client import Client
from broker.record import replace
from broker.store import Holder, Notice, Origin, Store
from tests.store.samples import consent, remember, session

UPSTREAM, SUBJECT = "https://idp.example", "subject-of-ada"
ORIGIN = Origin(issuer=UPSTREAM, subject="their-sub")


def endings(store: Store, *client_ids: str, wants_sid: bool = False) -> Endings:
    clients = {
        client_id: Client(
            client_id=client_id,
            client_name=client_id,
            redirect_uris=(),
            token_endpoint_auth_method="none",
            backchannel_logout_uri=f"https://{client_id}.example/out",
            backchannel_logout_session_required=wants_sid,
        )
        for client_id in client_ids
    }
    return Endings(store, Clients(clients), Lifetimes(), now=time.time)


async def signed_in(store: Store, count: int) -> None:
    now = time.time()
    for start in range(0, count, 500):
        sids = [f"sid-{number}" for number in range(start, min(start + 500, count))]
        found = (replace(session(), sid=sid, started_at=now, ends_at=now + 999) for sid in sids)
        await asyncio.gather(
            *(store.put_session(f"{one.sid}.secret", one, 999, origin=ORIGIN) for one in found)
        )


async def held(store: Store, holders: Iterable[Holder]) -> None:
    """Who holds tokens of Ada's, those first whose tokens end first."""
    now, name = time.time(), store._holders(SUBJECT)
    scores = [part for n, one in enumerate(holders) for part in (repr(now + 60 + n), str(one))]
    await store._wire.call("ZADD", name, *scores)
    await store._wire.call("PEXPIRE", name, 60_000)


@pytest.mark.row("LO-07")
async def test_an_upstream_ends_every_session_that_it_names_however_many_those_are(store: Store) -> None:
    await signed_in(store, 1200)
    ends = endings(store)
    ended = await ends.end_named("staff", UPSTREAM, sid=None, subject="their-sub", ours=SUBJECT, why="w")
    assert len(ended) == 1200
    assert await store.list_sessions(SUBJECT, now=time.time()) == []


async def test_all_sessions_of_a_person_are_listed_for_who_wants_all(store: Store) -> None:
    await signed_in(store, 1200)
    assert len(await store.list_sessions(SUBJECT, now=time.time(), most=None)) == 1200
    assert len(await store.list_sessions(SUBJECT, now=time.time(), most=200)) == 200


async def test_an_app_is_told_that_it_was_taken_back_from_however_many_hold_tokens_beside_it(
    store: Store,
) -> None:
    await held(store, [*(Holder("wiki", f"sid-{n}") for n in range(5000)), Holder("billing", "the-last")])
    await remember(store, SUBJECT, consent("billing"), 600)
    assert await endings(store, "wiki", "billing").withdraw(SUBJECT, "billing")
    (told,) = await store.list_notices()
    assert (told.notice.client_id, told.notice.why) == ("billing", "consent_withdrawn")
    assert len(await store.list_holders(SUBJECT, now=time.time())) == 5000


async def test_each_app_hears_of_the_end_of_all_and_no_holder_is_left(store: Store) -> None:
    await held(store, [*(Holder("wiki", f"sid-{n}") for n in range(9000)), Holder("billing", "the-last")])
    await endings(store, "wiki", "billing").end_everything(SUBJECT, "user_ended")
    assert sorted(one.notice.client_id for one in await store.list_notices()) == ["billing", "wiki"]
    assert await store.list_holders(SUBJECT, now=time.time()) == []


async def test_an_app_that_wants_sids_hears_each_of_thousands(store: Store) -> None:
    await held(store, (Holder("wiki", f"sid-{n}") for n in range(5000)))
    await endings(store, "wiki", wants_sid=True).end_everything(SUBJECT, "user_ended")
    assert len({one.notice.sid for one in await store.list_notices()}) == 5000


class Counting:
    """Looks after sessions, and says how many it had in hand at once."""

    def __init__(self) -> None:
        self.seen, self.in_hand, self.most, self.fails = set[str](), 0, 0, ""

    async def look_after(self, sid: str) -> None:
        self.in_hand += 1
        self.most = max(self.most, self.in_hand)
        await asyncio.sleep(0)
        self.in_hand -= 1
        self.seen.add(sid)
        if sid == self.fails:
            raise ValueError(sid)


async def test_of_all_that_run_out_together_a_few_are_looked_after_at_a_time(store: Store) -> None:
    """All at once, a worker would answer nobody meanwhile."""
    now, counting = time.time(), Counting()
    await asyncio.gather(*(store.note_due(f"sid-{n}", now - 1, now=now) for n in range(1000)))
    assert await look_after(store, cast("Endings", counting), now=now) == 1000
    assert len(counting.seen) == 1000
    assert counting.most <= 100


async def test_a_session_that_cannot_be_looked_after_keeps_no_other_waiting(store: Store) -> None:
    now, counting = time.time(), Counting()
    await asyncio.gather(*(store.note_due(f"sid-{n}", now - 1, now=now) for n in range(1000)))
    (counting.fails,) = await store.take_due(0, now=now, turn=-1, most=1)  # the first of all, and still due
    with pytest.raises(ValueError, match=counting.fails):
        await look_after(store, cast("Endings", counting), now=now)
    assert len(counting.seen) == 1000


async def test_a_full_outbox_is_listed_in_pieces_whole_and_each_once(store: Store) -> None:
    now = time.time()
    notices = (
        Notice(id=f"jti-{n}", client_id="a", subject="s", sid="x", why="w", posted_at=now + n)
        for n in range(2000)
    )
    await asyncio.gather(*map(store.post_notice, notices))
    look = await store.take_notices("one", now=now, lost_after=60, most=20)
    for tried in look.taken[:10]:
        await store.notice_failed(tried, "no", again_at=now + 60, now=now)
    for tried in look.taken[10:]:
        await store.notice_failed(tried, "no", again_at=None, now=now)
    posted = await store.list_notices()
    assert [one.notice.id for one in posted] == [f"jti-{n}" for n in range(2000)]
    states = [one.state for one in posted]
    assert states == ["later"] * 10 + ["dead"] * 10 + ["waiting"] * 1980
    assert [one.at for one in posted[:11]] == [now + 60] * 10 + [now]
