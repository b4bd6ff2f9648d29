//! Codes for when the second factor is lost: each works once. Only hashes are kept, which is enough for eighty random bits.

use data_encoding::BASE32_NOPAD;
use etui_api::session::Token;
use etui_chain::{AccountId, Digest};
use zeroize::Zeroizing;

use crate::{
    app::App,
    clock,
    mail::{self, Letter, RecoveryCodeUsed},
    problem::ApiError,
};

/// So many are given at once.
const COUNT: usize = 10;
const BYTES: usize = 10;
const GROUP_CHARS: usize = 4;

/// New codes of an account, and the hashes under which they are stored.
///
/// # Errors
/// The operating system gave no random bytes.
pub(crate) fn draw(account_id: AccountId) -> Result<(Vec<Token>, Vec<Digest>), getrandom::Error> {
    let mut codes = Vec::with_capacity(COUNT);
    let mut hashes = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let mut bytes = Zeroizing::new([0; BYTES]);
        getrandom::fill(&mut *bytes)?;
        codes.push(written(&*bytes));
        hashes.push(hash(account_id, &*bytes));
    }
    Ok((codes, hashes))
}

/// Whether it is one of the account's, which it is once. Its holder is told by a letter.
///
/// # Errors
/// The store's.
pub(crate) async fn use_code(app: &App, account_id: AccountId, shown: &Token) -> Result<bool, ApiError> {
    let Some(bytes) = read(shown) else { return Ok(false) };
    let (code, now_ms) = (hash(account_id, &bytes), clock::now_ms());
    let notice = mail::notice(app, Letter::RecoveryCodeUsed(RecoveryCodeUsed { time_ms: now_ms }))?;
    let used = app.store.use_recovery_code(account_id, code, notice.as_ref(), now_ms).await?;
    mail::wake(app);
    Ok(used)
}

/// In groups, in lower case.
fn written(bytes: &[u8]) -> Token {
    let text = Zeroizing::new(BASE32_NOPAD.encode(bytes).to_lowercase());
    let groups: Vec<&str> =
        (0..text.len()).step_by(GROUP_CHARS).map(|at| &text[at..at + GROUP_CHARS]).collect();
    Token::new(groups.join("-"))
}

/// As people type it: with or without groups, in any case.
fn read(shown: &Token) -> Option<Zeroizing<Vec<u8>>> {
    let plain = |character: &char| character.is_ascii_alphanumeric();
    let text: Zeroizing<String> = Zeroizing::new(shown.expose().chars().filter(plain).collect());
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(text.to_uppercase().as_bytes()).ok()?);
    (bytes.len() == BYTES).then_some(bytes)
}

fn hash(account_id: AccountId, bytes: &[u8]) -> Digest {
    Digest::of(&[account_id.as_bytes(), bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let account_id = AccountId::new([1; 16]).unwrap();
        let (codes, hashes) = draw(account_id).unwrap();
        assert_eq!((codes.len(), hashes.len()), (COUNT, COUNT));
        for (code, expected) in codes.iter().zip(hashes) {
            assert_eq!(code.expose().len(), 19);
            for typed in
                [code.expose().to_owned(), code.expose().to_uppercase(), code.expose().replace('-', " ")]
            {
                let bytes = read(&Token::new(typed)).unwrap();
                assert_eq!(hash(account_id, &bytes), expected);
                assert_ne!(hash(AccountId::new([2; 16]).unwrap(), &bytes), expected);
            }
        }
        for wrong in ["", "abcd", "aaaa-aaaa-aaaa-aaa1", "aaaa-aaaa-aaaa-aaaa-aaaa"] {
            assert!(read(&Token::new(wrong.to_owned())).is_none(), "{wrong}");
        }
    }
}
