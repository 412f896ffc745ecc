"""Only what one of the given keys signed, by an allowed algorithm and in one spelling, is believed."""

import json
import random
import string
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from broker.jose import ABSENT, JoseError, KeySet, SigningKey, UnknownKid, sign, verify

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
KEYS = {alg: SigningKey.generate(alg) for alg in ALGORITHMS}
ALPHABET = string.ascii_letters + string.digits + "-_"
CLAIMS = {"iss": "https://idp.example", "n": 1}


def b64(data: bytes | str) -> str:
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forge(key: SigningKey, header: str | dict, payload: str | dict, *, alg: str | None = None) -> str:
    """A token signed by ``key`` over any header and payload, however wrong they are."""
    head = header if isinstance(header, str) else json.dumps(header)
    body = payload if isinstance(payload, str) else json.dumps(payload)
    message = f"{b64(head)}.{b64(body)}"
    return f"{message}.{b64(key.signature(message.encode(), alg or key.alg))}"


def refused(token: str, keys: KeySet, *, algorithms=("RS256",), typ=None) -> str:
    with pytest.raises(JoseError) as caught:
        verify(token, keys, algorithms=algorithms, typ=typ)
    return caught.value.reason


RSA = KEYS["RS256"]
TRUSTED = KeySet.of(KEYS.values())


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_signed_verifies(alg):
    token = sign(KEYS[alg], CLAIMS, typ="JWT")
    assert verify(token, TRUSTED, algorithms=[alg], typ={"jwt"}) == CLAIMS
    assert json.loads(unb64(token.split(".")[0])) == {"alg": alg, "kid": KEYS[alg].kid, "typ": "JWT"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_survives_its_own_json(alg):
    again = SigningKey.from_json(KEYS[alg].to_json())
    assert (again.kid, again.alg, again.public_jwk()) == (KEYS[alg].kid, alg, KEYS[alg].public_jwk())
    assert verify(sign(again, CLAIMS, typ="JWT"), TRUSTED, algorithms=[alg], typ=None) == CLAIMS


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_public_half_holds_nothing_private_and_no_repr_shows_a_key(alg):
    public = KEYS[alg].public_jwk()
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & public.keys()
    assert public["use"] == "sig"
    assert json.loads(KEYS[alg].to_json())["d"] not in repr(KEYS[alg])


def test_the_kid_is_the_thumbprint_of_rfc_7638():
    # RFC 8037 appendix A.1 and A.3.
    key = SigningKey.from_json(
        '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",'
        '"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    )
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key.alg == "EdDSA"


def test_the_edwards_vector_of_rfc_8037_verifies():
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    token = (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6"
        "dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    # Its payload is a sentence, so the signature is good and the claims are not.
    assert refused(token, KeySet.from_jwks({"keys": [jwk]}), algorithms=["EdDSA"]) == "bad_payload"


def test_an_edwards_key_signs_by_both_its_names_and_publishes_neither():
    token = sign(KEYS["EdDSA"], CLAIMS, typ="JWT", alg="Ed25519")
    assert verify(token, TRUSTED, algorithms=["Ed25519"], typ=None) == CLAIMS
    assert refused(token, TRUSTED, algorithms=["EdDSA"]) == "bad_algorithm"
    assert "alg" not in KEYS["EdDSA"].public_jwk()


def test_a_key_signs_only_by_its_own_algorithm():
    with pytest.raises(JoseError, match="signs RS256, not PS256"):
        sign(RSA, CLAIMS, typ="JWT", alg="PS256")
    with pytest.raises(JoseError, match="no key can be made"):
        SigningKey.generate("HS256")


def test_edwards_keys_work_with_warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = sign(KEYS["EdDSA"], CLAIMS, typ="JWT")
        assert verify(token, TRUSTED, algorithms=["EdDSA"], typ=None) == CLAIMS


def pem(key) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("key", "alg", "expected"),
    [
        (rsa.generate_private_key(65537, 2048), None, "RS256"),
        (rsa.generate_private_key(65537, 2048), "PS256", "PS256"),
        (ec.generate_private_key(ec.SECP256R1()), None, "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), None, "EdDSA"),
    ],
)
def test_a_pem_file_is_a_key(key, alg, expected):
    loaded = SigningKey.from_pem(pem(key), alg)
    assert loaded.alg == expected
    assert (
        verify(sign(loaded, CLAIMS, typ="x"), KeySet.of([loaded]), algorithms=[expected], typ={"x"}) == CLAIMS
    )


@pytest.mark.parametrize(
    ("data", "alg"),
    [
        (pem(rsa.generate_private_key(65537, 1024)), "RS256"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RS256"),
        (pem(ec.generate_private_key(ec.SECP384R1())), None),
        (pem(ed448.Ed448PrivateKey.generate()), None),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None),
        (b"", None),
        (
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "RS256",
        ),
    ],
)
def test_a_file_that_is_no_strong_private_key_is_refused(data, alg):
    with pytest.raises(JoseError) as caught:
        SigningKey.from_pem(data, alg)
    assert caught.value.reason in {"bad_key", "weak_key"}


# ── What an attacker sends ────────────────────────────────────────────────────────────────────


@pytest.mark.row("JW-01")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, ["RS256"], [], 256, {}, True])
@pytest.mark.parametrize("signature", ["", "AAAA", None])
def test_a_token_without_a_real_algorithm_is_refused(alg, signature):
    token = forge(RSA, {"alg": alg, "kid": RSA.kid}, CLAIMS)
    if signature is not None:
        token = f"{token.rpartition('.')[0]}.{signature}"
    assert refused(token, TRUSTED) == "bad_algorithm"


@pytest.mark.row("JW-01")
def test_a_token_that_names_no_algorithm_at_all_is_refused():
    assert refused(forge(RSA, {"kid": RSA.kid}, CLAIMS), TRUSTED) == "bad_algorithm"


@pytest.mark.row("JW-02")
@pytest.mark.parametrize("size", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_never_a_shared_secret(size):
    private = rsa.generate_private_key(65537, 2048)
    key = SigningKey.from_pem(pem(private))
    public, encoding, form = private.public_key(), serialization.Encoding, serialization.PublicFormat
    spellings = [
        public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo),
        public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo),
        public.public_bytes(encoding.PEM, form.PKCS1),
        public.public_bytes(encoding.OpenSSH, form.OpenSSH),
        json.dumps(key.public_jwk()).encode(),
        b"",
    ]
    message = f"{b64(json.dumps({'alg': size, 'kid': key.kid}))}.{b64(json.dumps(CLAIMS))}"
    for secret in spellings:
        mac = hmac.HMAC(secret, getattr(hashes, f"SHA{size[2:]}")())
        mac.update(message.encode())
        token = f"{message}.{b64(mac.finalize())}"
        # Not even a caller that allows it by mistake gets an HMAC verified.
        assert refused(token, KeySet.of([key]), algorithms=["RS256", size]) == "bad_algorithm"


