"""Every mistake has its line: what is said of each kind, and where."""

from collections.abc import Mapping

import pytest

from broker.config import ConfigError
from tests.config.desk import SOUND, TYPE, Desk

LATER = "is not built yet; use redis://, rediss://, unix:// or embedded"
HEAD = "issuer: https://login.acme.example\nstate_dir: state\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # Keys
        ("isuer: x", "3:1: isuer: unknown key; did you mean issuer?"),
        ("colour: red", "3:1: colour: unknown key"),
        ("store:\n  prefx: x", "4:3: store.prefx: unknown key; did you mean prefix?"),
        (
            "lifetimes:\n  session: { idel: 1h }",
            "4:14: lifetimes.session.idel: unknown key; did you mean idle?",
        ),
        ("tls:\n  key: broker.yaml", "3:1: tls.certificate: missing"),
        (
            "listen_mtls: 0.0.0.0:8443",
            "3:14: listen_mtls: needs tls: the certificate to serve https with",
        ),
        # Values
        ("store: x", "3:8: store: expected keys with values"),
        ("store: [x]", "3:8: store: expected keys with values"),
        ("clients: [x]", "3:10: clients: expected keys with values"),
        ("connectors: {a: }", "3:17: connectors.a: expected keys with values"),
        ("scopes: {a.b: x}", '3:15: scopes."a.b": expected keys with values'),
        ("listen: 8080", "3:9: listen: expected text; put it in quotes"),
        (
            "listen: ':8080'",
            "3:9: listen: expected an address and a port such as 127.0.0.1:8080, or unix:PATH",
        ),
        (
            "listen: 1.2.3.4:65536",
            "3:9: listen: expected an address and a port such as 127.0.0.1:8080, or unix:PATH",
        ),
        ("listen: 'unix:'", "3:9: listen: expected the path of a socket after unix:"),
        ("include: x", "3:10: include: expected a list"),
        ("include: [3]", "3:11: include[0]: expected the path of a file, or a pattern"),
        ("include: [x.yaml]", "3:11: include[0]: there is no such file"),
        # Durations
        ("lifetimes: {code: 60}", "3:19: lifetimes.code: expected a duration such as 30s, 5m, 12h or 14d"),
        ("lifetimes: {code: 1w}", "3:19: lifetimes.code: expected a duration such as 30s, 5m, 12h or 14d"),
        ("lifetimes: {code: -1s}", "3:19: lifetimes.code: expected a duration such as 30s, 5m, 12h or 14d"),
        ("lifetimes: {code: 0s}", "3:19: lifetimes.code: must be longer than nothing"),
        ("lifetimes: {code: 11m}", "3:19: lifetimes.code: too long: at most 600 seconds"),
        (
            "lifetimes:\n  session: {idle: 2d, absolute: 1d}",
            "4:19: lifetimes.session.idle: must not be longer than absolute",
        ),
        (
            "lifetimes:\n  refresh_token: {absolute: 1d}",
            "4:3: lifetimes.refresh_token.idle: must not be longer than absolute",
        ),
        # The store
        (
            "store: {url: 'redis+sentinel://a/b'}",
            f"3:14: store.url: redis+sentinel:// {LATER}",
        ),
        (
            "store: {url: 'redis+cluster://a'}",
            f"3:14: store.url: redis+cluster:// {LATER}",
        ),
        ("store: {url: 'mysql://a'}", "3:14: store.url: expected redis://, rediss://, unix:// or embedded"),
        ("store: {url: 'redis://'}", "3:14: store.url: names no host"),
        ("store: {url: 'redis://[x'}", "3:14: store.url: is not a URL"),
        (
            "store: {url: 'redis://a'}",
            "3:1: store.encryption_keys: missing; a store URL needs a key to encrypt with",
        ),
        (
            "store: {url: 'redis://a'}",
            "1:1: subject_key: missing; with a store URL it must be given (broker init makes one)",
        ),
        (
            "store:\n  encryption_keys: [short]",
            "4:21: store.encryption_keys[0]: too short: at least 32 random characters are needed",
        ),
        ("subject_key: short", "3:14: subject_key: too short: at least 32 random characters are needed"),
        (
            "store: {prefix: '{x}'}",
            "3:17: store.prefix: is too short or too long, or has a character that cannot stand here",
        ),
        (
            "connectors: {o: {type: okta, name: O, domain: https://acme.okta.com/, client_id: a}}",
            "3:47: connectors.o.domain: must be the name alone, without https:// and a slash",
        ),
        (
            "client_id_metadata_documents: {allow_hosts: [https://app.example]}",
            "3:46: client_id_metadata_documents.allow_hosts[0]: must be the name alone, without https://",
        ),
        # Networks
        (
            "outbound: {allow_networks: [everything]}",
            "3:29: outbound.allow_networks[0]: expected a network such as 10.0.0.0/8 or fd00::/8",
        ),
        (
            "outbound: {allow_networks: [10.0.0.1/8]}",
            (
                "3:29: outbound.allow_networks[0]: expected a network such as 10.0.0.0/8 or fd00::/8; "
                "the bits after the prefix must be zero"
            ),
        ),
        (
            "trusted_proxies: {networks: ['::/0']}",
            "3:30: trusted_proxies.networks[0]: is everybody; name the networks that are meant",
        ),
        ("trusted_proxies: {networks: []}", "3:29: trusted_proxies.networks: must have at least 1"),
        (
            "trusted_proxies: {networks: [10.0.0.0/8], headers: both}",
            "3:52: trusted_proxies.headers: expected x-forwarded or forwarded",
        ),
        # Keys that sign
        ("keys: {files: [no.pem]}", "3:16: keys.files[0]: there is no file no.pem"),
        (
            "keys: {algorithms: [none]}",
            "3:21: keys.algorithms[0]: expected RS256, PS256, ES256, EdDSA or Ed25519",
        ),
        (
            "keys: {algorithms: [ES256]}",
            "3:20: keys.algorithms: RS256 must be among them (OpenID Connect Discovery)",
        ),
        # Scopes
        (
            "scopes: {'a b': {description: x}}",
            '3:10: scopes."a b": a scope has visible ASCII characters without quotes and backslashes',
        ),
        (
            "scopes: {a*: {description: x}}",
            "3:10: scopes.a*: a star stands only for the last segment, as in account.*",
        ),
        (
            "scopes: {'*': {description: x}}",
            "3:10: scopes.*: a star stands only for the last segment, as in account.*",
        ),
        ("scopes: {a: {}}", "3:10: scopes.a.description: missing"),
        (
            "scopes: {'a.*': {description: x}}",
            '3:31: scopes."a.*".description: must name {value}, which stands for the last segment',
        ),
        (
            "scopes: {a: {description: 'x {value}'}}",
            "3:27: scopes.a.description: {value} is only for a scope that ends with .*",
        ),
        (
            "scopes: {a: {description: x, claims: [tenant, sub]}}",
            "3:47: scopes.a.claims[1]: sub is a claim of the protocol; it never comes with a scope",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(desk: Desk, text: str, said: str) -> None:
    assert f"broker.yaml:{said}" in desk.mistakes(HEAD + text)


@pytest.mark.row("CF-05")
@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        ("http://login.acme.example", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("http://127.0.0.2", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("http://localhost.evil.example", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("ftp://login.acme.example", "must be an https:// URL"),
        ("login.acme.example", "must be an https:// URL"),
        ("https://login.acme.example/", "must not end with a slash"),
        ("https://login.acme.example?x", "must not have a query or fragment"),
        ("https://login.acme.example#", "must not have a query or fragment"),
        ("https://a:b@login.acme.example", "must not hold a user name or password"),
        ("https://login.acme.example:443", "must not name the port that its scheme has anyway"),
        ("https://LOGIN.acme.example", "must have a host in lower case"),
        ("https://login.acme.example/a/../b", "has a path that is not plain"),
        ("https://login.acme.example//a", "has a path that is not plain"),
        ("https://login.acme.example/%61", "has a path that is not plain"),
        ("https://", "must have a host in lower case"),
        ("https://*.acme.example", "must not hold a wildcard; name each host"),
        ("https://login.acme.example:x", "is not a URI"),
        ("https://login.acme.example:0", "has a port that nobody can listen on"),
        ("https://lögin.acme.example", "has a character that a URI may not have"),
    ],
)
def test_an_issuer_that_we_cannot_be_is_refused(desk: Desk, issuer: str, said: str) -> None:
    found = desk.mistakes(f"issuer: '{issuer}'\nstate_dir: state\n")
    assert found == [f"broker.yaml:1:9: issuer: {said}"]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://localhost",
        "https://a.example:8443",
        "https://a.example/b/c",
    ],
)
def test_an_issuer_may_be_https_or_on_this_machine(desk: Desk, issuer: str) -> None:
    assert desk.load(f"issuer: '{issuer}'\nstate_dir: state\n").issuer == issuer


