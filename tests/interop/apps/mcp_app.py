"""An MCP client that others wrote (the MCP Python SDK), which finds its way from a 401 to a token by itself.

Usage: mcp_app.py '{"server": …, "redirect_uri": …, "calls": 1, "method": …, "document": …}'
Prints {"open": URL} where a person has to go, reads the URL at which she arrived, and prints after each call
{"call": 1, "told": …, "client": …, "tokens": …}. Between two calls its token is over.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientMetadata

asked = json.loads(sys.argv[1])


def say(**told):
    """One line of ours."""
    sys.stdout.write(json.dumps(told, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Memory:
    """Where the SDK keeps what it was given."""

    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def to_the_person(url: str) -> None:
    say(open=url)


async def from_the_person() -> AuthorizationCodeResult:
    line = await asyncio.to_thread(sys.stdin.readline)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(line.strip()).query).items()}
    return AuthorizationCodeResult(
        code=answer.get("code", ""), state=answer.get("state"), iss=answer.get("iss")
    )


async def main() -> None:
    memory = Memory()
    provider = OAuthClientProvider(
        server_url=asked["server"],
        client_metadata=OAuthClientMetadata(
            client_name="Notes on a desk",
            redirect_uris=[asked["redirect_uri"]],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method=asked.get("method"),
        ),
        storage=memory,
        redirect_handler=to_the_person,
        callback_handler=from_the_person,
        client_metadata_url=asked.get("document"),
    )
    async with (
        create_mcp_http_client(auth=provider) as http,
        Client(streamable_http_client(asked["server"], http_client=http)) as client,
    ):
        for call in range(1, asked.get("calls", 1) + 1):
            answer = await client.call_tool("who", {})
            say(
                call=call,
                told=json.loads(answer.content[0].text),
                client=memory.client.model_dump(mode="json", exclude_none=True),
                tokens=memory.tokens.model_dump(mode="json"),
            )
            provider.context.token_expiry_time = 1.0


asyncio.run(main())
