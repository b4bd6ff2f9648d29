//! Signatures of devices and of the account's identity (Ed25519, RFC 8032).

use core::fmt;

use ed25519_dalek::Signer as _;
use etui_chain::{Commit, CommitDraft, PublicKey, Signature, State, StateBody};

use crate::{RandomSource, secret::Secret};

/// A key that signs: a device's for commits, an account's identity for states. Random, derived from no password.
pub struct SigningKey(Box<ed25519_dalek::SigningKey>);

impl SigningKey {
    /// Draws a new one.
    pub fn generate(random: &mut dyn RandomSource) -> Self {
        Self::from_seed(Secret::generate(random).bytes())
    }

    /// From the 32-byte seed of RFC 8032; the caller wipes its own copy.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// The key that others verify with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.verifying_key().to_bytes())
    }

    /// Signs a commit as a device.
    pub fn sign_commit(&self, draft: CommitDraft) -> Commit {
        let signature = self.sign(&draft.signing_message());
        draft.sign_with(signature)
    }

    /// Signs a state as the account's identity, which must be the one named inside.
    pub fn sign_state(&self, body: StateBody) -> State {
        debug_assert_eq!(body.identity_key, self.public_key(), "a state is signed by the identity it names");
        let signature = self.sign(&body.signing_message());
        body.sign_with(vec![signature])
    }

    /// Signs the state by which this identity, the old one, hands over to a new one: the old one first.
    pub fn sign_handover(&self, new_identity: &Self, body: StateBody) -> State {
        debug_assert_eq!(
            body.identity_key,
            new_identity.public_key(),
            "a state names the identity that takes over"
        );
        let message = body.signing_message();
        body.sign_with(vec![self.sign(&message), new_identity.sign(&message)])
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature::new(self.0.sign(message).to_bytes())
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public_key())
    }
}
