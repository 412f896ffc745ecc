"""What a code stands for, and every token that came of it: one hash per grant, on one slot.

Owns the family ``grant``. The record is sealed; beside it stand the marks that change, each changed only
by a script that looks and acts in one step:

    grant            the sealed record
    code, spent      the code's digest, and that it was redeemed
    revoked          nothing that came of the grant is good any more
    refresh          digest of the refresh token that is good now
    before           digest of the one before it, with the sealed successor and when its grace ends
    idle_until, absolute_until
    at:<digest>      an opaque access token:  end, then the sealed record
    jti:<jti>        an access token that was revoked, with all that was exchanged for it:  its end

The spent mark lives as long as the tokens, so a second use of a code is known for what it is and ends them
(RFC 6749 §4.1.2, §10.4; RFC 9700 §2.2.2, §4.14). Instants are seconds outside and milliseconds inside.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from broker.protocol.flow import Grant
from broker.protocol.handles import Handle
from broker.protocol.tokens import AccessToken, lineage
from broker.record import Record
from broker.store import grant_scripts as scripts
from broker.store.errors import alarm
from broker.store.records import Room, milliseconds


class Spent(Enum):
    """What came of redeeming a code."""

    WON = "won"
    """It was unspent and is spent now; its tokens are stored."""
    REPLAYED = "replayed"
    """It was spent before; everything that it gave is revoked now."""
    GONE = "gone"
    """There is no such code, or its grant was revoked."""


class Turn(Enum):
    """What came of presenting a refresh token."""

    NEW = "new"
    """It was the current one; the successor has taken its place."""
    KEPT = "kept"
    """It is the current one, and stays it."""
    GRACE = "grace"
    """It was the one before, within its grace, and its successor is unused: here is that successor."""
    REUSED = "reused"
    """It was superseded; the whole family is revoked now."""
    GONE = "gone"
    """There is no such family, or it was revoked or has run out."""


class Rotation(Record, frozen=True, kw_only=True):
    """A refresh token's turn, and the refresh token to answer with when there is one."""

    turn: Turn
    refresh_token: str | None = None


class FirstRefresh(Record, frozen=True, kw_only=True):
    """The refresh token that a code gives."""

    handle: Handle
    idle_until: float
    absolute_until: float


class OpaqueAccess(Record, frozen=True, kw_only=True):
    """An access token that only we can read."""

    handle: Handle
    token: AccessToken


class GrantState(Record, frozen=True, kw_only=True):
    """A grant as it stands."""

    grant: Grant
    spent: bool
    """Whether its code was redeemed."""
    revoked: bool
    jti_revoked: bool
    """Whether the access token that was asked about was revoked by itself."""
    refresh: str | None
    """Digest of the refresh token that is good now."""
    access: AccessToken | None
    """The opaque access token that was asked about; None when it is not there."""


