"""The maps that ship: each connector's default, and the annotated ones that operators start from."""

import timeit
from pathlib import Path

import pytest
import yaml

from broker.mapping import WORDS, Documents, apply, compile_map

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("connectors/claims/*.yaml"), *ROOT.glob("config/claims/*.yaml")])


def shipped(path):
    return compile_map(yaml.safe_load((ROOT / path).read_text()))


def test_there_is_a_default_map_for_each_kind_of_upstream():
    assert {path.stem for path in ROOT.glob("connectors/claims/*.yaml")} >= {
        "oidc",
        "auth0",
        "okta",
        "keycloak",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
@pytest.mark.row("UI-01")
def test_every_shipped_map_compiles_and_passes_on_only_verified_addresses(path):
    claims_map = shipped(path)
    required = {"name": "Jane Doe", "preferred_username": "jane"}
    unproved = apply(claims_map, Documents({**required, "email": "a@b.example", "nickname": "jane"}))
    assert "email" not in unproved.claims
    assert unproved.claims["email_verified"] is False
    proved = apply(claims_map, Documents({**required, "email": "a@b.example", "email_verified": True}))
    assert proved.claims["email"] == "a@b.example"


def test_the_annotated_example_shows_every_word():
    text = (ROOT / "config/claims/oidc.yaml").read_text()
    used = {word for rule in yaml.safe_load(text)["claims"].values() for word in rule}
    assert used == set(WORDS)
    assert all(f"#   {word} " in text for word in WORDS)


def test_auth0_people_keep_their_time_as_seconds_and_their_organisation_as_tenant():
    said = {
        "sub": "auth0|602c0dcab993d10073daf680",
        "nickname": "jane.doe",
        "name": "Jane Doe",
        "updated_at": "2021-03-23T11:34:14.566z",
        "email": "jane.doe@example.com",
        "email_verified": True,
        "org_id": "org_9ybsU1dN2dKfDkBi",
        "org_name": "exampleco",
    }
    claims = apply(shipped("connectors/claims/auth0.yaml"), Documents(said)).claims
    assert claims == {
        "name": "Jane Doe",
        "nickname": "jane.doe",
        "preferred_username": "jane.doe",
        "updated_at": 1616499254,
        "email": "jane.doe@example.com",
        "email_verified": True,
        "phone_number_verified": False,
        "tenant": "org_9ybsU1dN2dKfDkBi",
        "tenant_name": "exampleco",
    }


def test_okta_groups_come_from_userinfo_when_the_id_token_is_thin():
    thin = {"sub": "00ukoeEqIogiFHpDe0g3", "idp": "00oknr1CHlWaAwwgo0g3"}
    userinfo = {"sub": "00ukoeEqIogiFHpDe0g3", "name": "Saml Jackson", "groups": ["Everyone", "IT"]}
    mapped = apply(shipped("connectors/claims/okta.yaml"), Documents(thin, userinfo))
    assert mapped.claims["groups"] == ["Everyone", "IT"]
    assert mapped.sources["groups"] == "userinfo: groups"


def test_keycloak_groups_stay_paths_and_realm_roles_are_roles():
    said = {"groups": ["/staff", "/staff/eng"], "realm_access": {"roles": ["admin"]}, "session_state": "x"}
    claims = apply(shipped("connectors/claims/keycloak.yaml"), Documents(said)).claims
    assert claims["groups"] == ["/staff", "/staff/eng"]
    assert claims["roles"] == ["admin"]


def test_the_keycloak_example_filters_and_prefixes_groups():
    said = {
        "preferred_username": "jdoe",
        "realm_access": {"roles": ["acme-admin", "offline_access"]},
        "resource_access": {"acme.broker": {"roles": ["editor"]}},
    }
    mapped = apply(shipped("config/claims/keycloak.yaml"), Documents(said))
    assert mapped.claims["name"] == "jdoe"
    assert mapped.claims["groups"] == ["staff:acme-admin"]
    assert mapped.claims["app_roles"] == ["editor"]
    assert mapped.sources["groups"] == "id_token: realm_access.roles"


@pytest.mark.slow
def test_applying_the_default_map_costs_a_few_microseconds():
    claims_map = shipped("connectors/claims/oidc.yaml")
    said = {
        "name": "Jane Doe",
        "given_name": "Jane",
        "family_name": "Doe",
        "preferred_username": "jane",
        "email": "jane@acme.example",
        "email_verified": True,
        "groups": ["staff", "engineering"],
        "locale": "de",
        "updated_at": 1616499254,
    }
    documents = Documents(said, dict(said))
    best = min(timeit.repeat(lambda: apply(claims_map, documents), number=1000, repeat=20)) / 1000
    assert best < 60e-6  # measured at 10 µs; the rest is room for a busy machine
