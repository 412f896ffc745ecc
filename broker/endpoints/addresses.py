"""The addresses that an endpoint has: behind the issuer, and behind the listener for client certificates.

RFC 8705 §5 (``mtls_endpoint_aliases``); RFC 9449 §4.3 (``htu``). They are made of the configuration: what a
request says of where it went, such as ``Host``, decides nothing.
"""

from __future__ import annotations

from broker.services import Services


def of(services: Services, path: str) -> tuple[str, ...]:
    """The one address of the endpoint at ``path``, or its two."""
    config = services.config
    if config.mtls_url is None:
        return (services.issuer + path,)
    return services.issuer + path, config.mtls_url + path
