"""How often somebody may try: limits that slow a guesser down and leave the owner where they usually are.

Owns the limits of our own login pages. Strangers can use up what strangers have, never what is kept for a
browser or an address from which this person has signed in before; so nobody is locked out by others. The
answer is the same for a username that nobody has. NIST SP 800-63B §5.2.2; RFC 6238 §5.1 for codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network

from aiohttp import web

from broker.endpoints import about, flow
from broker.protocol.handles import digest
from broker.protocol.usernames import canonical
from broker.services import SERVICES
from broker.store import Limit

_QUARTER, _HOUR, _LONG = 900, 3600, 90 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """Who is tried from where."""

    connector: str
    who: str
    """The username in the form in which they are compared; nobody need have it."""
    address: str
    browser: str | None
    """What this browser keeps since somebody signed in with it."""
    known_browser: bool
    known_address: bool

    def limits(self) -> tuple[Limit, ...]:
        """What an attempt with a password counts against."""
        if self.known_browser and self.browser is not None:
            return (Limit("browser", (self.who, self.browser), 10, _QUARTER, forgiven=True),)
        here = Limit("here", (self.who, self.address), 10, _QUARTER, forgiven=True)
        address = Limit("address", (self.address,), 100, _QUARTER)
        if self.known_address:
            return here, address
        return here, address, Limit("person", (self.who,), 30, _QUARTER)

    def code_limits(self) -> tuple[Limit, ...]:
        """What an attempt with a code counts against: who comes this far has the password."""
        return (Limit("code", (self.who,), 10, _HOUR),)


async def trying(request: web.Request, connector: str, username: str) -> Trying:
    """This attempt, with what is known of where it comes from."""
    store, jar = request.app[SERVICES].store, request.app[flow.JAR]
    who = digest(canonical(username) or username.casefold())
    address, browser = network_of(about.client_address(request)), jar.known(request)
    return Trying(
        connector=connector,
        who=who,
        address=address,
        browser=browser,
        known_browser=browser is not None and await store.is_known(connector, who, _as_browser(browser)),
        known_address=await store.is_known(connector, who, address),
    )


async def remember(request: web.Request, response: web.Response, tried: Trying) -> None:
    """They have signed in here: strangers' guesses do not count for them here from now on."""
    services, jar = request.app[SERVICES], request.app[flow.JAR]
    browser = tried.browser or services.fresh()
    places = (_as_browser(browser), tried.address)
    await services.store.remember_known(tried.connector, tried.who, places, _LONG)
    jar.set_known(response, browser, ttl=_LONG)


def _as_browser(browser: str) -> str:
    return f"browser {browser}"


def network_of(address: str) -> str:
    """The address as it is counted: of IPv6 the network, since a household has 2⁶⁴ addresses there."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:  # a socket for both kinds says IPv4 like this (RFC 4291 §2.5.5.2)
        return str(found.ipv4_mapped)
    return str(ip_network((found, 64), strict=False))
