// A client app that others wrote (openid-client), told what to do line by line.
//
// Reads one JSON object a line, {"do": "begin", "no": 1, ...}, and answers each with one JSON line,
// {"no": 1, "ok": ...} or {"no": 1, "error": {...}}. It is as strict as openid-client is; nothing is switched off but the demand for https.

import { createInterface } from 'node:readline';

import * as oidc from 'openid-client';

let config;
let checks;
let redirectUri;

let dpop;
let key;

const imported = ({ jwk, usages }) => {
  const algorithm = usages[0] === 'sign' ? 'ECDSA' : 'ECDH';
  return crypto.subtle.importKey('jwk', jwk, { name: algorithm, namedCurve: jwk.crv }, false, usages);
};

const authentication = {
  private_key_jwt: () => oidc.PrivateKeyJwt(key),
  client_secret_basic: (secret) => oidc.ClientSecretBasic(secret),
  client_secret_post: (secret) => oidc.ClientSecretPost(secret),
  none: () => oidc.None(),
};

const tokens = (answer) => ({ ...answer, claims: answer.claims() ?? null });

const deeds = {
  // `keys.sign` proves the app and signs its requests, `keys.decrypt` opens what is encrypted to it; with `bound` its tokens
  // are bound to a key (DPoP), and with `signed_answers` it believes only answers that are signed (JARM).
  async discover({ issuer, client_id, secret, method, redirect_uri, metadata, keys, bound, signed_answers }) {
    redirectUri = redirect_uri;
    key = keys?.sign && { key: await imported({ jwk: keys.sign, usages: ['sign'] }), kid: keys.sign.kid };
    config = await oidc.discovery(new URL(issuer), client_id, metadata ?? {}, authentication[method](secret), {
      execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    });
    if (keys?.decrypt) {
      const opens = { key: await imported({ jwk: keys.decrypt, usages: ['deriveBits'] }), kid: keys.decrypt.kid };
      oidc.enableDecryptingResponses(config, undefined, opens);
    }
    if (signed_answers) oidc.useJwtResponseMode(config);
    if (bound) dpop = { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) };
    return config.serverMetadata();
  },

  async begin({ scope, sign, push, ...more }) {
    checks = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
      idTokenExpected: true,
    };
    if (more.max_age !== undefined) checks.maxAge = Number(more.max_age);
    const asked = {
      redirect_uri: redirectUri,
      scope,
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      ...more,
    };
    let url = sign
      ? await oidc.buildAuthorizationUrlWithJAR(config, asked, key)
      : oidc.buildAuthorizationUrl(config, asked);
    if (push) url = await oidc.buildAuthorizationUrlWithPAR(config, url.searchParams, dpop);
    return { url: url.href };
  },

  // `form` is there when the answer came as a form_post.
  async finish({ url, form }) {
    const answer = form === undefined
      ? new URL(url)
      : new Request(url, { method: 'POST', body: new URLSearchParams(form) });
    return tokens(await oidc.authorizationCodeGrant(config, answer, checks, undefined, dpop));
  },

  async userinfo({ access_token, sub }) {
    return oidc.fetchUserInfo(config, access_token, sub, dpop);
  },

  async refresh({ refresh_token, scope }) {
    return tokens(await oidc.refreshTokenGrant(config, refresh_token, scope === undefined ? {} : { scope }, dpop));
  },

  async introspect({ token }) {
    return oidc.tokenIntrospection(config, token);
  },

  async revoke({ token }) {
    await oidc.tokenRevocation(config, token);
  },

  // Where to send the browser that shall be signed out (RP-Initiated Logout §2).
  async end({ id_token, back, state }) {
    const url = oidc.buildEndSessionUrl(config, {
      ...(id_token && { id_token_hint: id_token }),
      post_logout_redirect_uri: back,
      ...(state && { state }),
    });
    return { url: url.href };
  },
};

const told = (error) => ({
  name: error.constructor.name,
  message: error.message,
  error: error.error,
  code: error.code,
  status: error.status,
  cause: error.cause instanceof Error ? error.cause.message : undefined,
});

for await (const line of createInterface({ input: process.stdin })) {
  const { do: deed, no, ...rest } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ no, ok: (await deeds[deed](rest)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ no, error: told(error) }));
  }
}
