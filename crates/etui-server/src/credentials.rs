//! Changing how an account is signed in to, from wherever it is asked for.

use etui_store::{CredentialChange, Fresh};

use crate::{app::App, clock, problem::ApiError};

/// Makes a change, which ends every other session.
///
/// # Errors
/// `last_way`, `not_found`, `taken`.
pub(crate) async fn change(app: &App, fresh: &Fresh, change: CredentialChange) -> Result<(), ApiError> {
    Ok(app.store.change_credentials(fresh, change, app.sends_mail(), clock::now_ms()).await?)
}
