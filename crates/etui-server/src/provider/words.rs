//! What the log may say of a provider that failed: kinds of failure, and nothing of what a provider or a browser has sent.

use openidconnect::{ClaimsVerificationError, DiscoveryError, RequestTokenError, SignatureVerificationError};

use super::ProviderError;
use crate::log::{LoggableCause, chain};

impl LoggableCause for ProviderError {
    fn words(&self) -> String {
        let kind = match self {
            Self::Describing { source: DiscoveryError::Request(source), .. }
            | Self::Exchanging { source: RequestTokenError::Request(source), .. } => chain(source),
            Self::Describing { source: DiscoveryError::Response(status, ..), .. } => {
                format!("status {status}")
            }
            Self::Describing { source: DiscoveryError::Validation(_), .. } => "another issuer".to_owned(),
            Self::Exchanging { source: RequestTokenError::ServerResponse(_), .. } => "it refused".to_owned(),
            Self::Describing { .. } | Self::Exchanging { .. } => {
                "not of the form that is laid down".to_owned()
            }
            Self::Verifying { source, .. } => verification(source).to_owned(),
            Self::NotDescribed { .. }
            | Self::Unusable { .. }
            | Self::OtherIssuer { .. }
            | Self::NoIdToken { .. }
            | Self::Reading { .. } => return self.to_string(),
        };
        format!("{self}: {kind}")
    }
}

const fn verification(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "expired",
        ClaimsVerificationError::InvalidAudience(_) => "for somebody else",
        ClaimsVerificationError::InvalidIssuer(_) => "of another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "of another sign-in",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            "signed with a key that is not published"
        }
        ClaimsVerificationError::SignatureVerification(_) => "the signature does not verify",
        _ => "not of the form that is laid down",
    }
}
