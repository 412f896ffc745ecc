"""The upstreams: the connectors that the configuration names, spoken to in our words and answering in them.

    opened.py     `Upstreams` and `Upstream`: one connector each, isolated
    passing.py    what of a client app's request is passed on
    answers.py    an upstream's errors as errors of the protocol
    tools.py      what a connector is given: verification with cached keys, client assertions

Nothing is contacted before the first login, so an upstream that is down stops no start.
"""

from broker.upstreams.opened import Upstream, Upstreams
from broker.upstreams.passing import login_for

__all__ = ["Upstream", "Upstreams", "login_for"]