@pytest.mark.row("JW-03")
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along_is_not_looked_at(member):
    attacker = SigningKey.generate("RS256")
    brought = {"jwk": attacker.public_jwk(), "x5c": ["MIIB"]}.get(member, "https://evil.example/keys")
    assert refused(
        forge(attacker, {"alg": "RS256", "kid": attacker.kid, member: brought}, CLAIMS), TRUSTED
    ) == ("unknown_kid")
    assert refused(forge(attacker, {"alg": "RS256", "kid": RSA.kid, member: brought}, CLAIMS), TRUSTED) == (
        "bad_signature"
    )
    good = forge(RSA, {"alg": "RS256", "kid": RSA.kid, member: brought}, CLAIMS)
    assert verify(good, TRUSTED, algorithms=["RS256"], typ=None) == CLAIMS


@pytest.mark.row("JW-15")
@pytest.mark.parametrize(
    ("header", "payload", "reason"),
    [
        (f'{{"alg":"none","alg":"RS256","kid":"{RSA.kid}"}}', CLAIMS, "bad_header"),
        (f'{{"alg":"RS256","kid":"x","kid":"{RSA.kid}"}}', CLAIMS, "bad_header"),
        ({"alg": "RS256", "kid": RSA.kid}, '{"sub":"a","sub":"b"}', "bad_payload"),
        ({"alg": "RS256", "kid": RSA.kid}, '{"aud":"a","x":{"y":1,"y":2}}', "bad_payload"),
        ({"alg": "RS256", "kid": RSA.kid}, '{"iss":"a","\\u0069ss":"b"}', "bad_payload"),
    ],
    ids=["alg", "kid", "sub", "deep", "escaped"],  # the keys are random, and a test's name must not be
)
def test_a_repeated_key_is_refused(header, payload, reason):
    assert refused(forge(RSA, header, payload), TRUSTED) == reason


