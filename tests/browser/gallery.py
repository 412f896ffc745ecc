"""A small server that shows the pages as the broker would, and writes down what is posted to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from broker.config import Theme
from broker.pages import Pages, Switch, View

HOUSE = Theme(
    name="Acme",
    logo="/static/images/acme.svg",
    accent="#c2185b",
    help_url="https://help.acme.example/",
    privacy_url="https://acme.example/privacy",
    terms_url="https://acme.example/terms",
)
"""Whose pages they are: with all that a theme can have around the card."""
APPS = {
    "yellow": Theme(name="Yellow", accent="#ffee00", radius=0),
    "night": Theme(name="Night", accent="#0a0a12"),
}
"""Apps whose colours nobody could read."""
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 36"><rect width="120" height="36"/></svg>'


def themed(**changes: Any) -> Pages:
    """Pages with a theme, its picture served."""
    pages = Pages(theme=HOUSE, client_themes=APPS, **changes)
    pages.keep_image("/static/images/acme.svg", LOGO, "image/svg+xml", 120 / 36)
    return pages


Posted = list[tuple[str, list[tuple[str, str]]]]


class Gallery:
    """``GET /page/NAME`` is the page of that name; anything else that is posted is written down."""

    def __init__(self, pages: Pages, views: Mapping[str, View], languages: tuple[str, ...] = ()) -> None:
        self.pages = pages
        self.views = dict(views)
        self.languages = languages
        self.posted: Posted = []
        self.visited: list[str] = []
        self.answer: Callable[[web.Request], web.Response] = _arrived
        self.answer_get: Callable[[web.Request], web.Response] = _arrived

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/page/{name}", self._page)
        app.router.add_get("/static/{name:.+}", self._static)
        app.router.add_post("/{tail:.*}", self._post)
        app.router.add_get("/{tail:.*}", self._get)
        return app

    def response(self, view: View) -> web.Response:
        switch = Switch(action="/language", back="/page/consent?flow=x")
        page = self.pages.render(view, languages=self.languages, switch=switch)
        return web.Response(body=page.html, headers=page.headers, status=page.status)

    async def _page(self, request: web.Request) -> web.Response:
        return self.response(self.views[request.match_info["name"]])

    async def _static(self, request: web.Request) -> web.Response:
        file = self.pages.static(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.body, headers={**file.headers, "Content-Type": file.content_type})

    async def _post(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.posted.append((request.path, [(name, str(value)) for name, value in form.items()]))
        return self.answer(request)

    async def _get(self, request: web.Request) -> web.Response:
        if request.path != "/favicon.ico":  # browsers ask for it by themselves
            self.visited.append(request.path_qs)
        return self.answer_get(request)


def _arrived(request: web.Request) -> web.Response:
    text = "<!doctype html><title>arrived</title><h1>arrived</h1>"
    return web.Response(text=text, content_type="text/html")
