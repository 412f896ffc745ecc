"""The guarded HTTP client: everything the broker asks of others on the network.

Owns the only HTTP client of the house: `http` (deadlines, sizes, no redirects, no cookies), `addresses`
(where it may connect) and `documents` (JSON that rarely changes, cached).
"""

from broker.outbound.documents import Documents
from broker.outbound.http import Outbound, UpstreamClient

__all__ = ["Documents", "Outbound", "UpstreamClient"]
