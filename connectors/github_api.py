"""GitHub's REST API, read for one login: the account, its proven address, its organizations and teams.

Owns `Api`, and what an answer of it means. GitHub's "REST API endpoints for users" and "for teams", "Using
pagination" (RFC 8288 ``Link``), "Rate limits". The account is a number; ``login`` is a name that can be given
up and taken by somebody else. Pages are followed on the API's own origin only, since the token goes along.
One call follows the other, as GitHub asks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from broker.connector import (
    Answer,
    Json,
    Secret,
    UpstreamError,
    UpstreamHTTP,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamUnavailable,
)
from connectors.oauth2 import printable

MAX_PAGES = 20
"""Of a hundred each; who is in more than that is not let in on a part of the list."""

_ACCEPT = "application/vnd.github+json"
_HEADERS = {"X-GitHub-Api-Version": "2022-11-28"}
_NEXT = re.compile(r'<([^<>]*)>\s*;[^<]*?\brel="?next"?(?=[\s;,]|$)')
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 200, 401, 403, 404, 422


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list says, and what it leaves out."""

    entries: tuple[Mapping[str, Json], ...]
    left_out: str = ""
    """The organizations that GitHub leaves out until the person has signed in to them (SAML), by number."""


class Api:
    """The API, as one access token sees it."""

    def __init__(self, http: UpstreamHTTP, url: str) -> None:
        self._http, self._url = http, url

    async def user(self, token: str) -> Mapping[str, Json]:
        """The account. Asked after each exchange: the person may have switched accounts meanwhile."""
        user = _object(_usable(await self._get("/user", token), "/user"))
        _number(user)
        return user

    async def primary_email(self, token: str, *, verified: bool) -> str | None:
        """The address that is primary and proven; None where there is none, or it may not be read.

        With ``verified`` the operator answers for the address, as no GitHub Enterprise Server does.
        """
        told = await self._pages("/user/emails", token, may_be_hidden=True)
        found = [one["email"] for one in told.entries if _is_primary(one, verified=verified)]
        return found[0] if len(found) == 1 else None

    async def organizations(self, token: str) -> Listed:
        """The organizations that the account is a member of."""
        told = await self._pages("/user/orgs", token)
        entries = ({"id": _number(one), "login": _name(one, "login")} for one in told.entries)
        return Listed(tuple(entries), told.left_out)

    async def teams(self, token: str) -> Listed:
        """The teams that the account is in, each with its organization."""
        told = await self._pages("/user/teams", token)
        return Listed(tuple(_team(one) for one in told.entries), told.left_out)

    async def check_token(self, token: str, client_id: str, secret: Secret, user: Json) -> None:
        """That the token was given to this app, for this account.

        Raises:
            UpstreamRefused: GitHub knows no such token of this app.
            UpstreamInvalid: it is another app's or another account's, or the app's secret is wrong.
        """
        answer = await self._ask_about(token, client_id, secret)
        if answer.status in {_NOT_FOUND, _UNPROCESSABLE}:
            raise UpstreamRefused("access_denied", "the token is revoked, or was given to another app")
        if answer.status == _UNAUTHORIZED:
            raise UpstreamInvalid("token_check_refused", "the client_id or client_secret is wrong")
        told = _object(_usable(answer, "the check of the token"))
        app, owner = told.get("app"), told.get("user")
        if not isinstance(app, dict) or app.get("client_id") != client_id:
            raise UpstreamInvalid("token_of_another_app")
        if not isinstance(owner, dict) or owner.get("id") != user:
            raise UpstreamInvalid("token_of_another_user")

    async def knows_app(self, client_id: str, secret: Secret) -> bool:
        """Whether these are an app's credentials: only then does it say that it knows no such token."""
        answer = await self._ask_about("gho_none", client_id, secret)
        if answer.status in {_NOT_FOUND, _UNPROCESSABLE}:
            return True
        if answer.status == _UNAUTHORIZED:
            return False
        raise UpstreamUnavailable(f"the check of a token answered {answer.status}")

    async def ping(self) -> None:
        """Raises UpstreamUnavailable unless it answers; a refusal of so bare a call is an answer too."""
        await self._http.get(f"{self._url}/meta", accept=_ACCEPT, headers=_HEADERS)

    # ── One call, and several ─────────────────────────────────────────────────────────────────

    async def _get(self, path: str, token: str) -> Answer:
        return await self._http.get(f"{self._url}{path}", bearer=token, accept=_ACCEPT, headers=_HEADERS)

    async def _ask_about(self, token: str, client_id: str, secret: Secret) -> Answer:
        return await self._http.post_json(
            f"{self._url}/applications/{client_id}/token",
            {"access_token": token},
            basic=(client_id, secret),
            headers={**_HEADERS, "Accept": _ACCEPT},
        )

    async def _pages(self, path: str, token: str, *, may_be_hidden: bool = False) -> Listed:
        """The whole list: one that is not read to its end says nothing about who is not on it.

        Of one that ``may_be_hidden`` nothing is known where GitHub does not show it.
        """
        entries: list[Mapping[str, Json]] = []
        left_out = ""
        page = f"{path}?per_page=100"
        for _ in range(MAX_PAGES):
            answer = await self._get(page, token)
            if may_be_hidden and answer.status in {_NOT_FOUND, _FORBIDDEN} and not _is_limited(answer):
                return Listed(())
            entries += _list(_usable(answer, path))
            left_out = left_out or _left_out(answer)
            following = self._next(answer)
            if following is None:
                return Listed(tuple(entries), left_out)
            page = following
        raise UpstreamInvalid("api_too_many_pages", f"{path} has more than {MAX_PAGES} pages")

    def _next(self, answer: Answer) -> str | None:
        """What follows the API's own URL in the address of the next page."""
        found = _NEXT.search(answer.headers.get("link", ""))
        if found is None:
            return None
        url, api = urlsplit(found[1]), urlsplit(self._url)
        if (url.scheme, url.netloc) != (api.scheme, api.netloc) or not url.path.startswith(f"{api.path}/"):
            raise UpstreamInvalid("api_link_elsewhere", f"the next page is at {printable(url.netloc)}")
        return f"{url.path.removeprefix(api.path)}?{url.query}"


