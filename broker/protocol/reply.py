"""How the client app is answered at its redirect_uri.

Owns `ReplyTo`, the permission to redirect, and `Reply`, what is said there. OAuth 2.0 Form Post
Response Mode; JARM §2.1 and §2.3 (the answer as a signed token); RFC 9207 §2 (``iss`` in every answer, errors
too); RFC 6749 §4.1.2 and §4.1.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import quote

from broker.protocol.errors import OAuthError, ProtocolError
from broker.record import Record, replace

ResponseMode = Literal["query", "form_post", "query.jwt", "form_post.jwt"]
SIGNED_LIFETIME = 600
"""Seconds for which an answer that is a token is good; no longer is recommended (JARM §2.1)."""
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986 §2.3: nothing in it to quote


class ReplyTo(Record, frozen=True, kw_only=True):
    """Where the client app hears the answer. Made only from a redirect_uri that is registered."""

    client_id: str
    redirect_uri: str
    response_mode: ResponseMode
    state: str | None
    issuer: str

    @property
    def is_signed(self) -> bool:
        """Whether the answer is told as a token (JARM §2.3)."""
        return self.response_mode.endswith(".jwt")

    def code(self, code: str) -> Reply:
        """The answer that carries the code."""
        return self._say({"code": code})

    def error(self, error: OAuthError) -> Reply:
        """The answer that carries an error."""
        return self._say(error.body())

    def _say(self, members: Mapping[str, str]) -> Reply:
        said = dict(members)
        if self.state is not None:
            said["state"] = self.state
        said["iss"] = self.issuer
        return Reply(
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            response_mode=self.response_mode,
            members=said,
        )

    @contextmanager
    def hears_errors(self) -> Iterator[None]:
        """From here on the client app is told what goes wrong (RFC 6749 §4.1.2.1)."""
        try:
            yield
        except OAuthError as error:
            raise AnsweredAtClient(self, error) from error


class AnsweredAtClient(ProtocolError):
    """An error that the client app hears at its redirect_uri."""

    def __init__(self, reply_to: ReplyTo, error: OAuthError) -> None:
        super().__init__(error.error)
        self.reply_to = reply_to
        self.error = error
        self.reason = error.reason
        self.detail = error.detail


class Reply(Record, frozen=True, kw_only=True):
    """One answer to a client app, ready to be sent by redirect or by form."""

    client_id: str
    redirect_uri: str
    response_mode: ResponseMode
    members: Mapping[str, str]

    @property
    def is_signed(self) -> bool:
        """Whether it is told as a token (JARM §2.3)."""
        return self.response_mode.endswith(".jwt")

    @property
    def by_form(self) -> bool:
        """Whether the browser carries it in a form that it posts."""
        return self.response_mode.startswith("form_post")

    def claims(self, *, now: float) -> dict[str, Any]:
        """What the token says (JARM §2.1); its ``iss`` is that of the answer."""
        return {"aud": self.client_id, "exp": int(now) + SIGNED_LIFETIME, **self.members}

    def as_token(self, token: str) -> Reply:
        """The same answer, told by the one parameter of JARM §2.3."""
        return replace(self, members={"response": token})

    @property
    def url(self) -> str:
        """The redirect_uri with the answer in its query, whatever query it had kept (RFC 6749 §3.1.2)."""
        joint = "&" if "?" in self.redirect_uri else "?"
        # A space as %20: every decoder reads that, while a plus is a space only to those of forms.
        said = [f"{name}={_quoted(value)}" for name, value in self.members.items()]
        return f"{self.redirect_uri}{joint}{'&'.join(said)}"


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")
