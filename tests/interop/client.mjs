// A client app that others wrote (openid-client), told what to do line by line.
//
// Reads one JSON object a line, {"do": "begin", "no": 1, ...}, and answers each with one JSON line,
// {"no": 1, "ok": ...} or {"no": 1, "error": {...}}. It is as strict as openid-client is; nothing is switched off but the demand for https.

import { createInterface } from 'node:readline';

import * as oidc from 'openid-client';

let config;
let checks;
let redirectUri;

const authentication = {
  client_secret_basic: (secret) => oidc.ClientSecretBasic(secret),
  client_secret_post: (secret) => oidc.ClientSecretPost(secret),
  none: () => oidc.None(),
};

const tokens = (answer) => ({ ...answer, claims: answer.claims() ?? null });

const deeds = {
  async discover({ issuer, client_id, secret, method, redirect_uri, metadata }) {
    redirectUri = redirect_uri;
    config = await oidc.discovery(new URL(issuer), client_id, metadata ?? {}, authentication[method](secret), {
      execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    });
    return config.serverMetadata();
  },

  async begin({ scope, ...more }) {
    checks = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
      idTokenExpected: true,
    };
    if (more.max_age !== undefined) checks.maxAge = Number(more.max_age);
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope,
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      ...more,
    });
    return { url: url.href };
  },

  // `form` is there when the answer came as a form_post.
  async finish({ url, form }) {
    const answer = form === undefined
      ? new URL(url)
      : new Request(url, { method: 'POST', body: new URLSearchParams(form) });
    return tokens(await oidc.authorizationCodeGrant(config, answer, checks));
  },

  async userinfo({ access_token, sub }) {
    return oidc.fetchUserInfo(config, access_token, sub);
  },

  async refresh({ refresh_token, scope }) {
    return tokens(await oidc.refreshTokenGrant(config, refresh_token, scope === undefined ? {} : { scope }));
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
