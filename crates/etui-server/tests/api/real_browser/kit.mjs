// What every story of a person in a browser needs; it stands behind the story. See real_browser.rs.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const { SERVER, HAND_OVER, EMAIL, SIGN_IN, SCREENSHOTS, AXE } = process.env;
const WIDE = { width: 800, height: 900 };
const NARROW = { width: 360, height: 740 };

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update'],
});
try {
  await story();
  console.log('done');
} finally {
  await browser.close();
}

function step(what) {
  console.log(what);
}

async function newPage(options) {
  const page = await (await browser.newContext({ viewport: WIDE, ...options })).newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

/// Whether everybody can use the page, by day and by night, and on the narrowest telephone; with pictures where they are asked for.
async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(await readFile(AXE, 'utf8'));
    const { violations } = await page.evaluate(() => axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    assert.deepEqual(found, [], `${name}, ${colorScheme}`);
    await picture(page, `${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(NARROW);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= NARROW.width, `${name} is ${width} wide`);
  await picture(page, `${name}-narrow`);
  await page.setViewportSize(WIDE);
}

async function picture(page, name) {
  if (SCREENSHOTS) {
    await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  }
}

async function signOut(page) {
  await page.getByRole('button', { name: 'Sign out of these pages' }).click();
  await page.waitForURL(/\/sign-in/);
}

async function addAuthenticator(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { send: (method, options) => session.send(method, { authenticatorId, ...options }) };
}

/// Turns the second factor on: what codes are computed from, and recovery codes.
async function setUpTotp() {
  const session = await (await post('/v1/sessions', JSON.parse(SIGN_IN))).json();
  const { ticket, secret } = await (await post('/v1/account/totp', {}, session.access_token)).json();
  const confirmed = await post('/v1/account/totp/confirm', { ticket, code: totp(secret) }, session.access_token);
  assert.equal(confirmed.status, 200);
  return { secret, ...(await confirmed.json()) };
}

/// One step ahead still counts, so that nobody waits for it.
/// RFC 6238, with a secret in base32.
function totp(secret, steps = 0) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1e6).padStart(6, '0');
}

async function refused(path, body, code) {
  const problem = await (await post(path, body)).json();
  assert.equal(problem.code, code);
  return problem;
}

function post(path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  return fetch(SERVER.replace('localhost', '127.0.0.1') + path, { method: 'POST', headers, body: JSON.stringify(body) });
}
