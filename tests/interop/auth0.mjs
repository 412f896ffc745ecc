// An Auth0 tenant as others simulate it (@simulacrum/auth0-simulator), with one person and one client.
//
// Usage: HOME=folder-with-certificates node auth0.mjs '{"port": …, "client_id": …, "person": {…}}'
// Says "listening" once it does; ends with its standard input.

import { createRequire } from 'node:module';

// The other way in is broken on this version: it imports a CommonJS package by name.
const { simulation } = createRequire(import.meta.url)('@simulacrum/auth0-simulator');

const asked = JSON.parse(process.argv[2]);
const app = simulation({
  initialState: { users: [asked.person] },
  options: { clientID: asked.client_id, scope: 'openid profile email offline_access' },
});
await app.listen(asked.port, () => console.log('listening'));
process.stdin.on('end', () => process.exit(0)).resume();
