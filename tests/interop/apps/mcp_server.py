"""An MCP server that others wrote (the MCP Python SDK), with one tool, for people with a token of the broker.

Usage: mcp_server.py '{"issuer": …, "port": …}'
Prints {"ready":true} once it listens. Its protected resource metadata (RFC 9728) names the broker.
"""

import json
import sys
from typing import Any

import jwt
import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

asked = json.loads(sys.argv[1])
RESOURCE = f"http://127.0.0.1:{asked['port']}/mcp"
SCOPE = "notes.read"


class Checking:
    """Checks a token by itself, as RFC 9068 §4 has it."""

    def __init__(self) -> None:
        self._keys = jwt.PyJWKClient(f"{asked['issuer']}/jwks")

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the token says, where it is one for this server."""
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            told = jwt.decode_complete(token, key, ["RS256"], audience=RESOURCE, issuer=asked["issuer"])
        except jwt.PyJWTError:
            return None
        claims: dict[str, Any] = told["payload"]
        if told["header"].get("typ") != "at+jwt":
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=RESOURCE,
            subject=claims["sub"],
        )


settings = AuthSettings(
    issuer_url=asked["issuer"],
    resource_server_url=RESOURCE,
    required_scopes=[SCOPE],
    validate_token_resource=True,
)
server = MCPServer("notes", token_verifier=Checking(), auth=settings)


@server.tool()
def who() -> str:
    """Whoever calls, as the server knows her."""
    token = get_access_token()
    return json.dumps({"sub": token.subject, "client_id": token.client_id, "scopes": token.scopes})


class Telling(uvicorn.Server):
    """Says when it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stdout.write('{"ready":true}\n')
        sys.stdout.flush()


Telling(uvicorn.Config(server.streamable_http_app(), port=asked["port"], log_level="warning")).run()
