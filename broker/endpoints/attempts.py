"""How often somebody may try: limits that slow a guesser down and leave the owner where they usually are.

Owns the limits of our own login pages. Strangers can use up what strangers have, never what is kept for a
browser or an address from which this person has signed in before; so nobody is locked out by others. The
answer is the same for a username that nobody has. NIST SP 800-63B §5.2.2; RFC 6238 §5.1 for codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

from broker.clients.documents import Places
from broker.endpoints import about, flow
from broker.protocol.handles import digest
from broker.protocol.usernames import canonical, counted
from broker.services import SERVICES
from broker.store import Limit

_QUARTER, _HOUR, _LONG = 900, 3600, 90 * 86_400
_DOCUMENTS = 20
"""New documents of apps that a network brings within a minute; a site brings twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """Who is tried from where."""

    connector: str
    who: str
    """What the username is counted as; nobody need have it, and two people may share it."""
    name: str
    """The username in its one form: what success shows, it shows for this one alone."""
    address: str
    """As it is counted; empty where it is not known, and then nothing hangs on it."""
    site: str | None
    """Of an IPv6 address what its owner has, of which there are 65 536 such as `address`."""
    browser: str | None
    """What this browser keeps since they signed in with it; None where they have not."""
    others: tuple[str, ...] = ()
    """What it keeps for others; whatever was put there, nobody is known by it who has not signed in."""
    by_code: bool
    """Whether a code is tried, by somebody who has the password."""
    known_address: bool

    def limits(self) -> tuple[Limit, ...]:
        """What this attempt counts against."""
        if self.by_code:
            return self._of_code()
        if self.browser is not None:
            return (Limit("browser", (self.name, self.browser), 10, _QUARTER, forgiven=True),)
        limits = self._of_place()
        return limits if self.known_address else (*limits, *self._of_strangers())

    def _of_code(self) -> tuple[Limit, ...]:
        """For codes the owner's browser is apart too: a stolen password must not lock them out."""
        if self.browser is not None:
            return (Limit("code_browser", (self.name, self.browser), 10, _HOUR),)
        return (Limit("code", (self.who,), 10, _HOUR),)

    def _of_place(self) -> tuple[Limit, ...]:
        if not self.address:
            return ()
        # Who only shares a count with somebody cannot sign in to be forgiven what they guessed of them.
        alone = self.who == self.name
        here = Limit("here", (self.who, self.address), 10, _QUARTER, forgiven=alone)
        return here, Limit("address", (self.address,), 100, _QUARTER)

    def _of_strangers(self) -> tuple[Limit, ...]:
        """What the neighbours of a person, and anybody else, can use up: not where they have been before."""
        person = Limit("person", (self.who,), 30, _QUARTER)
        return (person,) if self.site is None else (Limit("site", (self.site,), 1000, _QUARTER), person)


async def trying(request: web.Request, connector: str, username: str, *, by_code: bool = False) -> Trying:
    """This attempt, with what is known of where it comes from."""
    store, jar = request.app[SERVICES].store, request.app[flow.JAR]
    who = digest(counted(username) or username.casefold())
    name = digest(canonical(username) or username.casefold())
    told = about.client_address(request)
    address, kept = network_of(told), jar.known(request)
    is_known = partial(store.is_known, connector, name)
    theirs = [value for value in kept if await is_known(_as_browser(value, by_code=by_code))]
    return Trying(
        connector=connector,
        who=who,
        name=name,
        address=address,
        site=site_of(told),
        browser=theirs[0] if theirs else None,
        others=tuple(value for value in kept if value not in theirs[:1]),
        by_code=by_code,
        known_address=bool(address) and not by_code and await is_known(address),
    )


async def remember(request: web.Request, response: web.Response, tried: Trying) -> None:
    """They have signed in here: strangers' guesses do not count for them here from now on."""
    services, jar = request.app[SERVICES], request.app[flow.JAR]
    browser = tried.browser or services.fresh()  # never one that was there before they came
    places = [_as_browser(browser, by_code=False)]
    if tried.by_code:  # a password alone must not make a browser one in which codes are counted apart
        places.append(_as_browser(browser, by_code=True))
    if tried.address:
        places.append(tried.address)
    await services.store.remember_known(tried.connector, tried.name, places, _LONG)
    jar.set_known(response, (browser, *tried.others), ttl=_LONG)


def _as_browser(browser: str, *, by_code: bool) -> str:
    return f"browser {browser}" if not by_code else f"browser with codes {browser}"


def places(request: web.Request) -> Places:
    """Where a request comes from, and how many documents a minute may be fetched that nobody uses yet."""
    told = about.client_address(request)
    site = site_of(told)
    found = [("asked_from", network_of(told), _DOCUMENTS)] if told else []
    return found if site is None else [*found, ("asked_from_site", site, 2 * _DOCUMENTS)]


def network_of(address: str) -> str:
    """The address as it is counted: of IPv6 the network, since a household has 2⁶⁴ addresses there."""
    found = _parsed(address)
    if found is None:
        return address
    return str(found) if isinstance(found, IPv4Address) else str(ip_network((found, 64), strict=False))


def site_of(address: str) -> str | None:
    """The /48 that an IPv6 address is of, which anybody can have (RFC 6177 §2); None for IPv4."""
    found = _parsed(address)
    return str(ip_network((found, 48), strict=False)) if isinstance(found, IPv6Address) else None


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped  # a socket for both kinds says IPv4 like this (RFC 4291 §2.5.5.2)
    return found
