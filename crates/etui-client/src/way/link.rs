//! By a link: one that comes by mail, of which this device holds the other half, or one that whoever runs the server has printed.

use etui_api::{
    ErrorCode,
    session::{Session, Token},
};
use etui_chain::DeviceId;

use crate::{Ask, ClientError, SecondFactor, Wanted, api::Api};

/// Where the pages of a server have their links to sign in with.
const PATH: &str = "/sign-in/links/";

/// What lets somebody in, once.
#[derive(Clone)]
pub struct Link {
    token: Token,
    /// Whether it is a whole address. A letter to a program brings a line that is none, so it was printed.
    is_printed: bool,
}

impl Link {
    /// Takes what somebody has got: the line of a letter, or a whole link.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let printed = text.rsplit_once(PATH).map(|(_, token)| token);
        Self { token: Token::new(printed.unwrap_or(text).to_owned()), is_printed: printed.is_some() }
    }
}

/// Signs in with a link that is there, or has one sent and asks for what the letter brings.
pub(super) async fn sign_in(
    api: &Api,
    email: &str,
    device_id: DeviceId,
    second_factor: Option<&SecondFactor>,
    printed: Option<&Link>,
    ask: &Ask,
) -> Result<Session, ClientError> {
    let (Link { token, .. }, ticket) = match printed {
        Some(link) => (link.clone(), None),
        None => have_sent(api, email, device_id, ask).await?,
    };
    api.sign_in_with_link(token, ticket, device_id, second_factor).await
}

/// A link, and the ticket that it counts with if it came by mail.
async fn have_sent(
    api: &Api,
    email: &str,
    device_id: DeviceId,
    ask: &Ask,
) -> Result<(Link, Option<Token>), ClientError> {
    let (wanted, ticket) = match api.ask_for_link(email, device_id).await {
        Ok(asked) => (Wanted::LetterLine { expires_in_s: asked.expires_in_s }, Some(asked.ticket)),
        Err(ClientError::Server(problem)) if problem.code == ErrorCode::NotOffered => {
            (Wanted::PrintedLink, None)
        }
        Err(error) => return Err(error),
    };
    let link = Link::read(&ask(wanted).await.ok_or(ClientError::NoLink)?);
    let ticket = ticket.filter(|_| !link.is_printed);
    Ok((link, ticket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_link_was_printed_and_a_line_came_by_mail() {
        for (text, is_printed) in
            [(" c2VjcmV0\n", false), ("https://etui.example.org/sign-in/links/c2VjcmV0", true)]
        {
            let link = Link::read(text);
            assert_eq!((link.token.expose(), link.is_printed), ("c2VjcmV0", is_printed));
        }
    }
}
