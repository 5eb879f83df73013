// openid-client drives Signet as the clients of the FAPI profiles, of rich authorization requests and of the
// backchannel; common.mjs says how the test that starts it plays along. The first step that fails ends the program.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { ask, browse, claims, fetchWith, refused, say, settings, signingKey } from './common.mjs'

const key = await signingKey()

// relyingParty discovers Signet for one client, and names the steps after it.
async function relyingParty(name, authentication, { metadata = {}, fetch } = {}) {
  const config = await client.discovery(new URL(settings.issuer), `node-${name}`, metadata, authentication, { [client.customFetch]: fetch })
  client.enableNonRepudiationChecks(config) // verify the ID token's signature too
  const step = async (what, run) => {
    const result = await run()
    say({ step: `${name}: ${what}` })
    return result
  }
  return { config, step }
}

// newRequest makes the parameters of an authorization request, and what its answer is held against.
async function newRequest(parameters, { pkce = true } = {}) {
  const checks = { expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  parameters = { redirect_uri: settings.callback, scope: 'openid email offline_access accounts', state: checks.expectedState, nonce: checks.expectedNonce, ...parameters }
  if (pkce) {
    checks.pkceCodeVerifier = client.randomPKCECodeVerifier()
    parameters.code_challenge = await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier)
    parameters.code_challenge_method = 'S256'
  }
  return { parameters, checks }
}

// distrusted runs what the library itself must stop, for this reason.
async function distrusted(run, reason) {
  await assert.rejects(run, (error) => {
    for (let cause = error; cause; cause = cause.cause) if (reason.test(cause.message)) return true
    return false
  })
}

const names = (url) => [...url.searchParams.keys()].sort()
const newHandle = async (config, alg) => client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))

// FAPI 2.0 Security Profile: pushed requests, PKCE, tokens bound to a DPoP key, nonces from the server.
async function fapi2() {
  let challenges = 0
  const counting = async (url, options) => {
    const response = await fetch(url, options)
    if (response.status === 400 && (await response.clone().json()).error === 'use_dpop_nonce') challenges++
    return response
  }
  const { config, step } = await relyingParty('fapi2', client.PrivateKeyJwt(key), { fetch: counting })
  const DPoP = await newHandle(config, 'ES256')
  const thumbprint = await DPoP.calculateThumbprint()

  const { parameters, checks } = await newRequest()
  const url = await step('pushed', () => client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }))
  assert.deepEqual(names(url), ['client_id', 'request_uri'])
  assert.equal(challenges, 1, 'the first proof needs a nonce')
  const callback = await step('authorization', () => browse(url))
  await step('a request_uri twice', async () => assert.match((await ask({ open: url.href })).page, /invalid_request_uri/))
  const tokens = await step('code and ID token', () => client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP }))
  assert.equal(tokens.token_type, 'dpop')
  assert.equal(claims(tokens.access_token).cnf.jkt, thumbprint)
  await step('userinfo', async () => {
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
    assert.equal(info.email, 'alice@example.com')
  })
  await step('userinfo without a proof', () => assert.rejects(
    client.fetchProtectedResource(config, tokens.access_token, new URL(config.serverMetadata().userinfo_endpoint), 'GET'),
    (error) => error.status === 401 && error.cause.some(({ parameters }) => parameters.error === 'invalid_token')))
  await step('refresh', async () => {
    for (let i = 0; i < 2; i++) { // the refresh token stays (FAPI 2.0 section 5.3.2.1)
      const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
      assert.equal(next.refresh_token, undefined)
      assert.equal(claims(next.access_token).cnf.jkt, thumbprint)
    }
  })
  assert.equal(challenges, 1, 'nonces come with the answers')

  await step("a code with another's key", async () => {
    const { parameters, checks } = await newRequest()
    const callback = await browse(await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }))
    const other = await newHandle(config, 'ES256')
    await refused(client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP: other }), 'invalid_grant')
  })
  await step('not pushed', async () => {
    const { parameters, checks } = await newRequest()
    const callback = await browse(client.buildAuthorizationUrl(config, parameters))
    await refused(client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP }), 'invalid_request')
  })
  await richRequests(config, DPoP)
}

