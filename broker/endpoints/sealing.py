"""Answers that are tokens themselves: signed by us, and encrypted to the client app where it wants that.

Owns how a signed answer becomes what is sent: OpenID Connect Core §5.3.2 and §10.2 (ID Token, userinfo);
RFC 9701 §5 (introspection); JARM §2.2. A client app whose own key cannot be had hears of it before anything
is spent, and never gets in the clear what it wanted encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from broker.clients.keys import Keyholder
from broker.jose import JoseError
from broker.protocol.client import Client, SigningAlg
from broker.protocol.errors import ServerError
from broker.protocol.reply import Reply, ReplyTo
from broker.services import Services


async def ready(services: Services, client: Client) -> None:
    """That the ID Token of this client can be encrypted, where it is to be; asked before anything is spent.

    Raises:
        OAuthError: its key cannot be had, or there is none.
    """
    if client.id_token_encrypted_response_alg is not None:
        with _told():
            await services.public_keys.encryption(
                Keyholder.of(client), client.id_token_encrypted_response_alg
            )


async def id_token(services: Services, client: Client, claims: Mapping[str, Any]) -> str:
    """An ID Token as the client's entry wants it.

    Raises:
        OAuthError: it cannot be encrypted.
    """
    signed = services.keys.sign(client.id_token_signed_response_alg, claims, typ="JWT")
    alg, enc = client.id_token_encrypted_response_alg, client.id_token_encrypted_response_enc
    return await sealed(services, client, signed, alg, enc)


async def userinfo(services: Services, client: Client, claims: Mapping[str, Any]) -> str | None:
    """A userinfo answer that is a token (Core §5.3.2); None for a client that wants plain JSON.

    Raises:
        OAuthError: it cannot be encrypted.
    """
    alg, enc = client.userinfo_encrypted_response_alg, client.userinfo_encrypted_response_enc
    if client.userinfo_signed_response_alg is None and alg is None:
        return None
    # Core §5.3.2: signed, it says whose word it is and for whom. What is encrypted is signed first (§10.2).
    said = {**claims, "iss": services.issuer, "aud": client.client_id}
    signed = services.keys.sign(_signing(client.userinfo_signed_response_alg), said, typ="JWT")
    return await sealed(services, client, signed, alg, enc)


async def introspection(services: Services, client: Client, told: Mapping[str, Any]) -> str:
    """An introspection answer as a token for the API that asked (RFC 9701 §5).

    Raises:
        OAuthError: it cannot be encrypted.
    """
    now = int(services.now())
    said = {"iss": services.issuer, "aud": client.client_id, "iat": now, "token_introspection": told}
    alg = _signing(client.introspection_signed_response_alg)
    signed = services.keys.sign(alg, said, typ="token-introspection+jwt")
    wrap, enc = client.introspection_encrypted_response_alg, client.introspection_encrypted_response_enc
    return await sealed(services, client, signed, wrap, enc)


async def answerable(services: Services, client: Client, reply_to: ReplyTo) -> None:
    """That the client can be answered as it wants; asked before anybody signs in, and before there is a code.

    Raises:
        OAuthError: its answers are to be encrypted, and its key cannot be had, or there is none.
    """
    alg = client.authorization_encrypted_response_alg
    if alg is not None and reply_to.is_signed:
        with _told():
            await services.public_keys.encryption(Keyholder.of(client), alg)


async def answer(services: Services, client: Client | None, reply: Reply) -> Reply:
    """An answer at the redirect_uri as one token (JARM §2.1), for a client that may be gone since.

    Raises:
        OAuthError: it cannot be encrypted.
    """
    alg = _signing(client.authorization_signed_response_alg if client is not None else None)
    token = services.keys.sign(alg, reply.claims(now=services.now()), typ="JWT")
    if client is not None:
        wrap, enc = client.authorization_encrypted_response_alg, client.authorization_encrypted_response_enc
        token = await sealed(services, client, token, wrap, enc)
    return reply.as_token(token)


async def sealed(services: Services, client: Client, signed: str, alg: str | None, enc: str | None) -> str:
    """The signed token, encrypted to the client by ``alg`` where there is one.

    Raises:
        OAuthError: its key cannot be had, or there is none.
    """
    with _told():
        return await services.public_keys.sealed(Keyholder.of(client), signed, alg, enc)


def _signing(alg: SigningAlg | None) -> SigningAlg:
    """RS256 where a client names none (RFC 7591 and RFC 9701 §6 say so of each kind of answer)."""
    return alg or "RS256"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except JoseError as error:
        raise ServerError(
            "The answer cannot be encrypted to a key of this client.",
            reason=f"encryption_{error.reason}",
            detail=error.detail,
        ) from error
