"""Encrypted tokens: what is opened, and everything that is not."""

import json
import zlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from broker.jose import ENCODINGS, DecryptionKey, JoseError
from broker.kit.forging import b64, encrypted

INNER = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
RSA = JWK.generate(kty="RSA", size=2048)
EC = JWK.generate(kty="EC", crv="P-256")
X = JWK.generate(kty="OKP", crv="X25519")
WAYS = [
    *((RSA, alg) for alg in ("RSA-OAEP", "RSA-OAEP-256")),
    *((key, alg) for key in (EC, X) for alg in ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")),
]


def key(jwk=RSA):
    return DecryptionKey.read(jwk.export(private_key=True))


def wrapped(inner=INNER, jwk=RSA, alg="RSA-OAEP-256", enc="A128GCM", **more):
    """Encrypted by another library than the one that opens it."""
    return encrypted(inner, jwk.export_public(as_dict=True), alg=alg, enc=enc, **more)


def by_hand(header, jwk=RSA, inner=INNER):
    """A token with any header, by a library that is told to allow it."""
    made = JWE(
        inner.encode(),
        json.dumps(header),
        algs=[header["alg"], header["enc"], "RSA1_5", "PBES2-HS256+A128KW", "dir"],
    )
    made.add_recipient(jwk)
    return made.serialize(compact=True)


def refused(token, *, jwk=RSA, alg="RSA-OAEP-256", encodings=ENCODINGS):
    with pytest.raises(JoseError) as caught:
        key(jwk).open(token, alg=alg, encodings=encodings)
    return caught.value.reason


@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize(("jwk", "alg"), WAYS, ids=lambda part: part if isinstance(part, str) else "")
def test_what_was_encrypted_to_us_in_the_agreed_way_is_opened(jwk, alg, enc):
    token = wrapped(jwk=jwk, alg=alg, enc=enc)
    assert key(jwk).open(token, alg=alg, encodings=(enc,)) == INNER


def test_a_key_is_read_from_pem_too_and_shows_its_public_half_only():
    pem = RSA.export_to_pem(private_key=True, password=None).decode()
    found = DecryptionKey.read(pem)
    assert found.open(wrapped(), alg="RSA-OAEP-256", encodings=ENCODINGS) == INNER
    assert found.public_jwk("RSA-OAEP-256") == {
        **RSA.export_public(as_dict=True),
        "use": "enc",
        "kid": RSA.thumbprint(),
        "alg": "RSA-OAEP-256",
    }
    assert "d" not in found.public_jwk()
    assert RSA.export_private(as_dict=True)["d"] not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "rubbish",
        RSA.export_public(),
        JWK.generate(kty="oct", size=256).export(),
        JWK.generate(kty="RSA", size=1024).export(private_key=True),
        JWK.generate(kty="OKP", crv="Ed25519").export(private_key=True),
        '{"kty": "RSA", "kty": "EC"}',
    ],
    ids=range(8),
)
def test_what_is_no_key_for_decryption_is_refused(text):
    with pytest.raises(JoseError, match=r"key|neither"):
        DecryptionKey.read(text)


@pytest.mark.row("JW-16")
@pytest.mark.parametrize("inner", ["", "not a token", '{"sub": "ann"}', "a.b", "a.b.c.d.e", "é.b.c"])
def test_what_holds_no_signed_token_says_nothing(inner):
    assert refused(wrapped(inner)) == "not_decrypted"


@pytest.mark.row("JW-16")
@pytest.mark.parametrize("token", [INNER, "a.b.c.d.e.f", "a.b.c.d", "....", "", "é.b.c.d.e"])
def test_what_is_not_encrypted_is_not_opened(token):
    assert refused(token) in {"not_encrypted", "bad_header"}


@pytest.mark.row("JW-17")
@pytest.mark.parametrize("size", [1000, 20_000_000])
def test_what_is_compressed_is_refused_before_it_is_decrypted(size, untouched):
    header = {"alg": "RSA-OAEP-256", "enc": "A128GCM", "zip": "DEF"}
    assert len(zlib.compress(b"a" * size)) < 100_000
    token = by_hand(header, inner="a" * size)
    untouched("JWE")
    assert refused(token) == "bad_encryption"


@pytest.mark.row("JW-18")
@pytest.mark.parametrize("count", [2**31 - 1, 0, -1, 1.5])
def test_a_password_is_no_key_however_often_it_is_hashed(count, untouched):
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": count, "p2s": b64(b"salt" * 4)}
    token = ".".join([b64(json.dumps(header).encode()), "AA", "AA", "AA", "AA"])
    untouched("JWE")
    assert refused(token) == "bad_encryption"


