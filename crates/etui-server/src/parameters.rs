//! Path and query parameters, with problem documents for those that cannot be read.

use axum::extract::{FromRequestParts, Path, Query};
use etui_api::ErrorCode;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::problem::ApiError;

/// The ids in the path.
pub(crate) struct Ids<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(ApiError::because(ErrorCode::BadRequest, "An id is 32 lower-case hex digits.")),
        }
    }
}

/// Where to go on from.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// The last one that the client holds.
    pub(crate) after: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for After {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(after)) => Ok(after),
            Err(_) => {
                Err(ApiError::because(ErrorCode::BadRequest, "The parameter `after` is a whole number."))
            }
        }
    }
}
