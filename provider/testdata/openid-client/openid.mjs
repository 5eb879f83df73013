// openid-client drives Signet as OpenID Connect clients that register themselves: answers by form, hybrid and implicit
// answers, signed and encrypted tokens, userinfo and requests, and logout at the client, too. common.mjs says how the
// test that starts it plays along. The first step that fails ends the program.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import * as jose from 'jose'
import * as client from 'openid-client'
import { ask, claims, refused, say, settings } from './common.mjs'

const issuer = new URL(settings.issuer)
const afterLogout = `${settings.callback}/signed-out`
const step = async (what, run) => {
  const result = await run()
  say({ step: what })
  return result
}

// mailbox is where the server calls its clients: each has a path of its own, and takes one logout token.
async function mailbox() {
  const waiting = new Map()
  const server = https.createServer({ cert: readFileSync(settings.server.cert), key: readFileSync(settings.server.key) }, async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const post = { method: request.method, type: request.headers['content-type'], body: new URLSearchParams(Buffer.concat(chunks).toString()) }
    waiting.get(request.url)?.(post)
    response.writeHead(200, { 'cache-control': 'no-store' }).end()
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return (path) => ({
    uri: `https://localhost:${server.address().port}${path}`,
    post: new Promise((arrived) => waiting.set(path, arrived)),
  })
}

// register makes a client of its own, which the library then uses as the server described it.
const register = (metadata, authentication = client.ClientSecretBasic()) =>
  client.dynamicClientRegistration(issuer, { redirect_uris: [settings.callback], ...metadata }, authentication, { execute: [client.enableNonRepudiationChecks] })

// newRequest makes the parameters of an authorization request, and what its answer is held against.
async function newRequest(parameters) {
  const checks = {
    expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true, pkceCodeVerifier: client.randomPKCECodeVerifier(),
  }
  const challenge = await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier)
  return {
    checks,
    parameters: {
      redirect_uri: settings.callback, scope: 'openid email offline_access', state: checks.expectedState, nonce: checks.expectedNonce,
      code_challenge: challenge, code_challenge_method: 'S256', ...parameters,
    },
  }
}

// arrive has the person follow the URL, and returns what the client is reached with: a URL, or a form.
async function arrive(url) {
  const { at, form } = await ask({ open: url.href })
  return form === undefined ? new URL(at) : new Request(at, { method: 'POST', body: new URLSearchParams(form) })
}

// distrusted runs what the library itself must stop, for this reason.
async function distrusted(run, reason) {
  await assert.rejects(run, (error) => {
    for (let cause = error; cause; cause = cause.cause) if (reason.test(cause.message)) return true
    return false
  })
}

// altered is an answer in the fragment with another value.
function altered(answer, name, value) {
  const url = new URL(answer)
  const parameters = new URLSearchParams(url.hash.slice(1))
  assert(parameters.has(name))
  parameters.set(name, value)
  url.hash = parameters
  return url
}

const names = (answer) => [...new URLSearchParams(answer.hash.slice(1)).keys()].sort()
const userinfo = (config, tokens) => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)

async function registration() {
  await step('registration: a redirect URI with a fragment', () => refused(register({ redirect_uris: [settings.callback + '#x'] }), 'invalid_redirect_uri'))
  await step('registration: a response type without its grant type', () => refused(register({ response_types: ['id_token'] }), 'invalid_client_metadata'))
}