@pytest.mark.row("CF-01")
def test_a_misspelt_restriction_never_becomes_no_restriction(desk: Desk) -> None:
    found = desk.mistakes(SOUND + "    conectors: [staff]\n")
    assert found == ["broker.yaml:13:5: clients.billing.conectors: unknown key; did you mean connectors?"]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(desk: Desk) -> None:
    found = desk.mistakes(f"""\
        isuer: https://login.acme.example
        listen: nowhere
        connectors:
          staff:
            type: {TYPE}
            nmae: Staff
            client_secrt: x
          other:
            type: nosuch.module
            name: Other
        clients:
          billing:
            client_name: Billing
            redirect_uris: ['javascript:alert(1)']
            scope: openid invoices
            connectors: [stuff]
        lifetimes: {{code: soon}}
        """)
    assert found == [
        "broker.yaml:1:1: issuer: missing",
        "broker.yaml:1:1: isuer: unknown key; did you mean issuer?",
        "broker.yaml:1:1: state_dir: missing; the embedded store keeps its data there",
        "broker.yaml:2:9: listen: expected an address and a port such as 127.0.0.1:8080, or unix:PATH",
        "broker.yaml:4:3: connectors.staff.client_id: missing",
        "broker.yaml:4:3: connectors.staff.name: missing",
        "broker.yaml:6:5: connectors.staff.nmae: unknown key; did you mean name?",
        "broker.yaml:7:5: connectors.staff.client_secrt: unknown key; did you mean client_secret?",
        (
            "broker.yaml:9:11: connectors.other.type: cannot be imported: ModuleNotFoundError: "
            "No module named 'nosuch'"
        ),
        (
            "broker.yaml:12:3: clients.billing.client_secret: missing; an app that cannot keep one has "
            "token_endpoint_auth_method: none"
        ),
        "broker.yaml:14:21: clients.billing.redirect_uris[0]: javascript: must never be redirected to",
        "broker.yaml:15:12: clients.billing.scope: 'invoices' is not declared under scopes",
        "broker.yaml:16:18: clients.billing.connectors[0]: no connector has this id; did you mean staff?",
        "broker.yaml:17:19: lifetimes.code: expected a duration such as 30s, 5m, 12h or 14d",
    ]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("store: {url: 'redis://a', prefx: x}", "store.encryption_keys store.prefx subject_key"),
        ("store: {url: [x]}", "store.url"),
        ("store: x", "store"),
        ("store: {url: 'redis://a', encryption_keys: [short]}", "store.encryption_keys[0] subject_key"),
        ("tls: {certificate: gone.pem, colour: red}", "tls.certificate tls.colour tls.key"),
        ("tls: {certificate: gone.pem, key: 3}", "tls.certificate tls.key"),
        ("keys: {files: [gone.pem], rotate_every: soon}", "keys.files[0] keys.rotate_every"),
        (
            "lifetimes: {code: soon, session: {idle: 2d, absolute: 1d, idel: 1h}, refresh_token: {idle: x}}",
            "lifetimes.code lifetimes.refresh_token.idle lifetimes.session.idel lifetimes.session.idle",
        ),
        ("lifetimes: {session: {idle: 2d, absolute: long}}", "lifetimes.session.absolute"),
        (
            "scopes: {a.*: {description: Use it, colour: red, claims: [sub, 3]}}",
            'scopes."a.*".claims[0] scopes."a.*".claims[1] scopes."a.*".colour scopes."a.*".description',
        ),
        ("scopes: {a: {description: 3}}", "scopes.a.description"),
    ],
)
def test_one_mistake_in_a_section_hides_no_other_and_makes_up_none(desk: Desk, text: str, paths: str) -> None:
    with pytest.raises(ConfigError) as caught:
        desk.load("issuer: https://login.acme.example\nstate_dir: state\n" + text)
    assert sorted(problem.path for problem in caught.value.problems) == sorted(paths.split())


