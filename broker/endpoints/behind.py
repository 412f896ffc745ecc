"""An issuer whose URL has a path answers behind that path as well as without it.

Owns `BehindPath`. OpenID Connect Discovery §4 and RFC 8414 §2: every address that an issuer tells begins with
the issuer. A proxy may take the path away before it passes a request on; where it does not, or there is none,
as at the door for client certificates, the request comes as it was told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from aiohttp import web
from aiohttp.web_urldispatcher import PrefixResource
from yarl import URL

PATH: Final[web.RequestKey[str]] = web.RequestKey("path of the issuer", str)
"""What stood before the path of ours that was asked for."""


class BehindPath(PrefixResource):
    """What an application answers to, once more behind a path.

    ``but`` is what is about the machine, not the issuer: a proxy keeps it from the world by its one address.
    """

    def __init__(self, path: str, router: web.UrlDispatcher, *, but: Collection[str]) -> None:
        super().__init__(path)
        self._router, self._but = router, but

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Who answers to what is left without the path; it stands there once."""
        rest = request.rel_url.raw_path.removeprefix(self.canonical) or "/"
        if PATH in request or URL.build(path=rest, encoded=True).path in self._but:
            return None, set()
        request[PATH] = self.canonical
        return await self._router.resolve(request.clone(rel_url=URL.build(path=rest, encoded=True))), set()

    def url_for(self, **_parts: str) -> URL:
        """Never: our own addresses are made of the issuer."""
        raise RuntimeError("a path has no address of its own")

    def get_info(self) -> Any:
        """The path."""
        return {"prefix": self.canonical}

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())
