// A client app that others wrote: Auth.js on Express 5, with one provider, the broker.
//
// Usage: node authjs.mjs '{"issuer": ..., "clientId": ..., "clientSecret": ..., "port": ...}'
// Prints one JSON line, {"listens": ...}, once it does. `/` tells whom it takes the visitor for.

import express from 'express';
import { ExpressAuth, getSession } from '@auth/express';

const { port, ...asked } = JSON.parse(process.argv[2]);
const site = `http://127.0.0.1:${port}`;

const config = {
  secret: 'nobody-else-signs-this-session-with-it',
  trustHost: true,
  providers: [{
    id: 'acme',
    name: 'Acme',
    type: 'oidc',
    ...asked,
    authorization: { params: { scope: 'openid profile email staff' } },
  }],
  callbacks: {
    jwt: ({ token, profile }) => (profile ? { ...token, sub: profile.sub, groups: profile.groups } : token),
    session: ({ session, token }) => ({ ...session, sub: token.sub, groups: token.groups }),
  },
  logger: { error: (error) => console.error(error), warn: () => {}, debug: () => {} },
};

const app = express();
app.use(/^\/auth\/(.*)/, ExpressAuth(config));
app.get('/', async (request, response) => response.json(await getSession(request, config)));
app.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ listens: site })));
