//! One operation, one file; the folders are the API.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{self, MethodFilter},
};
use etui_api::ErrorCode;
use pastey::paste;
use utoipa::openapi::{HttpMethod, OpenApi};

use crate::{
    app::App,
    document,
    envelope::envelope,
    handler::{Answer, any},
    host::guard,
    pages,
    problem::ApiError,
};

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
    operations()
        .merge(pages::router())
        .fallback(async || ApiError::new(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), envelope))
        .with_state(app)
}

/// From one list of modules, each with its operations, what serves them and what describes them. They are described when
/// somebody asks for it: that takes three MiB, without which a server at rest does.
macro_rules! operations {
    ($($($module:ident)::+: $($name:ident),+;)+) => {
        fn operations() -> Router<Arc<App>> {
            let mut router = Router::new();
            $({
                use $($module)::+ as module;
                paste! { $(router = serve::<module::[<__path_ $name>], _>(router, module::$name);)+ }
            })+
            router
        }

        /// The document of the API, made from the handlers.
        pub(crate) fn openapi() -> OpenApi {
            let mut document = document::frame();
            $({
                use $($module)::+ as module;
                #[derive(utoipa::OpenApi)]
                #[openapi(paths($(module::$name),+))]
                struct Described;
                document.merge(<Described as utoipa::OpenApi>::openapi());
            })+
            document
        }
    };
}

operations! {
    accounts::create: create;
    sessions::create: create;
    sessions::code: create;
    sessions::device_code: create;
    device_codes::create: create;
    hand_overs::create: create;
    sessions::refresh: refresh;
    sessions::end: end;
    sessions::end_others: end_others;
    sessions::second_factor: show;
    sessions::passkey: create;
    sign_ins::passkeys: begin;
    sign_ins::links: ask;
    sessions::link: create;
    account::ways: list;
    account::login_password: set, remove;
    account::links: switch;
    account::email: change, confirm;
    account::device_approval: switch;
    account::totp: begin, remove, confirm;
    account::recovery_codes: replace;
    account::passkeys: begin, finish, rename, remove;
    sessions::administer: administer;
    account::entitlements: entitlements;
    devices::list: list;
    devices::end: end;
    devices::approve: approve;
    keysets::list: list;
    states::list: list;
    states::push: push;
    vaults::changes: changes;
    vaults::commits: commits;
    vaults::push: push;
    vaults::record: record;
    account::delete: delete;
    account::keep: keep;
    account::events: list, export;
    account::exports: begin, fetch;
    admin::events: list, export;
    heal::upload: upload;
    events::follow: follow;
    admin::accounts::list: list;
    admin::accounts::show: show;
    admin::accounts::disable: disable;
    admin::accounts::role: role;
    admin::accounts::plan: plan;
    admin::accounts::flag: flag;
    admin::accounts::sign_out: sign_out;
    admin::plans::list: list;
    admin::plans::define: define;
    admin::flags::list: list;
    admin::flags::share: share;
    admin::flags::remove: remove;
    admin::invitations::create: create;
    admin::statistics: statistics;
    about: about;
    health::live: live;
    health::ready: ready;
    reference::document: document;
    reference::keys: keys;
    reference::page: page;
}

/// Where and by which method an operation is served is part of its description.
fn serve<P: utoipa::Path, T: 'static>(
    router: Router<Arc<App>>,
    handler: impl Handler<T, Arc<App>, Future = Answer>,
) -> Router<Arc<App>> {
    let methods = P::methods().iter().map(filter).reduce(MethodFilter::or);
    router.route(&P::path(), routing::on(methods.expect("an operation has a method"), any(handler)))
}

const fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
