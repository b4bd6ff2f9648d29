//! The ways to sign in to the account: reads and changes them, signing in anew where the session is too old.

use std::path::Path;

use etui_client::{ClientError, Device, EmailChange, TotpSetup};
use etui_crypto::LoginPassword;

use super::{
    caller::Caller,
    convert,
    protocol::{AccountRequest, FreshSignIn, Reply},
};
use crate::{failure::Failure, secret::Secret};

/// Does what is asked, or asks for what it lacks.
pub(super) async fn answer(
    device: &Device,
    asked: &AccountRequest,
    fresh: &FreshSignIn,
    caller: &Caller,
) -> Result<Reply, Failure> {
    use ClientError::{FreshSignInNeeded, LoginPasswordNeeded};
    let answer = match (once(device, asked, None, caller).await?, &fresh.way) {
        (Err(FreshSignInNeeded | LoginPasswordNeeded), Some(way)) => {
            let second_factor = convert::second_factor(fresh.second_factor.as_ref(), caller);
            let way = convert::way(way, caller)?;
            match device.sign_in_afresh(&way, Some(&second_factor)).await {
                Ok(()) => once(device, asked, way.login_password(), caller).await?,
                Err(error) => Err(error),
            }
        }
        (answer, _) => answer,
    };
    match answer {
        Err(FreshSignInNeeded) if has_no_login_password(device).await => {
            Err(convert::failure(FreshSignInNeeded))
        }
        answer => answer.or_else(convert::asks),
    }
}

/// Then nobody is asked for one. Where the server does not say so, the person knows.
async fn has_no_login_password(device: &Device) -> bool {
    device.ways().await.is_ok_and(|ways| !ways.login_password)
}

/// `accepted`: the login password, if the server has accepted it just now.
async fn once(
    device: &Device,
    asked: &AccountRequest,
    accepted: Option<&LoginPassword>,
    caller: &Caller,
) -> Result<Result<Reply, ClientError>, Failure> {
    let done = |result: Result<(), ClientError>| result.map(|()| Reply::Done);
    Ok(match asked {
        AccountRequest::Ways => device.ways().await.map(|ways| Reply::Ways(Box::new(ways))),
        AccountRequest::HandOver => device
            .hand_over()
            .await
            .map(|it| Reply::HandedOver { url: Secret::new(it.url.expose()), expires_in_s: it.expires_in_s }),
        AccountRequest::ChangeLoginPassword { master, new } => {
            let (master, new) = (convert::master(master)?, convert::login(new)?);
            done(device.change_login_password(&master, &new).await)
        }
        AccountRequest::RemoveLoginPassword => done(device.remove_login_password().await),
        AccountRequest::ChangeEmail { email } => {
            device.change_email(email, accepted).await.map(|change| match change {
                EmailChange::Changed => Reply::EmailChanged { email: email.clone() },
                EmailChange::Unconfirmed { expires_in_s } => Reply::EmailUnconfirmed { expires_in_s },
            })
        }
        AccountRequest::ConfirmEmail { letter_line } => {
            let confirmed = device.confirm_email(letter_line.expose()).await;
            confirmed.map(|email| Reply::EmailChanged { email })
        }
        AccountRequest::BeginTotp => device.begin_totp().await.map(|setup| set_up(&setup)),
        AccountRequest::ConfirmTotp { ticket, code } => {
            let codes = device.confirm_totp(ticket.expose(), code.expose()).await;
            codes.map(|codes| convert::recovery_codes(&codes))
        }
        AccountRequest::RemoveTotp => done(device.remove_totp().await),
        AccountRequest::ReplaceRecoveryCodes => {
            device.replace_recovery_codes().await.map(|codes| convert::recovery_codes(&codes))
        }
        AccountRequest::SwitchLinks { on } => done(device.switch_links(*on).await),
        AccountRequest::SwitchApproval { on } => done(device.switch_device_approval(*on).await),
        AccountRequest::RenamePasskey { id, name } => done(device.rename_passkey(id, name).await),
        AccountRequest::RemovePasskey { id } => done(device.remove_passkey(id).await),
        AccountRequest::Events { most } => {
            let events = device.account_events(*most).await;
            events.map(|events| Reply::Events(events.into_iter().map(convert::event).collect()))
        }
        AccountRequest::Download { to } => {
            let progress = |done, total| {
                caller.tell(Reply::Progress { done, total });
            };
            let report = device.download_everything(Path::new(to), Some(&progress)).await;
            report.map(|report| Reply::Downloaded { rows: report.rows, bytes: report.bytes })
        }
        AccountRequest::Delete => {
            device.delete_account().await.map(|delete_at_ms| Reply::Leaves { delete_at_ms })
        }
        AccountRequest::Keep => done(device.keep_account().await),
    })
}

fn set_up(setup: &TotpSetup) -> Reply {
    let [ticket, url, secret] =
        [&setup.ticket, &setup.url, &setup.secret].map(|token| Secret::new(token.expose()));
    Reply::TotpSetup { ticket, url, secret }
}
