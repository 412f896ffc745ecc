"""A secret that both sides have signs for client apps alone, and is as long as its hash."""

import hmac
import json
from base64 import urlsafe_b64encode

import pytest

from broker.jose import ABSENT, JoseError, KeySet, SigningKey, read, read_with_secret, sign, sign_with_secret
from broker.jose.shared import HMAC, SHORTEST

LONG = "a secret of a client app, long enough for every hash that there is: 64+"
OTHER = "another secret of a client app, as long as the first one, and then some"
ANY = frozenset({ABSENT, "jwt"})


def b64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(secret, alg="HS256", claims=None, **header):
    said = json.dumps({"alg": alg, "typ": "JWT"} | header).encode()
    message = f"{b64(said)}.{b64(json.dumps(claims or {'iss': 'app'}).encode())}"
    digest = HMAC.get(alg, "sha256")
    return f"{message}.{b64(hmac.digest(secret.encode(), message.encode(), digest))}"


def refusal(token, *secrets, algorithms=tuple(HMAC)):
    with pytest.raises(JoseError) as caught:
        read_with_secret(token, secrets, algorithms=algorithms, typ=ANY)
    return caught.value.reason


@pytest.mark.standard("RFC 7518", "§3.2 HS256, HS384 and HS512")
@pytest.mark.parametrize("alg", HMAC)
def test_what_was_signed_with_the_secret_is_read(alg):
    found = read_with_secret(signed(LONG, alg), [LONG], algorithms=HMAC, typ=ANY)
    assert (found.alg, found.claims) == (alg, {"iss": "app"})
    assert read_with_secret(sign_with_secret(LONG, {"n": 1}), [LONG], algorithms=HMAC, typ=ANY)


def test_two_secrets_are_good_while_one_replaces_the_other():
    for secret in (LONG, OTHER):
        assert read_with_secret(signed(secret), [OTHER, LONG], algorithms=HMAC, typ=ANY)
    assert refusal(signed(LONG), OTHER) == "bad_signature"
    assert refusal(signed(LONG)) == "weak_secret"


@pytest.mark.row("CA-14")
@pytest.mark.standard("RFC 7518", "§3.2 a key as long as the hash")
@pytest.mark.parametrize("alg", HMAC)
def test_a_secret_shorter_than_the_hash_signs_nothing(alg):
    short, enough = "x" * (SHORTEST[alg] - 1), "x" * SHORTEST[alg]
    assert refusal(signed(short, alg), short) == "weak_secret"
    assert read_with_secret(signed(enough, alg), [enough], algorithms=HMAC, typ=ANY)
    assert refusal(signed("", alg), "") == "weak_secret"


@pytest.mark.row("CA-14")
@pytest.mark.parametrize("alg", ["none", "RS256", "ES256", "hs256", "", None])
def test_no_other_algorithm_is_taken_for_it(alg):
    assert refusal(signed(LONG, alg), LONG) == "bad_algorithm"
    assert refusal(signed(LONG, alg), LONG, algorithms=("HS256", str(alg))) == "bad_algorithm"


@pytest.mark.row("CA-14")
def test_only_the_registered_one_of_the_three():
    assert refusal(signed(LONG, "HS512"), LONG, algorithms=("HS256",)) == "bad_algorithm"


@pytest.mark.row("JW-02")
@pytest.mark.row("CA-14")
def test_a_public_key_is_never_a_secret_nor_a_secret_a_key():
    key = SigningKey.generate("RS256")
    public = json.dumps(key.public_jwk())
    keys = KeySet.of([key])
    with pytest.raises(JoseError) as caught:
        read(signed(public), keys, algorithms=["RS256", "HS256"], typ=None)
    assert caught.value.reason == "bad_algorithm"
    assert refusal(sign(key, {"iss": "app"}, typ="JWT"), LONG) == "bad_algorithm"


def test_one_bit_of_it_is_enough():
    token = signed(LONG)
    head, payload, signature = token.split(".")
    swapped = signature[:-2] + ("A" if signature[-2] != "A" else "B") + signature[-1]
    assert refusal(f"{head}.{payload}.{swapped}", LONG) == "bad_signature"
    assert refusal(f"{head}.{payload}.", LONG) == "bad_signature"
    assert refusal(signed(LONG, crit=["x"]), LONG) == "critical_header"
