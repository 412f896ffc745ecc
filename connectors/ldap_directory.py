"""Speaking to one LDAP directory, with blocking calls; `connectors.ldap` makes them in threads.

Owns the search for people and groups and the bind. RFC 4511; RFC 4515 §3 (what is typed is escaped before it
is part of a filter); RFC 2696 (pages). Referrals are not followed: they would name other servers to send
passwords to. The library is loaded at the first login, since only who has the extra has it.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from broker.connector import Json, Secret, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from connectors.ldap_text import escaped, escaped_id, listed, texts, values_of

if TYPE_CHECKING:
    import ldap3

_DONE, _CONSTRAINT, _NO_SUCH, _NO_PASSWORD, _BAD_CREDENTIALS = 0, 19, 32, 48, 49
_NO_RIGHTS, _UNWILLING = 50, 53
"""Results of RFC 4511 appendix A.1."""
_NOT_THEIRS = frozenset({_CONSTRAINT, _NO_SUCH, _NO_PASSWORD, _BAD_CREDENTIALS, _NO_RIGHTS, _UNWILLING})
"""What a directory says of a wrong password, or of an account that may not sign in now."""
_SIZE_EXCEEDED = 4
_PAGE, _MOST_GROUPS = 200, 2000
_PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSearch:
    """How a person is found."""

    base_dn: str
    filter: str
    username_attribute: tuple[str, ...]
    scope: str
    id_attribute: str
    email_attribute: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSearch:
    """How groups are found."""

    base_dn: str
    filter: str
    scope: str
    member_attribute: str
    user_attribute: str
    name_attribute: str
    nested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody in the directory."""

    id: str
    email: str | None = field(default=None, repr=False)
    attributes: Mapping[str, Json] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory, and who we are there."""

    urls: Sequence[str]
    start_tls: bool
    ca: str | None
    bind_dn: str | None
    bind_password: Secret | None = field(repr=False)
    users: UserSearch
    groups: GroupSearch | None
    timeout: int

    def look(self) -> None:
        """Bind as ourselves, and look where people are.

        Raises:
            UpstreamError: that does not work.
        """
        with self._as_ourselves() as connection:
            self._search(connection, self.users.base_dn, "(objectClass=*)", "BASE", ["1.1"], most=1)

    def anybody(self) -> Entry | None:
        """Some person, if there is one where they are looked for."""
        with self._as_ourselves() as connection:
            users = self.users
            found = self._search(
                connection, users.base_dn, users.filter, users.scope, [users.id_attribute], most=1
            )
            return self._entry(connection, found[0]) if found else None

    def sign_in(self, username: str, password: Secret) -> Entry | None:
        """The person of this name, if the directory takes the password; None where not."""
        if not _can_be_sent(password):
            return None
        with self._as_ourselves() as connection:
            found = self._find(connection, self._named(username))
            # Nobody's name is bound too, so that a stranger waits as long for both answers.
            dn = found[0] if found is not None else f"cn={secrets.token_hex(8)},{self.users.base_dn}"
            if not self._is_theirs(dn, password) or found is None:
                return None
            return self._entry(connection, found)

    def entry(self, entry_id: str) -> Entry | None:
        """The person of this id, as they are now."""
        with self._as_ourselves() as connection:
            found = self._find(
                connection, f"({self.users.id_attribute}={escaped_id(entry_id, self._is_guid)})"
            )
            return None if found is None else self._entry(connection, found)

    # ── People ────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_guid(self) -> bool:
        return self.users.id_attribute.lower() == "objectguid"

    def _named(self, username: str) -> str:
        typed = escaped(username)
        return f"(|{''.join(f'({name}={typed})' for name in self.users.username_attribute)})"

    def _find(self, connection: ldap3.Connection, which: str) -> tuple[str, Mapping[str, Any]] | None:
        """The one entry of that filter; of two nobody can say who signs in."""
        wanted = {self.users.id_attribute, self.users.email_attribute, *self.users.attributes}
        if self.groups is not None and self.groups.user_attribute.lower() != "dn":
            wanted.add(self.groups.user_attribute)
        found = self._search(
            connection,
            self.users.base_dn,
            f"(&{self.users.filter}{which})",
            self.users.scope,
            sorted(wanted),
            most=2,
        )
        if len(found) > 1:
            raise UpstreamInvalid("not_unique", "more than one entry has that name")
        return found[0] if found else None

    def _is_theirs(self, dn: str, password: Secret) -> bool:
        if not dn:  # RFC 4513 §5.1.1: a bind without a name is nobody's, and succeeds
            return False
        with self._connected(dn, password.reveal()) as connection:
            return bool(connection.result["result"] == _DONE)

    def _entry(self, connection: ldap3.Connection, found: tuple[str, Mapping[str, Any]]) -> Entry:
        dn, raw = found
        spelled = {name.lower(): name for name in (*self.users.attributes, self.users.id_attribute)}
        attributes: dict[str, Json] = {
            spelled[name.lower()]: value
            for name, values in raw.items()
            if name.lower() in spelled and (value := texts(values)) is not None
        }
        entry_id = self._id_of(raw)
        attributes |= {self.users.id_attribute: entry_id, "dn": dn}
        if self.groups is not None:
            attributes["groups"] = self._groups(connection, self.groups, dn, raw)
        emails = listed(values_of(raw, self.users.email_attribute))
        return Entry(id=entry_id, email=emails[0] if emails else None, attributes=attributes)

    def _id_of(self, raw: Mapping[str, Any]) -> str:
        values = values_of(raw, self.users.id_attribute)
        if len(values) != 1 or not values[0]:
            raise UpstreamInvalid("id_missing", f"not exactly one {self.users.id_attribute}")
        if self._is_guid:
            if len(values[0]) != 16:  # noqa: PLR2004 - the octets of a UUID
                raise UpstreamInvalid("id_missing", "objectGUID is no GUID")
            return str(UUID(bytes_le=values[0]))
        try:
            return str(values[0].decode())
        except UnicodeDecodeError as error:
            raise UpstreamInvalid("id_missing", f"{self.users.id_attribute} is no text") from error

    # ── Groups ────────────────────────────────────────────────────────────────────────────────

    def _groups(
        self, connection: ldap3.Connection, search: GroupSearch, dn: str, raw: Mapping[str, Any]
    ) -> list[str]:
        """The names of their groups; all of them or, where that cannot be, an error."""
        named = search.user_attribute
        by = [dn] if named.lower() == "dn" else listed(values_of(raw, named))
        names: dict[str, str] = {}
        while by:
            members = "".join(f"({search.member_attribute}={escaped(value)})" for value in by[:50])
            by = by[50:]
            for group_dn, told in self._pages(connection, search, f"(&{search.filter}(|{members}))"):
                if group_dn in names:
                    continue
                if len(names) >= _MOST_GROUPS:
                    raise UpstreamInvalid("too_many_groups", f"more than {_MOST_GROUPS}")
                names[group_dn] = told
                if search.nested:
                    by.append(group_dn)
        return sorted({name for name in names.values() if name})

    def _pages(
        self, connection: ldap3.Connection, search: GroupSearch, which: str
    ) -> Iterator[tuple[str, str]]:
        found = connection.extend.standard.paged_search(
            search.base_dn,
            which,
            search_scope=_scope(search.scope),
            attributes=[search.name_attribute],
            time_limit=self.timeout,
            paged_size=_PAGE,
            generator=True,
        )
        for one in found:
            if one["type"] == "searchResEntry":
                names = listed(values_of(one["raw_attributes"], search.name_attribute))
                yield one["dn"], (names or [""])[0]
        if connection.result["result"] not in (_DONE, _NO_SUCH):
            raise _refused(connection.result)

    # ── The wire ──────────────────────────────────────────────────────────────────────────────

    def _search(
        self,
        connection: ldap3.Connection,
        base: str,
        which: str,
        scope: str,
        attributes: list[str],
        *,
        most: int,
    ) -> list[tuple[str, Mapping[str, Any]]]:
        connection.search(
            base,
            which,
            search_scope=_scope(scope),
            attributes=attributes,
            size_limit=most,
            time_limit=self.timeout,
        )
        if connection.result["result"] not in (_DONE, _SIZE_EXCEEDED):
            raise _refused(connection.result)
        entries = [one for one in connection.response or () if one["type"] == "searchResEntry"]
        return [(one["dn"], one["raw_attributes"]) for one in entries]

    @contextmanager
    def _as_ourselves(self) -> Iterator[ldap3.Connection]:
        password = self.bind_password.reveal() if self.bind_password is not None else None
        with self._connected(self.bind_dn, password) as connection:
            if connection.result["result"] != _DONE:
                raise UpstreamInvalid("service_bind_refused", str(connection.result["description"]))
            yield connection

    @contextmanager
    def _connected(self, dn: str | None, password: str | None) -> Iterator[ldap3.Connection]:
        """A connection that has tried to bind; its result says how that went."""
        from ldap3.core.exceptions import LDAPException  # noqa: PLC0415

        try:
            connection = self._opened(dn, password)
            try:
                connection.bind()
                if connection.result["result"] not in _NOT_THEIRS | {_DONE}:
                    raise _refused(connection.result)
                yield connection
            finally:
                connection.unbind()
        except LDAPException as error:  # its message may quote what was sent
            raise UpstreamUnavailable(f"the directory: {type(error).__name__}") from error

    def _opened(self, dn: str | None, password: str | None) -> ldap3.Connection:
        """A connection to the first server that takes one, encrypted where it shall be."""
        from ldap3.core.exceptions import LDAPException  # noqa: PLC0415

        failed: LDAPException | None = None
        for url in self.urls:
            connection = self._connection(url, dn, password)
            try:
                connection.open(read_server_info=False)
                if self.start_tls and not connection.start_tls(read_server_info=False):
                    raise _refused(connection.result)
            except LDAPException as error:
                failed = error
                if connection.socket is not None:  # the library leaves it open
                    connection.socket.close()
            else:
                return connection
        raise UpstreamUnavailable(f"the directory: {type(failed).__name__}") from failed

    def _connection(self, url: str, dn: str | None, password: str | None) -> ldap3.Connection:
        import ldap3  # noqa: PLC0415

        parts = urlsplit(url)
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.ca)
        server = ldap3.Server(
            parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            use_ssl=parts.scheme == "ldaps",
            tls=tls,
            allowed_referral_hosts=[],
            get_info=ldap3.NONE,
            connect_timeout=self.timeout,
        )
        return ldap3.Connection(
            server,
            user=dn,
            password=password,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            check_names=False,
            read_only=True,
            receive_timeout=self.timeout,
            return_empty_attributes=False,
        )


def _can_be_sent(password: Secret) -> bool:
    """Whether it can be prepared as RFC 4513 §5.1.1 wants.

    What cannot is nobody's password, and no failure of the directory's: that would cost a guesser no attempt.
    """
    from ldap3.core.exceptions import LDAPException  # noqa: PLC0415
    from ldap3.protocol.sasl.sasl import sasl_prep  # noqa: PLC0415

    try:
        return bool(sasl_prep(password.reveal()))
    except LDAPException:
        return False


def _scope(word: str) -> str:
    return {"subtree": "SUBTREE", "onelevel": "LEVEL"}.get(word, "BASE")


def _refused(result: Mapping[str, Any]) -> UpstreamError:
    """The directory did not do it; its own message may name entries, its word for the result does not."""
    return UpstreamUnavailable(f"the directory: {result['description']}")
