"""The end of sessions: one policy for all ways in which they end, and whoever is to be told of it.

Owns `Endings` (ends one session, all of a person, those that an upstream names, all that stands on a
consent), `Courier` (tells client apps by logout tokens, from the durable outbox) and `look_after` (finds
what ran out). Back-Channel Logout 1.0, Front-Channel Logout 1.0; both halves of each: as the provider, and
of our upstreams.
"""

from broker.logout.courier import Courier
from broker.logout.endings import Ended, Endings
from broker.logout.rounds import rounds
from broker.logout.sweeping import look_after

__all__ = ["Courier", "Ended", "Endings", "look_after", "rounds"]
