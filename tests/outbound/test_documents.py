"""Documents that rarely change: fetched once for all, again when old, and the last good one stands in."""

import asyncio

import pytest

from broker.connector import UpstreamInvalid, UpstreamUnavailable
from broker.outbound.documents import (
    AFTER_FAILURE,
    LONGEST,
    MAX_DOCUMENTS,
    MAX_STALE,
    RENEWED_BEHIND,
    SHORTEST,
    USUAL,
    Documents,
    fresh_for,
)

URL = "https://idp.example/keys"


class Source:
    """An upstream whose document a test writes, and a clock that it moves."""

    def __init__(self) -> None:
        self.time, self.fetches, self.edition = 1000.0, 0, 1
        self.caching, self.failure = "max-age=600", None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.documents = Documents(self.fetch, lambda: self.time)

    async def fetch(self, url):
        self.fetches += 1
        self.asked.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return {"edition": self.edition}, self.caching

    async def get(self):
        return (await self.documents.get(URL))["edition"]

    async def renew(self):
        return (await self.documents.renew(URL))["edition"]


@pytest.fixture
async def source():
    made = Source()
    yield made
    await made.documents.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("max-age=600", 600),
        ("public, MAX-AGE=7200, must-revalidate", 7200),
        ('max-age="900"', 900),
        ("max-age=0", SHORTEST),
        ("max-age=1", SHORTEST),
        ("max-age=99999999999999", LONGEST),
        ("s-maxage=60", USUAL),
        ("max-age=-1", USUAL),
        ("max-age=soon", USUAL),
        ("no-store", SHORTEST),
        ("no-cache, max-age=86400", SHORTEST),
        ("", USUAL),
    ],
)
def test_how_long_a_document_is_fresh_stays_within_bounds(header, seconds):
    assert fresh_for(header) == seconds


async def test_a_fresh_document_is_not_fetched_again(source):
    assert [await source.get(), await source.get()] == [1, 1]
    source.time += 599
    assert await source.get() == 1
    source.edition, source.time = 2, source.time + 2 + RENEWED_BEHIND
    assert await source.get() == 2
    assert source.fetches == 2


@pytest.mark.row("UP-06")
async def test_nobody_waits_for_a_new_edition_from_an_upstream_that_hangs(source):
    assert await source.get() == 1
    source.gate.clear()
    source.asked.clear()
    source.edition, source.time = 2, source.time + 601
    assert [await source.get() for _ in range(20)] == [1] * 20
    await source.asked.wait()
    assert source.fetches == 2
    source.gate.set()
    assert await source.renew() == 2
    assert (await source.get(), source.fetches) == (2, 2)


@pytest.mark.row("UP-11")
async def test_five_hundred_who_wait_share_one_fetch(source):
    source.gate.clear()
    waiting = [asyncio.create_task(source.get()) for _ in range(500)]
    await source.asked.wait()
    source.gate.set()
    assert set(await asyncio.gather(*waiting)) == {1}
    assert source.fetches == 1


@pytest.mark.row("UP-11")
async def test_cancelling_the_one_who_came_first_does_not_fail_the_others(source):
    source.gate.clear()
    leader = asyncio.create_task(source.get())
    await source.asked.wait()
    follower = asyncio.create_task(source.get())
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    source.gate.set()
    assert await follower == 1
    assert source.fetches == 1


@pytest.mark.row("UP-13")
async def test_the_last_good_edition_stands_in_for_a_day_and_then_no_more(source):
    await source.get()
    source.failure = UpstreamUnavailable("down")
    source.time += 601
    assert await source.get() == 1
    source.time += MAX_STALE - 2
    assert await source.get() == 1
    source.time += 2
    with pytest.raises(UpstreamUnavailable, match="down"):
        await source.get()


@pytest.mark.row("UP-09")
async def test_a_failure_is_not_asked_for_again_at_once(source):
    source.failure = UpstreamInvalid("not_json", "a page")
    for _ in range(50):
        with pytest.raises(UpstreamInvalid, match="a page") as caught:
            await source.get()
        assert caught.value.reason == "not_json"
    assert source.fetches == 1
    source.failure, source.time = None, source.time + AFTER_FAILURE
    assert await source.get() == 1


async def test_each_who_is_refused_gets_an_error_of_their_own(source):
    source.failure = UpstreamUnavailable("down")
    caught = await asyncio.gather(*(source.get() for _ in range(3)), return_exceptions=True)
    assert len({id(error) for error in caught}) == 3


@pytest.mark.row("JW-05")
async def test_a_storm_of_unknown_keys_renews_once_a_minute(source):
    await source.get()
    source.edition = 2
    assert await source.renew() == 2
    for _ in range(10_000):
        assert await source.renew() == 2
    assert source.fetches == 2
    source.edition, source.time = 3, source.time + 59
    assert await source.renew() == 2
    source.time += 1
    assert await source.renew() == 3


@pytest.mark.row("JW-05")
async def test_a_renewal_that_fails_says_so_and_takes_nothing_away(source):
    await source.get()
    source.failure = UpstreamUnavailable("down")
    with pytest.raises(UpstreamUnavailable):
        await source.renew()
    assert await source.get() == 1
    assert await source.renew() == 1
    assert source.fetches == 2


@pytest.mark.row("JW-05")
async def test_those_who_want_a_renewal_while_one_is_under_way_wait_for_it(source):
    await source.get()
    source.edition = 2
    source.gate.clear()
    source.asked.clear()
    waiting = [asyncio.create_task(source.renew()) for _ in range(100)]
    await source.asked.wait()
    source.gate.set()
    assert set(await asyncio.gather(*waiting)) == {2}
    assert source.fetches == 2


@pytest.mark.row("DS-17")
async def test_an_upstream_has_only_so_many_documents(source):
    for number in range(MAX_DOCUMENTS):
        await source.documents.get(f"{URL}/{number}")
    with pytest.raises(UpstreamInvalid) as caught:
        await source.documents.get(URL)
    assert caught.value.reason == "too_many_documents"
