"""Ten thousand connectors are read in time that grows as they do."""

import time

import pytest

from tests.config.desk import TYPE, Desk


def seconds(desk: Desk, count: int) -> float:
    entries = (
        f"  c{i}:\n    type: {TYPE}\n    name: Connector {i}\n    client_id: broker-{i}\n"
        f"    client_secret: file:secret\n    claims: map.yaml\n    issuer: https://c{i}.example\n"
        for i in range(count)
    )
    desk.write("secret", "x")
    desk.write("map.yaml", "claims: {name: {from: [name]}}")
    desk.write("broker.yaml", "issuer: https://a.example\nstate_dir: s\nconnectors:\n" + "".join(entries))
    began = time.process_time()
    config = desk.load()
    took = time.process_time() - began
    assert len(config.connectors) == count
    assert len({id(connector.claims) for connector in config.connectors.values()}) == 1
    return took


@pytest.mark.slow
def test_ten_times_the_connectors_take_about_ten_times_as_long(desk: Desk) -> None:
    few, many = seconds(desk, 1_000), seconds(desk, 10_000)
    assert many < 20 * max(few, 0.2)


def test_a_thousand_mistakes_are_told_in_time(desk: Desk) -> None:
    entries = "".join(f"  c{i}: {{type: {TYPE}, name: N, clientid: x}}\n" for i in range(1_000))
    began = time.process_time()
    found = desk.mistakes("issuer: https://a.example\nstate_dir: s\nconnectors:\n" + entries)
    assert len(found) == 2_000
    assert time.process_time() - began < 5
