//! By a browser anywhere, where somebody types a code that this device shows (RFC 8628).

use std::time::{Duration, Instant};

use etui_api::{ErrorCode, session::Session};
use etui_chain::DeviceId;
use tokio::time::sleep;

use super::{Guide, Visit};
use crate::{ClientError, SecondFactor, api::Api};

/// However often a server would like to be asked.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// Asks to be let in, and again until somebody has decided.
pub(super) async fn sign_in(
    api: &Api,
    device_id: DeviceId,
    second_factor: Option<&SecondFactor>,
    guide: &Guide,
) -> Result<Session, ClientError> {
    let begun = api.begin_device_code(device_id).await?;
    let mut gone = guide(&Visit { url: begun.verification_url, user_code: Some(begun.user_code), device_id });
    let started = Instant::now();
    let patience = Duration::from_secs(begun.expires_in_s.into());
    let interval = Duration::from_secs(begun.interval_s.into()).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    while started.elapsed() < patience {
        match api.sign_in_with_device_code(&begun.device_code, second_factor).await {
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::AuthorizationPending => {
                // Not while the server is asked: it may be opening the session.
                tokio::select! {
                    () = sleep(interval) => {}
                    () = &mut gone => return Err(ClientError::NotLetIn),
                }
            }
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::AccessDenied => {
                return Err(ClientError::NotLetIn);
            }
            decided => return decided,
        }
    }
    Err(ClientError::NotLetIn)
}
