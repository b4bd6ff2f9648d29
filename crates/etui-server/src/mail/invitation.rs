//! An invitation to make an account.

use super::text::Text;

/// It is sent at once and never queued, since its link is a secret that somebody else has drawn.
pub(crate) fn invitation(url: &str, link: &str) -> Text {
    Text::about("You are invited to Etui")
        .paragraph(format!(
            "Whoever runs {url} invites you to keep your passwords there with Etui, a password manager that shows its server \
             nothing."
        ))
        .link(link.to_owned())
        .paragraph("The link makes one account: it is for you alone. If you want none, there is nothing to do.")
}