@pytest.mark.row("JW-23")
@pytest.mark.parametrize(
    "payload",
    [
        '{"exp":NaN}',
        '{"exp":Infinity}',
        '{"exp":1e400}',
        '{"exp":' + "9" * 10_000 + "}",
        '{"a":' + "[" * 2_000 + "]" * 2_000 + "}",
        '\ufeff{"a":1}',
        '{"a":1}x',
        "[]",
        '"text"',
        "",
        '{"sub":"\\ud800"}',
    ],
)
def test_a_payload_that_is_not_plain_json_is_refused(payload):
    assert refused(forge(RSA, {"alg": "RS256", "kid": RSA.kid}, payload), TRUSTED) == "bad_payload"


def test_a_payload_in_another_encoding_is_refused():
    message = (
        f"{b64(json.dumps({'alg': 'RS256', 'kid': RSA.kid}))}.{b64(json.dumps(CLAIMS).encode('utf-16'))}"
    )
    assert refused(f"{message}.{b64(RSA.signature(message.encode(), 'RS256'))}", TRUSTED) == "bad_payload"


def test_every_changed_bit_breaks_a_token():
    token = sign(KEYS["ES256"], CLAIMS, typ="JWT").encode()
    dice = random.Random(7)
    for place in dice.sample(range(len(token)), 60):
        changed = bytearray(token)
        changed[place] ^= 1 << dice.randrange(7)
        assert refused(changed.decode(), TRUSTED, algorithms=["ES256"])


@pytest.mark.row("JW-21")
@pytest.mark.parametrize("change", ["{}=", "{} ", "{}\n", "+{}", "/{}", "{}A", "é{}"])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_base64url_has_one_spelling(change, part):
    parts = sign(RSA, CLAIMS, typ="JWT").split(".")
    parts[part] = change.format(parts[part])
    assert refused(".".join(parts), TRUSTED) in {
        "not_base64url",
        "not_a_jws",
        "bad_header",
        "bad_payload",
        "bad_signature",
    }


def test_spare_bits_in_the_last_character_are_refused():
    head, body, signature = sign(RSA, CLAIMS, typ="JWT").split(".")
    last = signature[-1]
    twin = next(c for c in ALPHABET if c != last and unb64(signature[:-1] + c) == unb64(signature))
    assert refused(f"{head}.{body}.{signature[:-1]}{twin}", TRUSTED) == "not_base64url"


@pytest.mark.row("JW-13")
@pytest.mark.row("JW-16")
@pytest.mark.row("JW-22")
@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "not_a_jws"),
        ("a.b", "not_a_jws"),
        ("a.b.c.d.e", "not_a_jws"),
        ("." * 100_000, "not_a_jws"),
        ("." * 1_000_000, "token_too_large"),
        ("a" * 10_000_000, "token_too_large"),
        (f"{'A' * 9_000}.e30.AAAA", "header_too_large"),
        ('{"payload":"e30","signatures":[]}', "not_a_jws"),
        ('{"payload":"e30","protected":"e30","signature":"AA"}', "not_a_jws"),
        ("..", "bad_header"),
    ],
)
def test_only_the_compact_form_of_a_sane_size_is_read(token, reason):
    assert refused(token, TRUSTED) == reason


@pytest.mark.row("JW-14")
@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"]}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"b64": True}]
)
def test_a_header_that_must_be_understood_is_refused(extra):
    assert (
        refused(forge(RSA, {"alg": "RS256", "kid": RSA.kid, **extra}, CLAIMS), TRUSTED) == "critical_header"
    )


@pytest.mark.row("JW-09")
def test_the_algorithm_must_be_the_one_of_the_key():
    ps = KEYS["PS256"]
    assert refused(forge(ps, {"alg": "RS256", "kid": ps.kid}, CLAIMS), TRUSTED) == "alg_key_mismatch"
    assert refused(sign(KEYS["ES256"], CLAIMS, typ="x"), TRUSTED, algorithms=["RS256"]) == "bad_algorithm"
    assert refused(forge(RSA, {"alg": "ES256", "kid": RSA.kid}, CLAIMS), TRUSTED, algorithms=["ES256"]) == (
        "alg_key_mismatch"
    )


