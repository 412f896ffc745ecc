// openid-client under a FAPI 2.0 profile. Says its public key, is told where the broker is, says where the
// browser must go, is told where it came back, and says what it got.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const heard = async () => JSON.parse((await lines.next()).value)
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')

const own = await client.randomDPoPKeyPair('PS256') // a key pair like any other: signs assertions and requests
const jwk = { ...(await crypto.subtle.exportKey('jwk', own.publicKey)), kid: 'own', use: 'sig', alg: 'PS256' }
delete jwk.key_ops
delete jwk.ext
say({ jwk })

const { issuer, signs, redirect_uri } = await heard()
const key = { key: own.privateKey, kid: 'own' }
const metadata = { id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' }
const config = await client.discovery(new URL(issuer), 'bank', metadata, client.PrivateKeyJwt(key), {
  execute: [client.allowInsecureRequests],
})
if (signs) client.useJwtResponseMode(config)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))

const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
let asked = new URLSearchParams({
  redirect_uri,
  scope: 'openid offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
if (signs) asked = (await client.buildAuthorizationUrlWithJAR(config, asked, key)).searchParams
say({ url: (await client.buildAuthorizationUrlWithPAR(config, asked, { DPoP })).href })

const { came } = await heard()
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, new URL(came), checks, undefined, { DPoP })
const sub = tokens.claims().sub
const person = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })
const again = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
say({
  sub,
  person,
  token_type: tokens.token_type,
  refresh_tokens: [tokens.refresh_token, again.refresh_token ?? tokens.refresh_token],
})
