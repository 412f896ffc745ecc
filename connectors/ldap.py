"""An LDAP directory: people sign in on our page with their password of the directory.

Owns what an operator writes about a directory, and how a login there goes: find exactly one person, bind as
that person, read their entry and groups. RFC 4511 §4.2 (bind), RFC 4513 §5.1.2 (an empty password proves
nothing), RFC 4530 (``entryUUID``). The speaking itself is in `connectors.ldap_directory`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StringConstraints, model_validator

from broker.connector import (
    ConnectorSettings,
    Duration,
    Finding,
    LocalFile,
    Login,
    Question,
    Secret,
    Tools,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamUnavailable,
)
from connectors import claims_map, login_page
from connectors.ldap_directory import Directory, Entry, GroupSearch, UserSearch
from connectors.oidc_settings import is_loopback

CLAIMS = claims_map("ldap")

T = TypeVar("T")
_AT_ONCE, _IN_THE_ROW = 16, 64
"""Threads that wait for this directory, and how many may be under way or wait for one of them."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"ldaps", "ldap"} or not parts.hostname or not url.isascii():
        raise ValueError("is no ldaps:// or ldap:// URL with a host")
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must have nothing after the host and port; what to search is said by other keys")
    _ = parts.port  # raises ValueError when it is no number
    return url


def _check_filter(text: str) -> str:
    if not (text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")):
        raise ValueError("is no filter in parentheses (RFC 4515)")
    return text


Url = Annotated[str, AfterValidator(_check_url)]
Filter = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_check_filter)]
Dn = Annotated[str, StringConstraints(max_length=2000)]
Attribute = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9;-]{0,100}$")]
Attributes = Annotated[tuple[Attribute, ...], BeforeValidator(_listed), Field(min_length=1, max_length=50)]


class UserSearchSettings(ConnectorSettings):
    """How a person is found."""

    base_dn: Dn
    """Below which entry people are."""
    filter: Filter = "(objectClass=person)"
    """What else must be true of a person's entry, such as not being disabled."""
    username_attribute: Attributes = ("uid",)
    """What people type as username: an attribute, or several, such as `[uid, mail]`."""
    scope: Literal["subtree", "onelevel"] = "subtree"
    """How deep to look."""
    id_attribute: Attribute = "entryUUID"
    """What a person's `sub` hangs on: it must never change and never be given again. Active Directory:
    `objectGUID`."""
    email_attribute: Attribute = "mail"
    """Their address; of several the first."""
    attributes: Attributes = ("cn", "displayName", "givenName", "sn", "uid")
    """What is read of the entry, for the claims map."""


class GroupSearchSettings(ConnectorSettings):
    """How a person's groups are found."""

    base_dn: Dn
    """Below which entry groups are."""
    filter: Filter = "(objectClass=groupOfNames)"
    """What else must be true of a group's entry."""
    scope: Literal["subtree", "onelevel"] = "subtree"
    """How deep to look."""
    member_attribute: Attribute = "member"
    """The attribute of a group that names its members."""
    user_attribute: Attribute = "dn"
    """What it names them by: `dn`, or an attribute of the person such as `uid` (with `memberUid`)."""
    name_attribute: Attribute = "cn"
    """What a group is called in the claim `groups`."""
    nested: StrictBool = False
    """Whether the groups of a group are the person's too."""


