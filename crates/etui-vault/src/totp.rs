//! One-time passwords: TOTP (RFC 6238), HOTP (RFC 4226) and Steam Guard, as `otpauth` URIs.
//!
//! A code is a function of the secret and of a time or counter that is passed in; nothing here reads a clock.

use core::fmt::Write as _;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;
use zeroize::{Zeroize as _, Zeroizing};

use crate::document::SecretText;

/// The longest secret that is accepted, in bytes: twice the block of SHA-512.
pub const MAX_SECRET_BYTES: usize = 256;

/// The hash under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// HMAC-SHA-1, the default of every site that does not say otherwise.
    #[default]
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        // Some issuers write `HmacSHA256` or `SHA-256`.
        let name = name.to_ascii_uppercase().replace('-', "");
        match name.strip_prefix("HMAC").unwrap_or(&name) {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// Where the moving factor comes from and how the code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneTimePasswordKind {
    /// From the time, in steps of this many seconds (1 to 3600).
    Totp {
        /// Length of a step in seconds.
        period_s: u64,
    },
    /// From a counter that rises with each use.
    Hotp {
        /// The counter of the next code.
        counter: u64,
    },
    /// From the time in steps of 30 seconds, as five letters and digits.
    Steam,
}

/// Why something is no one-time password. Says nothing of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OneTimePasswordError {
    /// Neither an `otpauth` URI nor a Base32 secret.
    #[error("reading a one-time password: not an otpauth URI nor a Base32 secret")]
    NotOtpauth,
    /// The secret is missing, empty, too long or not Base32.
    #[error("reading a one-time password: the secret is missing or not Base32")]
    Secret,
    /// Unknown algorithm.
    #[error("reading a one-time password: the algorithm is not SHA1, SHA256 or SHA512")]
    Algorithm,
    /// Digits outside 6 to 8.
    #[error("reading a one-time password: the number of digits is not 6 to 8")]
    Digits,
    /// Period outside 1 to 3600 seconds.
    #[error("reading a one-time password: the period is not 1 to 3600 seconds")]
    Period,
    /// A HOTP without a counter, or with one that is no number.
    #[error("reading a one-time password: the counter is missing or no number")]
    Counter,
}

/// A code and how long it holds.
#[derive(Debug)]
pub struct Code {
    /// The digits (Steam: letters and digits).
    pub text: SecretText,
    /// Seconds until the next code; none for HOTP.
    pub remaining_s: Option<u64>,
}

/// A one-time password generator: secret and parameters. `Debug` shows nothing of it.
pub struct OneTimePassword {
    secret: Zeroizing<Vec<u8>>,
    kind: OneTimePasswordKind,
    algorithm: Algorithm,
    digits: u32,
    issuer: Option<String>,
    account: String,
}

