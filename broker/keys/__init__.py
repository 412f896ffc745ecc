"""The broker's own keys: those that sign its tokens, and the one that its subjects hang on.

Owns their making, keeping and rotation. One key for each algorithm that is in use; the two names of an
Edwards key share one (RFC 9864). With the embedded store they live in ``state_dir``, with a store URL in
the store, sealed, so that every host signs with keys that all publish; or they are files of the operator's.

Rotation (OpenID Connect Core §10.1.1): the next key is published `AHEAD` of its first signature, longer than
anybody may cache our JWK set; the old one stays published until what it signed is no good any more, which for
an ``id_token_hint`` is as long as a session can live. Workers look for news every `EVERY` seconds.
"""

from broker.keys.book import Book, Entry, State
from broker.keys.errors import KeysMisconfigured
from broker.keys.ring import AHEAD, CACHED, EVERY, KeyRing, Known, subject_key_of

__all__ = [
    "AHEAD",
    "CACHED",
    "EVERY",
    "Book",
    "Entry",
    "KeyRing",
    "KeysMisconfigured",
    "Known",
    "State",
    "subject_key_of",
]