@pytest.mark.row("JW-10")
def test_an_ecdsa_signature_has_one_shape():
    key = KEYS["ES256"]
    message = sign(key, CLAIMS, typ="x").rpartition(".")[0]
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    der = bytes.fromhex("3006020101020101")
    for signature in (
        b"",
        b"\0" * 64,
        n.to_bytes(32, "big") * 2,
        b"\xff" * 64,
        der,
        b"\1" * 63,
        b"\1" * 65,
        b"\1" * 96,
    ):
        assert refused(f"{message}.{b64(signature)}", TRUSTED, algorithms=["ES256"]) == "bad_signature"


@pytest.mark.row("JW-27")
@pytest.mark.parametrize(
    ("typ", "allowed", "accepted"),
    [
        ("JWT", {"jwt", ABSENT}, True),
        ("jwt", {"jwt", ABSENT}, True),
        ("application/jwt", {"jwt"}, True),
        ("at+jwt", {"jwt", ABSENT}, False),
        ("at+JWT", {"at+jwt"}, True),
        (None, {"jwt", ABSENT}, True),
        (None, {"jwt"}, False),
        (7, {"jwt", ABSENT}, False),
        (["JWT"], {"jwt"}, False),
    ],
)
def test_typ_is_exactly_one_of_the_allowed(typ, allowed, accepted):
    header = {"alg": "RS256", "kid": RSA.kid} | ({} if typ is None else {"typ": typ})
    token = forge(RSA, header, CLAIMS)
    if accepted:
        assert verify(token, TRUSTED, algorithms=["RS256"], typ=allowed) == CLAIMS
    else:
        assert refused(token, TRUSTED, typ=allowed) == "bad_typ"


# ── Key sets that others write ────────────────────────────────────────────────────────────────


def test_an_unknown_kid_can_be_told_from_a_bad_signature():
    stranger = SigningKey.generate("RS256")
    with pytest.raises(UnknownKid):
        verify(sign(stranger, CLAIMS, typ="x"), TRUSTED, algorithms=["RS256"], typ=None)
    with pytest.raises(UnknownKid):
        verify(sign(stranger, CLAIMS, typ="x"), KeySet(), algorithms=["RS256"], typ=None)


@pytest.mark.row("JW-06")
def test_a_token_without_kid_is_tried_with_the_keys_that_fit():
    nameless = forge(RSA, {"alg": "RS256"}, CLAIMS)
    others = [SigningKey.generate("RS256") for _ in range(4)]
    assert verify(nameless, TRUSTED, algorithms=["RS256"], typ=None) == CLAIMS
    assert verify(nameless, KeySet.of([*others[:3], RSA]), algorithms=["RS256"], typ=None) == CLAIMS
    assert (
        refused(nameless, KeySet.of([*others, RSA])) == "unknown_kid"
    )  # four tries, not as many as one likes
    assert refused(nameless, KeySet.of([KEYS["ES256"]])) == "unknown_kid"


def test_a_key_without_kid_serves_a_token_that_has_one():
    jwk = {name: value for name, value in RSA.public_jwk().items() if name != "kid"}
    assert verify(
        sign(RSA, CLAIMS, typ="x"), KeySet.from_jwks({"keys": [jwk]}), algorithms=["RS256"], typ=None
    )


