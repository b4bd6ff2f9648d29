//! Passkeys (WebAuthn level 3): discoverable, and always with the user verified by the authenticator, which makes them two
//! factors in one. What a ceremony needs to know lies in `pending` and is taken before anything is verified, so that every
//! challenge counts once; a passkey's row is written only after its signature was verified.

use etui_api::{
    ErrorCode,
    session::PasskeyAnswer,
    ways::{self, Ceremony, MAX_PASSKEY_NAME_CHARS, MAX_PASSKEYS, NewPasskey},
};
use etui_chain::{Digest, Id};
use etui_store::{Action, Charged, Claim, CredentialChange, Fresh, Purpose};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Uuid, Webauthn, WebauthnBuilder,
};

use crate::{
    app::App,
    clock, credentials,
    limits::{Attempt, Target},
    problem::ApiError,
    refusals,
    sign_in::{self, PATIENCE, no_longer_valid},
};

/// What is kept until a passkey signs.
#[derive(Serialize, Deserialize)]
struct Asked {
    state: DiscoverableAuthentication,
    /// Asking makes a row, and so is a try, until it was answered rightly.
    charged: Charged,
}

/// Nothing that anybody sent is the cause.
#[derive(Debug, thiserror::Error)]
#[error("an authenticator could not be asked")]
pub(crate) struct NotBegun;

/// What verifies passkeys for the address of this server; none where that has no name, since passkeys are bound to names.
pub(crate) fn verifier(url: &str) -> Option<Webauthn> {
    let origin = Url::parse(url).ok()?;
    let name = origin.domain()?.to_owned();
    WebauthnBuilder::new(&name, &origin).ok()?.rp_name("Etui").build().ok()
}

/// Begins to make a passkey for an account.
///
/// # Errors
/// `not_offered`; `too_large` for one more than an account may have.
pub(crate) async fn begin_registration(app: &App, fresh: &Fresh) -> Result<Ceremony, ApiError> {
    let account_id = fresh.account_id();
    let ways = app.store.ways(account_id).await?;
    if ways.passkeys.len() >= MAX_PASSKEYS {
        let detail = format!("At most {MAX_PASSKEYS} passkeys: remove one first.");
        return Err(ApiError::because(ErrorCode::TooLarge, detail));
    }
    let known = ways.passkeys.into_iter().map(|passkey| passkey.credential_id).collect();
    let handle = Uuid::from_bytes(*account_id.as_bytes());
    let begun = offered(app)?.start_passkey_registration(handle, &ways.email, &ways.email, Some(known));
    let (options, state) = begun.map_err(|_| ApiError::internal(&NotBegun))?;
    let mut options = public_key(&options)?;
    // Without it nobody could sign in without an address; the library leaves the choice to the authenticator.
    let selection = &mut options["authenticatorSelection"];
    selection["residentKey"] = "required".into();
    selection["requireResidentKey"] = true.into();
    let purpose = Purpose::PasskeyRegistration;
    let ticket = sign_in::begin(app, purpose, Some(fresh.claim()), &state, 1, PATIENCE).await?;
    Ok(Ceremony { ticket, options })
}

/// Adds the passkey that was made. It, and the claim that stands now.
///
/// # Errors
/// `no_longer_valid`, `passkey_refused`, `taken`, `bad_request` for a name that is none.
pub(crate) async fn finish_registration(
    app: &App,
    fresh: &Fresh,
    new: NewPasskey,
) -> Result<(ways::Passkey, Claim), ApiError> {
    let name = name(&new.name)?;
    let purpose = Purpose::PasskeyRegistration;
    sign_in::require_own(app, fresh, purpose, sign_in::secret_hash(&new.ticket)?).await?;
    let taken = take(app, purpose, &new.ticket).await?;
    let state: PasskeyRegistration = sign_in::body(&taken.body)?;
    let credential: RegisterPublicKeyCredential = parse(new.credential)?;
    // A browser that knows it says so; one that does not is believed.
    if credential.extensions.cred_props.as_ref().and_then(|properties| properties.rk) == Some(false) {
        return Err(ApiError::new(ErrorCode::PasskeyRefused));
    }
    let passkey = offered(app)?.finish_passkey_registration(&credential, &state);
    let passkey = passkey.map_err(refused)?;
    let credential_id = passkey.cred_id().clone();
    let added = ways::Passkey {
        id: id(&credential_id).to_string(),
        name: name.clone(),
        created_ms: clock::now_ms(),
        used_ms: None,
    };
    let change = CredentialChange::AddPasskey { credential_id, name, body: stored(&passkey)? };
    Ok((added, credentials::change(app, fresh, change).await?))
}

/// Begins to ask for a passkey, whosever it may be: a try that is given back to whoever shows one.
///
/// # Errors
/// `not_offered`.
pub(crate) async fn begin(app: &App, attempt: Attempt) -> Result<Ceremony, ApiError> {
    let begun = offered(app)?.start_discoverable_authentication();
    let (options, state) = begun.map_err(|_| ApiError::internal(&NotBegun))?;
    let options = public_key(&options)?;
    let asked = Asked { state, charged: attempt.keep() };
    let ticket = sign_in::begin(app, Purpose::PasskeyAssertion, None, &asked, 1, PATIENCE).await?;
    Ok(Ceremony { ticket, options })
}

