"""No login is lost: at any number in flight, when a worker leaves, and nothing is left after a while."""

import signal

import psutil
import pytest

from tests.bench import soak
from tests.bench.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def stage():
    with Stage() as built:
        yield built


@pytest.mark.parametrize("in_flight", [32, 256])
def test_no_login_is_lost_on_a_fresh_store(stage, in_flight):
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey())
    told = stage.driver(broker=served.url, stub=stub).run(in_flight, logins=2000)
    assert (told["done"], told["lost"], told["why"]) == (2000, 0, {})


def workers_of(served):
    return psutil.Process(served.process.pid).children()


def busier(workers, before):
    """Whoever accepted most of the connections; it may be one of the two for all of them."""
    spent = {
        worker: sum(worker.cpu_times()[:2]) - since for worker, since in zip(workers, before, strict=True)
    }
    return max(workers, key=spent.__getitem__)


def test_a_worker_that_is_told_to_end_loses_no_login(stage):
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey(), workers=2)
    driver = stage.driver(broker=served.url, stub=stub)
    workers = workers_of(served)
    before = [sum(worker.cpu_times()[:2]) for worker in workers]
    driver.begin(32, logins=2000, tell_at=300)
    assert driver.told() == {"done": 300}
    leaving = busier(workers, before)
    leaving.send_signal(signal.SIGTERM)
    leaving.wait(60)
    told = driver.told()
    assert (told["done"], told["lost"], told["why"]) == (2000, 0, {})


def test_a_broker_that_is_told_to_end_answers_what_it_was_asked_before(stage):
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey(), workers=2)
    workers = workers_of(served)
    driver = stage.driver(broker=served.url, stub=stub)
    driver.begin(32, tell_at=100)
    assert driver.told() == {"done": 100}
    served.process.terminate()
    assert served.process.wait(60) == 0
    assert not any(worker.is_running() for worker in workers)
    # Those who come too late find nobody there; nobody who was let in is left without an answer.
    told = driver.told()
    assert [reason for reason in told["why"] if "in use" in reason or "Lost" in reason] == []
    assert told["done"] >= 100


def test_a_short_soak_leaves_nothing_behind(stage):
    told = soak.run(stage, seconds=12, in_flight=32)
    assert told["growth"] == []
    assert (told["lost"], told["why"]) == (0, {})
