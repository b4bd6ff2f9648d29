//! Every secret that a route takes, and why it cannot be guessed.

/// A field of a body.
pub(super) struct Secret {
    pub(super) operation: &'static str,
    /// Its path in the JSON; `frames` for a body of anybody's that is none.
    pub(super) field: &'static str,
    pub(super) kind: Kind,
}

/// What keeps it from being guessed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Limits: it has few enough values, or was chosen by a person.
    Guessed(Guess),
    /// Its random bits, as this one has.
    Random(Example),
    /// There is nothing of anybody else's to guess: whoever asks has chosen it, or was given it a moment ago.
    Own,
}

/// By what a guess is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    LoginPassword,
    Totp,
    RecoveryCode,
    /// A second factor on the page for it.
    PageSecondFactor,
    /// The code of a device, on the page for it.
    UserCode,
    /// The same without looking first.
    UserCodeUnseen,
}

/// Where the server gives such a secret.
#[derive(Debug, Clone, Copy)]
pub(super) enum Example {
    DeviceCode,
    Download,
    OneTime,
    Passkey,
    RefreshToken,
    SecondFactor,
    TotpSetup,
}

impl Kind {
    pub(super) const fn guess(self) -> Option<Guess> {
        match self {
            Self::Guessed(guess) => Some(guess),
            Self::Random(_) | Self::Own => None,
        }
    }
}

impl Guess {
    /// Whether it is made at one account.
    pub(super) const fn is_at_one(self) -> bool {
        !matches!(self, Self::UserCode | Self::UserCodeUnseen)
    }
}

use Kind::{Guessed, Own, Random};

const fn secret(operation: &'static str, field: &'static str, kind: Kind) -> Secret {
    Secret { operation, field, kind }
}

pub(super) const SECRETS: &[Secret] = &[
    secret("sign_in", "login_proof", Guessed(Guess::LoginPassword)),
    secret("show_second_factor", "totp", Guessed(Guess::Totp)),
    secret("show_second_factor", "recovery_code", Guessed(Guess::RecoveryCode)),
    secret("show_second_factor", "passkey.ticket", Random(Example::Passkey)),
    secret("show_second_factor", "ticket", Random(Example::SecondFactor)),
    // Invitations, set-up links and the tickets of somebody without an account are in a header of CBOR.
    secret("sign_up", "frames", Random(Example::OneTime)),
    secret("sign_in_with_code", "code", Random(Example::OneTime)),
    secret("sign_in_with_code", "verifier", Own),
    secret("sign_in_with_device_code", "device_code", Random(Example::DeviceCode)),
    secret("sign_in_with_link", "ticket", Random(Example::OneTime)),
    secret("sign_in_with_link", "token", Random(Example::OneTime)),
    secret("sign_in_with_passkey", "ticket", Random(Example::Passkey)),
    secret("refresh", "refresh_token", Random(Example::RefreshToken)),
    secret("refresh", "request_id", Own),
    secret("confirm_email", "token", Random(Example::OneTime)),
    secret("fetch_data_export", "secret", Random(Example::Download)),
    secret("add_passkey", "ticket", Random(Example::Passkey)),
    secret("confirm_totp", "ticket", Random(Example::TotpSetup)),
    secret("confirm_totp", "code", Own),
    secret("set_login_password", "login_proof", Own),
    secret("change_email", "login_proof", Own),
];

/// Pages are not in the document. Whatever else they take has as many bits as what the API takes in its place: links, hand-overs, what
/// a provider gives back. Who has to sign in again for something dangerous does so by the operations above.
pub(super) const PAGES: &[(&str, Guess)] = &[
    ("/sign-in/second-factor", Guess::PageSecondFactor),
    ("/device/look", Guess::UserCode),
    ("/device/decide", Guess::UserCodeUnseen),
];