/// Whose passkey it was that signed what it was asked to. A signature that is wrong is noted as a refusal of `action`.
///
/// # Errors
/// `no_longer_valid`; `passkey_refused`, with nothing changed.
pub(crate) async fn verify(app: &App, answer: PasskeyAnswer, action: Action) -> Result<Claim, ApiError> {
    let taken = take(app, Purpose::PasskeyAssertion, &answer.ticket).await?;
    let Asked { state, charged } = sign_in::body(&taken.body)?;
    let credential: PublicKeyCredential = parse(answer.credential)?;
    let verifier = offered(app)?;
    let (handle, credential_id) =
        verifier.identify_discoverable_authentication(&credential).map_err(refused)?;
    let found = app.store.passkey(credential_id).await?;
    let found = found.filter(|(claim, _)| claim.account_id().as_bytes() == handle.as_bytes());
    let (claim, before) = found.ok_or_else(|| ApiError::new(ErrorCode::PasskeyRefused))?;
    let mut passkey: Passkey = sign_in::body(&before)?;
    let result = verifier.finish_discoverable_authentication_v2(&credential, state, &passkey);
    let result =
        result.map_err(refused).inspect_err(refusals::noted(app, claim.account_id(), action, None))?;
    passkey.update_credential(&result);
    // Of two uses at once that count alike, one is a copy's.
    if !app.store.use_passkey(credential_id, &before, &stored(&passkey)?, clock::now_ms()).await? {
        refusals::note(app, claim.account_id(), action, None);
        return Err(ApiError::new(ErrorCode::PasskeyRefused));
    }
    Attempt::kept(charged, Target::Code).succeeded(app).await?;
    Ok(claim)
}

/// Calls a passkey something else.
///
/// # Errors
/// `not_found`, `bad_request`.
pub(crate) async fn rename(app: &App, fresh: &Fresh, id: Id, to: &str) -> Result<(), ApiError> {
    let credential_id = find(app, fresh, id).await?;
    Ok(app.store.rename_passkey(fresh, &credential_id, &name(to)?, clock::now_ms()).await?)
}

/// Removes a passkey. The claim that stands now.
///
/// # Errors
/// `not_found`, `last_way`.
pub(crate) async fn remove(app: &App, fresh: &Fresh, id: Id) -> Result<Claim, ApiError> {
    let credential_id = find(app, fresh, id).await?;
    credentials::change(app, fresh, CredentialChange::RemovePasskey { credential_id }).await
}

/// By which addresses name a passkey: credential ids are long.
pub(crate) fn id(credential_id: &[u8]) -> Id {
    let digest = Digest::of(&[credential_id]);
    let (id, _) = digest.as_bytes().split_first_chunk().expect("a digest is longer than an id");
    Id::new(*id).expect("no digest is known that begins with so many zeros")
}

async fn find(app: &App, fresh: &Fresh, wanted: Id) -> Result<Vec<u8>, ApiError> {
    let passkeys = app.store.passkeys(fresh.account_id()).await?;
    let found = passkeys.into_iter().find(|passkey| id(&passkey.credential_id) == wanted);
    found.map(|passkey| passkey.credential_id).ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

async fn take(
    app: &App,
    purpose: Purpose,
    ticket: &etui_api::session::Token,
) -> Result<etui_store::Pending, ApiError> {
    let secret_hash = sign_in::secret_hash(ticket)?;
    app.store.take_pending(secret_hash, purpose, clock::now_ms()).await?.ok_or_else(no_longer_valid)
}

fn offered(app: &App) -> Result<&Webauthn, ApiError> {
    let address_needed = || {
        ApiError::because(
            ErrorCode::NotOffered,
            "Passkeys need a server whose address is a name, not a number.",
        )
    };
    app.passkeys.as_ref().ok_or_else(address_needed)
}

/// The part that scripts hand to the browser.
fn public_key(options: &impl Serialize) -> Result<Value, ApiError> {
    let mut options = serde_json::to_value(options).map_err(|error| ApiError::internal(&error))?;
    Ok(options["publicKey"].take())
}

fn parse<T: DeserializeOwned>(credential: Value) -> Result<T, ApiError> {
    let unreadable =
        |_| ApiError::because(ErrorCode::BadRequest, "The credential is not in the JSON form of WebAuthn.");
    serde_json::from_value(credential).map_err(unreadable)
}

fn stored(passkey: &Passkey) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(passkey).map_err(|error| ApiError::internal(&error))
}

fn name(given: &str) -> Result<String, ApiError> {
    let name = given.trim();
    let fits = (1..=MAX_PASSKEY_NAME_CHARS).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    let detail = format!("A passkey's name has 1 to {MAX_PASSKEY_NAME_CHARS} characters.");
    Err(ApiError::because(ErrorCode::BadRequest, detail))
}

/// Whoever tries does not learn what was wrong.
fn refused<E>(_: E) -> ApiError {
    ApiError::new(ErrorCode::PasskeyRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_the_one_origin_and_need_a_name() {
        let verifier = verifier("https://etui.example.org:8443").unwrap();
        let origins: Vec<_> = verifier.get_allowed_origins().iter().map(Url::as_str).collect();
        assert_eq!(origins, ["https://etui.example.org:8443/"]);
        assert!(super::verifier("http://localhost:8484").is_some());
        assert!(super::verifier("https://192.0.2.1").is_none());
    }

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(name("  Key ring ").unwrap(), "Key ring");
        for wrong in ["", "  ", "a\nb", &"a".repeat(65)] {
            assert!(name(wrong).is_err());
        }
    }
}
