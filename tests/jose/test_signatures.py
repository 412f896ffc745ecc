"""What we sign and verify ourselves is what the library signs and verifies."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from broker.jose import KeySet, SigningKey
from broker.jose import signatures as module
from broker.jose.signatures import sign, verifies

REGISTRY = JWSRegistry(algorithms=["RS256", "ES256"])


def public_half() -> ECKey:
    return ECKey.import_key(ECKey.generate_key("P-256").as_dict(private=False))


@pytest.mark.standard("RFC 7518", "§3.4 R and S, 32 bytes each")
def test_an_es256_signature_has_both_halves_whole_and_is_the_library_s_to_verify() -> None:
    key, library = ECKey.generate_key("P-256"), REGISTRY.get_alg("ES256")
    public = ECKey.import_key(key.as_dict(private=False))
    for number in range(600):  # one in 128 has a half that begins with a zero byte
        message = b"message %d" % number
        signature = sign("ES256", key, message)
        assert len(signature) == 64
        assert library.verify(message, signature, public)
        assert verifies("ES256", public, message, library.sign(message, key))
        assert not verifies("ES256", public, message + b"!", signature)


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_an_es256_signature_of_another_length_has_no_shape(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        verifies("ES256", public_half(), b"message", bytes(length))


@pytest.mark.row("JW-10")
def test_zeros_are_nobody_s_es256_signature() -> None:
    assert not verifies("ES256", public_half(), b"message", bytes(64))


def test_rs256_is_verified_as_the_library_does() -> None:
    key, library = RSAKey.generate_key(2048), REGISTRY.get_alg("RS256")
    public = RSAKey.import_key(key.as_dict(private=False))
    signature = library.sign(b"message", key)
    assert verifies("RS256", public, b"message", signature)
    assert not verifies("RS256", public, b"another", signature)
    assert not verifies("RS256", public, b"message", signature[:-1])
    assert sign("RS256", key, b"message") == signature


def test_what_a_key_of_ours_verified_once_it_does_not_verify_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SigningKey.generate("ES256")
    (key,) = KeySet.of([ours]).keys
    (another,) = KeySet.of([SigningKey.generate("ES256")]).keys
    (theirs,) = KeySet.from_jwks({"keys": [ours.public_jwk()]}).keys
    message = b"head.payload"
    signature = ours.signature(message, "ES256")
    assert key.verifies("ES256", message, signature)
    monkeypatch.setattr(module, "_der", lambda _signature: b"no signature of anybody")
    assert key.verifies("ES256", message, signature)
    assert not key.verifies("RS256", message, signature)
    assert not key.verifies("ES256", message + b"!", signature)
    assert not key.verifies("ES256", message, bytes(64))
    assert not key.verifies("ES256", message, bytes(64)), "what was wrong is wrong again"
    assert not another.verifies("ES256", message, signature)
    assert not theirs.verifies("ES256", message, signature), "of the keys of others nothing is remembered"


def test_of_what_was_verified_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEEN", 2)
    seen = module.Seen()
    for number in (b"1", b"2", b"3"):
        seen.add(number)
    assert [number in seen for number in (b"1", b"2", b"3")] == [False, True, True]
