"""Whatever an upstream says, and whatever an operator writes: nothing but the two errors we name."""

import json
import pickle

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.mapping import (
    CASTS,
    PROTOCOL_CLAIMS,
    Documents,
    MapErrors,
    MappingRefused,
    apply,
    check_expressions,
    compile_map,
    shape,
    trace,
)

NAMES = [
    "email",
    "email_verified",
    "name",
    "groups",
    "updated_at",
    "address",
    "picture",
    "a",
    "b",
    "acr",
    "sub",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Lo"]), max_size=5)
    | st.sampled_from(
        ["true", "false", "2021-03-23T11:34:14Z", "9" * 400, "x" * 9000, 10**400, "https://x.example"]
    )
)
keys = st.sampled_from([*NAMES, "name", "roles", "a.b"]) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, max_size=8)

paths = st.sampled_from(
    [*NAMES, "a.b", "groups.0", 'a."a.b"', "id_token.email", "userinfo.email", "groups.0.name"]
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "keep": st.sampled_from(["a.*", ".+", "x|y"]),
        "rename": st.just({"a": "x"}),
        "prefix": st.just("p:"),
    },
)
rules = st.fixed_dictionaries(
    {"from": st.lists(paths, min_size=1, max_size=3)},
    optional={
        "when": paths,
        "cast": st.sampled_from(sorted(CASTS)),
        "required": st.booleans(),
    },
)
maps = st.dictionaries(
    st.sampled_from([*NAMES, "roles", "tenant"]), st.builds(lambda a, b: a | b, rules, filters), min_size=1
)


@settings(max_examples=300, deadline=None)
@given(maps, documents, documents)
def test_applying_a_map_raises_nothing_but_its_own_refusal(source, id_token, userinfo):
    try:
        claims_map = compile_map(source)
        mapped = apply(claims_map, Documents(id_token, userinfo))
    except (MapErrors, MappingRefused):
        return
    assert set(mapped.claims) == set(mapped.sources)
    assert PROTOCOL_CLAIMS.isdisjoint(mapped.claims)
    assert mapped.claims.get("email_verified") in {True, False, None}
    assert type(mapped.claims.get("email_verified")) in {bool, type(None)}
    written = msgspec.json.encode(mapped.claims)
    assert json.loads(written) == mapped.claims
    assert all(len(msgspec.json.encode(value)) < 3 * 8192 for value in mapped.claims.values())


@settings(max_examples=80, deadline=None)
@given(documents, documents)
def test_a_map_that_names_no_source_tells_nothing_of_what_the_upstream_said(id_token, userinfo):
    mapped = apply(compile_map({"tenant": {"value": "acme"}}), Documents(id_token, userinfo))
    assert mapped.claims == {"tenant": "acme"}


def problems(source):
    """What is wrong with a map; nothing where it compiles into a rule for every claim."""
    try:
        compiled = compile_map(source)
    except MapErrors as errors:
        return errors.problems or ["told nothing"]
    return [] if set(compiled.claims) <= set(source) else ["gives what it was not asked"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=8) | st.integers(), values, max_size=4))
def test_any_document_either_compiles_or_says_what_is_wrong(source):
    assert all(isinstance(step, str) for path, message in problems(source) for step in (*path, message))


words = ["from", "value", "when", "cast", "keep", "rename", "prefix", "default", "required"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(words), values), min_size=1))
def test_any_rule_either_compiles_or_says_what_is_wrong(source):
    assert all(isinstance(step, str) for path, message in problems(source) for step in (*path, message))


EXPRESSIONS = [
    "upstream.id_token",
    "upstream.id_token.a",
    "upstream.id_token.?a.?b",
    "upstream.id_token.groups.map(g, g.name)",
    "upstream.id_token.groups.filter(g, g in upstream.userinfo.groups)",
    "upstream.id_token.groups.all(g, upstream.userinfo.groups.exists(h, g == h))",
    "upstream.id_token.a == upstream.userinfo.a",
    "upstream.id_token.email.split('')",
    "upstream.id_token.email + upstream.userinfo.email",
    "[upstream.id_token, upstream.userinfo]",
    "int(upstream.id_token.updated_at) / int(upstream.userinfo.updated_at)",
    "timestamp(upstream.id_token.updated_at)",
    "string(upstream.id_token.a).matches('[a-z]+')",
    "upstream.id_token.map(key, key)",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EXPRESSIONS), documents, documents)
def test_an_expression_gives_a_claim_or_leaves_it_out_whatever_the_upstream_says(text, id_token, userinfo):
    claims_map = compile_map({"found": {"expression": text}})
    documents = Documents(id_token, userinfo)
    mapped = apply(claims_map, documents)
    msgspec.json.encode(mapped.claims)
    list(trace(claims_map, documents))


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="abc.()[]{}?:+\"'\\ upstream_idtokenmapfilter", max_size=60))
def test_any_text_is_an_expression_or_is_refused(text):
    try:
        claims_map = compile_map({"found": {"expression": text}})
    except MapErrors:
        return
    check_expressions(claims_map)
    apply(claims_map, Documents({"a": 1}))


@settings(max_examples=200, deadline=None)
@given(maps, documents)
def test_a_map_tells_of_itself_what_it_does(source, id_token):
    """What is explained is what is given, and it is never a value."""
    try:
        claims_map = compile_map(source)
        mapped = apply(claims_map, Documents(id_token))
    except (MapErrors, MappingRefused):
        return
    told = {one.claim: one for one in trace(claims_map, Documents(id_token))}
    assert {claim: one.after for claim, one in told.items() if one.after is not None} == mapped.claims
    assert all(one.source == mapped.sources[claim] for claim, one in told.items() if claim in mapped.claims)
    assert all(len(shape(one.before)) < 80 for one in told.values())


@settings(max_examples=50, deadline=None)
@given(maps)
def test_a_map_may_go_to_another_process(source):
    try:
        claims_map = compile_map(source | {"x": {"expression": "upstream.acr"}})
    except MapErrors:
        return
    again = pickle.loads(pickle.dumps(claims_map))
    said = Documents({"a": "a", "b": ["a"]}, upstream={"acr": "gold"})
    for made in (claims_map, again):
        try:
            assert apply(made, said).claims["x"] == "gold"
        except MappingRefused:
            continue
