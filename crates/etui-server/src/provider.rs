//! Providers of OpenID Connect: who somebody is, as another server says it (authorization code flow with PKCE).
//!
//! What a provider is, is fixed in the settings; nothing here goes to an address that a person has given. Its description and
//! keys are fetched when they are needed and kept for an hour, and for as long as newer ones cannot be had.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use etui_api::{ErrorCode, session::Token};
use etui_store::Identity;
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, ConfigurationError,
    CsrfToken, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    TokenResponse as _,
    core::{
        CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType,
        CoreIdToken,
    },
};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    log::{self, Cause},
    problem::ApiError,
    settings::{ProviderSettings, SettingsError},
    tokens::LEEWAY_S,
};

mod claims;
mod description;
mod http_client;
mod words;

use claims::Said;
use description::Description;
use http_client::{HttpClient, HttpError};

/// Where a provider sends browsers back to, below the address that people use.
pub(crate) const CALLBACK_PATH: &str = "/sign-in/provider/callback";
/// How long a description and its keys are not fetched again, unless a key is missing.
const LIFETIME: Duration = Duration::from_hours(1);

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a provider did not say who somebody is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// Its description or keys cannot be had.
    #[error("describing the provider “{name}”")]
    Describing {
        name: String,
        #[source]
        source: DiscoveryError<HttpError>,
    },
    /// They could not be had a moment ago, by somebody who was waited for.
    #[error("the provider “{name}” could not be described a moment ago")]
    NotDescribed { name: String },
    /// What it describes cannot be used.
    #[error("the provider “{name}” has no address for tokens")]
    Unusable {
        name: String,
        #[source]
        source: ConfigurationError,
    },
    /// It was not reached, or its answer is none.
    #[error("exchanging a code at the provider “{name}”")]
    Exchanging {
        name: String,
        #[source]
        source: RequestTokenError<HttpError, openidconnect::StandardErrorResponse<CoreErrorResponseType>>,
    },
    /// Its answer is that of somebody else (RFC 9207).
    #[error("the answer is not from the provider “{name}”")]
    OtherIssuer { name: String },
    /// It answered without saying who it was.
    #[error("the provider “{name}” gave no ID token")]
    NoIdToken { name: String },
    /// What it says does not verify.
    #[error("verifying an ID token of the provider “{name}”")]
    Verifying {
        name: String,
        #[source]
        source: ClaimsVerificationError,
    },
    /// What it says besides cannot be read.
    #[error("reading an ID token of the provider “{name}”")]
    Reading {
        name: String,
        #[source]
        source: claims::ClaimsError,
    },
}

/// The providers of this server.
#[derive(Debug)]
pub(crate) struct Providers(Vec<Provider>);

impl Providers {
    /// As the settings describe them; none of them is asked anything yet.
    ///
    /// # Errors
    /// `File` or `Provider` if one cannot be used.
    pub(crate) fn new(settings: &[ProviderSettings], url: &str) -> Result<Self, SettingsError> {
        settings.iter().map(|settings| Provider::new(settings, url)).collect::<Result<_, _>>().map(Self)
    }

    /// Each, in the order of the settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    /// The one with this name.
    ///
    /// # Errors
    /// `not_offered`.
    pub(crate) fn named(&self, name: &str) -> Result<&Provider, ApiError> {
        let provider = self.iter().find(|provider| provider.name == name);
        provider.ok_or_else(|| ApiError::new(ErrorCode::NotOffered))
    }

    /// What people call the provider of an identity.
    pub(crate) fn title<'a>(&'a self, identity: &'a Identity) -> &'a str {
        let provider = self.iter().find(|provider| provider.issuer.as_str() == identity.issuer);
        provider.map_or(&identity.issuer, |provider| &provider.title)
    }
}

/// One provider.
pub(crate) struct Provider {
    name: String,
    title: String,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    scopes: Vec<Scope>,
    redirect_uri: RedirectUrl,
    http: HttpClient,
    known: Mutex<Known>,
}

/// What was fetched of it, and when.
#[derive(Default)]
struct Known {
    description: Option<(Arc<Description>, Instant)>,
    failed: Option<Instant>,
}

/// Where to send a browser, and what to keep until it comes back.
pub(crate) struct Departure {
    pub(crate) url: Url,
    pub(crate) verifier: PkceCodeVerifier,
    pub(crate) nonce: Nonce,
}

