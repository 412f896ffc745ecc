"""A small server that shows the pages as the broker would, and writes down what is posted to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from broker.pages import Pages, View

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

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/page/{name}", self._page)
        app.router.add_get("/static/{name}", self._static)
        app.router.add_post("/{tail:.*}", self._post)
        app.router.add_get("/{tail:.*}", self._get)
        return app

    def response(self, view: View) -> web.Response:
        page = self.pages.render(view, languages=self.languages)
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
        return _arrived(request)


def _arrived(request: web.Request) -> web.Response:
    text = "<!doctype html><title>arrived</title><h1>arrived</h1>"
    return web.Response(text=text, content_type="text/html")
