// An upstream identity provider that others wrote (panva oidc-provider), with two people and one client: the broker.
//
// Usage: node provider.mjs '{"clients": [...], "people": {"alice": {...}}, "conformIdTokenClaims": true}'
// Prints one JSON line, {"issuer": ...}, once it listens; ends with its standard input.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

import Provider from 'oidc-provider';

const asked = JSON.parse(process.argv[2]);

const signingKey = (kid, alg, pair) => ({ ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });

const configuration = {
  clients: asked.clients,
  jwks: {
    keys: [
      signingKey('upstream-rsa', 'RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
      signingKey('upstream-ec', 'ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
    ],
  },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'given_name', 'family_name', 'preferred_username', 'groups'],
    // Asked for one by one (Core §5.5), or always there:
    acr: null,
    auth_time: null,
    sid: null,
  },
  conformIdTokenClaims: asked.conformIdTokenClaims ?? true,
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  // Its own fetch refuses loopback, and that is where the keys of our broker are.
  fetch: (url, { method, headers, signal }) => fetch(url, { method, headers, signal }),
  pkce: { required: () => true },
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 300, Session: 3600 },
  findAccount: (_ctx, id) => (id in asked.people
    ? { accountId: id, claims: async () => ({ sub: id, ...asked.people[id] }) }
    : undefined),
};

const server = createServer();
server.listen(asked.port ?? 0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration);
for (const failure of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error']) {
  provider.on(failure, (_ctx, error) => console.error(failure, error.message, error.error_description ?? '', error.error_detail ?? ''));
}
server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
