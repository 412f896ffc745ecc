// A client app that others wrote: express-openid-connect, which pushes its requests, proves itself by a key, and
// forgets a person when it is told by the back channel that she has signed out.
//
// Usage: node express_oidc.mjs '{"issuer": ..., "clientId": ..., "key": ..., "port": ...}'
// Prints one JSON line, {"listens": ...}, once it does. `/` tells whom it takes the visitor for, `/jwks` by which key it
// proves itself; `/login` and `/logout` are the library's.

import { createPublicKey } from 'node:crypto';

import express from 'express';
import openid from 'express-openid-connect';

const asked = JSON.parse(process.argv[2]);
const site = `http://127.0.0.1:${asked.port}`;

// Who signed out elsewhere, as a store of express-session keeps it.
const kept = new Map();
const store = {
  get: (id, done) => done(null, kept.get(id) ?? null),
  set: (id, value, done) => { kept.set(id, value); done(null); },
  destroy: (id, done) => { kept.delete(id); done(null); },
};

const app = express();
const jwk = { ...createPublicKey(asked.key).export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };
app.get('/jwks', (_request, response) => response.json({ keys: [jwk] }));
app.use(openid.auth({
  issuerBaseURL: asked.issuer,
  baseURL: site,
  clientID: asked.clientId,
  secret: 'nobody-else-seals-this-session-with-it',
  authRequired: false,
  idpLogout: true,
  pushedAuthorizationRequests: true,
  clientAuthMethod: 'private_key_jwt',
  clientAssertionSigningKey: asked.key,
  clientAssertionSigningAlg: 'ES256',
  backchannelLogout: { store },
  enableTelemetry: false,
  authorizationParams: { response_type: 'code', scope: 'openid profile email staff' },
}));
app.get('/', async (request, response) => {
  response.json(request.oidc.isAuthenticated()
    ? { claims: request.oidc.idTokenClaims, userinfo: await request.oidc.fetchUserInfo() }
    : {});
});
app.use((error, _request, response, _next) => {
  console.error(error);
  response.status(500).json({ error: error.message });
});
app.listen(asked.port, '127.0.0.1', () => console.log(JSON.stringify({ listens: site })));
