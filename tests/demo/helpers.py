"""A browser without a screen, for the demo's tests: an HTTP client with a cookie jar that reads pages."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp


class _Reader(HTMLParser):
    """Collects what a person could click on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self.forms: list[dict[str, Any]] = []
        self.text: list[str] = []
        self.refresh: str | None = None
        self._link: str | None = None
        self._button: int | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.refresh = given["content"].partition("url=")[2] or given["content"].partition("URL=")[2]
        if tag == "a" and "href" in given:
            self._link = given["href"]
            self.links.append((given["href"], ""))
        if tag == "form":
            self.forms.append(
                {
                    "action": given.get("action", ""),
                    "method": given.get("method", "get"),
                    "fields": [],
                    "buttons": [],
                }
            )
        if not self.forms:
            return
        if tag == "input" and given.get("name"):
            kind = given.get("type", "text")
            value = given.get("value", "on" if kind == "checkbox" else "")
            if kind not in {"checkbox", "radio"} or "checked" in given:
                self.forms[-1]["fields"].append((given["name"], value))
        if tag == "button":
            self._button = len(self.forms[-1]["buttons"])
            self.forms[-1]["buttons"].append(
                {
                    "name": given.get("name"),
                    "value": given.get("value", ""),
                    "text": "",
                    "action": given.get("formaction"),
                }
            )

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        if tag == "button":
            self._button = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._link is not None:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)
        if self._button is not None:
            self.forms[-1]["buttons"][self._button]["text"] += data


@dataclass(slots=True)
class Page:
    """One page as it stands in the browser."""

    url: str
    status: int
    html: str
    headers: Any

    @property
    def read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.html)
        return reader

    @property
    def text(self) -> str:
        return " ".join("".join(self.read.text).split())


class Browser:
    """Follows redirects and immediate refreshes, keeps cookies, clicks on words."""

    def __init__(self) -> None:
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.page = Page("about:blank", 0, "", {})
        self.trail: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def open(self, url: str) -> Page:
        return await self._go("GET", urljoin(self.page.url, url))

    async def click(self, words: str) -> Page:
        """Click the first link or button whose text contains these words."""
        reader = self.page.read
        for href, text in reader.links:
            if words in " ".join(text.split()):
                return await self.open(href)
        for form in reader.forms:
            for button in form["buttons"]:
                if words in " ".join(button["text"].split()):
                    return await self._submit(form, button)
        raise LookupError(f"nothing says {words!r} on {self.page.url}: {self.page.text[:400]}")

    def untick(self, value: str) -> None:
        """Take the tick out of the check box with this value."""
        ticked = f'value="{value}" checked'
        if ticked not in self.page.html:
            raise LookupError(f"no ticked box {value!r} on {self.page.url}")
        self.page.html = self.page.html.replace(ticked, f'value="{value}"')

    async def _submit(self, form: dict[str, Any], button: dict[str, Any]) -> Page:
        fields = [*form["fields"], *([(button["name"], button["value"])] if button["name"] else [])]
        url = urljoin(self.page.url, button["action"] or form["action"])
        if form["method"].lower() == "post":
            return await self._go("POST", url, fields)
        return await self._go("GET", url)

    async def _go(self, method: str, url: str, fields: list[tuple[str, str]] | None = None) -> Page:
        origin = "/".join(self.page.url.split("/")[:3])
        headers = {"Origin": origin} if method == "POST" else {}
        data = aiohttp.FormData(fields) if fields is not None else None
        for _ in range(20):
            self.trail.append(f"{method} {url.partition('?')[0]}")
            async with self.http.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                html = await answer.text()
            self.page = Page(url, answer.status, html, answer.headers)
            onward = answer.headers.get("Location") if answer.status in {302, 303} else self.page.read.refresh
            if not onward:
                return self.page
            method, url, data, headers = "GET", urljoin(url, onward), None, {}
        raise RuntimeError("too many redirects: " + " → ".join(self.trail[-8:]))