@pytest.mark.row("JW-19")
@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RSA1_5", "enc": "A128CBC-HS256"},
        {"alg": "RSA-OAEP", "enc": "A128GCM"},
        {"alg": "RSA-OAEP-256", "enc": "A192GCM"},
        {"alg": "RSA-OAEP-256", "enc": "A192CBC-HS384"},
    ],
    ids=str,
)
def test_only_what_was_agreed_on_is_used(header):
    assert refused(by_hand(header)) == "bad_encryption"


@pytest.mark.row("JW-19")
def test_an_encoding_that_was_not_asked_for_is_refused():
    assert refused(wrapped(enc="A256GCM"), encodings=("A128GCM",)) == "bad_encryption"
    assert refused(wrapped(jwk=EC, alg="ECDH-ES"), alg="ECDH-ES") == "bad_encryption"  # an RSA key here


@pytest.fixture
def untouched(monkeypatch):
    """Makes a part of the module that must not be used say so when it is."""

    def never(name):
        def fail(*_args, **_more):
            raise RuntimeError(f"{name} was used")

        monkeypatch.setattr(f"broker.jose.encrypted.{name}", fail)

    return never


def spoilt(token, part, change):
    parts = token.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def flipped(text):
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.row("JW-19")
@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_whatever_is_wrong_with_a_ciphertext_is_told_alike(enc, part):
    token = wrapped(enc=enc)
    reasons = {
        refused(spoilt(token, part, flipped)),
        refused(spoilt(token, part, lambda text: text[:8])),
        refused(spoilt(token, part, lambda _text: b64(bytes(4096)))),
    }
    assert reasons == {"not_decrypted"}


@pytest.mark.row("JW-19")
def test_a_wrong_padding_and_a_wrong_key_are_told_alike():
    public = RSA.get_op_key("wrapKey")
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    for wrong in (
        public.encrypt(bytes(16), padding.PKCS1v15()),  # another padding
        public.encrypt(bytes(16), oaep),  # a good padding around another key
        public.encrypt(bytes(7), oaep),  # of a wrong length
        bytes(256),
        b"",
    ):
        assert refused(spoilt(wrapped(), 1, lambda _text, wrong=wrong: b64(wrong))) == "not_decrypted"


@pytest.mark.parametrize(
    "epk",
    [
        None,
        "text",
        {},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-384", **{k: EC.export_public(as_dict=True)[k] for k in "xy"}},
        JWK.generate(kty="EC", crv="P-384").export_public(as_dict=True),
        JWK.generate(kty="OKP", crv="X25519").export_public(as_dict=True),
        {"kty": "EC", "crv": "P-256", "x": b64(bytes(32)), "y": b64(bytes(32))},
    ],
    ids=range(8),
)
def test_a_point_that_is_not_on_our_curve_opens_nothing(epk):
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "epk": epk}
    token = ".".join([b64(json.dumps(header).encode()), "", b64(bytes(12)), b64(b"text"), b64(bytes(16))])
    assert refused(token, jwk=EC, alg="ECDH-ES") == "not_decrypted"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('{"alg":"RSA-OAEP-256","enc":"A128GCM","crit":["exp"],"exp":1}', "bad_encryption"),
        ('{"alg":"RSA1_5","alg":"RSA-OAEP-256","enc":"A128GCM"}', "bad_header"),
        ('["alg"]', "bad_header"),
        ('{"alg":["RSA-OAEP-256"],"enc":"A128GCM"}', "bad_encryption"),
        ('{"alg":"RSA-OAEP-256","enc":["A128GCM"]}', "bad_encryption"),
        ('{"alg":"RSA-OAEP-256"}', "bad_encryption"),
        (" " * 9000, "header_too_large"),
    ],
    ids=lambda part: part[:30],
)
def test_a_header_that_is_odd_is_refused(header, reason):
    assert refused(".".join([b64(header.encode()), "AA", "AA", "AA", "AA"])) == reason


@pytest.mark.row("JW-22")
@pytest.mark.parametrize("token", ["a" * 300_000, "." * 1_000_000, "a.b.c.d." + "e" * 10_000_000], ids=len)
def test_a_token_without_measure_is_not_taken_apart(token, untouched):
    ours = key()
    untouched("b64decode")
    with pytest.raises(JoseError) as caught:
        ours.open(token, alg="RSA-OAEP-256", encodings=ENCODINGS)
    assert caught.value.reason == "token_too_large"


@pytest.mark.row("JW-21")
@pytest.mark.parametrize("part", [1, 2, 3, 4])
@pytest.mark.parametrize("change", ["{}=", "{}+", " {}", "{}\n"])
def test_each_part_has_one_spelling(part, change):
    token = spoilt(wrapped(), part, change.format)
    assert refused(token) == "not_base64url"
