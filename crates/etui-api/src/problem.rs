//! Errors as problem documents (RFC 9457) with stable codes.

use core::fmt;

use etui_chain::{Head, Refusal, Refused};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::{Method, Token};

/// The content type of problem documents.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:tt, $status:literal, $title:literal;)*) => {
        /// What went wrong, for programs: stable names that are only ever added to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that carries it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short sentence for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

error_codes! {
    /// The request does not have the form that the reference page describes.
    BadRequest = "bad_request", 400, "The request could not be understood.";
    /// E-mail or login password are wrong; the answer does not say which.
    SignInFailed = "sign_in_failed", 401, "The e-mail address or the login password is wrong.";
    /// No access token, or one that this server did not issue.
    Unauthenticated = "unauthenticated", 401, "Sign in to do this.";
    /// The access token has expired: refresh it.
    TokenExpired = "token_expired", 401, "The access token has expired.";
    /// The session was ended here or from another device: sign in again.
    SessionEnded = "session_ended", 401, "This session has ended; sign in again.";
    /// It was the right one of two factors: go on with the `ticket` and one of `methods`.
    SecondFactorRequired = "second_factor_required", 401, "A second factor is needed to sign in.";
    /// The code is not the right one, or was used before.
    WrongCode = "wrong_code", 401, "That code is not right, or was used before.";
    /// The server has another key than when the authenticator app was set up: its codes cannot be checked any more.
    SecondFactorUnreadable = "second_factor_unreadable", 409, "Codes of your authenticator app cannot be checked any more.";
    /// The passkey is none of an account here, was removed, or did not sign what it was asked to.
    PasskeyRefused = "passkey_refused", 401, "That passkey does not count here.";
    /// The provider did not say who somebody is, or nothing that verifies.
    ProviderRefused = "provider_refused", 401, "The provider did not confirm who you are.";
    /// Whoever was asked in the browser said no.
    AccessDenied = "access_denied", 403, "It was refused in the browser.";
    /// More than the plan has: `limit` says what and how much.
    PlanLimit = "plan_limit", 402, "The plan has no room for this.";
    /// The plan does not include it.
    NotInPlan = "not_in_plan", 403, "The plan does not include this.";
    /// Sign in anew, then repeat the request: it is for whoever is present, not for a session that lay about.
    FreshSignInRequired = "fresh_sign_in_required", 403, "Sign in again to do this.";
    /// Whoever runs the server has disabled the account.
    AccountDisabled = "account_disabled", 403, "This account is disabled.";
    /// Its holder has deleted the account; until it is gone it can be kept.
    AccountLeaving = "account_leaving", 403, "This account is being deleted.";
    /// A device that is signed in has to approve this one first.
    DeviceNotApproved = "device_not_approved", 403, "Another device has to approve this one.";
    /// The session is none of an administrator, or its token has not the scope.
    NotAllowed = "not_allowed", 403, "This is for administrators.";
    /// Sign-up needs an invitation, and this is none, or not for this address.
    InvitationRequired = "invitation_required", 403, "Signing up here needs an invitation.";
    /// This server takes new people only by the choice of whoever runs it.
    SignUpClosed = "sign_up_closed", 403, "This server does not take sign-ups.";
    /// What was asked for does not exist, or not for this account.
    NotFound = "not_found", 404, "There is no such thing here.";
    /// The server is not set up for it: no mail, no such provider.
    NotOffered = "not_offered", 404, "This server does not offer that.";
    /// Whoever signed in is known, and has no account here: sign up with the `ticket`.
    NoAccount = "no_account", 404, "There is no account for this yet.";
    /// The method is not one of this address.
    MethodNotAllowed = "method_not_allowed", 405, "This address does not answer that method.";
    /// An account with that e-mail address or id exists.
    AccountExists = "account_exists", 409, "An account with that e-mail address or id already exists.";
    /// It belongs to another account.
    Taken = "taken", 409, "It belongs to another account.";
    /// Without it nobody could sign in to the account.
    LastWay = "last_way", 409, "It is the last way to sign in.";
    /// Somebody has to remain who can administer the server.
    LastAdministrator = "last_administrator", 409, "It is the last administrator.";
    /// The file is being made: ask again after the time in `Retry-After`.
    NotReady = "not_ready", 409, "It is not ready yet.";
    /// Nobody has decided yet: ask again after the time in `Retry-After`.
    AuthorizationPending = "authorization_pending", 409, "Nobody has decided about this yet.";
    /// A link, code or ticket whose time is over, or that was used.
    NoLongerValid = "no_longer_valid", 410, "This has expired or was used.";
    /// The vault's head is another one: pull, merge, sign again.
    HeadMoved = "head_moved", 409, "The vault has moved on; pull first.";
    /// The account's state is another one: pull, apply again, sign again.
    StateMoved = "state_moved", 409, "The account has moved on; pull first.";
    /// The body is larger than the limit.
    TooLarge = "too_large", 413, "The request is too large.";
    /// The body is not of the content type that this address takes.
    UnsupportedMediaType = "unsupported_media_type", 415, "This address takes another content type.";
    /// Signed or sealed data does not keep the rules; `refusal` names the rule.
    Refused = "refused", 422, "The signed data does not verify.";
    /// Too many requests: try again after the time in `Retry-After`.
    TooManyRequests = "too_many_requests", 429, "Too many requests; try again later.";
    /// The server failed; the request may be repeated.
    Internal = "internal", 500, "The server failed to do this.";
    /// The server is starting, stopping or waiting for its storage: try again after the time in `Retry-After`.
    Unavailable = "unavailable", 503, "The server cannot do this just now; try again.";
    /// The server's disk or bucket is full. Nothing was stored.
    StorageFull = "storage_full", 507, "The server's storage is full; nothing was stored.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a plan has no room for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanLimit {
    /// The entitlement: `entries`, `devices`, `vaults`, `attachment_bytes`.
    pub what: String,
    /// How many the plan has.
    pub allowed: u64,
    /// How many there would be.
    pub wanted: u64,
}