/// What a browser came back with.
pub(crate) struct Arrival {
    pub(crate) code: AuthorizationCode,
    /// Who sent it (RFC 9207).
    pub(crate) issuer: Option<String>,
    pub(crate) verifier: PkceCodeVerifier,
    pub(crate) nonce: Nonce,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identified {
    pub(crate) identity: Identity,
    /// An address in the form of `etui_api::email::normalize_email` that the provider vouches for.
    pub(crate) email: Option<String>,
    /// When the provider has asked them to sign in, in seconds since 1970, if it says so.
    pub(crate) signed_in_s: Option<u64>,
}

impl Identified {
    /// Whether the provider has asked them since this sign-in was begun, and not some other time: it may know their browser.
    pub(crate) fn was_asked(&self, departed_s: u64, now_s: u64) -> bool {
        let since = departed_s.saturating_sub(LEEWAY_S)..=now_s.saturating_add(LEEWAY_S);
        self.signed_in_s.is_some_and(|signed_in_s| since.contains(&signed_in_s))
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Provider {
    fn new(settings: &ProviderSettings, url: &str) -> Result<Self, SettingsError> {
        let fault = |fault| SettingsError::Provider { name: settings.name.clone(), fault };
        let redirect_uri = RedirectUrl::new(format!("{url}{CALLBACK_PATH}"));
        Ok(Self {
            name: settings.name.clone(),
            title: settings.title.clone(),
            issuer: IssuerUrl::new(settings.issuer.clone()).map_err(|_| fault("`issuer` is no address"))?,
            client_id: ClientId::new(settings.client_id.clone()),
            client_secret: ClientSecret::new(settings.client_secret()?.to_string()),
            scopes: settings.scopes.iter().cloned().map(Scope::new).collect(),
            redirect_uri: redirect_uri
                .map_err(|_| fault("it needs a `public_url` to send people back to"))?,
            http: HttpClient::new().map_err(|_| fault("no connection can be made to it"))?,
            known: Mutex::default(),
        })
    }

    /// Names it in addresses.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What people call it.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Whether the identity is one of its.
    pub(crate) fn knows(&self, identity: &Identity) -> bool {
        self.issuer.as_str() == identity.issuer
    }

    /// Where somebody signs in who is to come back with this state. Whoever signs in here counts as present for a while, so they are
    /// asked to sign in there as well, even if the provider knows their browser (OpenID Connect Core 1.0, section 3.1.2.1).
    ///
    /// # Errors
    /// `Describing`, `NotDescribed`.
    pub(crate) async fn depart(&self, state: &Token) -> Result<Departure, ProviderError> {
        let client = self.client(&*self.description().await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new(state.expose().to_owned());
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, Nonce::new_random)
            .add_scopes(self.scopes.iter().cloned())
            .add_prompt(CoreAuthPrompt::Login)
            .set_max_age(Duration::ZERO)
            .set_pkce_challenge(challenge);
        let (url, _, nonce) = request.url();
        Ok(Departure { url, verifier, nonce })
    }

    /// Who somebody is that came back: the code is exchanged, and what is given for it verified.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub(crate) async fn identify(&self, arrival: Arrival) -> Result<Identified, ProviderError> {
        let description = self.description().await?;
        self.require_issuer(&description, arrival.issuer.as_deref())?;
        let id_token = self.exchange(&description, arrival.code, arrival.verifier).await?;
        let verifying = |source| ProviderError::Verifying { name: self.name.clone(), source };
        let subject = match self.subject(&description, &id_token, &arrival.nonce) {
            Err(error) if may_be_new_key(&error) => {
                let newer = self.renew(Instant::now()).await?;
                self.subject(&newer, &id_token, &arrival.nonce).map_err(verifying)?
            }
            other => other.map_err(verifying)?,
        };
        let reading = |source| ProviderError::Reading { name: self.name.clone(), source };
        let Said { email, signed_in_s } = claims::said(&id_token.to_string()).map_err(reading)?;
        Ok(Identified { identity: Identity { issuer: self.issuer.to_string(), subject }, email, signed_in_s })
    }

    /// Of two providers, one might pass on what the other gave (RFC 9207, section 2.4).
    fn require_issuer(&self, description: &Description, issuer: Option<&str>) -> Result<(), ProviderError> {
        let right = match issuer {
            Some(issuer) => issuer == self.issuer.as_str(),
            None => !description.additional_metadata().names_itself(),
        };
        if right { Ok(()) } else { Err(ProviderError::OtherIssuer { name: self.name.clone() }) }
    }

    async fn exchange(
        &self,
        description: &Description,
        code: AuthorizationCode,
        verifier: PkceCodeVerifier,
    ) -> Result<CoreIdToken, ProviderError> {
        let name = || self.name.clone();
        let client = self.client(description);
        let request = client
            .exchange_code(code)
            .map_err(|source| ProviderError::Unusable { name: name(), source })?
            .set_pkce_verifier(verifier);
        let answer = request.request_async(&self.http).await;
        let answer = answer.map_err(|source| ProviderError::Exchanging { name: name(), source })?;
        answer.id_token().cloned().ok_or_else(|| ProviderError::NoIdToken { name: name() })
    }

    /// Verifies signature, issuer, audience, time and nonce (OpenID Connect Core 1.0, section 3.1.3.7).
    fn subject(
        &self,
        description: &Description,
        id_token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<String, ClaimsVerificationError> {
        let client = self.client(description);
        let verifier = client.id_token_verifier().set_allowed_algs(description::signatures(description));
        Ok(id_token.claims(&verifier, nonce)?.subject().to_string())
    }

    fn client(&self, description: &Description) -> Client {
        let secret = Some(self.client_secret.clone());
        let client = CoreClient::from_provider_metadata(description.clone(), self.client_id.clone(), secret)
            .set_redirect_uri(self.redirect_uri.clone());
        let methods = description.token_endpoint_auth_methods_supported();
        let takes_headers =
            methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        client.set_auth_type(if takes_headers { AuthType::BasicAuth } else { AuthType::RequestBody })
    }

    async fn description(&self) -> Result<Arc<Description>, ProviderError> {
        let asked = Instant::now();
        let known = self.known.lock().await;
        if let Some((description, since)) = &known.description
            && since.elapsed() < LIFETIME
        {
            return Ok(Arc::clone(description));
        }
        let older = known.description.as_ref().map(|(description, _)| Arc::clone(description));
        drop(known);
        match (self.renew(asked).await, older) {
            (Err(error), Some(older)) => {
                let cause = Some(Cause::of(&error));
                log::warn("a provider is used as it was described before").cause(cause).write();
                Ok(older)
            }
            (renewed, _) => renewed,
        }
    }

    /// Fetches it anew. Whoever waited meanwhile shares what came of it: a provider that does not answer holds nobody up for
    /// longer than one try.
    async fn renew(&self, asked: Instant) -> Result<Arc<Description>, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some((description, _)) = known.description.as_ref().filter(|(_, since)| *since >= asked) {
            return Ok(Arc::clone(description));
        }
        if known.failed.is_some_and(|failed| failed >= asked) {
            return Err(ProviderError::NotDescribed { name: self.name.clone() });
        }
        match Description::discover_async(self.issuer.clone(), &self.http).await {
            Ok(description) => {
                let description = Arc::new(description);
                known.description = Some((Arc::clone(&description), Instant::now()));
                Ok(description)
            }
            Err(source) => {
                known.failed = Some(Instant::now());
                Err(ProviderError::Describing { name: self.name.clone(), source })
            }
        }
    }
}

/// Whether a key that the provider made since would explain it.
fn may_be_new_key(error: &ClaimsVerificationError) -> bool {
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_)
        )
    )
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        let cause = Some(Cause::of(&error));
        match &error {
            ProviderError::Describing { .. }
            | ProviderError::NotDescribed { .. }
            | ProviderError::Unusable { .. }
            | ProviderError::Exchanging { source: RequestTokenError::Request(_), .. } => {
                log::warn("a provider was not reached").cause(cause).write();
                Self::because(ErrorCode::Unavailable, "The provider does not answer. Try again in a moment.")
            }
            ProviderError::OtherIssuer { .. } => {
                Self::because(ErrorCode::BadRequest, "The answer is not from the provider that was asked.")
            }
            _ => {
                log::info("a provider did not say who somebody is").cause(cause).write();
                Self::because(ErrorCode::ProviderRefused, "Begin again.")
            }
        }
    }
}