impl OneTimePassword {
    /// Reads an `otpauth://` URI, a `steam://SECRET` URI, or a bare Base32 secret (TOTP with SHA-1, 6 digits, 30 s).
    ///
    /// # Errors
    /// [`OneTimePasswordError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, OneTimePasswordError> {
        let text = text.trim();
        match text.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("otpauth") => parse_uri(text),
            Some((scheme, secret)) if scheme.eq_ignore_ascii_case("steam") => {
                Self::from_secret(secret, OneTimePasswordKind::Steam)
            }
            Some(_) => Err(OneTimePasswordError::NotOtpauth),
            None => Self::from_secret(text, OneTimePasswordKind::Totp { period_s: DEFAULT_PERIOD_S })
                .map_err(|_| OneTimePasswordError::NotOtpauth),
        }
    }

    /// What an entry stores for a text that a person gave: an `otpauth` URI as it is, anything else as a new URI.
    ///
    /// # Errors
    /// As [`OneTimePassword::parse`].
    pub fn normalise(text: &str) -> Result<SecretText, OneTimePasswordError> {
        let parsed = Self::parse(text)?;
        let is_uri = text.trim().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("otpauth:"));
        Ok(if is_uri { text.trim().into() } else { parsed.to_uri() })
    }

    /// The `otpauth` URI.
    pub fn to_uri(&self) -> SecretText {
        let secret = Zeroizing::new(BASE32_NOPAD.encode(&self.secret));
        let (kind, moving) = match self.kind {
            OneTimePasswordKind::Totp { period_s } => ("totp", format!("&period={period_s}")),
            OneTimePasswordKind::Hotp { counter } => ("hotp", format!("&counter={counter}")),
            OneTimePasswordKind::Steam => ("totp", "&encoder=steam".to_owned()),
        };
        let mut label = escape(&self.account);
        let mut issuer_parameter = String::new();
        if let Some(issuer) = self.issuer.as_deref().map(escape) {
            label = format!("{issuer}:{label}");
            issuer_parameter = format!("&issuer={issuer}");
        }
        let (algorithm, digits) = (self.algorithm.name(), self.digits);
        // Written into one allocation: a growing string would leave copies of the secret behind.
        let mut uri = String::with_capacity(128 + label.len() + secret.len() + issuer_parameter.len());
        let _ = write!(
            uri,
            "otpauth://{kind}/{label}?secret={}{issuer_parameter}&algorithm={algorithm}&digits={digits}{moving}",
            secret.as_str()
        );
        uri.into()
    }

    /// The code at a time, in seconds since the Unix epoch. For HOTP the time plays no part: it is the code of the stored
    /// counter, and [`OneTimePassword::next`] has to be stored afterwards.
    pub fn code(&self, unix_s: u64) -> Code {
        let (factor, remaining_s) = match self.kind {
            OneTimePasswordKind::Totp { period_s } => (unix_s / period_s, Some(period_s - unix_s % period_s)),
            OneTimePasswordKind::Hotp { counter } => (counter, None),
            OneTimePasswordKind::Steam => {
                (unix_s / DEFAULT_PERIOD_S, Some(DEFAULT_PERIOD_S - unix_s % DEFAULT_PERIOD_S))
            }
        };
        let number = truncate(&self.hmac(factor));
        let text = match self.kind {
            OneTimePasswordKind::Steam => steam_code(number),
            _ => format!("{:0width$}", number % 10_u32.pow(self.digits), width = self.digits as usize),
        };
        Code { text: text.into(), remaining_s }
    }

    /// For HOTP: the same with the counter one further, to be stored after a code was used. None for the others.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        let OneTimePasswordKind::Hotp { counter } = self.kind else { return None };
        Some(Self {
            secret: Zeroizing::new(self.secret.to_vec()),
            kind: OneTimePasswordKind::Hotp { counter: counter.checked_add(1)? },
            algorithm: self.algorithm,
            digits: self.digits,
            issuer: self.issuer.clone(),
            account: self.account.clone(),
        })
    }

    /// How codes are made.
    pub fn kind(&self) -> OneTimePasswordKind {
        self.kind
    }

    /// Who issued it, if said.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The account that it is for; may be empty.
    pub fn account(&self) -> &str {
        &self.account
    }

    fn from_secret(secret: &str, kind: OneTimePasswordKind) -> Result<Self, OneTimePasswordError> {
        Ok(Self {
            secret: decode_secret(secret)?,
            kind,
            algorithm: Algorithm::Sha1,
            digits: DEFAULT_DIGITS,
            issuer: None,
            account: String::new(),
        })
    }

    fn hmac(&self, factor: u64) -> Zeroizing<Vec<u8>> {
        macro_rules! keyed {
            ($hash:ty) => {{
                let mut mac = Hmac::<$hash>::new_from_slice(&self.secret)
                    .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
                mac.update(&factor.to_be_bytes());
                let mut output = mac.finalize().into_bytes();
                let copy = Zeroizing::new(output.to_vec());
                output.as_mut_slice().zeroize();
                copy
            }};
        }
        match self.algorithm {
            Algorithm::Sha1 => keyed!(sha1::Sha1),
            Algorithm::Sha256 => keyed!(sha2::Sha256),
            Algorithm::Sha512 => keyed!(sha2::Sha512),
        }
    }
}

impl core::fmt::Debug for OneTimePassword {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("OneTimePassword(…)")
    }
}

