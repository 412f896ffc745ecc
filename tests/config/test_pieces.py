"""One configuration out of several files."""

from pathlib import Path

import pytest

from tests.config.desk import TYPE, Desk

HEAD = "issuer: https://login.acme.example\nstate_dir: state\n"


def client(name: str) -> str:
    return f"clients:\n  {name}:\n    client_name: X\n    client_secret: y\n    redirect_uris: [https://a.example/]\n"


def test_pieces_are_read_beside_the_file_that_names_them(desk: Desk) -> None:
    desk.write("clients.d/b.yaml", client("b"))
    desk.write("clients.d/a.yaml", client("a"))
    desk.write("clients.d/notes.txt", "not yaml: [")
    desk.write(
        "up/connectors.yaml",
        f"connectors:\n  staff: {{type: {TYPE}, name: S, client_id: b, claims: map.yaml}}\n"
        "lifetimes: {code: 30s}\ninclude: [more/*.yaml]\n",
    )
    desk.write("up/map.yaml", "claims: {name: {from: [name]}}")
    desk.write("up/more/c.yaml", client("c"))
    config = desk.load(f"{HEAD}include: [clients.d/*.yaml, up/connectors.yaml]\n{client('main')}")
    assert list(config.clients_by_id) == ["main", "a", "b", "c"]
    assert list(config.connectors) == ["staff"]
    assert config.lifetimes.code == 30


@pytest.mark.row("CF-06")
def test_a_name_in_two_pieces_is_a_mistake_that_names_both(desk: Desk) -> None:
    desk.write("b.yaml", client("a") + "lifetimes: {login: 1m}\n")
    found = desk.mistakes(f"{HEAD}include: [b.yaml]\nlifetimes: {{code: 30s}}\n{client('a')}")
    assert found == [
        "b.yaml:2:3: clients.a: said already at broker.yaml:6:3",
        "b.yaml:6:1: lifetimes: said already at broker.yaml:4:1",
    ]


@pytest.mark.row("CF-06")
def test_two_connectors_with_one_id_are_refused_in_one_file_and_in_two(desk: Desk) -> None:
    entry = f"  staff: {{type: {TYPE}, name: S, client_id: b}}\n"
    desk.write("b.yaml", f"connectors:\n{entry}")
    found = desk.mistakes(f"{HEAD}include: [b.yaml]\nconnectors:\n{entry}{entry}")
    assert found == [
        "b.yaml:2:3: connectors.staff: said already at broker.yaml:5:3",
        "broker.yaml:6:3: connectors.staff: said twice; the first is in line 5",
    ]


def test_mistakes_in_every_piece_are_told_together(desk: Desk) -> None:
    desk.write("a.yaml", "clients: {x: {}}\n")
    desk.write("b.yaml", "scopes: [")
    found = desk.mistakes("include: [a.yaml, b.yaml, gone.yaml, gone.d/*.yaml]\nstate_dir: s\n")
    assert found == [
        "a.yaml:1:11: clients.x.client_name: missing",
        (
            "a.yaml:1:11: clients.x.client_secret: missing; an app that cannot keep one has "
            "token_endpoint_auth_method: none"
        ),
        "a.yaml:1:11: clients.x.redirect_uris: missing",
        "b.yaml:2:1: not YAML: did not find expected node content",
        "broker.yaml:1:1: issuer: missing",
        "broker.yaml:1:27: include[2]: there is no such file",
    ]


def test_a_file_that_two_patterns_name_is_read_once_and_a_circle_ends(desk: Desk) -> None:
    desk.write("d/a.yaml", client("a") + "include: [../broker.yaml, '*.yaml']\n")
    config = desk.load(f"{HEAD}include: [d/*.yaml, d/a.yaml]\n")
    assert list(config.clients_by_id) == ["a"]


def test_a_section_whose_entries_are_all_in_pieces_may_stand_empty(desk: Desk) -> None:
    desk.write("a.yaml", client("a"))
    assert list(desk.load(f"{HEAD}include: [a.yaml]\nclients:\n").clients_by_id) == ["a"]
    desk.write("a.yaml", "clients:\n")
    assert list(desk.load(f"{HEAD}include: [a.yaml]\n{client('b')}").clients_by_id) == ["b"]


def test_a_folder_with_a_star_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a[b]*")
    desk.write("clients.d/a.yaml", client("a"))
    assert list(desk.load(f"{HEAD}include: [clients.d/*.yaml]\n").clients_by_id) == ["a"]
