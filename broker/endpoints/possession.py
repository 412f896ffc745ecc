"""What a request proves to hold, beside who sent it: the key that its tokens are, or will be, bound to.

    proved      at a grant          the ``cnf`` of what is minted, and what the grant was bound to before
    pushed      at PAR              the key that the code will be bound to
    presents    at an API of ours   that whoever presents a token has its key

RFC 7800 §3.1 (``cnf``); RFC 9449 §4 to §10 (DPoP); RFC 8705 §3 (client certificates). A proof is good once,
at one endpoint, for a minute. What was bound once is never handed on unbound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from broker.endpoints import about, addresses, certificates
from broker.jose import JoseError, Proof, read_proof
from broker.protocol import dpop
from broker.protocol.client import Client
from broker.protocol.errors import (
    InsufficientScope,
    InvalidClient,
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    UseDpopNonce,
)
from broker.protocol.instants import LEEWAY
from broker.protocol.params import Params
from broker.protocol.tokens import AccessToken
from broker.services import SERVICES

HEADER: Final = "DPoP"
NONCE_HEADER: Final = "DPoP-Nonce"
NONCE: web.RequestKey[str] = web.RequestKey("dpop nonce", str)
"""The nonce that the answer to this request brings."""

BOUND: web.RequestKey[bool] = web.RequestKey("bound", bool)
"""Whether the access token that this request presents wants a proof."""

JKT, X5T = "jkt", "x5t#S256"
_HERE, _THERE = "authorization server", "userinfo"


async def proved(
    request: web.Request, client: Client, *, jkt: str | None = None, cnf: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """The ``cnf`` of what is minted for this request; empty where nothing was proved, and nothing need be.

    Args:
        request: whose token is asked for.
        client: who sent it.
        jkt: the key that a code was asked for with (RFC 9449 §10).
        cnf: what the grant was bound to when it was redeemed first, at a refresh.

    Raises:
        InvalidDpopProof, UseDpopNonce: there is no proof that is good, and one was sent or is needed.
        InvalidGrant: the code or refresh token is bound to another key.
        InvalidRequest: there is no certificate, and this client's tokens are bound to one.
    """
    bound = cnf or {}
    proof = await _proof(request, client.client_id, scope=_HERE, nonce=client.dpop_nonce == "required")
    if proof is None and (client.dpop_bound_access_tokens or jkt is not None or JKT in bound):
        raise dpop.missing()  # a downgrade: RFC 9449 §5 and §10
    if proof is not None and jkt is not None and proof.jkt != jkt:
        said = "The code is bound to another key than that of the DPoP proof."
        raise InvalidGrant(said, reason="code_of_other_key")
    held = _by_certificate(request, client, needed=X5T in bound)
    if proof is not None:
        held[JKT] = proof.jkt
    # A confidential client is known by its authentication, and may have a new key (RFC 9449 §5, RFC 8705 §4).
    if client.is_public and any(held.get(name) != value for name, value in bound.items()):
        raise InvalidGrant("The refresh token is bound to another key.", reason="refresh_token_of_other_key")
    return held


async def pushed(request: web.Request, client: Client, params: Params) -> str | None:
    """The key that the code of a pushed request is to be bound to (RFC 9449 §10.1); None is none.

    Raises:
        InvalidDpopProof, UseDpopNonce: the proof is not good, or of another key than ``dpop_jkt`` names.
        InvalidRequest: ``dpop_jkt`` is no thumbprint.
    """
    proof = await _proof(request, client.client_id, scope=_HERE, nonce=client.dpop_nonce == "required")
    named = dpop.named_key(params.get("dpop_jkt"))
    if proof is None:
        return named
    if named not in (None, proof.jkt):
        said = "dpop_jkt names another key than that of the DPoP proof."
        raise InvalidDpopProof(said, reason="proof_of_other_key")
    return proof.jkt


def came_by(request: web.Request, scheme: str) -> None:
    """Whoever uses the scheme of proofs is answered in it, whatever is wrong (RFC 9449 §7.1)."""
    request[BOUND] = scheme == "dpop"


async def presents(request: web.Request, token: AccessToken, *, scheme: str, text: str) -> None:
    """That whoever presents this access token has the key it is bound to (RFC 9449 §7, RFC 8705 §3).

    Raises:
        InvalidToken: it is bound and comes as a bearer token, or by another certificate.
        InvalidDpopProof, UseDpopNonce: there is no proof that is good.
    """
    request[BOUND] = JKT in token.cnf or scheme == "dpop"
    if (scheme == "dpop") != (JKT in token.cnf):
        raise InvalidToken(reason="token_of_other_scheme")
    if JKT in token.cnf:
        client = await request.app[SERVICES].clients.find(token.client_id)
        nonce = client is not None and client.dpop_nonce == "required"
        proof = await _proof(request, token.client_id, scope=_THERE, nonce=nonce, access_token=text)
        if proof is None:
            raise dpop.missing()
        if proof.jkt != token.cnf[JKT]:
            said = "The access token is bound to another key than that of the DPoP proof."
            raise InvalidDpopProof(said, reason="proof_of_other_key")
    if X5T in token.cnf:
        try:
            certificate = certificates.shown(request)
        except InvalidClient as error:
            raise InvalidToken(reason=error.reason, detail=error.detail) from error
        if certificate is None or certificate.thumbprint != token.cnf[X5T]:
            raise InvalidToken(reason="certificate_of_other")


def challenge(error: str = "", description: str = "") -> str:
    """What ``WWW-Authenticate`` says of proofs (RFC 9449 §7.1)."""
    said = {"error": error, "error_description": description, "algs": " ".join(dpop.ALGORITHMS)}
    return "DPoP " + ", ".join(f'{name}="{value}"' for name, value in said.items() if value)


def refused(request: web.Request, error: OAuthError) -> tuple[int, dict[str, str]]:
    """The status and the challenge of a refusal at an API of ours (RFC 6750 §3, RFC 9449 §7.1)."""
    if error.status >= 500:  # noqa: PLR2004  (our trouble, which no other token would mend)
        return error.status, {}
    if request.get(BOUND) or isinstance(error, InvalidDpopProof | UseDpopNonce):
        status = 401 if isinstance(error, InvalidDpopProof | UseDpopNonce) else error.status
        return status, {"WWW-Authenticate": challenge(error.error, error.description)}
    said = f'Bearer error="{error.error}", error_description="{error.description}"'
    if isinstance(error, InsufficientScope):
        said += ', scope="openid"'
    return error.status, {"WWW-Authenticate": said}


def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Send the nonce with the answer, where there is one to be sent (RFC 9449 §8)."""
    if NONCE in request:
        response.headers[NONCE_HEADER] = request[NONCE]


