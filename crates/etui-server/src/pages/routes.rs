//! The one list of what a browser can ask this server for, beside the API.
//!
//! What is not in it is not served, and the tests of who may do what go through it (`tests/api/matrix/pages`).

use std::sync::Arc;

use axum::{
    handler::Handler,
    routing::{self, MethodRouter},
};
use http::Method;

use super::{
    account, authorize, device, devices, hand_over, home, invitation, link, passkeys, provider,
    second_factor, sign_in,
};
use crate::{
    app::App,
    handler::{Answer, any},
    invitations,
    provider::CALLBACK_PATH,
};

/// One page, or what one form leads to.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) answer: MethodRouter<Arc<App>>,
}

/// Every one.
pub(super) fn all() -> Vec<Route> {
    vec![
        page("/", home::show),
        page(invitations::PATH, invitation::show),
        page(passkeys::SCRIPT, passkeys::script),
        page("/sign-in", sign_in::show),
        form("/sign-in/provider/{name}", provider::depart),
        page(CALLBACK_PATH, provider::arrive),
        page(second_factor::ADDRESS, second_factor::show),
        form(second_factor::ADDRESS, second_factor::check_code),
        form(passkeys::SECOND_FACTOR, second_factor::check_passkey),
        form("/sign-in/passkey", passkeys::sign_in),
        form("/sign-in/links", link::ask),
        page("/sign-in/links/{token}", link::show),
        form("/sign-in/links/{token}", link::open),
        form("/sign-out", sign_in::sign_out),
        page("/account", account::show),
        form("/account/providers/{name}", provider::depart_to_link),
        form("/account/link", provider::link),
        form("/account/unlink", account::unlink),
        form("/account/devices/end", devices::turn_away),
        form("/account/passkeys", passkeys::add),
        form("/account/passkeys/begin", passkeys::begin),
        form("/account/passkeys/rename", passkeys::rename),
        form("/account/passkeys/remove", passkeys::remove),
        page("/authorize", authorize::show),
        form("/authorize", authorize::decide),
        page("/device", device::show),
        form("/device/look", device::look),
        form("/device/decide", device::decide),
        page("/hand-over", hand_over::show),
        form("/hand-over", hand_over::open),
    ]
}

fn page<T: 'static>(path: &'static str, show: impl Handler<T, Arc<App>, Future = Answer>) -> Route {
    Route { method: Method::GET, path, answer: routing::get(any(show)) }
}

fn form<T: 'static>(path: &'static str, take: impl Handler<T, Arc<App>, Future = Answer>) -> Route {
    Route { method: Method::POST, path, answer: routing::post(any(take)) }
}
