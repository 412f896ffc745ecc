"""A person's browser, as far as a login needs one: cookies, redirects, and forms that are filled in.

It runs no script. Like a browser it keeps cookies by host and not by port, and treats loopback as secure.
It stops at the client app's redirect URI and tells what would have been sent there.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
from yarl import URL

MOST_REDIRECTS = 20
REFRESH = re.compile(r"\s*\d+\s*;\s*url\s*=\s*['\"]?(.*?)['\"]?\s*", re.IGNORECASE)


@dataclass
class Form:
    """One form of a page: where it goes, what it already says, and its boxes and buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str, bool]] = field(default_factory=list)
    """Check boxes: name, value, whether it is ticked."""
    buttons: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of buttons that send the form to another place than it says."""


@dataclass
class Page:
    """What the person sees."""

    url: str
    status: int
    text: str
    forms: list[Form] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    refresh: str | None = None

    @property
    def site(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Arrival:
    """What reached the client app's redirect URI."""

    url: str
    form: Mapping[str, str] | None = None

    @property
    def answer(self) -> dict[str, str]:
        """The parameters of the answer, whichever way they came."""
        return dict(self.form) if self.form is not None else dict(parse_qsl(urlsplit(self.url).query))


class Browser:
    """One person's browser. ``apps`` are the redirect URIs at which a login ends."""

    def __init__(
        self,
        *,
        apps: Iterable[str],
        sites: Iterable[str],
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        self.apps = tuple(apps)
        """Where it stops."""
        self._proxy = proxy
        jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(site) for site in sites])
        connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True)
        self._http = aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, headers={"Accept": "text/html,*/*;q=0.8"}
        )
        self.visited: list[str] = []
        """Every URL asked for, redirects included."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def open(self, url: str) -> Page | Arrival:
        """What is there at the end of the redirects."""
        return await self._go("GET", url, None, None)

    async def page(self, url: str) -> Page:
        """As ``open``, where a page and no app is expected at the end."""
        return _page(await self.open(url))

    async def call(self, method: str, url: str, body: Mapping[str, str]) -> None:
        """What a script of the page that is open would send to its own server."""
        async with self._http.request(method, url, json=dict(body)) as response:
            if response.status >= 400:
                raise RuntimeError(f"{url} answered {response.status}: {await response.text()}")

    async def post(self, page: Page, url: str, fields: Mapping[str, str]) -> Page | Arrival:
        """What a script of this page would post as a form."""
        return await self._go("POST", url, list(fields.items()), page)

    async def submit(
        self,
        page: Page,
        fields: Mapping[str, str] | None = None,
        *,
        button: tuple[str, str] | None = None,
        ticked: Iterable[str] | None = None,
    ) -> Page | Arrival:
        """Fill in the form that has these fields and this button, and send it.

        ``ticked`` are the values of the boxes that shall be ticked; without it they stay as they are.
        """
        form = _form_with(page, fields or {}, button)
        known = {name for name, _ in form.fields}
        data = [(name, (fields or {}).get(name, value)) for name, value in form.fields]
        data += [(name, value) for name, value in (fields or {}).items() if name not in known]
        for name, value, was in form.boxes:
            if (value in set(ticked)) if ticked is not None else was:
                data.append((name, value))
        if button is not None:
            data.append(button)
        to = form.elsewhere.get(button, form.action) if button is not None else form.action
        action = urljoin(page.url, to or page.url)
        if form.method == "get":
            return await self._go("GET", str(URL(action).with_query(data)), None, page)
        return await self._go("POST", action, data, page)

    async def _go(
        self, method: str, url: str, data: list[tuple[str, str]] | None, origin: Page | None
    ) -> Page | Arrival:
        headers = {"Origin": origin.site} if origin is not None and method == "POST" else {}
        for _ in range(MOST_REDIRECTS):
            if url.split("?", maxsplit=1)[0] in self.apps:
                return Arrival(url, None if data is None else dict(data))
            self.visited.append(url)
            request = self._http.request(
                method,
                URL(url, encoded=True),
                data=data,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy if url.startswith("https://") else None,
            )
            async with request as response:
                if response.status not in (301, 302, 303, 307, 308):
                    page = _read(url, response.status, await response.text())
                    if page.refresh is None:
                        return page
                    url = urljoin(url, page.refresh)
                else:
                    url = urljoin(url, response.headers["Location"])
                if response.status not in (307, 308):
                    method, data, headers = "GET", None, {}
        raise RuntimeError(f"more than {MOST_REDIRECTS} redirects, the last to {url}")


def _page(seen: Page | Arrival) -> Page:
    if isinstance(seen, Arrival):
        raise TypeError(f"expected a page, and the app was reached: {seen.url}")
    return seen


def _form_with(page: Page, fields: Mapping[str, str], button: tuple[str, str] | None) -> Form:
    for form in page.forms:
        names = {name for name, _ in form.fields}
        if names >= set(fields) and (button is None or button in form.buttons):
            return form
    raise LookupError(f"no form with {sorted(fields)} {button or ''} on {page.url}:\n{page.text[:3000]}")


def _read(url: str, status: int, text: str) -> Page:
    reader = _Reader(Page(url, status, text))
    reader.feed(text)
    return reader.page


class _Reader(HTMLParser):
    """Collects forms, links and the refresh of a page."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(at.get("action", ""), at.get("method", "get").lower())
            self.page.forms.append(self._form)
        elif tag == "a" and "href" in at:
            self.page.links.append(urljoin(self.page.url, at["href"]))
        elif tag == "meta" and at.get("http-equiv", "").lower() == "refresh":
            target = REFRESH.fullmatch(at.get("content", ""))
            self.page.refresh = target[1] if target else None
        elif self._form is not None and tag in ("input", "button") and "name" in at:
            _add(self._form, tag, at)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


def _add(form: Form, tag: str, at: Mapping[str, str]) -> None:
    kind = at.get("type", "submit" if tag == "button" else "text").lower()
    name, value = at["name"], at.get("value", "")
    if kind in ("submit", "image"):
        form.buttons.append((name, value))
        if "formaction" in at:
            form.elsewhere[name, value] = at["formaction"]
    elif kind in ("checkbox", "radio"):
        form.boxes.append((name, value or "on", "checked" in at))
    elif kind not in ("button", "reset", "file") and "disabled" not in at:
        form.fields.append((name, value))