// Rich authorization requests (RFC 9396).
async function richRequests(config, DPoP) {
  const step = async (what, run) => {
    await run()
    say({ step: `details: ${what}` })
  }
  const payment = { type: 'payment', instructedAmount: { currency: 'EUR', amount: '123.50' }, creditorName: 'Merchant A', actions: ['initiate', 'status'] }
  const narrower = { ...payment, actions: ['status'] }
  const { parameters, checks } = await newRequest({ authorization_details: JSON.stringify([payment]) })
  const url = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
  const seen = await ask({ open: url.href })
  await step('consent in words', () => {
    for (const words of ['Make this payment', 'Merchant A', '123.50', 'EUR']) assert(seen.page.includes(words), words)
  })
  let tokens
  await step('granted', async () => {
    tokens = await client.authorizationCodeGrant(config, new URL(seen.at), checks, undefined, { DPoP })
    assert.deepEqual(tokens.authorization_details, [payment])
    assert.deepEqual(claims(tokens.access_token).authorization_details, [payment])
  })
  await step('narrowed', async () => {
    const next = await client.refreshTokenGrant(config, tokens.refresh_token, { authorization_details: JSON.stringify([narrower]) }, { DPoP })
    assert.deepEqual(next.authorization_details, [narrower])
    assert.deepEqual(claims(next.access_token).authorization_details, [narrower])
  })
  await step('more than was granted', () => refused(client.refreshTokenGrant(config, tokens.refresh_token,
    { authorization_details: JSON.stringify([{ ...payment, creditorName: 'Merchant B' }]) }, { DPoP }), 'invalid_authorization_details'))
  await step('against the schema', async () => {
    const { parameters } = await newRequest({ authorization_details: JSON.stringify([{ type: 'payment', creditorName: 'Merchant A' }]) })
    await refused(client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }), 'invalid_authorization_details')
  })
}

// FAPI 2.0 Message Signing: the pushed request is signed, and so is its answer.
async function messageSigning() {
  const { config, step } = await relyingParty('signing', client.PrivateKeyJwt(key))
  client.useJwtResponseMode(config)
  const DPoP = await newHandle(config, 'PS256')
  const push = async ({ parameters }, options) => {
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(config, parameters, key, options)
    return client.buildAuthorizationUrlWithPAR(config, searchParams, { DPoP })
  }

  const first = await newRequest()
  const url = await step('signed and pushed', () => push(first))
  assert.deepEqual(names(url), ['client_id', 'request_uri'])
  const callback = await step('authorization', () => browse(url))
  assert.deepEqual(names(callback), ['response'])
  const tokens = await step('JARM, code and ID token', () => client.authorizationCodeGrant(config, callback, first.checks, undefined, { DPoP }))
  assert.equal(claims(tokens.access_token).cnf.jkt, await DPoP.calculateThumbprint())

  await step('a refusal is signed, too', async () => {
    const second = await newRequest({ prompt: 'consent' })
    const { at } = await ask({ open: (await push(second)).href, deny: true })
    assert.deepEqual(names(new URL(at)), ['response'])
    await refused(client.authorizationCodeGrant(config, new URL(at), second.checks, undefined, { DPoP }), 'access_denied')
  })
  await step('an answer that was altered', async () => {
    const third = await newRequest()
    const altered = await browse(await push(third))
    const response = altered.searchParams.get('response').split('.')
    const inside = { ...claims(response.join('.')), code: 'of somebody else' }
    response[1] = Buffer.from(JSON.stringify(inside)).toString('base64url')
    altered.searchParams.set('response', response.join('.'))
    await distrusted(client.authorizationCodeGrant(config, altered, third.checks, undefined, { DPoP }), /signature/)
  })
  await step('not signed', async () => {
    const { parameters } = await newRequest()
    await refused(client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }), 'invalid_request')
  })
  for (const [what, alter] of [
    ['without exp', (object) => delete object.exp],
    ['for another server', (object) => (object.aud = 'https://other.example')],
  ]) {
    await step(`signed ${what}`, async () =>
      refused(push(await newRequest(), { [client.modifyAssertion]: (_, object) => alter(object) }), 'invalid_request_object'))
  }
}