// The code flow, whose answer is a form (OAuth 2.0 Form Post Response Mode).
async function formPost(box) {
  const logout = box('/plain')
  const config = await step('form_post: registration', () => register({
    client_name: 'Plain', grant_types: ['authorization_code', 'refresh_token'], post_logout_redirect_uris: [afterLogout],
    backchannel_logout_uri: logout.uri, backchannel_logout_session_required: true,
  }))
  const own = config.clientMetadata()
  assert.equal(own.token_endpoint_auth_method, 'client_secret_basic')
  assert.deepEqual(own.response_types, ['code'])

  const { parameters, checks } = await newRequest({ response_mode: 'form_post' })
  const answer = await step('form_post: authorization', () => arrive(client.buildAuthorizationUrl(config, parameters)))
  assert.equal(answer.method, 'POST')
  assert.equal(answer.url, settings.callback)
  await step('form_post: another state', () => distrusted(
    client.authorizationCodeGrant(config, answer.clone(), { ...checks, expectedState: 'another' }), /state/))
  const tokens = await step('form_post: code and ID token', () => client.authorizationCodeGrant(config, answer, checks))
  await step('form_post: userinfo', async () => assert.equal((await userinfo(config, tokens)).email, 'alice@example.com'))
  await step('form_post: refresh', async () => {
    const next = await client.refreshTokenGrant(config, tokens.refresh_token)
    assert.equal(next.claims().sub, tokens.claims().sub)
    assert.equal(next.claims().nonce, undefined)
  })
  return { config, logout: logout.post, hint: tokens.id_token, id: tokens.claims() }
}

// Hybrid answers: with the code comes an ID token that vouches for it, and for the access token if there is one.
async function hybrid() {
  const config = await step('hybrid: registration', () => register({
    client_name: 'Hybrid', response_types: ['code id_token', 'code id_token token'], grant_types: ['authorization_code', 'implicit', 'refresh_token'],
    id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256',
  }))
  client.useCodeIdTokenResponseType(config)

  const first = await newRequest()
  const answer = await step('hybrid: code id_token', () => arrive(client.buildAuthorizationUrl(config, first.parameters)))
  assert.equal(answer.search, '')
  assert.deepEqual(names(answer), ['code', 'id_token', 'iss', 'state'])
  await step('hybrid: an answer with another code', () => distrusted(
    client.authorizationCodeGrant(config, altered(answer, 'code', 'of somebody else'), first.checks), /c_hash/))
  const tokens = await step('hybrid: both ID tokens', () => client.authorizationCodeGrant(config, answer, first.checks))
  await step('hybrid: signed userinfo', async () => {
    let type
    config[client.customFetch] = async (...request) => {
      const response = await fetch(...request)
      if (request[0] === config.serverMetadata().userinfo_endpoint) type = response.headers.get('content-type')
      return response
    }
    assert.equal((await userinfo(config, tokens)).email, 'alice@example.com')
    assert.match(type, /^application\/jwt/)
  })

  const second = await newRequest({ response_type: 'code id_token token' })
  const full = await step('hybrid: code id_token token', () => arrive(client.buildAuthorizationUrl(config, second.parameters)))
  assert.deepEqual(names(full), ['access_token', 'code', 'expires_in', 'id_token', 'iss', 'scope', 'state', 'token_type'])
  await step('hybrid: the token in front', async () => {
    const front = new URLSearchParams(full.hash.slice(1))
    const half = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(front.get('access_token')))).subarray(0, 16)
    assert.equal(claims(front.get('id_token')).at_hash, half.toString('base64url'))
    const info = await client.fetchUserInfo(config, front.get('access_token'), tokens.claims().sub)
    assert.equal(info.email, 'alice@example.com')
  })
  await step('hybrid: code and ID token behind it', async () => {
    const behind = await client.authorizationCodeGrant(config, full, second.checks)
    assert.equal(behind.claims().sub, tokens.claims().sub)
  })

  const third = await newRequest({ response_mode: 'form_post' })
  await step('hybrid: as a form', async () =>
    client.authorizationCodeGrant(config, await arrive(client.buildAuthorizationUrl(config, third.parameters)), third.checks))
  const fourth = await newRequest({ response_mode: 'query' })
  await step('hybrid: never in the query', async () =>
    refused(client.authorizationCodeGrant(config, await arrive(client.buildAuthorizationUrl(config, fourth.parameters)), fourth.checks), 'invalid_request'))
}

