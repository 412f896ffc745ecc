"""The guarded HTTP client: everything the broker asks of others on the network.

Owns the only HTTP client of the house: `http` (deadlines, sizes, no redirects, no cookies), `addresses`
(where it may connect), `names` (which addresses a name has), `sessions` and `connections` (trust,
certificates, proxies, and how much a server may say), `documents` (JSON that rarely changes, cached), and
`circuit` with `breaker` (which upstream is left alone for a while because it does not answer).
"""

from broker.outbound.circuit import Circuit
from broker.outbound.documents import Documents
from broker.outbound.http import Outbound, UpstreamClient
from broker.outbound.messages import Away
from broker.outbound.sessions import Way

__all__ = ["Away", "Circuit", "Documents", "Outbound", "UpstreamClient", "Way"]