const DEFAULT_PERIOD_S: u64 = 30;
const DEFAULT_DIGITS: u32 = 6;

fn parse_uri(text: &str) -> Result<OneTimePassword, OneTimePasswordError> {
    let uri = Url::parse(text).map_err(|_| OneTimePasswordError::NotOtpauth)?;
    let parameter = |wanted: &str| {
        uri.query_pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.into_owned())
    };
    let is_steam = parameter("encoder").is_some_and(|encoder| encoder.eq_ignore_ascii_case("steam"));
    let kind = match uri.host_str().map(str::to_ascii_lowercase).as_deref() {
        Some("totp") if is_steam => OneTimePasswordKind::Steam,
        Some("totp") => OneTimePasswordKind::Totp { period_s: period(parameter("period"))? },
        Some("hotp") => OneTimePasswordKind::Hotp { counter: counter(parameter("counter"))? },
        _ => return Err(OneTimePasswordError::NotOtpauth),
    };
    let secret = Zeroizing::new(parameter("secret").ok_or(OneTimePasswordError::Secret)?);
    let mut parsed = OneTimePassword::from_secret(&secret, kind)?;
    parsed.digits = digits(parameter("digits"))?;
    if let Some(name) = parameter("algorithm") {
        parsed.algorithm = Algorithm::from_name(&name).ok_or(OneTimePasswordError::Algorithm)?;
    }
    let label = unescape(uri.path().trim_start_matches('/'));
    let (prefix, account) = match label.split_once(':') {
        Some((issuer, account)) => (Some(issuer.trim().to_owned()), account.trim().to_owned()),
        None => (None, label),
    };
    parsed.account = account;
    parsed.issuer = parameter("issuer").or(prefix).filter(|issuer| !issuer.is_empty());
    Ok(parsed)
}

fn period(text: Option<String>) -> Result<u64, OneTimePasswordError> {
    let period_s =
        text.map_or(Ok(DEFAULT_PERIOD_S), |text| text.parse()).map_err(|_| OneTimePasswordError::Period)?;
    if (1..=3600).contains(&period_s) { Ok(period_s) } else { Err(OneTimePasswordError::Period) }
}

fn counter(text: Option<String>) -> Result<u64, OneTimePasswordError> {
    text.and_then(|text| text.parse().ok()).ok_or(OneTimePasswordError::Counter)
}

fn digits(text: Option<String>) -> Result<u32, OneTimePasswordError> {
    let digits =
        text.map_or(Ok(DEFAULT_DIGITS), |text| text.parse()).map_err(|_| OneTimePasswordError::Digits)?;
    if (6..=8).contains(&digits) { Ok(digits) } else { Err(OneTimePasswordError::Digits) }
}

/// Base32 as people meet it: any case, in groups, with or without padding.
fn decode_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, OneTimePasswordError> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(
        text.chars()
            .filter(|letter| !letter.is_whitespace() && !matches!(letter, '-' | '='))
            .map(|letter| letter.to_ascii_uppercase()),
    );
    let bytes =
        Zeroizing::new(BASE32_NOPAD.decode(plain.as_bytes()).map_err(|_| OneTimePasswordError::Secret)?);
    if bytes.is_empty() || bytes.len() > MAX_SECRET_BYTES {
        return Err(OneTimePasswordError::Secret);
    }
    Ok(bytes)
}

/// Dynamic truncation, RFC 4226 section 5.3.
fn truncate(hmac: &[u8]) -> u32 {
    let offset = usize::from(hmac[hmac.len() - 1] & 0x0f);
    let word = [hmac[offset] & 0x7f, hmac[offset + 1], hmac[offset + 2], hmac[offset + 3]];
    u32::from_be_bytes(word)
}

/// Steam writes the number in base 26 with letters that cannot be mistaken, lowest place first.
fn steam_code(number: u32) -> String {
    const LETTERS: &[u8; 26] = b"23456789BCDFGHJKMNPQRTVWXY";
    let places = core::iter::successors(Some(number), |rest| Some(rest / 26)).take(5);
    places.map(|rest| char::from(LETTERS[(rest % 26) as usize])).collect()
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
