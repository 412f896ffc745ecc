"""Ten thousand connectors are read in time that grows as they do."""

import gc

import pytest

from broker.config import Config
from tests.config.desk import SOUND, TYPE, Desk
from tests.costs import least_cpu


def seconds(desk: Desk, count: int) -> float:
    entries = (
        f"  c{i}:\n    type: {TYPE}\n    name: Connector {i}\n    client_id: broker-{i}\n"
        f"    client_secret: file:secret\n    claims: map.yaml\n    issuer: https://c{i}.example\n"
        for i in range(count)
    )
    desk.write("secret", "x")
    desk.write("map.yaml", "claims: {name: {from: [name]}}")
    desk.write("broker.yaml", "issuer: https://a.example\nstate_dir: s\nconnectors:\n" + "".join(entries))
    read: list[Config] = []
    took = least_cpu(lambda: read.append(desk.load()), tries=1)
    assert len(read[0].connectors) == count
    assert len({id(connector.claims) for connector in read[0].connectors.values()}) == 1
    return took


@pytest.mark.slow
def test_ten_times_the_connectors_take_about_ten_times_as_long(desk: Desk) -> None:
    few, many = min(seconds(desk, 1_000) for _ in range(2)), seconds(desk, 10_000)
    assert many < 20 * few


def so_many_of_each(desk: Desk, count: int) -> None:
    connectors = "".join(
        f"  c{i}:\n    type: oidc\n    name: Company {i}\n    issuer: https://c{i}.example\n"
        f"    client_id: b\n    client_secret: secret-{i}\n    domains: [c{i}.example, '*.c{i}.example']\n"
        for i in range(count)
    )
    clients = "".join(
        f"  app{i}:\n    client_name: App {i}\n    client_secret: the-secret-of-app-{i}-which-is-long\n"
        f"    redirect_uris: [https://app{i}.example/callback]\n    connectors: [c{i}, c{i * 7 % count}]\n"
        for i in range(count)
    )
    text = f"issuer: https://a.example\nstate_dir: s\nconnectors:\n{connectors}clients:\n{clients}"
    desk.write("broker.yaml", text)


@pytest.mark.slow
def test_ten_thousand_connectors_and_apps_are_read_in_time_that_grows_as_they_do(desk: Desk) -> None:
    so_many_of_each(desk, 1_000)
    few = least_cpu(desk.load, tries=2)
    so_many_of_each(desk, 10_000)
    read: list[Config] = []
    assert least_cpu(lambda: read.append(desk.load()), tries=1) < 20 * few
    (config,) = read
    assert gc.isenabled()
    routes = config.routing.routes
    assert len(routes.all) == len(config.connectors) == len(config.clients_by_id) == 10_000
    assert routes.allowed(config.clients_by_id["app3"]) == ("c3", "c21")
    assert list(config.routing.domains.nearest("hr.c77.example")) == [("c77",)]


def test_apps_that_allow_the_same_share_one_list(desk: Desk) -> None:
    one, other = "connectors: [staff]\n", "logo: null\n"
    apps = "".join(
        f"  app{i}:\n    client_name: A\n    client_secret: something long enough\n"
        f"    redirect_uris: [https://a.example/cb]\n    {one if i % 2 else other}"
        for i in range(20)
    )
    config = desk.load(SOUND + apps)
    routes, clients = config.routing.routes, config.clients_by_id
    assert len({id(routes.allowed(clients[f"app{i}"])) for i in range(1, 20, 2)}) == 1
    assert {id(routes.allowed(clients[f"app{i}"])) for i in range(0, 20, 2)} == {id(routes.all)}


def test_a_thousand_names_that_nothing_has_are_told_in_time(desk: Desk) -> None:
    so_many_of_each(desk, 1_000)
    text = (desk.folder / "broker.yaml").read_text().replace("connectors: [c", "connectors: [cc", 1_000)
    found = desk.mistakes(text)
    assert len(found) == 1_000
    assert "did you mean" in found[0]
    assert least_cpu(lambda: desk.mistakes(text), tries=2) < 4


def test_a_thousand_mistakes_are_told_in_time(desk: Desk) -> None:
    entries = "".join(f"  c{i}: {{type: {TYPE}, name: N, clientid: x}}\n" for i in range(1_000))
    text = "issuer: https://a.example\nstate_dir: s\nconnectors:\n" + entries
    assert len(desk.mistakes(text)) == 2_000
    assert least_cpu(lambda: desk.mistakes(text), tries=2) < 2