class Grants(Room):
    """Grants by id."""

    async def put_grant(self, grant: Grant, code: Handle, ttl: float) -> None:
        """Keep a grant until its code is redeemed, or runs out."""
        name = self._grant(grant.id)
        await self._run(
            scripts.PUT, name, milliseconds(ttl), self._seal(f"{name}\0grant", grant), code.digest
        )

    async def put_tokens(
        self,
        grant: Grant,
        ttl: float,
        *,
        refresh: FirstRefresh | None = None,
        access: OpaqueAccess | None = None,
    ) -> None:
        """Keep a grant that never had a code, with the tokens it gives, in one step.

        ``ttl`` is the longest life of any of them.
        """
        name = self._grant(grant.id)
        marks: list[str | bytes | int] = ["grant", self._seal(f"{name}\0grant", grant)]
        marks += [*self._refresh(refresh), *self._access(name, access)]
        await self._run(scripts.GIVE, name, milliseconds(ttl), *marks)

    async def add_access(self, grant_id: str, access: OpaqueAccess | None, ttl: float) -> bool:
        """Keep a grant for one more access token, and the token if it is opaque.

        False where the grant is gone or was revoked.
        """
        name = self._grant(grant_id)
        (added,) = await self._run(scripts.ADD, name, milliseconds(ttl), *self._access(name, access))
        return bool(added)

    async def read_grant(
        self, grant_id: str, *, jti: str | None = None, access: Handle | None = None
    ) -> GrantState | None:
        """A grant and its marks; with ``jti`` or ``access`` also those of that access token."""
        name = self._grant(grant_id)
        at = f"at:{access.digest if access else ''}"
        names = [f"jti:{one}" for one in lineage(jti or "")]
        fields = ["grant", "spent", "revoked", "refresh", at, *names]
        answer: Any = await self._wire.call("HMGET", name, *fields)
        if not isinstance(answer, list) or len(answer) != len(fields):
            raise alarm("wrong_answer", f"the answer for {name} is not that of a grant")
        sealed, spent, revoked, refresh, token, *jtis_revoked = answer
        grant = self._open(f"{name}\0grant", Grant, sealed)
        if grant is None:
            return None
        return GrantState(
            grant=grant,
            spent=spent is not None,
            revoked=revoked is not None,
            jti_revoked=any(one is not None for one in jtis_revoked),
            refresh=refresh.decode() if refresh is not None else None,
            access=self._open(f"{name}\0{at}", AccessToken, token and token.partition(b":")[2]),
        )

    async def spend_code(
        self,
        code: Handle,
        *,
        ttl: float,
        refresh: FirstRefresh | None = None,
        access: OpaqueAccess | None = None,
        bound: Grant | None = None,
    ) -> Spent:
        """Redeem a code, and store what it gives, in one step: of many who try, one wins.

        ``ttl`` is the longest life of what came of it. ``bound`` is the grant as it is from now on, where its
        refresh tokens are bound to a key that nobody knew before.
        """
        name = self._grant(code.grant_id)
        marks = [*self._refresh(refresh), *self._access(name, access)]
        if bound is not None:
            marks += ["grant", self._seal(f"{name}\0grant", bound)]
        (outcome,) = await self._run(scripts.SPEND, name, code.digest, milliseconds(ttl), *marks)
        return Spent(outcome.decode())

    async def rotate_refresh(
        self,
        presented: Handle,
        fresh: Handle,
        *,
        now: float,
        grace: float,
        idle_until: float,
        ttl: float,
        access: OpaqueAccess | None = None,
    ) -> Rotation:
        """Give the successor of a refresh token, in one step: of many who try, one makes it.

        ``access`` is stored whenever there is a refresh token to answer with. ``ttl`` is the longest life
        of what the grant still holds after this.
        """
        name = self._grant(presented.grant_id)
        successor = self._vault.seal_successor(presented.text, f"{name}\0successor", fresh.text)
        turn, found = await self._run(
            scripts.ROTATE,
            name,
            presented.digest,
            _ms(now),
            milliseconds(ttl),
            fresh.digest,
            successor,
            _ms(now + grace),
            _ms(idle_until),
            *self._access(name, access),
        )
        return self._rotation(Turn(turn.decode()), name, presented, fresh, found)

    async def keep_refresh(
        self,
        presented: Handle,
        *,
        now: float,
        idle_until: float,
        ttl: float,
        access: OpaqueAccess | None = None,
    ) -> Rotation:
        """Use a refresh token that does not rotate, in one step; one from before the current one is a reuse.

        The arguments are those of `rotate_refresh`.
        """
        name = self._grant(presented.grant_id)
        (turn,) = await self._run(
            scripts.KEEP,
            name,
            presented.digest,
            _ms(now),
            milliseconds(ttl),
            _ms(idle_until),
            *self._access(name, access),
        )
        kept = Turn(turn.decode())
        return Rotation(turn=kept, refresh_token=presented.text if kept is Turn.KEPT else None)

    def _rotation(self, turn: Turn, name: str, presented: Handle, fresh: Handle, found: bytes) -> Rotation:
        if turn is Turn.NEW:
            return Rotation(turn=turn, refresh_token=fresh.text)
        if turn is Turn.GRACE:
            again = self._vault.open_successor(presented.text, f"{name}\0successor", found)
            return Rotation(turn=turn, refresh_token=again)
        return Rotation(turn=turn)

    async def revoke_grant(self, grant_id: str) -> bool:
        """End everything that came of a grant; whether it was there."""
        (found,) = await self._run(scripts.REVOKE, self._grant(grant_id))
        return bool(found)

    async def revoke_jti(self, grant_id: str, jti: str, *, expires_at: float, now: float) -> bool:
        """End one access token, and whatever was exchanged for it; whether its grant was there."""
        (found,) = await self._run(
            scripts.REVOKE_JTI, self._grant(grant_id), f"jti:{jti}", _ms(expires_at), _ms(now)
        )
        return bool(found)

    async def revoke_access(self, access: Handle) -> bool:
        """End one opaque access token; whether it was there."""
        (found,) = await self._run(scripts.FORGET, self._grant(access.grant_id), f"at:{access.digest}")
        return bool(found)

    def _refresh(self, refresh: FirstRefresh | None) -> list[str | bytes | int]:
        if refresh is None:
            return []
        ends: list[str | bytes | int] = ["idle_until", _ms(refresh.idle_until)]
        return ["refresh", refresh.handle.digest, *ends, "absolute_until", _ms(refresh.absolute_until)]

    def _access(self, name: str, access: OpaqueAccess | None) -> list[str | bytes | int]:
        if access is None:
            return []
        field = f"at:{access.handle.digest}"
        sealed = self._seal(f"{name}\0{field}", access.token)
        return [field, b"%d:" % _ms(access.token.expires_at) + sealed]

    def _grant(self, grant_id: str) -> str:
        return self._name("grant", f"{{{grant_id}}}")


def _ms(instant: float) -> int:
    return int(instant * 1000)