def test_a_store_that_could_not_be_read_asks_for_nothing(desk: Desk) -> None:
    assert desk.mistakes("issuer: https://login.acme.example\nstore: {url: [x]}\n") == [
        "broker.yaml:2:14: store.url: expected text"
    ]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, ["broker.yaml:1:9: issuer: the environment has no HOST"]),
        ({"HOST": ""}, ["broker.yaml:1:9: issuer: must have a host in lower case"]),
        ({"HOST": "a.example"}, []),
        ({"HOST": "${HOST}"}, ["broker.yaml:1:9: issuer: must have a host in lower case"]),
    ],
)
def test_a_variable_must_exist_and_is_read_once(
    desk: Desk, environ: Mapping[str, str], said: list[str]
) -> None:
    assert desk.mistakes("issuer: https://${HOST}\nstate_dir: state\n", environ) == said


def test_a_mistake_never_repeats_a_value(desk: Desk) -> None:
    secret = "s3cr3t-that-nobody-may-see"
    found = desk.mistakes(f"""\
        issuer: {secret}
        listen: {secret}
        state_dir: [{secret}]
        subject_key: [{secret}]
        store: {{url: 'redis://:{secret}@[', encryption_keys: {secret}}}
        connectors:
          staff: {{type: {TYPE}, name: [{secret}], client_id: [{secret}], client_secret: [{secret}]}}
        clients:
          billing: {{client_name: B, client_secret: {{a: {secret}}}, redirect_uris: [{secret}]}}
        """)
    assert len(found) >= 9
    assert not any(secret in line for line in found)