ODD_KEYS = [
    None,
    7,
    "key",
    [],
    {},
    {"kty": "oct", "k": "AAAA", "kid": RSA.kid},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    {"kty": ["RSA"]},
    {"kty": "RSA", "n": 7, "e": "AQAB"},
    {"kty": "RSA", "n": "!!!", "e": "AQAB"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {**RSA.public_jwk(), "use": "enc"},
    {**RSA.public_jwk(), "use": 7},
    {**RSA.public_jwk(), "alg": "RSA-OAEP"},
    {**RSA.public_jwk(), "alg": ["RS256"]},
    {**RSA.public_jwk(), "alg": {}},
    {**RSA.public_jwk(), "key_ops": ["encrypt"]},
    {**RSA.public_jwk(), "key_ops": "verify"},
    {**RSA.public_jwk(), "e": "AQ"},
    {**RSA.public_jwk(), "e": RSA.public_jwk()["n"]},
    {**KEYS["ES256"].public_jwk(), "x": "AAAA"},
    {**KEYS["ES256"].public_jwk(), "crv": "P-384"},
    {**KEYS["ES256"].public_jwk(), "crv": "secp256k1", "alg": None},
    {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
]


@pytest.mark.row("JW-07")
@pytest.mark.parametrize("odd", ODD_KEYS, ids=map(str, range(len(ODD_KEYS))))
def test_an_odd_key_is_left_out_and_the_others_stay(odd):
    assert KeySet.from_jwks({"keys": [odd]}).keys == ()
    mixed = KeySet.from_jwks({"keys": [odd, RSA.public_jwk(), odd]})
    assert verify(sign(RSA, CLAIMS, typ="x"), mixed, algorithms=["RS256"], typ=None) == CLAIMS


@pytest.mark.row("JW-07")
def test_the_private_members_of_a_published_key_are_ignored():
    keys = KeySet.from_jwks({"keys": [json.loads(RSA.to_json())]})
    assert verify(sign(RSA, CLAIMS, typ="x"), keys, algorithms=["RS256"], typ=None) == CLAIMS
    assert not keys.keys[0]._key.is_private


@pytest.mark.row("JW-07")
def test_one_kid_on_keys_of_two_kinds_finds_the_one_that_fits():
    twin = {**KEYS["ES256"].public_jwk(), "kid": RSA.kid}
    enc = {**SigningKey.generate("RS256").public_jwk(), "kid": RSA.kid, "use": "enc"}
    keys = KeySet.from_jwks({"keys": [twin, enc, RSA.public_jwk()]})
    assert verify(sign(RSA, CLAIMS, typ="x"), keys, algorithms=["RS256"], typ=None) == CLAIMS


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": None}, "keys", 7])
def test_a_document_without_keys_is_no_key_set(document):
    with pytest.raises(JoseError) as caught:
        KeySet.from_jwks(document)
    assert caught.value.reason == "bad_key_set"


def test_a_set_of_any_length_costs_only_so_much():
    many = {"keys": [{**KEYS["ES256"].public_jwk(), "kid": str(n)} for n in range(500)]}
    assert len(KeySet.from_jwks(many).keys) == 64


def test_a_microsoft_key_without_alg_may_do_what_its_kind_can():
    jwk = {name: value for name, value in RSA.public_jwk().items() if name != "alg"} | {
        "x5c": ["MII"],
        "issuer": CLAIMS["iss"],
    }
    assert verify(
        sign(RSA, CLAIMS, typ="x"), KeySet.from_jwks({"keys": [jwk]}), algorithms=["RS256"], typ=None
    )


@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    ("owner", "claims", "good"),
    [
        ("https://idp.example/acme", {"iss": "https://idp.example/acme"}, True),
        ("https://idp.example/acme", {"iss": "https://idp.example/evil", "tid": "acme"}, False),
        ("https://idp.example/{tenantid}", {"iss": "https://idp.example/acme", "tid": "acme"}, True),
        ("https://idp.example/{tenantid}", {"iss": "https://idp.example/acme", "tid": "evil"}, False),
        ("https://idp.example/{tenantid}", {"iss": "https://idp.example/acme"}, False),
        ("https://idp.example/{tenantid}", {}, False),
        (["https://idp.example/acme"], {"iss": "https://idp.example/acme"}, False),
        ("", {"iss": ""}, False),
    ],
)
def test_a_key_that_names_its_issuer_verifies_nobody_elses_tokens(owner, claims, good):
    key = SigningKey.generate("ES256")
    keys = KeySet.from_jwks({"keys": [{**key.public_jwk(), "issuer": owner}]})
    token = sign(key, claims, typ="JWT")
    if good:
        assert verify(token, keys, algorithms=("ES256",), typ=None) == claims
    else:
        with pytest.raises(JoseError):
            verify(token, keys, algorithms=("ES256",), typ=None)


def test_claims_of_any_json_shape_are_signed_as_they_are():
    odd = {"big": 10**30, "text": "ü\u2028", "none": None, "deep": {"list": [1, 2.5, True]}}
    assert verify(sign(RSA, odd, typ="x"), TRUSTED, algorithms=["RS256"], typ=None) == odd
