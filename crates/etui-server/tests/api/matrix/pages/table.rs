//! What each page and form asks of whoever sends it, and what comes of it for whoever may.

use reqwest::Method;

/// Who gets what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Anybody: it is not looked at who asks.
    Nothing,
    /// Anybody: what is shown depends on who asks.
    Anybody,
    /// Whoever has the secret that it takes.
    Secret,
    /// The browser that began it.
    Browser,
    /// The browser that has shown a first factor, and lacks the second.
    HalfWay,
    /// Whoever has signed in on these pages; others are led there first.
    Page,
    /// Whoever has signed in on these pages, also those who may do nothing else.
    Visit,
    /// The holder of an account that stays, enough factors shown.
    Holder,
}

use Needs::{Anybody, Browser, HalfWay, Holder, Nothing, Page, Secret, Visit};

/// The status that somebody gets at last, and where: 0 where somebody else answers.
pub(super) type Arrived = (u16, &'static str);

/// One page or form.
pub(super) struct Case {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// What it is asked with: a name in braces stands for what [`super::scene::Person`] has.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// What whoever may gets.
    pub(super) right: Arrived,
    /// What a stranger gets who has signed in to another account and tries it with what is the holder's.
    pub(super) stranger: Arrived,
}

/// Where an address of this server is not answered, but the provider's or the program's.
const PROVIDER: Arrived = (0, "/auth");
const PROGRAM: Arrived = (0, "/");
const ACCOUNT: Arrived = (200, "/account");
const MADE_UP: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// What a program asks.
const ASKED: [(&str, &str); 5] = [
    ("port", "9"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
    ("state", "abc"),
    ("device_id", "0909090909090909090909090909090a"),
];
const ASKED_ADDRESS: &str = "/authorize?port=9&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
     &code_challenge_method=S256&state=abc&device_id=0909090909090909090909090909090a";
const PASSKEY: [(&str, &str); 2] = [("passkey_ticket", "{assertion_ticket}"), ("credential", "{assertion}")];
const NEW_PASSKEY: [(&str, &str); 3] =
    [("name", "mine"), ("passkey_ticket", "{new_passkey_ticket}"), ("credential", "{new_passkey}")];

type Fields = &'static [(&'static str, &'static str)];

const fn page(path: &'static str, needs: Needs, fields: Fields, right: Arrived) -> Case {
    Case { method: Method::GET, path, needs, fields, right, stranger: right }
}

const fn form(path: &'static str, needs: Needs, fields: Fields, right: Arrived) -> Case {
    Case { method: Method::POST, path, needs, fields, right, stranger: right }
}

/// A form that changes what is the holder's.
const fn change(path: &'static str, fields: Fields, right: Arrived, stranger: u16) -> Case {
    Case { method: Method::POST, path, needs: Holder, fields, right, stranger: (stranger, path) }
}

/// The line of a page or form.
pub(super) fn of(method: &Method, path: &str) -> &'static Case {
    CASES.iter().find(|case| case.method == *method && case.path == path).expect("each has a line")
}

pub(super) const CASES: &[Case] = &[
    page("/", Nothing, &[], (200, "/")),
    page("/invitation", Nothing, &[], (200, "/invitation")),
    page("/passkeys.js", Nothing, &[], (200, "/passkeys.js")),
    page("/sign-in", Anybody, &[], ACCOUNT),
    form("/sign-in/provider/{name}", Nothing, &[], PROVIDER),
    page(
        "/sign-in/provider/callback",
        Browser,
        &[("state", "{state}"), ("error", "access_denied")],
        (401, "/sign-in/provider/callback"),
    ),
    page("/sign-in/second-factor", HalfWay, &[], (200, "/sign-in/second-factor")),
    form("/sign-in/second-factor", HalfWay, &[("code", "{code}")], ACCOUNT),
    form("/sign-in/second-factor/passkey", HalfWay, &PASSKEY, ACCOUNT),
    form("/sign-in/passkey", Secret, &PASSKEY, ACCOUNT),
    // This server sends no mail.
    form("/sign-in/links", Nothing, &[("email", "{nobody}")], (404, "/sign-in/links")),
    page("/sign-in/links/{token}", Nothing, &[("token", MADE_UP)], (200, "/sign-in/links/{token}")),
    form("/sign-in/links/{token}", Secret, &[("token", "{printed}")], ACCOUNT),
    form("/sign-out", Anybody, &[], (200, "/sign-in")),
    page("/account", Page, &[], ACCOUNT),
    form("/account/providers/{name}", Holder, &[], PROVIDER),
    change("/account/link", &[("ticket", "{link_ticket}")], ACCOUNT, 410),
    change("/account/unlink", &[("issuer", "{issuer}"), ("subject", "{subject}")], ACCOUNT, 404),
    // The device that has opened the page takes the page with it.
    change("/account/devices/end", &[("device_id", "{device_id}")], (200, "/sign-in"), 404),
    change("/account/passkeys", &NEW_PASSKEY, ACCOUNT, 410),
    change("/account/passkeys/begin", &[], (200, "/account/passkeys/begin"), 200),
    change("/account/passkeys/rename", &[("id", "{passkey_id}"), ("name", "mine")], ACCOUNT, 404),
    change("/account/passkeys/remove", &[("id", "{passkey_id}")], ACCOUNT, 404),
    page("/authorize", Page, &ASKED, (200, "/authorize")),
    form("/authorize", Visit, &[("decision", "allow"), ("asked", ASKED_ADDRESS)], PROGRAM),
    page("/device", Page, &[], (200, "/device")),
    form("/device/look", Visit, &[("user_code", "{user_code}")], (200, "/device/look")),
    form(
        "/device/decide",
        Visit,
        &[("user_code", "{user_code}"), ("decision", "allow")],
        (200, "/device/decide"),
    ),
    page("/hand-over", Secret, &[("ticket", "{hand_over}")], (200, "/hand-over")),
    form("/hand-over", Secret, &[("ticket", "{hand_over}")], ACCOUNT),
];