/// A problem document. Members that do not apply are absent; unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI reference to the description of the code on the server's reference page.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short sentence, the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What happened this time and what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// With `refused`: the name of the rule that the data breaks (`spec/crypto.md`, "Refusals").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// With `head_moved`: the vault's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub head: Option<Head>,
    /// With `second_factor_required` and `no_account`: what to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
    /// With `second_factor_required`: what counts as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Method>>,
    /// With `account_leaving`: when everything will be gone, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at_ms: Option<u64>,
    /// With `plan_limit`: what has no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<PlanLimit>,
    /// Names this request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem with nothing but its code.
    pub fn new(code: ErrorCode) -> Self {
        Self {
            kind: format!("/reference#{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: None,
            refusal: None,
            head: None,
            ticket: None,
            methods: None,
            delete_at_ms: None,
            limit: None,
            request_id: None,
        }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the vault's head.
    #[must_use]
    pub const fn head(mut self, head: Head) -> Self {
        self.head = Some(head);
        self
    }
}

impl From<PlanLimit> for Problem {
    fn from(limit: PlanLimit) -> Self {
        let PlanLimit { what, allowed, wanted } = &limit;
        let detail = format!(
            "It has room for {allowed} {what}, and this would make {wanted}. Changing and deleting go on working."
        );
        let mut problem = Self::new(ErrorCode::PlanLimit).detail(detail);
        problem.limit = Some(limit);
        problem
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let code = if refused.refusal == Refusal::Limit { ErrorCode::TooLarge } else { ErrorCode::Refused };
        let mut problem = Self::new(code).detail(format!("{}.", refused.found));
        problem.refusal = Some(refused.refusal.name().to_owned());
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_that_of_rfc_9457() {
        let problem = Problem::from(Refusal::Forged.because("a commit's signature does not verify"));
        insta::assert_json_snapshot!(problem, @r###"
        {
          "type": "/reference#refused",
          "title": "The signed data does not verify.",
          "status": 422,
          "code": "refused",
          "detail": "a commit's signature does not verify.",
          "refusal": "forged"
        }
        "###);
    }

    #[test]
    fn codes_are_distinct() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
