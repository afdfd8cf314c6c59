import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { claimsFromJwt, isJwtRefused, type JwtOptions, type JwtRefusal } from './claims-from-jwt.ts';

const SUB = '11111111-1111-4111-8111-111111111111';
const ISSUER = 'http://127.0.0.1:54321/auth/v1';
const secret = 'a-secret-of-at-least-thirty-two-characters';
const key = new TextEncoder().encode(secret);
const es = await generateKeyPair('ES256', { extractable: true });
const rs = await generateKeyPair('RS256', { extractable: true });
const stranger = await generateKeyPair('ES256');
const esPublic = { ...(await exportJWK(es.publicKey)), kid: 'es', alg: 'ES256' };
const jwks = { keys: [esPublic, { ...(await exportJWK(rs.publicKey)), kid: 'rs', alg: 'RS256' }] };

const token = (header = 'HS256', kid = '') =>
  new SignJWT({ role: 'authenticated', email: 'a@example.com' })
    .setProtectedHeader({ alg: header, ...(kid && { kid }) })
    .setSubject(SUB)
    .setAudience('authenticated')
    .setIssuer(ISSUER)
    .setIssuedAt()
    .setExpirationTime('1h');
const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

const refusal = async (jwt: string | Promise<string>, options: JwtOptions = { secret }) => {
  const error = await claimsFromJwt(await jwt, options).catch((thrown: unknown) => thrown);
  if (!isJwtRefused(error)) throw error;
  return error.reason;
};
const expectRefused = async (jwt: string | Promise<string>, reason: JwtRefusal, options?: JwtOptions) =>
  expect(await refusal(jwt, options)).toBe(reason);

describe('a good token', () => {
  const claims = { sub: SUB, role: 'authenticated', email: 'a@example.com', aud: 'authenticated' };

  test('HS256', async () => {
    expect(await claimsFromJwt(await token().sign(key), { secret, issuer: ISSUER })).toMatchObject(claims);
  });

  test('ES256 and RS256, from a set of public keys', async () => {
    expect(await claimsFromJwt(await token('ES256', 'es').sign(es.privateKey), { jwks })).toMatchObject(
      claims,
    );
    expect(await claimsFromJwt(await token('RS256', 'rs').sign(rs.privateKey), { jwks })).toMatchObject(
      claims,
    );
  });

  test('with keys that are served; read once', async () => {
    let reads = 0;
    const server = createServer((_, answer) => {
      reads += 1;
      answer.setHeader('content-type', 'application/json').end(JSON.stringify(jwks));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
    try {
      for (let n = 0; n < 3; n++)
        expect(
          await claimsFromJwt(await token('ES256', 'es').sign(es.privateKey), { jwksUrl }),
        ).toMatchObject(claims);
      expect(reads).toBe(1);
    } finally {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  });
});

describe('refused, each with its own reason', () => {
  test('expired, or without an end', async () => {
    await expectRefused(token().setExpirationTime('-1s').sign(key), 'expired');
    const endless = new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject(SUB);
    await expectRefused(endless.setAudience('authenticated').sign(key), 'malformed');
  });

  test('not yet valid', () => expectRefused(token().setNotBefore('1h').sign(key), 'not yet valid'));

  test('for somebody else', async () => {
    await expectRefused(token().setAudience('other').sign(key), 'audience');
    await expectRefused(token().sign(key), 'issuer', { secret, issuer: 'https://example.com' });
  });

  test('another key', async () => {
    await expectRefused(token().sign(key), 'signature', { secret: 'another' });
    await expectRefused(token('ES256', 'es').sign(stranger.privateKey), 'signature', { jwks });
    await expectRefused(token('ES256', 'unknown').sign(es.privateKey), 'signature', { jwks });
    const [header, , signature] = (await token().sign(key)).split('.');
    const changed = encoded({ sub: SUB, role: 'service_role', aud: 'authenticated', exp: 9_999_999_999 });
    await expectRefused(`${header}.${changed}.${signature}`, 'signature');
  });

  test('alg none, and an algorithm that the keys are not for', async () => {
    const unsigned = `${encoded({ alg: 'none' })}.${encoded({ sub: SUB, role: 'authenticated', aud: 'authenticated', exp: 9_999_999_999 })}.`;
    await expectRefused(unsigned, 'algorithm');
    await expectRefused(unsigned, 'algorithm', { jwks });
    // The old trick: the public key, taken for a secret.
    const publicAsSecret = new TextEncoder().encode(JSON.stringify(esPublic));
    await expectRefused(token('HS256', 'es').sign(publicAsSecret), 'algorithm', { jwks });
    await expectRefused(token('ES256', 'es').sign(es.privateKey), 'algorithm', { secret });
  });

  test.each(['', 'x', 'a.b.c', '..', 'null', `${'a'.repeat(10_000)}.b.c`])('no token at all: %.20s', (jwt) =>
    expectRefused(jwt, 'malformed'),
  );

  test('keys that cannot be read', async () => {
    const jwksUrl = 'http://127.0.0.1:1/jwks.json';
    await expectRefused(token('ES256', 'es').sign(es.privateKey), 'keys unreachable', { jwksUrl });
  });

  test('an empty secret, which anybody has', async () => {
    await expect(claimsFromJwt(await token().sign(key), { secret: '' })).rejects.toThrow('empty');
  });
});
