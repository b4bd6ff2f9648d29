// A passkey from its making to its end.
import http from 'node:http';

const DEVICE_ID = '0909090909090909090909090909090a';

async function story() {
  const page = await newPage();
  const authenticator = await addAuthenticator(page);

  step('opens the account from a device that is signed in');
  await page.goto(HAND_OVER);
  await look(page, 'hand-over');
  await page.getByRole('button', { name: 'Open it' }).click();
  await page.waitForURL(`${SERVER}/account`);

  step('makes a passkey, and calls it something else');
  await page.getByLabel('What to call it').fill('Key <ring>');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('button', { name: 'Remove Key <ring>' }).waitFor();
  await page.getByLabel('Name').fill('Laptop');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('button', { name: 'Remove Laptop' }).waitFor();
  await look(page, 'account');

  step('does not make a second one on the same authenticator');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByText('There is a passkey of this account on it already.').waitFor();

  step('signs in without an address');
  await signOut(page);
  await look(page, 'sign-in');
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText(EMAIL).waitFor();
  assert.equal(page.url(), `${SERVER}/account`);

  step('is told when no passkey was given');
  await signOut(page);
  await authenticator.send('WebAuthn.setUserVerified', { isUserVerified: false });
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText('No passkey was given.').waitFor();
  await look(page, 'no-passkey');
  await authenticator.send('WebAuthn.setUserVerified', { isUserVerified: true });

  step('signs a program in, once');
  const first = await assertion(page, await begin());
  assert.equal((await post('/v1/sessions/passkey', { ...first, device_id: DEVICE_ID })).status, 200);
  await refused('/v1/sessions/passkey', { ...first, device_id: DEVICE_ID }, 'no_longer_valid');
  const other = await begin();
  await refused('/v1/sessions/passkey', { ...first, ticket: other.ticket, device_id: DEVICE_ID }, 'passkey_refused');

  step('refuses what was signed for another site');
  const stranger = await siteOfSomebodyElse();
  await page.goto(stranger.url);
  const stolen = await assertion(page, await begin());
  await refused('/v1/sessions/passkey', { ...stolen, device_id: DEVICE_ID }, 'passkey_refused');
  stranger.close();

  step('is the second factor of another way');
  await page.goto(`${SERVER}/sign-in`);
  await setUpTotp();
  const { ticket, methods } = await refused('/v1/sessions', JSON.parse(SIGN_IN), 'second_factor_required');
  assert.ok(methods.includes('passkey'));
  const passkey = await assertion(page, await begin());
  assert.equal((await post('/v1/sessions/second-factor', { ticket, passkey })).status, 200);

  step('is two factors in one on a page');
  await page.goto(`${SERVER}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText(EMAIL).waitFor();

  step('signs in no more once it is removed');
  await page.getByRole('button', { name: 'Remove Laptop' }).click();
  await page.getByRole('button', { name: 'Remove Laptop' }).waitFor({ state: 'detached' });
  await signOut(page);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText('That passkey does not count here').waitFor();
  await look(page, 'refused');
}

async function begin() {
  return (await post('/v1/sign-ins/passkeys', {})).json();
}

/// What the authenticator signs on whatever page there is.
async function assertion(page, { ticket, options }) {
  const credential = await page.evaluate(async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey })).toJSON();
  }, options);
  return { ticket, credential };
}

/// The same host, so that the passkey is given away, and another port.
async function siteOfSomebodyElse() {
  const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}

