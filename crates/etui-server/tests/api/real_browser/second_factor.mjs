// Signing in with two factors, and everything else that there are pages for.
const { LETTERS } = process.env;
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const DEVICE_ID = '0909090909090909090909090909090a';

async function story() {
  const owner = await newPage();
  const ring = await addAuthenticator(owner);

  step('links a provider and adds a passkey, from a device that is signed in');
  await owner.goto(HAND_OVER);
  await owner.getByRole('button', { name: 'Open it' }).click();
  await owner.getByRole('button', { name: 'Link Provider a' }).click();
  await signInAtProvider(owner, 'alice');
  await owner.getByRole('button', { name: 'Link it' }).waitFor();
  await look(owner, 'link-identity');
  await owner.getByRole('button', { name: 'Link it' }).click();
  await owner.getByRole('button', { name: 'Unlink Provider a' }).waitFor();
  await owner.getByRole('button', { name: 'Add a passkey' }).click();
  await owner.getByRole('button', { name: 'Remove Passkey' }).waitFor();
  const { secret, codes } = await setUpTotp();

  step('shows a recovery code after a provider, with the keyboard, where no script runs');
  const plain = await newPage({ javaScriptEnabled: false });
  await plain.goto(`${SERVER}/sign-in`);
  await plain.getByRole('button', { name: 'Provider a' }).click();
  await signInAtProvider(plain, 'alice');
  await plain.waitForURL(`${SERVER}/sign-in/second-factor`);
  await plain.keyboard.type('not a code');
  await plain.keyboard.press('Enter');
  await plain.getByText('That code is not right').waitFor();
  await plain.keyboard.type(codes[0].toUpperCase());
  await plain.keyboard.press('Enter');
  await plain.getByText(EMAIL).waitFor();

  step('goes back, and is where it leads to');
  await plain.goBack();
  await plain.getByText(EMAIL).waitFor();
  assert.equal(plain.url(), `${SERVER}/account`);

  step('shows a code after a link, loads the page anew, and presses the button twice');
  const page = await newPage();
  const authenticator = await addAuthenticator(page);
  await page.goto(`${SERVER}/sign-in?next=/device`);
  await look(page, 'sign-in');
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByRole('button', { name: 'Send me a link' }).click();
  await page.getByText('a letter is on its way').waitFor();
  await look(page, 'link-asked');
  const link = await linkOfLetter();
  await page.goto(link);
  await look(page, 'link');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${SERVER}/sign-in/second-factor`);
  await look(page, 'second-factor');
  await page.reload();
  const code = page.getByLabel('The code of your authenticator app');
  assert.ok(await code.evaluate((input) => input === document.activeElement), 'it can be typed at once');
  await code.fill('000000');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('That code is not right').waitFor();
  await look(page, 'second-factor-wrong');
  await page.goBack();
  await code.fill(totp(secret, 1));
  await page.getByRole('button', { name: 'Go on' }).dblclick();
  await page.waitForURL((url) => ['/device', '/account'].includes(url.pathname));
  await page.goto(`${SERVER}/account`);
  await look(page, 'account');

  step('opens the link a second time');
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'link-used');

  step('lets a device in by its code');
  const { user_code } = await (await post('/v1/device-codes', { device_id: DEVICE_ID })).json();
  await page.goto(`${SERVER}/device`);
  await look(page, 'device');
  await page.getByLabel('The code that the device shows').fill('BBBB-BBBB');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await look(page, 'device-unknown');
  await page.goto(`${SERVER}/device`);
  await page.getByLabel('The code that the device shows').fill(user_code);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText(DEVICE_ID).waitFor();
  await look(page, 'device-asks');
  await page.getByRole('button', { name: 'Let it in' }).click();
  await page.getByText('The device is let in').waitFor();
  await look(page, 'device-let-in');

  step('is asked about a program on the same computer');
  const question = `code_challenge=${CHALLENGE}&code_challenge_method=S256&state=abc&device_id=${DEVICE_ID}`;
  await page.goto(`${SERVER}/authorize?port=9&${question}`);
  await look(page, 'authorize');
  await page.goto(`${SERVER}/authorize?port=0&${question}`);
  await look(page, 'authorize-wrong');

  step('uses a passkey as the second factor');
  const { credentials } = await ring.send('WebAuthn.getCredentials');
  assert.equal(credentials.length, 1);
  await authenticator.send('WebAuthn.addCredential', { credential: credentials[0] });
  await page.goto(`${SERVER}/account`);
  await signOut(page);
  await page.getByRole('button', { name: 'Provider a' }).click();
  await signInAtProvider(page, 'alice');
  await page.getByRole('button', { name: 'Use a passkey instead' }).click();
  await page.getByText(EMAIL).waitFor();

  step('is told how long to wait');
  const other = await newPage();
  await other.goto(`${SERVER}/sign-in`);
  await other.getByRole('button', { name: 'Provider a' }).click();
  await signInAtProvider(other, 'alice');
  const asked = other.getByLabel('The code of your authenticator app');
  while (await asked.isVisible()) {
    await asked.fill('000000');
    const answered = other.waitForEvent('load');
    await other.keyboard.press('Enter');
    await answered;
  }
  await look(other, 'too-many');

  step('is somebody without an account');
  const newcomer = await newPage();
  await newcomer.goto(`${SERVER}/sign-in`);
  await newcomer.getByRole('button', { name: 'Provider a' }).click();
  await signInAtProvider(newcomer, 'bob');
  await newcomer.getByText('There is no account').waitFor();
  await look(newcomer, 'no-account');

  step('has the address of somebody else');
  const stranger = await newPage();
  await stranger.goto(`${SERVER}/sign-in`);
  await stranger.getByRole('button', { name: 'Provider a' }).click();
  await signInAtProvider(stranger, 'victim-true');
  await stranger.getByText('Not linked').first().waitFor();
  await look(stranger, 'not-linked');

  step('reads the rest');
  for (const [path, name] of [['/', 'home'], ['/reference', 'reference'], ['/invitation', 'invitation']]) {
    await stranger.goto(SERVER + path);
    await look(stranger, name);
  }
}

async function signInAtProvider(page, name) {
  await page.locator('input[name=login]').fill(name);
  await page.locator('input[name=password]').fill('any');
  await page.locator('button[type=submit]').click();
  await page.locator('button[type=submit]').filter({ hasText: 'Continue' }).click();
}

/// The newest link that came by mail; the letter is on its way.
async function linkOfLetter() {
  for (;;) {
    const letters = await (await fetch(LETTERS)).json();
    const line = letters.flatMap(({ text }) => text.split('\n')).findLast((line) => line.includes('/sign-in/links/'));
    if (line) return line.trim();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
