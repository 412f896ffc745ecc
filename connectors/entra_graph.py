"""The groups of a person of Entra ID, from Microsoft Graph.

Owns paging and limits. An ID Token with too many groups for it names an address where the rest is; that
address is old and is the token's word, so it is never followed: Graph's own, fixed in the settings, is asked.
All or nothing: what cannot be had whole ends the login, because fewer groups than somebody has can also be a
permission (a group that is kept out of something).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from broker.connector import Answer, Json, UpstreamHTTP, UpstreamInvalid
from connectors.oauth2 import printable

IDS_AT_ONCE = 1000
"""What `getByIds` takes in one call."""
MAX_PAGES = 120
_OK = 200
_NEXT = "@odata.nextLink"


class Graph:
    """Microsoft Graph, for one person: whoever the access token was given for."""

    def __init__(self, http: UpstreamHTTP, url: str, token: str, *, most: int) -> None:
        self._http, self._url, self._token, self._most = http, url, token, most

    async def groups(self, *, security_only: bool) -> list[str]:
        """The ids of all groups that the person is in, also through other groups.

        Raises:
            UpstreamInvalid: Graph does not let us, or there are more than are taken.
            UpstreamUnavailable: Graph says later, or nothing.
        """
        url = f"{self._url}/v1.0/me/getMemberGroups"
        ids = await self._pages(url, {"securityEnabledOnly": security_only})
        if not all(isinstance(one, str) and one for one in ids):
            raise UpstreamInvalid("graph_malformed", "a group's id that is no text")
        return list(dict.fromkeys(ids))

    async def names(self, ids: Sequence[str]) -> list[str]:
        """The display names of these groups, in their order; one that is gone has none."""
        url, found = f"{self._url}/v1.0/directoryObjects/getByIds", {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            wanted = list(ids[start : start + IDS_AT_ONCE])
            for group in await self._pages(url, {"ids": wanted, "types": ["group"]}):
                name = group.get("displayName") if isinstance(group, Mapping) else None
                if isinstance(name, str):
                    found[group.get("id")] = name
        return [found[one] for one in ids if one in found]

    async def _pages(self, url: str, body: Json) -> list[Json]:
        """Every page of a list, each asked for with the same body."""
        values: list[Json] = []
        following: str | None = url
        seen: set[str] = set()
        while following is not None:
            if following in seen or len(seen) >= MAX_PAGES:
                raise UpstreamInvalid("graph_endless", f"{len(seen)} pages")
            seen.add(following)
            page = _read(await self._http.post_json(following, body, bearer=self._token))
            values += page["value"]
            if len(values) > self._most:
                raise UpstreamInvalid("graph_too_many_groups", f"more than max_groups, {self._most}")
            following = self._next(page)
        return values

    def _next(self, page: Mapping[str, Json]) -> str | None:
        """Where the next page is: at Graph, or nowhere. The access token goes there."""
        url = page.get(_NEXT)
        if url is None:
            return None
        if not isinstance(url, str) or not url.startswith(f"{self._url}/v1.0/"):
            raise UpstreamInvalid("graph_next_link_elsewhere", printable(str(url)))
        return url


def _read(answer: Answer) -> Mapping[str, Json]:
    said = answer.json()
    if answer.status != _OK:
        told = said.get("error") if isinstance(said, dict) else None
        code = printable(str(told.get("code"))) if isinstance(told, Mapping) else ""
        raise UpstreamInvalid("graph_refused", f"status {answer.status} {code}")
    if not isinstance(said, dict) or not isinstance(said.get("value"), list):
        raise UpstreamInvalid("graph_malformed", "no list of values")
    return said