async def _proof(
    request: web.Request, client_id: str, *, scope: str, nonce: bool, access_token: str | None = None
) -> Proof | None:
    """The proof that this request brings, good and spent now; None where it brings none."""
    sent = request.headers.getall(HEADER, [])
    if not sent:
        return None
    if len(sent) > 1:  # RFC 9449 §4.3, check 1
        raise InvalidDpopProof("Send one DPoP proof.", reason="two_proofs")
    services = request.app[SERVICES]
    try:
        proof = read_proof(sent[0])
    except JoseError as error:
        raise dpop.unreadable(error.reason, error.detail) from error
    use = dpop.check(
        proof.claims,
        method=request.method,
        urls=addresses.of(services, about.path(request)),
        now=services.now(),
        access_token=access_token,
    )
    _nonce(request, use.nonce, f"{scope} {client_id}", needed=nonce)
    ttl = use.until - services.now() + LEEWAY  # another host's clock may be behind ours
    if not await services.store.once("dpop proof", f"{proof.jkt} {use.jti}", ttl):
        raise InvalidDpopProof("The DPoP proof was used before (jti).", reason="proof_replayed")
    return proof


def _nonce(request: web.Request, sent: str | None, of: str, *, needed: bool) -> None:
    """That the nonce is ours and of now; where it will not be for long, the answer brings the next one."""
    if sent is None and not needed:
        return
    services = request.app[SERVICES]
    keys, now = services.store.nonce_keys, services.now()
    found = "none" if sent is None else dpop.standing(keys, of, sent, now)
    if found != "current":
        request[NONCE] = dpop.nonce(keys[0], of, now)
    if found == "none":
        raise UseDpopNonce(reason="nonce_missing" if sent is None else "nonce_not_ours")


def _by_certificate(request: web.Request, client: Client, *, needed: bool) -> dict[str, str]:
    """RFC 8705 §3: the certificate that the token is bound to, for a client that wants that."""
    if not client.tls_client_certificate_bound_access_tokens and not needed:
        return {}
    certificate = certificates.shown(request)
    if certificate is None:
        raise InvalidRequest("A client certificate is needed.", reason="certificate_missing")
    return {X5T: certificate.thumbprint}
