//! Path and query parameters, with problem documents for those that cannot be read; the client's address.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::{ConnectInfo, FromRequestParts, Path, Query};
use etui_api::ErrorCode;
use http::request::Parts;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use utoipa::IntoParams;

use crate::{app::App, client_address::client_address, problem::ApiError};

/// No number of anything that is kept is larger: the databases' own limit.
pub(crate) const MAX_NUMBER: u64 = i64::MAX.cast_unsigned();

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

/// Where the request comes from, trusted proxies apart.
pub(crate) struct Client(pub(crate) IpAddr);

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Self(client_address(peer, &parts.headers, &app.settings.trusted_proxies)))
    }
}

/// Where to go on from.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// The last one that the client holds.
    #[serde(default, deserialize_with = "number")]
    pub(crate) after: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for After {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<Self>::from_request_parts(parts, state).await {
            Ok(Query(after)) => Ok(after),
            Err(_) => {
                Err(ApiError::because(ErrorCode::BadRequest, "The parameter `after` is a whole number."))
            }
        }
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    if number.is_none_or(|number| number <= MAX_NUMBER) {
        return Ok(number);
    }
    Err(D::Error::custom("no number of anything that is kept is so large"))
}

/// Parameters behind the `?`.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(_) => {
                Err(ApiError::because(ErrorCode::BadRequest, "A parameter of the query cannot be read."))
            }
        }
    }
}

/// Where to go on from, backwards.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Before {
    /// Only what comes before this number: `next` of the page before.
    #[serde(default, deserialize_with = "number")]
    pub(crate) before: Option<u64>,
}
