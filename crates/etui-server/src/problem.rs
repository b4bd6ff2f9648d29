//! Every failure of a request, as a problem document (RFC 9457).
//!
//! A handler or extractor answers with an [`ApiError`]; [`crate::envelope`] writes the document, because only it
//! knows the request's id.

use axum::response::{IntoResponse, Response};
use etui_api::{ErrorCode, Problem};
use etui_chain::Refused;
use etui_store::StoreError;
use http::StatusCode;

use crate::{
    log::{Cause, LoggableCause},
    login::LoginError,
    tokens::TokenError,
};

/// Seconds that a client is asked to wait when too many ask at once.
pub(crate) const BUSY_RETRY_S: u32 = 5;

/// A problem on its way to the client.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    problem: Problem,
    retry_after_s: Option<u32>,
    cause: Option<Cause>,
    store_failure: Option<&'static str>,
    is_busy: bool,
}

impl ApiError {
    /// Nothing but the code.
    pub fn new(code: ErrorCode) -> Self {
        Problem::new(code).into()
    }

    /// The code, and what happened this time.
    pub fn because(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code).detail(detail).into()
    }

    /// The server's own failure. The cause goes to the log and never to the client.
    pub fn internal(cause: &dyn LoggableCause) -> Self {
        Self::with_cause(ErrorCode::Internal, cause)
    }

    /// Too many tries: the next one is looked at after so many ms.
    pub fn too_many(wait_ms: u64) -> Self {
        let mut error = Self::new(ErrorCode::TooManyRequests);
        error.0.retry_after_s = Some(u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX));
        error
    }

    /// The document.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Seconds until the request may succeed.
    pub fn retry_after_s(&self) -> Option<u32> {
        self.0.retry_after_s
    }

    /// What the log should say about it.
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// What failed below the API, as [`StoreError::failure`] names it.
    pub(crate) fn store_failure(&self) -> Option<&'static str> {
        self.0.store_failure
    }

    /// Whether the server had no time to look at what was sent.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.is_busy
    }

    /// The document with the request's id.
    pub fn into_problem(self, request_id: String) -> Problem {
        let mut problem = self.0.problem;
        problem.request_id = Some(request_id);
        problem
    }

    fn with_cause(code: ErrorCode, cause: &dyn LoggableCause) -> Self {
        let mut error = Self::new(code);
        error.0.cause = Some(Cause::of(cause));
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.problem.status).expect("every code has a status");
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let retry_after_s = match problem.code {
            ErrorCode::TooManyRequests
            | ErrorCode::Unavailable
            | ErrorCode::AuthorizationPending
            | ErrorCode::NotReady => Some(BUSY_RETRY_S),
            _ => None,
        };
        Self(Box::new(Inner { problem, retry_after_s, cause: None, store_failure: None, is_busy: false }))
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Problem::from(refused).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let store_failure = error.failure();
        let mut answer = Self::of_store(error);
        answer.0.store_failure = store_failure;
        answer
    }
}

impl ApiError {
    fn of_store(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refused) => refused.into(),
            StoreError::HeadMoved(head) => Problem::new(ErrorCode::HeadMoved).head(head).into(),
            StoreError::StateMoved => Self::new(ErrorCode::StateMoved),
            StoreError::AccountExists => Self::new(ErrorCode::AccountExists),
            StoreError::NotFound => Self::new(ErrorCode::NotFound),
            StoreError::Taken => Self::new(ErrorCode::Taken),
            StoreError::LastWay => Self::because(ErrorCode::LastWay, "Add another way to sign in first."),
            StoreError::LastAdministrator => {
                Self::because(ErrorCode::LastAdministrator, "Make somebody else an administrator first.")
            }
            StoreError::PlanLimit(limit) => Problem::from(limit).into(),
            StoreError::NotInPlan { feature } => {
                Self::because(ErrorCode::NotInPlan, format!("It does not have `{}`.", feature.name()))
            }
            StoreError::NoPlan { .. } | StoreError::NoFlag { .. } => {
                Self::because(ErrorCode::NotFound, format!("{error}."))
            }
            StoreError::NotAName | StoreError::NotText => {
                Self::because(ErrorCode::BadRequest, format!("{error}."))
            }
            StoreError::NotInvited => Self::new(ErrorCode::InvitationRequired),
            StoreError::NotFresh => Self::new(ErrorCode::FreshSignInRequired),
            StoreError::SessionEnded => Self::new(ErrorCode::SessionEnded),
            StoreError::Superseded => Self::because(ErrorCode::NoLongerValid, "Begin again."),
            StoreError::NotAdministrator => Self::new(ErrorCode::NotAllowed),
            StoreError::Disabled => {
                Self::because(ErrorCode::AccountDisabled, "Ask whoever runs this server.")
            }
            StoreError::Leaving { delete_at_ms } => {
                let mut problem = Problem::new(ErrorCode::AccountLeaving)
                    .detail("Until it is gone it can be kept, or what is held can be taken along.");
                problem.delete_at_ms = Some(delete_at_ms);
                problem.into()
            }
            StoreError::AwaitsApproval => {
                Self::because(ErrorCode::DeviceNotApproved, "Approve it on a device that is signed in.")
            }
            StoreError::StorageFull => Self::new(ErrorCode::StorageFull),
            StoreError::Unavailable { .. } => Self::with_cause(ErrorCode::Unavailable, &error),
            failure => Self::internal(&failure),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::new(ErrorCode::TokenExpired),
            TokenError::NotOurs => Self::new(ErrorCode::Unauthenticated),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Busy => {
                let mut busy = Self::new(ErrorCode::TooManyRequests);
                busy.0.is_busy = true;
                busy
            }
            LoginError::Failed => Self::internal(&error),
        }
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(&error)
    }
}