# ── What an answer means ──────────────────────────────────────────────────────────────────────


def _usable(answer: Answer, what: str) -> Answer:
    """The answer, if it is one; 429 and 5xx never come this far."""
    if answer.status == _OK:
        return answer
    if answer.status == _UNAUTHORIZED:
        raise UpstreamRefused("access_denied", f"{what}: the access token is not valid any more")
    if answer.status == _FORBIDDEN:
        raise _forbidden(answer, what)
    raise UpstreamUnavailable(f"{what} answered {answer.status}")


def _forbidden(answer: Answer, what: str) -> UpstreamError:
    if _is_limited(answer):
        return UpstreamUnavailable(f"{what}: the rate limit is used up")
    if answer.headers.get("x-github-sso", "").startswith("required"):
        # The header has a link with a token in it, so it is not repeated here.
        return UpstreamRefused(
            "access_denied",
            f"{what}: an organization wants single sign-on (SAML); the person has to sign in there, and to "
            "authorize this app for it, under Settings → Applications at GitHub",
        )
    return UpstreamRefused("access_denied", f"{what} is forbidden: {_message(answer)}")


def _is_limited(answer: Answer) -> bool:
    """GitHub says 403 for a limit as well as 429."""
    told = answer.headers
    used_up = told.get("x-ratelimit-remaining") == "0" or "retry-after" in told
    return answer.status == _FORBIDDEN and (used_up or "rate limit" in _message(answer).lower())


def _message(answer: Answer) -> str:
    try:
        told = answer.json()
    except UpstreamInvalid:
        return "no reason is told"
    return printable(str(told.get("message", ""))) if isinstance(told, dict) else ""


def _left_out(answer: Answer) -> str:
    kind, _, organizations = answer.headers.get("x-github-sso", "").partition(";")
    return re.sub(r"[^0-9,]", "", organizations)[:200] if kind.strip() == "partial-results" else ""


# ── Shapes ────────────────────────────────────────────────────────────────────────────────────


def _object(answer: Answer) -> Mapping[str, Json]:
    told = answer.json()
    if not isinstance(told, dict):
        raise UpstreamInvalid("api_malformed", "no object")
    return told


def _list(answer: Answer) -> list[Mapping[str, Json]]:
    told = answer.json()
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise UpstreamInvalid("api_malformed", "no list of objects")
    return told


def _number(entry: Mapping[str, Json]) -> int:
    number = entry.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise UpstreamInvalid("api_malformed", "an id that is no number")
    return number


def _name(entry: Mapping[str, Json], member: str) -> str:
    name = entry.get(member)
    if not isinstance(name, str) or not name:
        raise UpstreamInvalid("api_malformed", f"no {member}")
    return name


def _team(entry: Mapping[str, Json]) -> Mapping[str, Json]:
    organization = entry.get("organization")
    if not isinstance(organization, dict):
        raise UpstreamInvalid("api_malformed", "a team without its organization")
    return {
        "id": _number(entry),
        "slug": _name(entry, "slug"),
        "name": _name(entry, "name"),
        "org": _name(organization, "login"),
        "org_id": _number(organization),
    }


def _is_primary(entry: Mapping[str, Json], *, verified: bool) -> bool:
    """Only ``true`` is true: a word or a number is no proof of an address."""
    proven = verified or entry.get("verified") is True
    return entry.get("primary") is True and proven and isinstance(entry.get("email"), str)