// The implicit flow of a client that has no secret and asks the token endpoint for nothing.
async function implicit() {
  const config = await step('implicit: registration', () => register({
    client_name: 'Implicit', response_types: ['id_token'], grant_types: ['implicit'], token_endpoint_auth_method: 'none',
  }, client.None()))
  client.useIdTokenResponseType(config)
  assert.equal(config.clientMetadata().client_secret, undefined)
  const request = (more) => {
    const parameters = { redirect_uri: settings.callback, scope: 'openid email', state: client.randomState(), nonce: client.randomNonce(), ...more }
    return { url: client.buildAuthorizationUrl(config, parameters), nonce: parameters.nonce, checks: { expectedState: parameters.state } }
  }

  const first = request()
  const answer = await step('implicit: id_token', () => arrive(first.url))
  assert.deepEqual(names(answer), ['id_token', 'iss', 'state'])
  await step('implicit: ID token', async () => {
    const id = await client.implicitAuthentication(config, answer, first.nonce, first.checks)
    assert.equal(id.email, 'alice@example.com') // with no access token, the claims are in it (OpenID Connect Core section 5.4)
  })
  await step('implicit: for another nonce', () => distrusted(client.implicitAuthentication(config, answer, 'another', first.checks), /nonce/))
  await step('implicit: with another signature', () => {
    const [header, , signature] = new URLSearchParams(answer.hash.slice(1)).get('id_token').split('.')
    const inside = claims(new URLSearchParams(answer.hash.slice(1)).get('id_token'))
    const payload = Buffer.from(JSON.stringify({ ...inside, sub: 'somebody else' })).toString('base64url')
    return distrusted(client.implicitAuthentication(config, altered(answer, 'id_token', [header, payload, signature].join('.')), first.nonce, first.checks), /signature/)
  })
  const second = request({ response_mode: 'form_post' })
  await step('implicit: as a form', async () => client.implicitAuthentication(config, await arrive(second.url), second.nonce, second.checks))
}

// Everything encrypted: ID token and userinfo to the client's key, the request to the server's. This client knows users
// and their sessions by names of its own.
async function encrypted(box) {
  const signing = await jose.generateKeyPair('ES256')
  const decrypting = await jose.generateKeyPair('RSA-OAEP-256')
  const stranger = await jose.generateKeyPair('RSA-OAEP-256')
  const logout = box('/encrypted')
  const jwe = { alg: 'RSA-OAEP-256', enc: 'A256GCM' }
  const config = await step('encrypted: registration', async () => register({
    client_name: 'Encrypted', post_logout_redirect_uris: [afterLogout], backchannel_logout_uri: logout.uri, backchannel_logout_session_required: true,
    token_endpoint_auth_method: 'private_key_jwt', subject_type: 'pairwise',
    jwks: { keys: [
      { ...await jose.exportJWK(signing.publicKey), kid: 's1', use: 'sig', alg: 'ES256' },
      { ...await jose.exportJWK(decrypting.publicKey), kid: 'e1', use: 'enc', alg: 'RSA-OAEP-256' },
    ] },
    id_token_encrypted_response_alg: jwe.alg, id_token_encrypted_response_enc: jwe.enc,
    userinfo_signed_response_alg: 'RS256', userinfo_encrypted_response_alg: jwe.alg, userinfo_encrypted_response_enc: jwe.enc,
    request_object_signing_alg: 'ES256', request_object_encryption_alg: jwe.alg, request_object_encryption_enc: jwe.enc,
  }, client.PrivateKeyJwt({ key: signing.privateKey, kid: 's1' })))

  const { keys } = await (await fetch(config.serverMetadata().jwks_uri)).json()
  const theirs = keys.find(({ use, alg }) => use === 'enc' && alg === 'RSA-OAEP-256')
  const encryptTo = async (jwt) => new jose.CompactEncrypt(new TextEncoder().encode(jwt))
    .setProtectedHeader({ ...jwe, cty: 'JWT', kid: theirs.kid }).encrypt(await jose.importJWK(theirs))
  const seal = async ({ parameters }) => {
    const url = await client.buildAuthorizationUrlWithJAR(config, parameters, { key: signing.privateKey, kid: 's1' })
    url.searchParams.set('request', await encryptTo(url.searchParams.get('request')))
    return url
  }
  const first = await newRequest()
  const url = await step('encrypted: request', () => seal(first))
  assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request'])
  const answer = await step('encrypted: authorization', () => arrive(url))
  client.enableDecryptingResponses(config, [jwe.enc], { key: decrypting.privateKey, kid: 'e1' })
  const tokens = await step('encrypted: ID token', () => client.authorizationCodeGrant(config, answer, first.checks))
  assert.equal(tokens.id_token.split('.').length, 5)
  const signed = client.getDecryptedResponses(tokens).id_token.token_endpoint
  assert.equal(signed.split('.').length, 3)
  await step('encrypted: userinfo', async () => {
    const info = await userinfo(config, tokens)
    assert.equal(info.email, 'alice@example.com')
    assert.equal(client.getDecryptedResponses(info).split('.').length, 3)
  })
  await step('encrypted: for somebody else', async () => {
    await assert.rejects(jose.compactDecrypt(tokens.id_token, stranger.privateKey), { code: 'ERR_JWE_DECRYPTION_FAILED' })
  })
  await step('encrypted: a request that was altered', async () => {
    const broken = await seal(await newRequest())
    const parts = broken.searchParams.get('request').split('.')
    parts[3] = parts[3].startsWith('A') ? 'B' + parts[3].slice(1) : 'A' + parts[3].slice(1)
    broken.searchParams.set('request', parts.join('.'))
    assert.match((await ask({ open: broken.href })).page, /invalid_request_object/)
  })
  return { config, logout: logout.post, hint: await encryptTo(signed), id: tokens.claims(), key: decrypting.privateKey }
}

