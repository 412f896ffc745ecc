"""Where a path looks, and what it never finds."""

import pytest

from broker.mapping import Documents, MapErrors, apply, compile_map, upstream_facts


def told(path, *, id_token=None, userinfo=None):
    mapped = apply(compile_map({"found": {"from": [path]}}), Documents(id_token or {}, userinfo or {}))
    return mapped.claims.get("found"), mapped.sources.get("found")


def test_a_bare_name_reads_userinfo_first_and_then_the_id_token():
    assert told("team", userinfo={"team": "u"}, id_token={"team": "i"}) == ("u", "userinfo: team")
    assert told("team", id_token={"team": "i"}) == ("i", "id_token: team")


@pytest.mark.parametrize("name", ["acr", "amr", "auth_time", "sid"])
def test_facts_of_the_protocol_come_only_from_the_id_token(name):
    assert told(name, userinfo={name: "forged"}) == (None, None)
    assert told(name, userinfo={name: "forged"}, id_token={name: "true"}) == ("true", f"id_token: {name}")
    with pytest.raises(MapErrors, match="fact of the ID Token"):
        compile_map({"found": {"from": [f"userinfo.{name}"]}})


def test_a_document_can_be_named():
    said = {"userinfo": {"team": "u"}, "id_token": {"team": "i"}}
    assert told("id_token.team", **said) == ("i", "id_token: team")
    assert told("userinfo.team", **said) == ("u", "userinfo: team")
    assert told("userinfo.team", id_token={"team": "i"}) == (None, None)


@pytest.mark.parametrize(
    ("path", "document", "value"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ["a"]),
        (
            "realm_access.roles",
            {"realm_access.roles": ["whole"], "realm_access": {"roles": ["a"]}},
            ["whole"],
        ),
        ("https://ns.example/roles", {"https://ns.example/roles": ["a"]}, ["a"]),
        ('"https://ns.example/roles"', {"https://ns.example/roles": ["a"]}, ["a"]),
        ("cognito:groups", {"cognito:groups": ["a"]}, ["a"]),
        ('"cognito:groups"', {"cognito:groups": ["a"]}, ["a"]),
        ('resource_access."my.client".roles', {"resource_access": {"my.client": {"roles": ["a"]}}}, ["a"]),
        ("emails.0", {"emails": ["a@b.example", "c@d.example"]}, "a@b.example"),
        ("identities.0.provider", {"identities": [{"provider": "x"}]}, "x"),
        ("emails.7", {"emails": ["a@b.example"]}, None),
        ("team.name", {"team": "text"}, None),
        ('"team.name"', {"team": {"name": "x"}}, None),
        ("team", {"team": None}, None),
        ("team", {"team": ""}, None),
        ("team", {"team": False}, False),
        ("team", {"team": 0}, 0),
    ],
)
def test_a_name_is_looked_up_whole_first_and_then_by_dots(path, document, value):
    assert told(path, id_token=document)[0] == value


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        '"a',
        'a"b"',
        '"a"b',
        '""',
        "userinfo.",
        "id_token.",
        "a\nb",
        "x" * 513,
        ".".join("a" * 17),
        7,
        None,
        ["a"],
        {"a": 1},
        True,
    ],
)
def test_what_is_not_a_path_stops_the_start(path):
    with pytest.raises(MapErrors) as caught:
        compile_map({"found": {"from": [path]}})
    assert [where for where, _ in caught.value.problems] == [("found", "from", "0")]


@pytest.mark.row("UI-10")
@pytest.mark.parametrize(
    "path", ["0.__class__", "__class__", "team.__class__", "team.keys", "team.get", "team.0"]
)
def test_a_path_reaches_json_and_nothing_of_python(path):
    assert told(path, id_token={"team": "text"}) == (None, None)
    assert told(path, id_token={"team": {"a": 1}}) == (None, None)


# ── email_verified speaks of one address ──────────────────────────────────────────────────────

VERIFIED = compile_map(
    {
        "email": {"from": ["email"], "when": "email_verified"},
        "email_verified": {"from": ["email_verified"], "default": False},
    }
)


@pytest.mark.row("UI-01")
def test_the_id_token_cannot_vouch_for_another_address_in_userinfo():
    mapped = apply(
        VERIFIED,
        Documents(
            id_token={"email": "old@acme.example", "email_verified": True},
            userinfo={"email": "boss@acme.example"},
        ),
    )
    assert mapped.claims == {"email_verified": False}


def test_the_id_token_vouches_for_the_same_address():
    mapped = apply(
        VERIFIED,
        Documents(
            id_token={"email": "a@acme.example", "email_verified": True}, userinfo={"email": "a@acme.example"}
        ),
    )
    assert mapped.claims == {"email": "a@acme.example", "email_verified": True}
    assert mapped.sources == {"email": "userinfo: email", "email_verified": "id_token: email_verified"}


@pytest.mark.row("UI-01")
def test_an_address_that_nobody_has_proved_is_not_passed_on():
    assert apply(VERIFIED, Documents(id_token={"email": "a@acme.example"})).claims == {
        "email_verified": False
    }


@pytest.mark.row("UI-02")
@pytest.mark.row("UI-15")
@pytest.mark.parametrize("counts", [["victim@acme.example"], {"name": "victim@acme.example"}, 7, True])
def test_one_proved_address_vouches_for_nothing_that_counts_before_it(counts):
    """Userinfo comes first; that the ID Token proves another address is no word about what stands there."""
    said = Documents(
        id_token={"email": "eve@evil.example", "email_verified": True}, userinfo={"email": counts}
    )
    claims_map = compile_map(
        {
            "addresses": {"from": "email", "cast": "list", "when": "email_verified"},
            "email_verified": {"from": "email_verified", "default": False},
        }
    )
    assert apply(claims_map, said).claims == {"email_verified": False}
    facts = upstream_facts(issuer="https://idp.example", documents=(said.userinfo, said.id_token, said.api))
    assert "email_vouched_by" not in facts


def test_the_provider_behind_is_the_upstreams_own_word_and_never_our_connector() -> None:
    def behind(**id_token: object) -> object:
        return upstream_facts(issuer="https://idp.example", documents=({}, id_token, {})).get("idp")

    assert behind(idp="00oknr1CHlWaAwwgo0g3") == "00oknr1CHlWaAwwgo0g3"
    assert behind() is behind(idp="") is behind(idp=["staff"]) is None
