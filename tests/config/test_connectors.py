"""Connectors: which module a type names, its settings and its claims map, each mistake with its line."""

import re
from pathlib import Path

import pytest

from broker.config import Fixed
from broker.config.connectors import installed
from broker.connector import Secret
from tests.config.desk import SOUND, TYPE, Desk

NO_REFRESH_TOKEN = "scope has no offline_access, so there is no refresh token to ask with"


def typed(name: str) -> str:
    return SOUND.replace(TYPE, name)


@pytest.mark.row("CF-03")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os", "unknown type"),
        ("oidcc", "unknown type; did you mean oidc?"),
        ("../x", "unknown type"),
        ("..os", "unknown type"),
        ("os.", "unknown type"),
        ("a/b.c", "unknown type"),
        ("os.path", "is not a connector: it has no Settings made of ConnectorSettings"),
        ("broker.connector", "is not a connector: it has no Settings made of ConnectorSettings"),
        ("nosuch.module", "cannot be imported: ModuleNotFoundError: No module named 'nosuch'"),
        ("tests.config.broken", "cannot be imported: ZeroDivisionError: division by zero"),
        ("tests.config.half", "is not a connector: its Connector has no finish, ping"),
    ],
)
def test_an_unknown_or_unimportable_module_stops_the_start(desk: Desk, name: str, said: str) -> None:
    assert desk.mistakes(typed(name)) == [f"broker.yaml:5:11: connectors.staff.type: {said}"]


def test_a_module_of_ones_own_works_by_its_path(desk: Desk) -> None:
    connector = desk.load(SOUND).connectors["staff"]
    assert (connector.id, connector.type, connector.name) == ("staff", TYPE, "Staff")
    assert connector.module.__name__ == TYPE
    assert connector.settings == connector.module.Settings(client_id="broker")


@pytest.mark.parametrize("kind", sorted({*installed()} - {"pool"}))
def test_every_installed_type_that_needs_anything_says_what_is_missing(desk: Desk, kind: str) -> None:
    found = desk.mistakes(typed(kind).replace("    client_id: broker\n", ""))
    wanted = re.compile(r"broker.yaml:4:3: connectors\.staff\.\w+: (missing|give one of )")
    assert [one for one in found if wanted.match(one)], found


@pytest.mark.parametrize(
    ("entry", "said", "column"),
    [
        ("client_secret: 12", "client_secret: expected text; put it in quotes", 20),
        ("doors: [{key: a}, {kye: b}]", "doors[1].kye: unknown key; did you mean key?", 24),
        (
            "doors: [{key: file:gone}]",
            "doors[0].key: cannot read the file: No such file or directory (gone)",
            19,
        ),
        ("get_user_info: maybe", "get_user_info: expected true or false", 20),
        (
            "pass_through: {login_hint: always}",
            "pass_through.login_hint: expected drop, pass, domains, or { fixed: … }",
            32,
        ),
        ("pass_through: {login_hint: {fixd: x}}", "pass_through.login_hint.fixd: unknown key", 33),
        ("pass_through: {prompt: drop}", "pass_through.prompt: unknown key", 20),
        ("freshness: sure", "freshness: expected proven or trusted", 16),
        ("claims: 3", "claims: expected the path of a claims map, or the map itself", 13),
        ("claims: gone.yaml", "claims: there is no file gone.yaml", 13),
        ("issuer: https://login.acme.example", "issuer: is our own issuer", 13),
        ("issuer: https://login.acme.example/", "issuer: is our own issuer", 13),
    ],
)
@pytest.mark.row("CF-06")
@pytest.mark.row("AZ-42")
def test_a_setting_is_checked_where_it_stands(desk: Desk, entry: str, said: str, column: int) -> None:
    found = desk.mistakes(SOUND.replace("    client_id: broker\n", f"    client_id: broker\n    {entry}\n"))
    assert [line for line in found if line.startswith(f"broker.yaml:8:{column}: connectors.staff.{said}")], (
        found
    )


