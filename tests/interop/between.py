"""The broker between a client app and two providers that others wrote, oidc-provider and Keycloak.

Owns a broker with one connector to each, one person at each, and what that person does in a browser until she
is back at the client app. Whoever tests a client app brings only the app.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop import broker, keycloak, node
from tests.interop.browser import Arrival, Browser, Page
from tests.interop.people import PANVA

UPSTREAM_SECRET = "the-broker-and-the-upstream-know-it"
MOST_PAGES = 8


@dataclass(frozen=True)
class Person:
    """Somebody whom one upstream knows, and what a client app should hear of her."""

    connector: str
    fields: Mapping[str, str]
    """What she types at the upstream."""
    name: str
    email: str
    username: str
    groups: tuple[str, ...]


ADA = Person(
    "engines",
    {"login": "ada", "password": "whatever it is"},
    name="Ada Lovelace",
    email="ada@engines.example",
    username="ada",
    groups=("engines", "letters"),
)
ALICE = Person(
    "staff",
    {"username": "alice", "password": "alice-pw"},
    name="Alice Acme",
    email="alice@acme.example",
    username="alice",
    groups=("/engineering/platform", "/sales"),
)
PEOPLE = (ADA, ALICE)
AT_BOTH = pytest.mark.parametrize("person", PEOPLE, ids=["oidc-provider", "keycloak"])


@dataclass(frozen=True)
class Between:
    """What serves."""

    served: broker.Served
    upstreams: Mapping[str, str]
    """The site of each connector's upstream."""

    @property
    def issuer(self) -> str:
        return self.served.issuer

    @property
    def host(self) -> str:
        """Where the broker is, whatever the path of its issuer."""
        return self.issuer.partition("/t/")[0]

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site but the client app's."""
        return (self.host, *self.upstreams.values())

    def browser(self, *apps: str, sites: tuple[str, ...] = ()) -> Browser:
        """One that has been nowhere. It stops at these redirect URIs; ``sites`` are apps that serve."""
        return Browser(apps=apps, sites=[*self.sites, *sites])

    def is_ours(self, page: Page) -> bool:
        """Whether the person has not come back to the client app yet."""
        return page.site in self.sites


def missing() -> str | None:
    """Why this cannot run here, or None."""
    return keycloak.missing() or node.missing()


MARKS = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),  # one Keycloak serves them all
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]
"""Of every module that tests a client app at both."""


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    acme: keycloak.Keycloak | None,
    clients: Mapping[str, Mapping[str, Any]],
    *,
    issuer: str | None = None,
    workspace: str | None = None,
    **more: Any,
) -> AsyncIterator[Between]:
    """A broker with these clients while the block lasts; without Keycloak where nobody of it comes.

    ``issuer`` is where an app must know it beforehand; with ``workspace`` all of it is in that one.
    """
    host = issuer or broker.address()
    issuer = f"{host}/t/{workspace}" if workspace else host
    known = {
        "client_id": "broker",
        "client_secret": UPSTREAM_SECRET,
        "redirect_uris": [f"{issuer}/callback/engines"],
    }
    async with node.identity_provider(clients=[known], people=PANVA) as panva:
        connectors: dict[str, dict[str, Any]] = {
            "engines": {
                "type": "oidc",
                "name": "Engines",
                "issuer": panva,
                "client_id": "broker",
                "client_secret": UPSTREAM_SECRET,
                "get_user_info": True,
            },
        }
        upstreams = {"engines": panva}
        if acme is not None:
            upstreams["staff"] = acme.base_url
            connectors["staff"] = {
                "type": "keycloak",
                "name": "Staff",
                "base_url": acme.base_url,
                "realm": acme.realm,
                "client_id": acme.client_id,
                "client_secret": acme.client_secret,
            }
        if workspace:
            more["workspaces"] = {
                workspace: {"connectors": connectors, "clients": clients, "scopes": broker.SCOPES}
            }
            connectors, clients = {}, {}
        async with broker.serving(folder, host, connectors=connectors, clients=clients, **more) as served:
            there = dataclasses.replace(served, issuer=issuer)
            yield Between(there, upstreams)


async def sign_in(
    between: Between, browser: Browser, seen: Page | Arrival, person: Person, *, until: str | None = None
) -> Page | Arrival:
    """From wherever the app sent her: she chooses her upstream, signs in there and allows what is asked.

    Ends at the client app: at a redirect URI where the browser stops, or at a page of the app's own; or else
    at a page of ours with the words ``until``.
    """
    for _ in range(MOST_PAGES):
        if (
            isinstance(seen, Arrival)
            or not between.is_ours(seen)
            or (until is not None and until in seen.text)
        ):
            return seen
        seen = await _act(browser, seen, person)
    raise RuntimeError(f"{person.username} is still not back at the app, but on {_url(seen)}")


async def told_of_the_end(between: Between, client_id: str, sid: str) -> str:
    """What came of telling this app by the back channel that this session is over, once that is known."""
    said = ('"logout_notice"', f'"client_id":"{client_id}"', f'"sid":"{sid}"')
    line = await between.served.process.says(*said)
    return str(json.loads(line)["outcome"])


async def _act(browser: Browser, page: Page, person: Person) -> Page | Arrival:
    """What she does on one page."""
    for link in page.links:
        if f"connector={person.connector}" in link:
            return await browser.open(link)
    for form in page.forms:
        names = {name for name, _ in form.fields}
        if names >= set(person.fields):
            return await browser.submit(page, person.fields)
        if form.action in browser.apps:  # the broker's page that posts itself to the app
            return await browser.submit(page, dict(form.fields))
        if ("prompt", "consent") in form.fields:  # oidc-provider's own question
            return await browser.submit(page)
        for button in form.buttons:
            if button[1] == "allow":
                return await browser.submit(page, button=button)
    raise LookupError(
        f"nothing that {person.username} could do on {page.url}, {page.status}:\n{page.text[:3000]}"
    )


def _url(seen: Page | Arrival) -> str:
    return seen.url
