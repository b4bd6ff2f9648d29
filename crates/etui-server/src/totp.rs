//! One-time passwords that count time (RFC 6238), as the second factor of signing in: six digits of SHA-1 every thirty seconds,
//! because that is what every authenticator app knows.
//!
//! What they are computed from lies sealed in the database, also while it is being set up.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD};
use etui_api::{ErrorCode, session::Token, ways::TotpSetup};
use etui_chain::AccountId;
use etui_store::{Fresh, Purpose, SealedTotp};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use crate::{
    app::App,
    clock, log,
    problem::ApiError,
    sealing::Sealed,
    sign_in::{self, PATIENCE, TRIES, no_longer_valid},
};

/// 160 bits (RFC 4226 §4).
const SECRET_BYTES: usize = 20;
const ISSUER: &str = "Etui";

/// What nobody can cause from outside.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TotpFault {
    /// The library made no address of a secret and a name.
    #[error("no address could be made for an authenticator app")]
    Address,
}

#[derive(Serialize, Deserialize)]
struct SetupBody {
    /// Sealed, as base64.
    sealed: String,
}

/// A secret that was confirmed: an app shows the right codes for it.
pub(crate) struct Confirmed {
    pub(crate) secret: SealedTotp,
    /// The time step of the code, which does not count again.
    pub(crate) used_step: u64,
}

/// Draws a secret for an authenticator app. Nothing changes until it is confirmed.
///
/// # Errors
/// The store's.
pub(crate) async fn begin(app: &App, fresh: &Fresh) -> Result<TotpSetup, ApiError> {
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
    getrandom::fill(&mut secret)?;
    let email = app.store.ways(fresh.account_id()).await?.email;
    let url = address(&secret, &email)?;
    let keys = app.tokens.keys(clock::now_s());
    let sealed = keys.sealing.seal(Sealed::TotpSetup, fresh.account_id(), &secret)?;
    let body = SetupBody { sealed: BASE64_NOPAD.encode(&sealed) };
    let claim = Some(fresh.claim());
    let ticket = sign_in::begin(app, Purpose::TotpSetup, claim, &body, TRIES, PATIENCE).await?;
    Ok(TotpSetup { ticket, url, secret: Token::new(BASE32_NOPAD.encode(&secret)) })
}

/// Takes a set-up whose app shows the right code; `None` for a wrong one.
///
/// # Errors
/// `no_longer_valid`.
pub(crate) async fn confirm(
    app: &App,
    fresh: &Fresh,
    ticket: &Token,
    code: &Token,
) -> Result<Option<Confirmed>, ApiError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    sign_in::require_own(app, fresh, Purpose::TotpSetup, secret_hash).await?;
    let tried = app.store.try_pending(secret_hash, Purpose::TotpSetup, clock::now_ms()).await?;
    let SetupBody { sealed } = sign_in::body(&tried.ok_or_else(no_longer_valid)?.body)?;
    let keys = app.tokens.keys(clock::now_s());
    let sealed = BASE64_NOPAD.decode(sealed.as_bytes()).ok();
    let open = |sealed: Vec<u8>| keys.sealing.open(Sealed::TotpSetup, fresh.account_id(), &sealed);
    let secret = sealed.and_then(open).ok_or_else(no_longer_valid)?;
    let Some(used_step) = step_of(&secret, code) else { return Ok(None) };
    let taken = app.store.take_pending(secret_hash, Purpose::TotpSetup, clock::now_ms()).await?;
    taken.ok_or_else(no_longer_valid)?;
    let sealed = keys.sealing.seal(Sealed::Totp, fresh.account_id(), &secret)?;
    Ok(Some(Confirmed { secret: SealedTotp::new(sealed), used_step }))
}

/// Whether the code is right, which it is once: on every node, and none before it either.
///
/// # Errors
/// `second_factor_unreadable`.
pub(crate) async fn use_code(app: &App, account_id: AccountId, code: &Token) -> Result<bool, ApiError> {
    let Some(sealed) = app.store.totp(account_id).await? else { return Ok(false) };
    let secret = open(app, account_id, &sealed).ok_or_else(unreadable)?;
    match step_of(&secret, code) {
        Some(step) => Ok(app.store.use_totp_step(account_id, step).await?),
        None => Ok(false),
    }
}

/// Whether codes can be checked: not if the token key file is another one than when it was set up.
pub(crate) fn is_readable(app: &App, account_id: AccountId, sealed: &SealedTotp) -> bool {
    open(app, account_id, sealed).is_some()
}

fn open(app: &App, account_id: AccountId, sealed: &SealedTotp) -> Option<Zeroizing<Vec<u8>>> {
    app.tokens.keys(clock::now_s()).sealing.open(Sealed::Totp, account_id, sealed.as_bytes())
}

/// The same for every code, right or wrong.
fn unreadable() -> ApiError {
    log::warn("a second factor was set up with another token key file, and cannot be checked").write();
    let detail = "This server has another key than when your authenticator app was set up. Use a recovery code or a passkey, and \
         set the app up anew then. If you have neither, ask whoever runs the server.";
    ApiError::because(ErrorCode::SecondFactorUnreadable, detail)
}

/// The time step whose code it is: the present one, the one before or the one after.
fn step_of(secret: &[u8], code: &Token) -> Option<u64> {
    let digits: String = code.expose().split_whitespace().collect();
    totp(secret).build_noncompliant().check(&digits, clock::now_s())
}

fn address(secret: &[u8], email: &str) -> Result<Token, ApiError> {
    // A colon would part the name from the issuer.
    let named = totp(secret).with_issuer(Some(ISSUER)).with_account_name(email.replace(':', " "));
    let url = named.build().and_then(|totp: Totp| totp.to_url());
    url.map(Token::new).map_err(|_| ApiError::internal(&TotpFault::Address))
}

/// SHA-1, six digits, thirty seconds, one step either way are the library's defaults and those of every app.
fn totp(secret: &[u8]) -> Builder {
    Builder::new().with_secret(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let totp = totp(b"12345678901234567890").build_noncompliant();
        for (time_s, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.generate(time_s).to_string(), code);
            assert_eq!(totp.check(code, time_s), Some(time_s / 30));
            assert_eq!(totp.check(code, time_s + 30), Some(time_s / 30), "one step late");
            assert_eq!(totp.check(code, time_s + 60), None);
        }
    }

    #[test]
    fn the_address_is_one_that_apps_know() {
        let address = address(&[7; 20], "ada@example.org").unwrap();
        let known = Totp::from_url(address.expose()).unwrap();
        assert_eq!((known.issuer(), known.account_name()), (Some("Etui"), "ada@example.org"));
        assert_eq!((known.digits(), known.step()), (6, 30));
    }
}