// Logout: one client begins it, and all clients of the session learn of it.
async function endOfSession(plain, sealed) {
  assert(plain.id.sid && sealed.id.sid)
  assert.notEqual(plain.id.sub, sealed.id.sub)
  const silently = async ({ config }) => {
    const { parameters, checks } = await newRequest({ prompt: 'none', scope: 'openid email' })
    return client.authorizationCodeGrant(config, await arrive(client.buildAuthorizationUrl(config, parameters)), checks)
  }
  const state = client.randomState()
  await step('logout: to a stranger', async () => {
    const url = client.buildEndSessionUrl(plain.config, { id_token_hint: plain.hint, post_logout_redirect_uri: 'https://evil.example/' })
    assert.match((await ask({ open: url.href })).page, /invalid_request/)
    await silently(plain)
  })
  await step('logout: asked without a hint, and declined', async () => {
    const url = client.buildEndSessionUrl(plain.config, { post_logout_redirect_uri: afterLogout, state })
    const { at, asked } = await ask({ open: url.href, deny: true })
    assert.deepEqual({ at, asked }, { at: `${afterLogout}?state=${state}`, asked: true })
    await silently(plain)
  })
  await step('logout: with the ID token, encrypted to the server', async () => {
    const url = client.buildEndSessionUrl(sealed.config, { id_token_hint: sealed.hint, post_logout_redirect_uri: afterLogout, state })
    const { at, asked } = await ask({ open: url.href })
    assert.deepEqual({ at, asked }, { at: `${afterLogout}?state=${state}`, asked: false })
  })

  const keys = jose.createRemoteJWKSet(new URL(plain.config.serverMetadata().jwks_uri), { timeoutDuration: 60_000 })
  const verify = async ({ config, id }, token) => {
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
      issuer: config.serverMetadata().issuer, audience: config.clientMetadata().client_id, typ: 'logout+jwt', requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid', 'events'],
    })
    assert.equal(protectedHeader.alg, config.clientMetadata().id_token_signed_response_alg)
    assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload.sub, id.sub)
    assert.equal(payload.sid, id.sid)
    assert(!('nonce' in payload))
  }
  const received = async ({ logout }) => {
    const { method, type, body } = await logout
    assert.equal(method, 'POST')
    assert.match(type, /^application\/x-www-form-urlencoded/)
    assert.deepEqual([...body.keys()], ['logout_token'])
    return body.get('logout_token')
  }
  await step('logout: the logout token', async () => verify(plain, await received(plain)))
  await step('logout: the logout token that was encrypted', async () => {
    const { plaintext } = await jose.compactDecrypt(await received(sealed), sealed.key)
    await verify(sealed, new TextDecoder().decode(plaintext))
  })
  await step('logout: signed out', () => refused(silently(plain), 'login_required'))
}

const box = await mailbox()
await registration()
const plain = await formPost(box)
await hybrid()
await implicit()
await endOfSession(plain, await encrypted(box))
process.exit(0)
