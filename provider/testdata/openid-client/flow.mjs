// openid-client drives Signet as three kinds of relying party; common.mjs says how the test that starts it plays
// along. The first step that fails ends the program.
import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { browse, claims, fetchWith, refused, say, settings, signingKey } from './common.mjs'

// relyingParty walks through everything that its kind of client can do.
async function relyingParty(name, metadata, authentication, { certificate, confidential }) {
  const step = async (what, run) => {
    const result = await run()
    say({ step: `${name}: ${what}` })
    return result
  }
  const options = certificate && { [client.customFetch]: fetchWith(certificate) }
  const config = await step('discovery', () =>
    client.discovery(new URL(settings.issuer), `node-${name}`, metadata, authentication, options))
  client.enableNonRepudiationChecks(config) // verify the ID token's signature too

  const bound = (token) => assert.equal(claims(token).cnf?.['x5t#S256'], certificate?.thumbprint)

  if (confidential) {
    await step('client_credentials', async () => {
      const tokens = await client.clientCredentialsGrant(config, { scope: 'accounts', resource: settings.resource })
      assert.equal(tokens.scope, 'accounts')
      assert.equal(claims(tokens.access_token).client_id, `node-${name}`)
      bound(tokens.access_token)
    })
  }

  const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  const callback = await step('authorization', async () =>
    browse(client.buildAuthorizationUrl(config, {
      redirect_uri: settings.callback, scope: 'openid email offline_access accounts',
      code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256',
      state: checks.expectedState, nonce: checks.expectedNonce,
    })))
  const first = await step('code and ID token', () => client.authorizationCodeGrant(config, callback, checks))
  bound(first.access_token)
  await step('userinfo', async () => {
    const info = await client.fetchUserInfo(config, first.access_token, first.claims().sub)
    assert.equal(info.email, 'alice@example.com')
  })
  const next = await step('refresh', () => client.refreshTokenGrant(config, first.refresh_token))
  assert.notEqual(next.refresh_token, first.refresh_token)

  const active = async (token) => (await client.tokenIntrospection(config, token)).active
  if (confidential) {
    await step('introspection', async () => {
      const answer = await client.tokenIntrospection(config, next.access_token)
      assert.equal(answer.active, true)
      assert.equal(answer.cnf?.['x5t#S256'], certificate?.thumbprint)
      assert.equal(await active(next.refresh_token), true)
      assert.equal(await active(first.refresh_token), false)
    })
  }
  await step('revocation', async () => {
    await client.tokenRevocation(config, next.refresh_token, { token_type_hint: 'refresh_token' })
    await refused(client.refreshTokenGrant(config, next.refresh_token), 'invalid_grant')
    if (confidential) assert.equal(await active(next.access_token), false)
  })
  await step('a code twice', () => refused(client.authorizationCodeGrant(config, callback, checks), 'invalid_grant'))
}

await relyingParty('private_key_jwt', {}, client.PrivateKeyJwt(await signingKey()), { confidential: true })
await relyingParty('tls_client_auth', { use_mtls_endpoint_aliases: true }, client.TlsClientAuth(), {
  confidential: true, certificate: settings.certificate,
})
await relyingParty('none', {}, client.None(), {})
process.exit(0)
