"""What we encrypt to others: to the right key, by the agreed way, and to nothing else."""

import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from broker.jose import ENCODINGS, WRAPPINGS, DecryptionKey, EncryptionKey, JoseError
from broker.jose.keys import b64encode

INNER = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
RSA = JWK.generate(kty="RSA", size=2048, kid="theirs")
EC = JWK.generate(kty="EC", crv="P-256", kid="curve")
X = JWK.generate(kty="OKP", crv="X25519", kid="x")
DEAR = b64encode(b"\x7f" + bytes(254) + b"\x01").decode()
"""An exponent that makes every encryption as much work as a signature."""
WAYS = [
    *((RSA, alg) for alg in WRAPPINGS if alg.startswith("RSA")),
    *((key, alg) for key in (EC, X) for alg in WRAPPINGS if alg.startswith("ECDH")),
]


def public(jwk, **members):
    return {**jwk.export_public(as_dict=True), **members}


def refused(alg, *keys):
    with pytest.raises(JoseError) as caught:
        EncryptionKey.from_jwks({"keys": list(keys)}, alg)
    return caught.value.reason


@pytest.mark.standard("OpenID Core", "§10.2 encryption to the client app's own key")
@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize(("jwk", "alg"), WAYS, ids=lambda part: part if isinstance(part, str) else "")
def test_what_is_sealed_is_opened_by_its_owner_alone(jwk, alg, enc):
    sealed = EncryptionKey.from_jwks({"keys": [public(jwk)]}, alg).seal(INNER, enc=enc)
    opened = DecryptionKey.read(jwk.export(private_key=True)).open(sealed, alg=alg, encodings=(enc,))
    assert opened == INNER
    other = JWK.generate(kty="RSA", size=2048) if jwk is RSA else JWK.generate(kty=jwk["kty"], crv=jwk["crv"])
    with pytest.raises(JoseError):
        DecryptionKey.read(other.export(private_key=True)).open(sealed, alg=alg, encodings=(enc,))


@pytest.mark.standard("RFC 7519", "§5.2 the nested token says cty JWT")
def test_the_header_says_which_key_and_that_a_token_is_inside():
    sealed = EncryptionKey.from_jwks({"keys": [public(RSA)]}, "RSA-OAEP-256").seal(INNER)
    token = JWE()
    token.deserialize(sealed)
    assert token.jose_header == {"alg": "RSA-OAEP-256", "enc": "A128CBC-HS256", "cty": "JWT", "kid": "theirs"}


def test_a_key_that_is_made_for_it_comes_before_one_that_merely_could():
    second = JWK.generate(kty="RSA", size=2048)
    keys = [public(RSA), public(second, use="enc", alg="RSA-OAEP", kid="made-for-it")]
    assert EncryptionKey.from_jwks({"keys": keys}, "RSA-OAEP").kid == "made-for-it"


@pytest.mark.parametrize(
    "entry",
    [
        public(RSA, use="sig"),
        public(RSA, e=DEAR),
        public(RSA, alg="RS256"),
        public(RSA, key_ops=["verify"]),
        public(JWK.generate(kty="RSA", size=1024)),
        public(EC),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        "rubbish",
    ],
    ids=["signs", "dear", "other alg", "other use", "small", "curve", "secret", "no e", "no text", "no key"],
)
def test_a_key_that_is_not_for_this_is_left_alone(entry):
    assert refused("RSA-OAEP-256", entry) == "no_encryption_key"
    found = EncryptionKey.from_jwks({"keys": [entry, public(RSA)]}, "RSA-OAEP-256")
    assert found.kid == "theirs"


@pytest.mark.parametrize("member", ["kty", "crv", "use", "alg", "key_ops", "kid"])
@pytest.mark.parametrize("value", [["EC"], {}, 5])
def test_a_key_with_a_member_of_no_known_kind_spoils_no_other(member, value):
    odd = public(EC) | {member: value}
    assert EncryptionKey.from_jwks({"keys": [odd, public(X)]}, "ECDH-ES").seal(INNER)


def test_a_point_off_its_curve_is_no_key():
    assert refused("ECDH-ES", public(EC, x="A" * 43)) == "no_encryption_key"
    assert refused("ECDH-ES", public(JWK.generate(kty="OKP", crv="Ed25519"))) == "no_encryption_key"


def test_what_is_no_set_and_what_is_no_way_are_refused():
    with pytest.raises(JoseError):
        EncryptionKey.from_jwks({"keys": "none"}, "RSA-OAEP")
    for alg in ("RSA1_5", "dir", "A128KW", "PBES2-HS256+A128KW"):
        assert refused(alg, public(RSA), {"kty": "oct", "k": "c2VjcmV0"}) == "no_encryption_key"
    with pytest.raises(JoseError):
        EncryptionKey.from_jwks({"keys": [public(RSA)]}, "RSA-OAEP").seal(INNER, enc="none")


def test_a_private_key_in_a_set_is_used_as_its_public_half():
    key = EncryptionKey.from_jwks({"keys": [RSA.export(private_key=True, as_dict=True)]}, "RSA-OAEP")
    assert not key._jwk.has_private
