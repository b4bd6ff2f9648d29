//! One operation, one file; the folders are the API.

use std::sync::Arc;

use axum::{Router, middleware};
use etui_api::ErrorCode;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::App, document, envelope::envelope, host::guard, pages, problem::ApiError};

mod about;
mod account;
mod accounts;
mod admin;
mod device_codes;
mod devices;
mod events;
mod hand_overs;
mod heal;
mod health;
mod keysets;
mod reference;
pub(crate) mod sessions;
mod sign_ins;
mod states;
mod vaults;

/// Every operation behind the layer that all requests pass.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = operations().split_for_parts();
    router
        .merge(pages::router())
        .fallback(async || ApiError::new(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), envelope))
        .with_state(app)
}

/// The document of the API, made from the handlers.
pub(crate) fn openapi() -> OpenApi {
    operations().into_openapi()
}

fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::frame())
        .routes(routes!(accounts::create::create))
        .routes(routes!(sessions::create::create))
        .routes(routes!(sessions::code::create))
        .routes(routes!(sessions::device_code::create))
        .routes(routes!(device_codes::create::create))
        .routes(routes!(hand_overs::create::create))
        .routes(routes!(sessions::refresh::refresh))
        .routes(routes!(sessions::end::end))
        .routes(routes!(sessions::end_others::end_others))
        .routes(routes!(sessions::second_factor::show))
        .routes(routes!(sessions::passkey::create))
        .routes(routes!(sign_ins::passkeys::begin))
        .routes(routes!(sign_ins::links::ask))
        .routes(routes!(sessions::link::create))
        .routes(routes!(account::ways::list))
        .routes(routes!(account::login_password::set, account::login_password::remove))
        .routes(routes!(account::links::switch))
        .routes(routes!(account::email::change))
        .routes(routes!(account::email::confirm))
        .routes(routes!(account::device_approval::switch))
        .routes(routes!(account::totp::begin, account::totp::remove))
        .routes(routes!(account::totp::confirm))
        .routes(routes!(account::recovery_codes::replace))
        .routes(routes!(account::passkeys::begin))
        .routes(routes!(account::passkeys::finish))
        .routes(routes!(account::passkeys::rename, account::passkeys::remove))
        .routes(routes!(sessions::administer::administer))
        .routes(routes!(account::entitlements::entitlements))
        .routes(routes!(devices::list::list))
        .routes(routes!(devices::end::end))
        .routes(routes!(devices::approve::approve))
        .routes(routes!(keysets::list::list))
        .routes(routes!(states::list::list, states::push::push))
        .routes(routes!(vaults::changes::changes))
        .routes(routes!(vaults::commits::commits, vaults::push::push))
        .routes(routes!(vaults::record::record))
        .routes(routes!(account::delete::delete))
        .routes(routes!(account::keep::keep))
        .routes(routes!(account::events::list))
        .routes(routes!(account::events::export))
        .routes(routes!(account::exports::begin))
        .routes(routes!(account::exports::fetch))
        .routes(routes!(admin::events::list))
        .routes(routes!(admin::events::export))
        .routes(routes!(heal::upload::upload))
        .routes(routes!(events::follow::follow))
        .routes(routes!(admin::accounts::list::list))
        .routes(routes!(admin::accounts::show::show))
        .routes(routes!(admin::accounts::disable::disable))
        .routes(routes!(admin::accounts::role::role))
        .routes(routes!(admin::accounts::plan::plan))
        .routes(routes!(admin::accounts::flag::flag))
        .routes(routes!(admin::accounts::sign_out::sign_out))
        .routes(routes!(admin::plans::list::list))
        .routes(routes!(admin::plans::define::define))
        .routes(routes!(admin::flags::list::list))
        .routes(routes!(admin::flags::share::share, admin::flags::remove::remove))
        .routes(routes!(admin::invitations::create::create))
        .routes(routes!(admin::statistics::statistics))
        .routes(routes!(about::about))
        .routes(routes!(health::live::live))
        .routes(routes!(health::ready::ready))
        .routes(routes!(reference::document::document))
        .routes(routes!(reference::keys::keys))
        .routes(routes!(reference::page::page))
}
