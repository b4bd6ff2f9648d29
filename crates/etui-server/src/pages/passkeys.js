// The one thing for which a page needs a script: it asks the browser for a passkey and puts the answer into the form, which
// then is sent like any other. A form says with `data-passkey` what is asked for, with `data-begin` where it begins.
'use strict';

for (const form of document.querySelectorAll('form[data-passkey]')) {
  prepare(form);
}

function prepare(form) {
  if (window.PublicKeyCredential?.parseCreationOptionsFromJSON === undefined) {
    form.querySelector('button').disabled = true;
    say(form, 'This browser does not know passkeys, or is too old for these pages.');
    return;
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    fill(form).then(() => form.submit(), (error) => say(form, explained(error)));
  });
}

async function fill(form) {
  say(form, '');
  const { ticket, options } = await begin(form.dataset.begin);
  const credential = form.dataset.passkey === 'create' ? await create(options) : await get(options);
  form.elements.namedItem('passkey_ticket').value = ticket;
  form.elements.namedItem('credential').value = JSON.stringify(credential);
}

async function begin(address) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(address, { method: 'POST', headers, body: '{}' });
  if (!response.ok) {
    throw new Error(`HTTP ${response.status}`);
  }
  return response.json();
}

function create(options) {
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
}

function get(options) {
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

function explained(error) {
  switch (error.name) {
    case 'NotAllowedError':
      return 'No passkey was given. You can try again.';
    case 'InvalidStateError':
      return 'There is a passkey of this account on it already.';
    default:
      return 'That did not work. Load this page anew and try again.';
  }
}

function say(form, text) {
  form.querySelector('[role=alert]').textContent = text;
}
