// A provider for tests. Whoever signs in is who they say; some names make it lie, each in one way.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';
import { SignJWT, importJWK } from 'jose';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URIS } = process.env;

// The address that a victim has at the server.
const VICTIM = 'person1@example.org';
const people = {
  alice: { email: 'alice@example.test', email_verified: true },
  bob: { email: 'bob@example.test', email_verified: false },
  'victim-true': { email: VICTIM, email_verified: true },
  'victim-false': { email: VICTIM, email_verified: false },
  'victim-string': { email: VICTIM, email_verified: 'true' },
  'victim-missing': { email: VICTIM },
};

function newKey(kid) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
}

const publicPart = ({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use });
const key = newKey('first');
const added = [];

async function sign(claims, jwk) {
  const signed = new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: jwk.kid });
  return signed.sign(await importJWK(jwk, 'RS256'));
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// What becomes of the ID token of whoever has such a name.
const lies = {
  'wrong-nonce': (claims) => sign({ ...claims, nonce: randomBytes(16).toString('base64url') }, key),
  'wrong-audience': (claims) => sign({ ...claims, aud: 'somebody-else' }, key),
  'wrong-issuer': (claims) => sign({ ...claims, iss: 'https://id.example.org' }, key),
  'wrong-time': (claims) => sign({ ...claims, iat: claims.iat - 7200, exp: claims.iat - 3600 }, key),
  // A key of the same name that nobody publishes.
  'wrong-key': (claims) => sign(claims, newKey('first')),
  'wrong-algorithm': (claims) => `${base64url({ alg: 'none' })}.${base64url(claims)}.`,
  // It knows the browser from an hour ago, and asks nothing.
  'signed-in-before': (claims) => sign({ ...claims, auth_time: claims.auth_time - 3600 }, key),
  'signed-in-later': (claims) => sign({ ...claims, auth_time: claims.auth_time + 3600 }, key),
  'says-no-time': ({ auth_time, ...claims }) => sign(claims, key),
  // No lie: it has a new key, which is published from now on.
  rotated: (claims) => {
    added.push(newKey(`added-${added.length}`));
    return sign(claims, added.at(-1));
  },
};

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: REDIRECT_URIS.split(' '),
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
  }],
  jwks: { keys: [key] },
  pkce: { required: () => true },
  scopes: ['openid', 'email'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ['only-for-tests'] },
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 600, IdToken: 600 },
});

provider.use(async (context, next) => {
  await next();
  if (context.path === '/jwks') {
    context.body = { keys: [...context.body.keys, ...added.map(publicPart)] };
  }
  if (context.path === '/token' && context.body?.id_token) {
    const claims = JSON.parse(Buffer.from(context.body.id_token.split('.')[1], 'base64url').toString());
    const lie = lies[claims.sub];
    if (lie) context.body = { ...context.body, id_token: await lie(claims) };
  }
});

provider.listen({ fd: 0 });