def test_the_error_can_be_read_by_a_program_too(desk: Desk) -> None:
    with pytest.raises(ConfigError) as caught:
        desk.load(SOUND + "    trusted: 3\n")
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.place.column, problem.path) == (13, 14, "clients.billing.trusted")


def test_a_line_stays_one_line_whatever_a_key_holds(desk: Desk) -> None:
    (line,) = [line for line in desk.mistakes('"a\\nb\\e[31m": 1') if "unknown" in line]
    assert line == 'broker.yaml:1:1: "a\\nb\\u001b[31m": unknown key'


@pytest.mark.row("CF-05")
@pytest.mark.parametrize("kind", ["oidc", "auth0", "okta", "keycloak"])
@pytest.mark.parametrize(
    "entry",
    ["verify_tls: false", "insecure_skip_verify: true", "insecure: true", "id_token_signing_algs: [none]"],
)
def test_nothing_that_turns_a_check_off_is_a_setting(desk: Desk, kind: str, entry: str) -> None:
    key = entry.partition(":")[0]
    found = desk.mistakes(SOUND.replace(f"    type: {TYPE}\n", f"    type: {kind}\n    {entry}\n"))
    assert any(line.startswith("broker.yaml:6:") and f"connectors.staff.{key}" in line for line in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls: {{certificate: {name}, key: {name}}}", "3:20: tls.certificate: there is no file "),
        ("keys: {{files: [{name}]}}", "3:16: keys.files[0]: there is no file "),
        ("connectors: {{a: {{type: tests.config.upstream, name: A, claims: {name}}}}}", "there is no file "),
    ],
)
@pytest.mark.row("CF-01")
def test_a_name_that_no_file_can_have_is_a_mistake_like_any_other(desk: Desk, text: str, said: str) -> None:
    for name in ("a" * 5000, "a/" * 3000 + "b"):
        found = desk.mistakes(HEAD + text.format(name=name))
        assert any(said in line for line in found)