def test_what_a_module_says_of_one_key_stands_at_that_key(desk: Desk) -> None:
    text = typed("oidc").replace(
        "    client_id: broker\n",
        "    client_id: broker\n    issuer: https://idp.example\n    client_secret: x\n    private_key: y\n"
        "    token_endpoint_auth_method: none\n",
    )
    (line,) = desk.mistakes(text)
    assert line.startswith("broker.yaml:")
    assert "connectors.staff" in line


@pytest.mark.row("CF-06")
@pytest.mark.parametrize("name", ["a b", "../a", "a/b", "a:b", "", "é", "x" * 65, ".", ".."])
def test_an_id_is_safe_in_a_path(desk: Desk, name: str) -> None:
    found = desk.mistakes(SOUND.replace("  staff:", f"  '{name}':"))
    assert len(found) == 1
    assert "a connector's id has letters, digits, dots, dashes and underscores, at most 64" in found[0]


def test_the_policy_of_a_connector_is_drop_but_for_the_language(desk: Desk) -> None:
    policy = desk.load(SOUND).connectors["staff"].pass_through
    assert (policy.login_hint, policy.acr_values, policy.ui_locales) == ("drop", "drop", "pass")
    entry = "    pass_through: { login_hint: pass, ui_locales: { fixed: de } }\n"
    policy = (
        desk.load(SOUND.replace("    client_id", entry + "    client_id", 1)).connectors["staff"].pass_through
    )
    assert (policy.login_hint, policy.ui_locales) == ("pass", Fixed(fixed="de"))


def test_one_mistake_in_a_connector_hides_no_other(desk: Desk) -> None:
    desk.write("x.png", "no picture")
    found = desk.mistakes(f"""\
        issuer: https://login.acme.example
        state_dir: state
        connectors:
          staff:
            type: {TYPE}
            freshness: sure
            icon: x.png
            issuer: https://login.acme.example
            claims: {{ sub: {{from: [a]}} }}
            colour: red
          other:
            type: nosuch.module
            name: Other
            icon: x.png
            claims: gone.yaml
        """)
    assert [line.split(": ")[:2] for line in found] == [
        ["broker.yaml:4:3", "connectors.staff.client_id"],
        ["broker.yaml:4:3", "connectors.staff.name"],
        ["broker.yaml:6:16", "connectors.staff.freshness"],
        ["broker.yaml:7:11", "connectors.staff.icon"],
        ["broker.yaml:8:13", "connectors.staff.issuer"],
        ["broker.yaml:9:15", "connectors.staff.claims.sub"],
        ["broker.yaml:10:5", "connectors.staff.colour"],
        ["broker.yaml:12:11", "connectors.other.type"],
        ["broker.yaml:14:11", "connectors.other.icon"],
        ["broker.yaml:15:13", "connectors.other.claims"],
    ]


MAP = "claims: { email: { from: [email] }, %s }"


def test_a_claims_map_may_be_a_file_of_its_own(desk: Desk) -> None:
    desk.write("claims/a.yaml", MAP % "name: { value: x }")
    found = desk.load(SOUND.replace("    client_id", "    claims: claims/a.yaml\n    client_id", 1))
    inline = desk.load(
        SOUND.replace(
            "    client_id", "    claims: { email: {from: [email]}, name: {value: x} }\n    client_id", 1
        )
    )
    assert found.connectors["staff"].claims == inline.connectors["staff"].claims


def test_a_mistake_in_a_claims_map_stands_in_that_map(desk: Desk) -> None:
    desk.write("claims/a.yaml", MAP % "sub: { from: [id] }")
    entry = "    claims: claims/a.yaml\n    client_id"
    (line,) = desk.mistakes(SOUND.replace("    client_id", entry, 1))
    assert line.startswith("claims/a.yaml:1:")
    assert "claims.sub: " in line
    (line,) = desk.mistakes(
        SOUND.replace("    client_id", "    claims: { sub: {from: [a]} }\n    client_id", 1)
    )
    assert line.startswith("broker.yaml:7:15: connectors.staff.claims.sub: ")


def test_a_claims_map_that_many_use_is_told_wrong_once(desk: Desk) -> None:
    desk.write("claims/a.yaml", "claims: [no]")
    entry = f"    type: {TYPE}\n    name: A\n    client_id: b\n    claims: claims/a.yaml\n"
    text = "issuer: https://a.example\nstate_dir: s\nconnectors:\n  a:\n" + entry + "  b:\n" + entry
    assert len(desk.mistakes(text)) == 1


