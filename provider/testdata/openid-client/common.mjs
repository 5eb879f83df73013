// What the scripts share. The test that starts one gives the settings as its argument, and plays the person at the
// browser: for a line like {"open": URL} on standard output it answers with a line of JSON on standard input. Each
// finished step is a line {"step": NAME}.
import assert from 'node:assert/strict'
import https from 'node:https'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export const settings = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
export const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

// ask has the person do something; the answer says where the browser is then ("at"), and what it showed ("page").
export async function ask(message) {
  say(message)
  const { value, done } = await lines.next()
  assert(!done, 'the browser did not come back')
  return JSON.parse(value)
}

// browse is a whole authorization: the person logs in and consents, unless the client is sent back at once.
export const browse = async (url) => new URL((await ask({ open: url.href })).at)

// fetchWith presents a client certificate, over connections that are kept.
export function fetchWith({ cert, key }) {
  const agent = new https.Agent({ cert: readFileSync(cert), key: readFileSync(key), keepAlive: true })
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const request = https.request(url, { agent, method, headers, signal }, async (response) => {
        try {
          const chunks = []
          for await (const chunk of response) chunks.push(chunk)
          resolve(new Response(Buffer.concat(chunks), { status: response.statusCode, headers: response.headers }))
        } catch (error) {
          reject(error)
        }
      })
      request.on('error', reject)
      request.end(body?.toString())
    })
}

export const claims = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString())

// refused runs a request that the server must answer with this error code.
export async function refused(request, code) {
  await assert.rejects(request, (error) => {
    assert.equal(error.error, code, `want ${code}, got: ${error.message} ${JSON.stringify(error.cause)}`)
    return true
  })
}

// signingKey is the client's own key, which its JWK set has.
export const signingKey = async () => ({
  key: await crypto.subtle.importKey('jwk', settings.jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']),
  kid: settings.jwk.kid,
})
