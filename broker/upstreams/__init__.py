"""The upstreams: the connectors that the configuration names, spoken to in our words and answering in them.

    opened.py     `Upstreams`: the connectors of one configuration
    upstream.py   `Upstream`: one connector, isolated
    checked.py    what a connector returned, if it is what it promised
    passing.py    what of a client app's request is passed on
    enough.py     whether somebody signed in as freshly and as strongly as was asked
    answers.py    an upstream's errors as errors of the protocol
    ending.py     the end of a session there, whoever began it
    telling.py    how it is, and what it may read of us, without anybody signing in
    tools.py      what a connector is given: verification with cached keys, client assertions
    keeping.py    what it may keep in the store
    people.py     the people of a pool: whose password, whose one-time code
    passwords.py  passwords as they are kept

Nothing is contacted before the first login, so an upstream that is down stops no start.
"""

from broker.upstreams.keeping import in_store
from broker.upstreams.opened import Upstreams
from broker.upstreams.passing import Started
from broker.upstreams.upstream import Upstream

__all__ = ["Started", "Upstream", "Upstreams", "in_store"]
