"""The forger of the connector kit, under the name that the tests of the house know it by."""

from broker.kit.forging import Key, b64, b64int, challenge_of, compact, encrypted, half_hash

__all__ = ["Key", "b64", "b64int", "challenge_of", "compact", "encrypted", "half_hash"]
