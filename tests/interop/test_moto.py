"""Tokens as moto makes them for a Cognito user pool, held to the connector's own checks.

Moto has no page to sign in at, so its tokens do not come by way of a browser; what is proved is their shape:
who signed them, for whom, and what the claims map makes of them.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from broker.connector import Expected, UpstreamInvalid
from broker.mapping import Documents, apply
from broker.upstreams import Upstreams
from tests.connectors.stage import Clock, configured
from tests.interop import strangers
from tests.interop.processes import STARTS, free_port, running
from tests.tls import Authority, in_front_of, proxying

HOST = "cognito-idp.us-east-1.amazonaws.com"
MOTO = "moto 5"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not strangers.PYTHON.exists(), reason="no environment for upstreams in Python"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(tmp_path_factory):
    """The pool's tokens, and the connector for it."""
    port, authority = free_port(), Authority(tmp_path_factory.mktemp("moto"))
    command = [strangers.PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    async with AsyncExitStack() as stack:
        moto = await stack.enter_async_context(running(*command))
        await moto.says("Running on", within=STARTS)
        told = await made(port)
        front = await stack.enter_async_context(in_front_of(port, authority.server(HOST)))
        proxy = await stack.enter_async_context(proxying({f"{HOST}:443": front}))
        entry = {
            "type": "cognito",
            "user_pool_id": told["pool"],
            "domain": "acme",
            "client_id": told["client"],
            "client_secret": "of-no-use-here",
            "outbound": {"ca": str(authority.ca), "proxy": proxy},
        }
        upstreams = Upstreams.open(configured({"pool": entry}), Clock())
        stack.push_async_callback(upstreams.close)
        yield told, upstreams["pool"]


async def made(port: int) -> dict[str, str]:
    script = strangers.SERVERS / "pool.py"
    process = await asyncio.create_subprocess_exec(
        strangers.PYTHON, script, f"http://127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


async def verified(pool, token: str):
    told, upstream = pool
    issuer = f"https://{HOST}/{told['pool']}"
    expected = Expected(
        issuer=issuer,
        client_id=told["client"],
        nonce=None,
        access_token=told["access_token"],
        algorithms=("RS256",),
        auth_time_required=True,
    )
    claims = await upstream._tools.verify(
        token, jwks_uri=f"{issuer}/.well-known/jwks.json", expected=expected
    )
    upstream._connector.check(claims)
    return claims


@pytest.mark.proves("cognito", "an ID Token: keys, issuer, audience, token_use, groups", against=MOTO)
async def test_an_id_token_of_moto_is_believed_and_mapped(pool) -> None:
    claims = await verified(pool, pool[0]["id_token"])
    mapped = apply(pool[1].claims_map, Documents(id_token=claims))
    assert (mapped.claims["preferred_username"], mapped.claims["groups"]) == ("ada", ["engineering"])
    assert "email" not in mapped.claims  # moto says none, so none is made up


@pytest.mark.proves("cognito", "an access token in place of the ID Token is refused", against=MOTO)
async def test_an_access_token_of_moto_is_no_id_token(pool) -> None:
    with pytest.raises(UpstreamInvalid):
        await verified(pool, pool[0]["access_token"])
