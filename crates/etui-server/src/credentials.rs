//! Changing how an account is signed in to: the store does it, and its holder hears of it.

use etui_store::{Claim, CredentialChange, Fresh};

use crate::{
    app::App,
    clock,
    mail::{self, CredentialsChanged, Letter},
    problem::ApiError,
};

/// Changes how an account is signed in to, ends every other session of it, and tells its holder by a letter where letters are
/// sent. The claim that stands now.
///
/// # Errors
/// `session_ended`, `last_way`, `taken`, `not_found`.
pub(crate) async fn change(app: &App, fresh: &Fresh, change: CredentialChange) -> Result<Claim, ApiError> {
    let now_ms = clock::now_ms();
    let letter = Letter::CredentialsChanged(CredentialsChanged::by(&change, now_ms));
    let notice = mail::notice(app, letter)?;
    let claim = app.store.change_credentials(fresh, change, notice.as_ref(), now_ms).await?;
    mail::wake(app);
    Ok(claim)
}
