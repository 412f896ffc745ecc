"""The claims that an operator declares: what a map may then give, and which scope releases it."""

from __future__ import annotations

import pytest

from broker.mapping import Documents, apply
from broker.protocol.metadata import openid_document
from tests.config.desk import SOUND, Desk

CONTEXT = """\
context:
  groups: { type: list, scope: profile }
  level: { type: integer, scope: [levels, email] }
  seen: { type: timestamp }
scopes:
  levels: { description: See your level }
"""


def with_map(claims: str, context: str = CONTEXT) -> str:
    return (
        SOUND.replace("    client_id: broker\n", f"    client_id: broker\n    claims: {claims}\n") + context
    )


def test_without_the_section_any_claim_may_be_given(desk: Desk) -> None:
    assert desk.mistakes(with_map("{ whatever: { from: x } }", "")) == []


def test_a_claim_that_nobody_declared_is_a_mistake_where_it_stands(desk: Desk) -> None:
    (mistake,) = desk.mistakes(with_map("{ name: { from: name }, group: { from: x } }"))
    assert mistake.startswith("broker.yaml:8:37: connectors.staff.claims.group: ")
    assert mistake.endswith("is not declared under context; did you mean groups?")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("level: { value: high }", "level.value: not a whole number"),
        ("level: { from: x, cast: list }", "level.cast: context declares integer: epoch, integer"),
        ("groups: { from: x, default: staff }", "groups.default: not a list"),
        ("seen: { value: '2021-03-23' }", "seen.value: not seconds since the epoch"),
    ],
)
def test_what_can_never_be_of_the_declared_type_is_a_mistake(desk: Desk, rule: str, said: str) -> None:
    (mistake,) = desk.mistakes(with_map(f"{{ {rule} }}"))
    assert said in mistake


def test_a_value_of_another_type_than_declared_is_left_out(desk: Desk) -> None:
    config = desk.load(
        with_map("{ level: { from: l }, groups: { from: g }, seen: { from: s, cast: epoch } }")
    )
    claims_map = config.connectors["staff"].claims
    good = apply(claims_map, Documents(userinfo={"l": 3, "g": ["a"], "s": "2021-03-23T11:34:14Z"}))
    assert good.claims == {"level": 3, "groups": ["a"], "seen": 1616499254}
    bad = apply(claims_map, Documents(userinfo={"l": "3", "g": "a", "s": "soon"}))
    assert bad.claims == {}
    assert bad.dropped["level"] == "userinfo: l: not a whole number"


def test_the_broker_checks_the_type_of_an_expression_before_it_serves(desk: Desk) -> None:
    text = with_map("{ level: { expression: '\"high\"' } }")
    assert desk.mistakes(text) == []
    where, what = "connectors.staff.claims.level.expression", "gives string, and context declares integer"
    assert desk.mistakes(text, thorough=True) == [f"broker.yaml:8:36: {where}: {what}"]


def test_the_check_names_the_line_of_the_file_and_the_column_of_the_expression(desk: Desk) -> None:
    (mistake,) = desk.mistakes(
        with_map("{ level: { expression: 'upstream.auth_time + \"x\"' } }"), thorough=True
    )
    assert mistake.startswith(
        "broker.yaml:8:36: connectors.staff.claims.level.expression: column 20: found no"
    )


def test_a_scope_releases_what_the_context_puts_there_and_discovery_says_so(desk: Desk) -> None:
    config = desk.load(SOUND + CONTEXT)
    assert "groups" in config.scope_rules["profile"].claims
    assert config.scope_rules["levels"].claims == ("level",)
    assert config.scope_rules["email"].claims == ("email", "email_verified", "level")
    told = openid_document(config.offer)["claims_supported"]
    assert {"groups", "level"} <= set(told)
    assert "seen" not in told  # declared, and released by no scope


@pytest.mark.parametrize(
    ("context", "mistake"),
    [
        (
            "context: { groups: { type: list, scope: profil } }",
            "broker.yaml:13:41: context.groups.scope: there is no scope profil; did you mean profile?",
        ),
        (
            "context: { sub: { type: string } }",
            "broker.yaml:13:12: context.sub: is minted by the broker; what it is cannot be declared",
        ),
        (
            "context: { email: { type: list } }",
            "broker.yaml:13:27: context.email.type: clients expect a string here (OpenID Connect Core §5.1)",
        ),
        (
            "context: { a: { type: text } }",
            "broker.yaml:13:23: context.a.type: expected …",
        ),
        (
            "context: { a: { type: list } }\nscopes: { x: { description: X, claims: [b] } }",
            "broker.yaml:14:41: scopes.x.claims[0]: is not declared under context",
        ),
    ],
)
def test_a_mistake_in_the_section_is_told_where_it_stands(desk: Desk, context: str, mistake: str) -> None:
    (told,) = desk.mistakes(SOUND + context)
    assert told.startswith(mistake.rstrip("…"))


def test_what_is_declared_wrongly_is_declared_all_the_same(desk: Desk) -> None:
    (mistake,) = desk.mistakes(with_map("{ level: { from: x } }", "context: { level: { type: nmber } }"))
    assert "context.level.type" in mistake


def test_a_connectors_own_map_gives_only_what_is_declared(desk: Desk) -> None:
    text = SOUND.replace("type: tests.config.upstream", "type: okta\n    domain: acme.okta.com")
    text = text.replace("client_id: broker", "client_id: broker\n    client_secret: something long")
    own = desk.load(text).connectors["staff"].claims.claims
    assert "groups" in own
    assert (
        "groups"
        not in desk.load(text + "context: { level: { type: integer } }").connectors["staff"].claims.claims
    )


def test_a_map_whose_example_fails_stops_the_start_at_the_line_of_the_claim(desk: Desk) -> None:
    desk.write(
        "map.yaml",
        """\
        claims:
          name: { from: name }
        examples:
          - name: somebody
            id_token: { name: Jane }
            expect:
              name: John
        """,
    )
    (mistake,) = desk.mistakes(with_map("map.yaml", ""))
    assert mistake == 'map.yaml:7:13: examples.0.expect.name: example "somebody": name is "Jane"'


def test_examples_of_a_map_that_many_connectors_use_run_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker.mapping import compiler  # noqa: PLC0415

    runs: list[object] = []
    once = compiler.failures
    monkeypatch.setattr(compiler, "failures", lambda *args: runs.append(args) or once(*args))
    desk.write(
        "map.yaml",
        "claims: { name: { from: name } }\nexamples: [{ name: nobody, id_token: {}, expect: {} }]\n",
    )
    entry = "{ type: tests.config.upstream, name: X, client_id: broker, claims: map.yaml }"
    many = "".join(f"  c{number}: {entry}\n" for number in range(20))
    desk.load(with_map("map.yaml", "").replace("clients:\n", f"{many}clients:\n"))
    assert len(runs) == 1