class Settings(ConnectorSettings):
    """An LDAP directory."""

    url: Annotated[tuple[Url, ...], BeforeValidator(_listed), Field(min_length=1, max_length=8)]
    """`ldaps://host`, or `ldap://host` with `start_tls`; of several the first that answers."""
    start_tls: StrictBool = False
    """Encrypt a connection to `ldap://` before anything is said."""
    insecure_plain_text: StrictBool = False
    """`true` sends everybody's password unencrypted through the network. Not needed on loopback."""
    ca: LocalFile | None = None
    """A PEM file with the certificates that the directory's must lead up to; without it, the machine's."""
    bind_dn: Dn | None = None
    """The entry by which the broker looks for people; without it, anonymously."""
    bind_password: Secret | None = None
    """Its password."""
    user_search: UserSearchSettings
    """Where people are: `base_dn`, `filter`, `username_attribute`, `scope`, `id_attribute`,
    `email_attribute`, `attributes`."""
    group_search: GroupSearchSettings | None = None
    """Where their groups are: `base_dn`, `filter`, `scope`, `member_attribute`, `user_attribute`,
    `name_attribute`, `nested`. Without it they have none."""
    trust_email: StrictBool = False
    """`true`: you answer for the addresses in the directory being their owners'. Without it none is told."""
    timeout: Annotated[Duration, Field(le=30)] = 4
    """How long one question may take; at most 30s."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if find_spec("ldap3") is None:
            raise ValueError("needs what is not installed: pip install 'federation-broker[ldap]'")
        if (self.bind_dn is None) != (self.bind_password is None):
            raise ValueError("bind_dn and bind_password belong together")
        plain = [url for url in self.url if url.startswith("ldap://")]
        if self.start_tls and len(plain) < len(self.url):
            raise ValueError("start_tls is for ldap:// only; ldaps:// is encrypted anyway")
        far = [url for url in plain if not is_loopback(urlsplit(url).hostname)]
        if far and not self.start_tls and not self.insecure_plain_text:
            raise ValueError("ldap:// would send passwords unencrypted: use ldaps://, or start_tls: true")
        return self


class Connector(login_page.OnOurPage):
    """One directory."""

    speaks_http = False

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(tools)
        self._settings = settings
        self._issuer = f"ldap:{tools.here.connector}"
        # Its own: a directory that hangs must not hold up what else threads do, such as finding hosts.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ldap")
        self._under_way = 0
        groups = settings.group_search
        self._directory = Directory(
            urls=settings.url,
            start_tls=settings.start_tls,
            ca=str(settings.ca) if settings.ca else None,
            bind_dn=settings.bind_dn,
            bind_password=settings.bind_password,
            users=UserSearch(**settings.user_search.model_dump()),
            groups=GroupSearch(**groups.model_dump()) if groups else None,
            timeout=settings.timeout,
        )

    async def ping(self) -> None:
        """Whether it answers, and lets us look."""
        await self._in_a_thread(self._directory.look)

    async def probe(self) -> Sequence[Finding]:
        """Whether it lets us look, and whether people are found there by something that lasts."""
        try:
            await self.ping()
            looked = Finding(what="connection and bind", good=True)
            entry = await self._in_a_thread(self._directory.anybody)
        except UpstreamInvalid as error:
            refused = error.reason == "service_bind_refused"
            return [Finding(what="bind" if refused else "people", good=False, detail=error.detail)]
        except UpstreamError as error:
            return [Finding(what="connection", good=False, detail=error.detail)]
        found = "" if entry else "nobody below user_search.base_dn that the filter lets through"
        return [looked, Finding(what="people", good=entry is not None, detail=found)]

    # ── The login page ────────────────────────────────────────────────────────────────────────

    def question(self, login: Login, memory: Mapping[str, str]) -> Question:  # noqa: ARG002
        """A password, and nothing after it."""
        return Question(kind="password")

    async def answer(
        self,
        login: Login,  # noqa: ARG002 - a directory knows one way to sign in
        fields: Mapping[str, Secret],
        memory: Mapping[str, str],  # noqa: ARG002
    ) -> Question | UpstreamIdentity:
        """Who it is, if the directory takes this password for theirs."""
        username, password = fields["username"].reveal().strip(" "), fields["password"]
        # RFC 4513 §5.1.2: a bind without a password succeeds, and says nothing about who binds.
        if not username or not password.reveal() or "\0" in username + password.reveal():
            return Question(kind="password", wrong=True)
        entry = await self._in_a_thread(lambda: self._directory.sign_in(username, password))
        if entry is None:
            return Question(kind="password", wrong=True)
        now = int(self._tools.now())
        return self._identity(entry, auth_time=now, amr=("pwd",))

    async def refresh(self, keep: Mapping[str, str]) -> UpstreamIdentity:
        """Who they are now, unless their entry is gone or no longer found by the filter."""
        if "id" not in keep:
            raise UpstreamInvalid("nothing_kept")
        entry = await self._in_a_thread(lambda: self._directory.entry(keep["id"]))
        if entry is None:
            raise UpstreamRefused("access_denied", "the entry is gone")
        return self._identity(entry, auth_time=None, amr=())

    def _identity(self, entry: Entry, *, auth_time: int | None, amr: tuple[str, ...]) -> UpstreamIdentity:
        told = dict(entry.attributes)
        if entry.email is not None:
            told |= {"email": entry.email, "email_verified": self._settings.trust_email}
        return UpstreamIdentity(
            issuer=self._issuer,
            subject=entry.id,
            api=told,
            auth_time=auth_time,
            amr=amr,
            keep={"id": entry.id},
        )

    async def _in_a_thread(self, work: Callable[[], T]) -> T:
        if self._under_way >= _IN_THE_ROW:
            raise UpstreamUnavailable("too many ask the directory at once")
        self._under_way += 1
        asked = self._threads.submit(work)
        # Whoever gives up waiting leaves the thread at it: its turn is over when its work is.
        loop = asyncio.get_running_loop()
        asked.add_done_callback(lambda _: self._done(loop))
        return await asyncio.wrap_future(asked)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody counts any more
            loop.call_soon_threadsafe(self._one_less)

    def _one_less(self) -> None:
        self._under_way -= 1
