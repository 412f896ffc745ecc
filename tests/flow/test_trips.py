"""What a step asks of the store: one read and one write where that can be, and never the same thing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from broker.clients.keys import Keyholder
from broker.jose import JoseError, KeySet, SigningKey, sign
from tests.flow.broker import Broker
from tests.flow.conftest import Start
from tests.flow.registering import OPEN, asked, redeem, register


@contextmanager
def counted(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """The commands that reach the store meanwhile, by the family of their first key."""
    wire, found = broker.services.store._wire, Counter[str]()
    call, prefix = wire.call, broker.services.store._prefix

    def noted(*command: str | bytes | int):
        key = str(command[3] if command[0] == "EVALSHA" else command[1])
        if "outbox" not in key:  # a round of its own looks there now and then
            found[key.removeprefix(prefix).partition(":")[0]] += 1
        return call(*command)

    with monkeypatch.context() as patch:
        patch.setattr(wire, "call", noted)
        yield found


async def test_a_login_reads_and_writes_each_thing_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await start(client={"trusted": True})
    async with broker.browser() as browser:
        await browser.login()  # scripts are sent whole once
        await browser.token((await browser.login()).code)
    async with broker.browser() as browser:
        with counted(broker, monkeypatch) as until_code:
            landed = await browser.login()
        with counted(broker, monkeypatch) as for_tokens:
            await browser.token(landed.code)
    lists = {"sessions-of": 1, "sessions-from": 1}
    assert until_code == {"login": 2, "session": 1, "explained": 1, "grant": 1} | lists
    assert for_tokens == {"grant": 2, "ended": 1}


async def test_an_app_that_registered_itself_is_looked_up_once_a_request(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await start(top=OPEN)
    told = await register(broker)
    async with broker.browser() as browser:
        await redeem(browser, told, (await browser.login(**asked(told))).code)
        with counted(broker, monkeypatch) as again:
            landed = await browser.login(**asked(told))
        assert again["client"] == 3  # by the session: the request, the question and the answer
        with counted(broker, monkeypatch) as for_tokens:
            await redeem(browser, told, landed.code)
        assert for_tokens["client"] == 1


async def test_the_keys_of_an_app_are_read_once_for_as_long_as_it_says_the_same(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, keys, key = KeySet.from_jwks, list[object](), SigningKey.generate("ES256")

    def noted(document: object) -> KeySet:
        keys.append(document)
        return read(document)

    monkeypatch.setattr(KeySet, "from_jwks", noted)
    token = sign(key, {"iss": "app"}, typ="JWT")
    for _ in range(3):  # each request finds the app anew, and so another copy of what it registered
        holder = Keyholder(name="client app", jwks={"keys": [key.public_jwk()]})
        await broker.services.public_keys.verified(holder, token, algorithms={"ES256"}, typ=None)
    assert len(keys) == 1
    other = Keyholder(name="client app", jwks={"keys": [SigningKey.generate("ES256").public_jwk()]})
    with pytest.raises(JoseError):
        await broker.services.public_keys.verified(other, token, algorithms={"ES256"}, typ=None)