// FAPI 1.0 Advanced: the request is a signed object by value, the answer's ID token is its detached signature, and the
// tokens are bound to the client's certificate.
async function fapi1() {
  const { config, step } = await relyingParty('fapi1', client.TlsClientAuth(), {
    metadata: { use_mtls_endpoint_aliases: true }, fetch: fetchWith(settings.certificate),
  })
  client.useCodeIdTokenResponseType(config)
  client.enableDetachedSignatureResponseChecks(config)
  const sign = ({ parameters }, options) => client.buildAuthorizationUrlWithJAR(config, parameters, key, options)

  const first = await newRequest({}, { pkce: false }) // the signature and the nonce protect the code
  const url = await step('signed', () => sign(first))
  assert.deepEqual(names(url), ['client_id', 'request'])
  const callback = await step('authorization', () => browse(url))
  assert.equal(callback.search, '')
  const tokens = await step('detached signature, code and ID token', () => client.authorizationCodeGrant(config, callback, first.checks))
  assert.equal(claims(tokens.access_token).cnf['x5t#S256'], settings.certificate.thumbprint)
  await step('userinfo', async () => {
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
    assert.equal(info.email, 'alice@example.com')
  })
  await step('userinfo without the certificate', async () => {
    const { config: bare } = await relyingParty('fapi1', client.TlsClientAuth())
    await assert.rejects(client.fetchUserInfo(bare, tokens.access_token, tokens.claims().sub),
      (error) => error.status === 401 && error.cause.some(({ parameters }) => parameters.error === 'invalid_token'))
  })
  await step('refresh', async () => {
    const next = await client.refreshTokenGrant(config, tokens.refresh_token)
    assert.equal(claims(next.access_token).cnf['x5t#S256'], settings.certificate.thumbprint)
  })
  await step('an answer with another code', async () => {
    const second = await newRequest({}, { pkce: false })
    const altered = await browse(await sign(second))
    const answer = new URLSearchParams(altered.hash.slice(1))
    answer.set('code', 'of somebody else')
    altered.hash = answer
    await distrusted(client.authorizationCodeGrant(config, altered, second.checks), /c_hash/)
  })
  await step('not signed', async () => {
    const third = await newRequest({}, { pkce: false })
    await refused(client.authorizationCodeGrant(config, await browse(client.buildAuthorizationUrl(config, third.parameters)), third.checks), 'invalid_request')
  })
  await step('signed for longer than an hour', async () => {
    const fourth = await newRequest({}, { pkce: false })
    const long = await sign(fourth, { [client.modifyAssertion]: (_, object) => (object.exp = object.nbf + 3601) })
    await refused(client.authorizationCodeGrant(config, await browse(long), fourth.checks), 'invalid_request_object')
  })
}

// FAPI-CIBA: a signed backchannel request, answered by the user at another place, and fetched by polling.
async function backchannel() {
  const { config, step } = await relyingParty('ciba', client.TlsClientAuth(), {
    metadata: { use_mtls_endpoint_aliases: true }, fetch: fetchWith(settings.certificate),
  })
  const start = async (message, more) => {
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(config,
      { scope: 'openid email accounts', login_hint: 'alice', binding_message: message, ...more }, key)
    return client.initiateBackchannelAuthentication(config, { request: searchParams.get('request') })
  }
  const poll = ({ auth_req_id }) => client.genericGrantRequest(config, 'urn:openid:params:grant-type:ciba', { auth_req_id })

  const first = await step('asked', () => start('Table 7'))
  await step('pending', () => refused(poll(first), 'authorization_pending'))
  const polling = client.pollBackchannelAuthenticationGrant(config, first)
  await step('approved', () => ask({ answer: 'Table 7' }))
  const tokens = await step('tokens', () => polling)
  assert.equal(claims(tokens.access_token).cnf['x5t#S256'], settings.certificate.thumbprint)
  await step('userinfo', async () => {
    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
    assert.equal(info.email, 'alice@example.com')
  })
  await step('fetched twice', () => refused(poll(first), 'invalid_grant'))
  const second = await start('Table 8')
  await step('too often', async () => {
    await refused(poll(second), 'authorization_pending')
    await refused(poll(second), 'slow_down')
  })
  await step('declined', async () => {
    await ask({ answer: 'Table 8', deny: true })
    await refused(poll(second), 'access_denied')
  })
  await step('nobody', () => refused(start('Table 9', { login_hint: 'nobody' }), 'unknown_user_id'))
  await step('not signed', () => refused(client.initiateBackchannelAuthentication(config,
    { scope: 'openid', login_hint: 'alice', binding_message: 'Table 9' }), 'invalid_request'))
}

await fapi2()
await messageSigning()
await fapi1()
await backchannel()
process.exit(0)
