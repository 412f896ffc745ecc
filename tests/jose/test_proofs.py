"""A proof brings its own key: public, of a sound size, for an algorithm that we take."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto.jwk import JWK

from broker.jose import JoseError, SigningKey, read_proof, thumbprint
from broker.jose.proofs import MAX_PROOF
from broker.protocol.dpop import ALGORITHMS as PROOF_ALGORITHMS

KEYS = {alg: SigningKey.generate(alg) for alg in ("RS256", *PROOF_ALGORITHMS)}
ES = KEYS["ES256"]


def b64(data):
    return urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def bare(key):
    return {n: v for n, v in key.public_jwk().items() if n in {"kty", "crv", "x", "y", "n", "e"}}


def proof(key=ES, header=None, *, claims='{"jti":"j"}', **changes):
    said = {"typ": "dpop+jwt", "alg": key.alg, "jwk": bare(key)} | changes
    said = {name: value for name, value in said.items() if value is not None}
    message = f"{b64(header or json.dumps(said))}.{b64(claims)}"
    return f"{message}.{b64(key.signature(message.encode(), key.alg))}"


def refusal(text):
    with pytest.raises(JoseError) as caught:
        read_proof(text)
    return caught.value.reason


@pytest.mark.standard("RFC 9449", "§4.3 the signature verifies with the key in the header")
@pytest.mark.standard("RFC 9449", "§6.1 jkt is the thumbprint of that key")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.4.1 PS256, ES256 and EdDSA")
@pytest.mark.parametrize("alg", PROOF_ALGORITHMS)
def test_a_proof_says_by_which_key_it_was_made(alg):
    found = read_proof(proof(KEYS[alg]))
    assert (found.alg, found.claims) == (alg, {"jti": "j"})
    assert found.jkt == JWK(**bare(KEYS[alg])).thumbprint() == KEYS[alg].kid


def test_the_same_header_is_read_once_and_each_signature_anew():
    first, second = proof(), proof(claims='{"jti":"k"}')
    assert read_proof(first).claims != read_proof(second).claims
    mixed = ".".join([*first.split(".")[:2], second.split(".")[2]])
    assert refusal(mixed) == "bad_signature"


@pytest.mark.row("DP-02")
@pytest.mark.standard("RFC 9449", "§4.3 typ is dpop+jwt")
@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "dpop", "", 1, "client-authentication+jwt"])
def test_nothing_else_that_is_signed_is_a_proof(typ):
    assert refusal(proof(typ=typ)) == "bad_typ"
    assert read_proof(proof(typ="application/dpop+jwt"))


@pytest.mark.row("DP-02")
@pytest.mark.parametrize("text", ["", "x", "a.b", "..", "a.b.c.d.e", "not a jwt", "é.a.b", "a" * 50])
def test_what_is_no_jws_is_no_proof(text):
    assert refusal(text) in {"not_a_jws", "not_base64url", "bad_header"}


@pytest.mark.row("DP-03")
@pytest.mark.standard("RFC 9449", "§4.3 alg is asymmetric and one that is allowed")
@pytest.mark.parametrize("alg", ["none", "None", "", "HS256", "HS512", "RS256", "ES384", "RSA1_5", None, 1])
def test_the_algorithm_is_one_that_we_take(alg):
    assert refusal(proof(alg=alg)) == "bad_algorithm"
    assert refusal(proof(KEYS["RS256"])) == "bad_algorithm"


@pytest.mark.row("DP-03")
@pytest.mark.standard("RFC 9449", "§4.3 no private key in the header")
def test_a_private_key_or_a_secret_in_the_header_is_refused():
    private = json.loads(ES.to_json())
    assert refusal(proof(jwk=bare(ES) | {"d": private["d"]})) == "private_key"
    assert refusal(proof(jwk=bare(ES) | {"k": "AAAA"})) == "private_key"
    assert refusal(proof(jwk={"kty": "oct", "k": "A" * 43})) == "private_key"
    assert refusal(proof(jwk={"kty": "oct"})) == "bad_key"


@pytest.mark.row("DP-03")
@pytest.mark.parametrize(
    "jwk",
    [None, "key", [], {}, {"kty": "EC"}, {"kty": ["EC"]}, {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}],
    ids=str,
)
def test_without_a_key_there_is_nothing_to_prove(jwk):
    assert refusal(proof(jwk=jwk)) in {"no_key", "bad_key"}


@pytest.mark.row("DP-03")
def test_the_key_is_one_for_the_algorithm_and_on_its_curve():
    assert refusal(proof(jwk=bare(KEYS["PS256"]))) == "bad_key"
    assert refusal(proof(jwk=bare(KEYS["EdDSA"]))) == "bad_key"
    off = bare(ES) | {"y": bare(ES)["x"]}
    assert refusal(proof(jwk=off)) in {"bad_key", "bad_signature"}
    other = SigningKey.generate("ES256")
    assert refusal(proof(jwk=bare(other))) == "bad_signature"


@pytest.mark.row("DP-03")
def test_a_signature_of_zeros_or_of_another_shape_is_none():
    head, payload, signature = proof().split(".")
    der = urlsafe_b64decode(signature + "==")
    for wrong in (b"\0" * 64, b"", der[:63], der + b"\0", b"\x30\x06\x02\x01\x01\x02\x01\x01"):
        assert refusal(f"{head}.{payload}.{b64(wrong)}") == "bad_signature"


@pytest.mark.row("DP-09")
def test_a_huge_proof_or_key_is_refused_before_anything_is_computed_with_it():
    assert refusal(proof(claims=json.dumps({"jti": "x" * MAX_PROOF}))) == "token_too_large"
    assert refusal("a" * (1 << 20)) == "token_too_large"
    modulus = b64(((1 << 16383) + 1).to_bytes(2048, "big"))
    key = KEYS["PS256"]
    assert refusal(proof(key, jwk={"kty": "RSA", "n": modulus, "e": "AQAB"})) == "key_too_large"
    public = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    small = b64(public.n.to_bytes(128, "big"))
    assert refusal(proof(key, jwk={"kty": "RSA", "n": small, "e": "AQAB"})) == "bad_key"


def test_a_key_of_4096_bits_is_fine():
    made = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    key = SigningKey.from_json(JWK.from_pyca(made).export(private_key=True))
    key = SigningKey(key.kid, "PS256", key._jwk, key._key)
    assert read_proof(proof(key)).jkt == key.kid


@pytest.mark.row("DP-03")
@pytest.mark.parametrize("member", ["crit", "b64"])
def test_an_extension_of_jws_is_not_understood(member):
    assert refusal(proof(**{member: ["x"]})) == "critical_header"


@pytest.mark.row("DP-02")
def test_a_member_that_repeats_is_no_member():
    jwk = json.dumps(bare(ES))
    header = f'{{"typ":"dpop+jwt","alg":"ES256","alg":"ES256","jwk":{jwk}}}'
    assert refusal(proof(header=header)) == "bad_header"
    assert refusal(proof(claims='{"jti":"a","jti":"b"}')) == "bad_payload"


def test_one_key_has_one_thumbprint_however_it_is_written():
    padded = bare(ES) | {"x": bare(ES)["x"] + "="}
    with pytest.raises(JoseError):
        thumbprint(padded)
    assert thumbprint(bare(ES) | {"kid": "x", "use": "sig"}) == ES.kid
    for wrong in ({}, {"kty": "oct", "k": "AA"}, {"kty": "EC", "crv": "P-256"}, {"kty": 1}):
        with pytest.raises(JoseError):
            thumbprint(wrong)
