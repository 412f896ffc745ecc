"""The public keys of client apps, and of whoever else signs for them: given in an entry, or fetched.

Owns `Keyholder` and `PublicKeys`. RFC 7517 §5; RFC 7591 §2 (``jwks``, ``jwks_uri``); OpenID Connect Core
§10.1.1 and §10.2.1 (rotation). What a client names is fetched through the guard of `broker.outbound`,
is kept as long as a document is, and is asked for anew only when a key is wanted that is not in it, at most
once a minute. The keys of one are never tried for another (RFC 8725 §3.10).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from broker.connector import UpstreamError, UpstreamInvalid
from broker.jose import DEFAULT_ENCODING, EncryptionKey, JoseError, KeySet, Signed, UnknownKid, read
from broker.outbound import Outbound
from broker.protocol.client import Client
from broker.protocol.errors import TemporarilyUnavailable
from broker.record import Record

_MAX_READ = 1024
"""Sets that stay read; a client app takes one for each of its two uses."""


class Keyholder(Record, frozen=True, kw_only=True):
    """Somebody with public keys: exactly one of ``jwks`` and ``jwks_uri`` says which."""

    HIDDEN: ClassVar = frozenset({"jwks"})
    name: str
    """Whom caches know it by: no two are the same."""
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    stranger: bool = False
    """Whether it is somebody whom no operator has named."""

    @classmethod
    def of(cls, client: Client) -> Self:
        """The client app, as its entry or registration says."""
        return cls(
            name=f"client {client.client_id}",
            jwks=client.jwks,
            jwks_uri=client.jwks_uri,
            stranger=client.registered_itself,
        )


class PublicKeys:
    """What others sign with and are encrypted to, by who they are."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._read: OrderedDict[tuple[str, str], tuple[Mapping[str, Any], Any]] = OrderedDict()

    async def verified(
        self, holder: Keyholder, token: str, *, algorithms: Collection[str], typ: Collection[str] | None
    ) -> Signed:
        """What ``holder`` signed; see `broker.jose.read`.

        Raises:
            JoseError: it did not sign this.
            TemporarilyUnavailable: its keys cannot be had now.
        """
        keys = self._key_set(holder, await self.document(holder))
        try:
            return read(token, keys, algorithms=algorithms, typ=typ)
        except UnknownKid:
            if holder.jwks_uri is None:
                raise
        # Perhaps rotated (Core §10.1.1). A minute passes before another stranger's kid is looked up.
        newer = self._key_set(holder, await self.document(holder, newer=True))
        return read(token, newer, algorithms=algorithms, typ=typ)

    async def document(self, holder: Keyholder, *, newer: bool = False) -> Mapping[str, Any]:
        """The set as ``holder`` gives it; with ``newer`` asked for anew, at most once a minute.

        Raises:
            JoseError: it has none, or it is no such thing.
            TemporarilyUnavailable: it cannot be had now.
        """
        if holder.jwks is not None:
            return holder.jwks
        if holder.jwks_uri is None:
            raise JoseError("no_keys", f"{holder.name} has no keys")
        # A share for each address: one has only so many documents, and an app may move its keys (RFC 7592).
        http = self._outbound.called(f"{holder.name} {holder.jwks_uri}", stranger=holder.stranger)
        try:
            return await (http.newer_document if newer else http.document)(holder.jwks_uri)
        except UpstreamInvalid as error:
            raise JoseError(f"jwks_{error.reason}", error.detail) from error
        except UpstreamError as error:
            # No verdict: nobody knows what they would have said.
            raise TemporarilyUnavailable(reason="jwks_unavailable", detail=error.detail) from error

    async def encryption(self, holder: Keyholder, alg: str) -> EncryptionKey:
        """What is encrypted to for ``holder`` by ``alg``.

        Raises:
            JoseError: it has no such key.
            TemporarilyUnavailable: its keys cannot be had now.
        """
        document = await self.document(holder)
        try:
            return self._encryption(holder, alg, document)
        except JoseError:
            if holder.jwks_uri is None:
                raise
        # Perhaps published since (Core §10.2.1); at most once a minute, as for one that signs.
        return self._encryption(holder, alg, await self.document(holder, newer=True))

    async def sealed(self, holder: Keyholder, token: str, alg: str | None, enc: str | None) -> str:
        """A token of ours, encrypted to ``holder`` by ``alg``; as it is where there is none.

        Raises: as `encryption`.
        """
        if alg is None:
            return token
        return (await self.encryption(holder, alg)).seal(token, enc=enc or DEFAULT_ENCODING)

    def _encryption(self, holder: Keyholder, alg: str, document: Mapping[str, Any]) -> EncryptionKey:
        found: EncryptionKey = self._kept(
            (holder.name, alg), document, lambda: EncryptionKey.from_jwks(document, alg)
        )
        return found

    def _key_set(self, holder: Keyholder, document: Mapping[str, Any]) -> KeySet:
        found: KeySet = self._kept((holder.name, "sig"), document, lambda: KeySet.from_jwks(document))
        return found

    def _kept(self, name: tuple[str, str], document: Mapping[str, Any], make: Any) -> Any:
        """What was read of this edition, or is read now."""
        held = self._read.get(name)
        # That of an app which registered itself comes from the store each time, and is another object.
        if held is not None and (held[0] is document or held[0] == document):
            self._read.move_to_end(name)
            return held[1]
        made = make()
        self._read[name] = (document, made)
        if len(self._read) > _MAX_READ:
            self._read.popitem(last=False)
        return made
