//! Letters: what the server writes to people, and how it gets out.
//!
//! A letter is queued in the database, by whatever gives occasion to it, and sent from there by one node: at least once, and as
//! a rule not twice. What it says is written when it is sent, so that no secret that it carries lies in the queue. Letters are
//! plain text with the same in simple HTML, and fetch nothing from anywhere.

use etui_store::{Notice, StoreError};

use crate::app::App;

mod account_leaving;
mod confirm_address;
mod credentials_changed;
mod device_turned_away;
mod invitation;
mod keys_changed;
mod letter;
mod new_device;
mod post;
mod recovery_code_used;
mod sign_in_link;
mod text;
mod transport;
mod trial;

pub use account_leaving::AccountLeaving;
pub use confirm_address::ConfirmAddress;
pub use credentials_changed::CredentialsChanged;
pub use device_turned_away::DeviceTurnedAway;
pub(crate) use invitation::invitation;
pub use keys_changed::KeysChanged;
pub use letter::Letter;
pub use new_device::NewDevice;
pub(crate) use post::run;
pub use post::{Figures, Post};
pub use recovery_code_used::RecoveryCodeUsed;
pub use sign_in_link::SignInLink;
pub use transport::{MailConfig, MailCredentials, Protection, SendError};
pub(crate) use trial::send_at_once;
pub use trial::try_out;

/// A letter to whoever holds an account, for the store to queue with what gives occasion to it; `None` where none are sent.
///
/// # Errors
/// The operating system gave no random bytes.
pub(crate) fn notice(app: &App, letter: Letter) -> Result<Option<Notice>, StoreError> {
    app.post.as_ref().map(|_| letter.notice()).transpose()
}

/// Has what was just queued sent at once.
pub(crate) fn wake(app: &App) {
    if let Some(post) = &app.post {
        post.wake();
    }
}
