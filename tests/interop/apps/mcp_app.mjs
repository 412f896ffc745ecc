// An MCP client that others wrote (the MCP TypeScript SDK), which finds its way from a 401 to a token by itself.
//
// Usage and what it prints are those of mcp_app.py beside it. It asks for no refresh token, so a second call begins anew.

import { createInterface } from 'node:readline';

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const asked = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (told) => console.log(JSON.stringify(told));

const kept = {};
const provider = {
  redirectUrl: asked.redirect_uri,
  clientMetadataUrl: asked.document,
  clientMetadata: {
    client_name: 'Notes on a desk',
    redirect_uris: [asked.redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: asked.method ?? 'none',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (url) => say({ open: url.href }),
};

const transport = () => new StreamableHTTPClientTransport(new URL(asked.server), { authProvider: provider });
const client = new Client({ name: 'a desk', version: '1' });
const first = transport();
try {
  await client.connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  const { value } = await lines.next();
  await first.finishAuth(new URL(value).searchParams.get('code'));
  await client.connect(transport());
}
for (let call = 1; call <= (asked.calls ?? 1); call += 1) {
  const answer = await client.callTool({ name: 'who', arguments: {} });
  say({ call, told: JSON.parse(answer.content[0].text), client: kept.client, tokens: kept.tokens });
  kept.tokens = { ...kept.tokens, access_token: 'over' };
}
process.exit(0);