def test_a_secret_may_be_in_a_file_wherever_settings_have_one(desk: Desk) -> None:
    desk.write("secrets/one", "the first\n")
    desk.write("secrets/two", "the second\r\n")
    entry = "    client_secret: file:secrets/one\n    doors: [{key: file:secrets/two}]\n    client_id"
    settings = desk.load(SOUND.replace("    client_id", entry, 1)).connectors["staff"].settings
    assert settings.client_secret == Secret("the first")  # type: ignore[attr-defined]
    assert settings.doors[0].key == Secret("the second")  # type: ignore[attr-defined]


def test_a_secret_that_all_may_read_is_worth_a_word(desk: Desk, tmp_path: Path) -> None:
    desk.write("secrets/one", "the first\n", mode=0o644)
    text = SOUND.replace("    client_id", "    client_secret: file:secrets/one\n    client_id", 1)
    (note,) = desk.load(text).notes
    assert str(note).replace(f"{tmp_path}/", "") == (
        "broker.yaml:4:3: connectors.staff: secrets/one can be read by everybody on this machine; "
        "chmod 600 keeps it secret"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "the file is empty"), (b"\n", "the file is empty"), (b"\xff", "the file is not text in UTF-8")],
)
def test_a_secret_that_is_none_is_refused(desk: Desk, data: bytes, said: str) -> None:
    desk.write("secret", data)
    (line,) = desk.mistakes(SOUND.replace("something long", "file:secret"))
    assert line == f"broker.yaml:11:20: clients.billing.client_secret: {said} (secret)"


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        (
            (
                "{ type: custom, name: S, login_url: 'https://s', client_id: a, client_secret: file:s,"
                " upstream_refresh: always }"
            ),
            "connectors.own.upstream_refresh: an upstream of type custom cannot be asked again",
        ),
        (
            "{ type: okta, name: O, domain: a, client_id: b, client_secret: b, upstream_refresh: always }",
            f"connectors.own.upstream_refresh: {NO_REFRESH_TOKEN}",
        ),
        (
            "{ type: google, name: G, client_id: a, client_secret: file:s, upstream_refresh: always }",
            "connectors.own.upstream_refresh: it wants access_type: offline",
        ),
        (
            "{ type: github, name: G, client_id: a, client_secret: file:s, upstream_logout: offer }",
            "connectors.own.upstream_logout: nobody can be signed out at an upstream of type github",
        ),
        (
            "{ type: google, name: G, client_id: a, client_secret: file:s, upstream_logout: offer }",
            "connectors.own.upstream_logout: there is no logout at Google",
        ),
        (
            (
                "{ type: oidc, name: O, issuer: 'https://o', client_id: a, client_secret: file:s,"
                " authorization_endpoint: 'https://o/a', token_endpoint: 'https://o/t', jwks_uri: 'https://o/k',"
                " upstream_logout: offer }"
            ),
            "connectors.own.upstream_logout: without metadata, say end_session_endpoint",
        ),
        (
            "{ type: pool, name: Members, outbound: { timeout: 3s } }",
            "connectors.own.outbound: the broker asks an upstream of type pool nothing over HTTP",
        ),
        (
            "{ type: ldap, name: D, url: 'ldaps://d.example', user_search: { base_dn: dc=d }, outbound: {} }",
            "connectors.own.outbound: the broker asks an upstream of type ldap nothing over HTTP",
        ),
        (
            "{ type: ldap, name: D, url: 'ldaps://d.example', user_search: { base_dn: dc=d }, timeout: 4 }",
            "connectors.own.timeout: expected a duration such as 30s, 5m, 12h or 14d",
        ),
    ],
)
def test_what_a_connector_cannot_do_is_told_before_it_is_wanted(desk: Desk, entry: str, mistake: str) -> None:
    desk.write("s", "s" * 32)
    (told,) = desk.mistakes(SOUND.replace("connectors:\n", f"connectors:\n  own: {entry}\n"))
    assert told.partition(" ")[2] == mistake
