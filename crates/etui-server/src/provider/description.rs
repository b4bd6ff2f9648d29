//! What a provider says of itself (OpenID Connect Discovery 1.0, section 3; RFC 9207, section 3).

use openidconnect::{
    AdditionalProviderMetadata, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
        CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};

/// Its description, with its keys.
pub(super) type Description = ProviderMetadata<
    NamesItself,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Whether its answers say whose they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NamesItself {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl NamesItself {
    pub(super) const fn names_itself(&self) -> bool {
        self.authorization_response_iss_parameter_supported
    }
}

impl AdditionalProviderMetadata for NamesItself {}

/// What it signs with, as far as only it can: whoever knows the secret of this server could make a MAC, and no signature at
/// all anybody.
pub(super) fn signatures(description: &Description) -> impl Iterator<Item = CoreJwsSigningAlgorithm> {
    let all = description.id_token_signing_alg_values_supported().iter();
    let its_own = all.filter(|algorithm| {
        !matches!(
            algorithm,
            CoreJwsSigningAlgorithm::HmacSha256
                | CoreJwsSigningAlgorithm::HmacSha384
                | CoreJwsSigningAlgorithm::HmacSha512
                | CoreJwsSigningAlgorithm::None
        )
    });
    its_own.cloned()
}
