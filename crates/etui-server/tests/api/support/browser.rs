//! A browser: cookies for each server, pages with forms, and addresses that are gone on to.

use std::collections::BTreeMap;

use reqwest::{Client, Response, Url, header::SET_COOKIE, redirect::Policy};
use url::form_urlencoded;

const MAX_HOPS: usize = 12;

/// See the module. What it does is what browsers do: cookies go to their server alone, and requests say where they are from.
#[derive(Clone)]
pub(crate) struct TestBrowser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
    /// Addresses at which going on ends: somebody else listens there, or nobody.
    stop_at: Vec<String>,
    /// Where a proxy says it is.
    address: Option<String>,
}

/// Where a request says that it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentFrom {
    /// How a browser names the site that made it, in `Sec-Fetch-Site`.
    Site(&'static str),
    /// An older browser names the origin alone.
    Origin(&'static str),
    /// It does not say.
    Unsaid,
}

/// What goes along with a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Nothing: an address is opened.
    None,
    Form(Vec<(String, String)>),
    /// What a script sends.
    EmptyJson,
}

/// A page, or where going on has ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl TestBrowser {
    pub(crate) fn new() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, cookies: BTreeMap::new(), stop_at: Vec::new(), address: None }
    }

    /// Does not go where this begins.
    pub(crate) fn stop_at(&mut self, address: &str) {
        self.stop_at.push(address.to_owned());
    }

    pub(crate) fn stop_nowhere(&mut self) {
        self.stop_at.clear();
    }

    /// Is somewhere else from now on, as a proxy in front of the server says.
    pub(crate) fn is_at(&mut self, address: &str) {
        self.address = Some(address.to_owned());
    }

    /// Types an address.
    pub(crate) async fn open(&mut self, address: &str) -> Seen {
        self.ask(address, Body::None, SentFrom::Site("none")).await
    }

    /// Presses the button of the form that leads to an address with this ending.
    pub(crate) async fn submit(&mut self, page: &Seen, action: &str, fields: &[(&str, &str)]) -> Seen {
        let form = page.form(action);
        let target = page.url.join(&form.action).unwrap();
        let mut pairs = form.hidden;
        pairs.extend(owned(fields));
        self.ask(target.as_str(), Body::Form(pairs), SentFrom::Site("same-origin")).await
    }

    /// Sends what a form of the server's own page would.
    pub(crate) async fn send(&mut self, address: &str, fields: &[(&str, &str)]) -> Seen {
        self.ask(address, Body::Form(owned(fields)), SentFrom::Site("same-origin")).await
    }

    /// What a page of somebody else makes this browser send.
    pub(crate) async fn submit_from_elsewhere(&mut self, address: &str, fields: &[(&str, &str)]) -> Seen {
        self.ask(address, Body::Form(owned(fields)), SentFrom::Site("cross-site")).await
    }

    /// Signs in at a provider under a name, and lets the server know who that is.
    pub(crate) async fn sign_in_at_provider(&mut self, page: Seen, name: &str) -> Seen {
        let fields = [("login", name), ("password", "any")];
        let page = self.submit(&page, "/interaction/", &fields).await;
        if page.text.contains("name=\"prompt\" value=\"consent\"") {
            return self.submit(&page, "/interaction/", &[]).await;
        }
        page
    }

    /// Has a cookie that the server at this address has not given.
    pub(crate) fn has_cookie(&mut self, address: &str, name: &str, value: &str) {
        let server = origin(&Url::parse(address).unwrap());
        self.cookies.insert((server, name.to_owned()), value.to_owned());
    }

    /// Asks for an address, and for those that the answers lead on to.
    pub(crate) async fn ask(&mut self, address: &str, body: Body, from: SentFrom) -> Seen {
        let (mut url, mut body) = (Url::parse(address).unwrap(), body);
        for _ in 0..MAX_HOPS {
            if self.stop_at.iter().any(|address| url.as_str().starts_with(address)) {
                return Seen { url, status: 0, text: String::new() };
            }
            let request = match std::mem::replace(&mut body, Body::None) {
                Body::None => self.client.get(url.clone()),
                Body::Form(pairs) => {
                    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                    let request = self.client.post(url.clone()).body(body);
                    request.header("content-type", "application/x-www-form-urlencoded")
                }
                Body::EmptyJson => self.client.post(url.clone()).json(&serde_json::json!({})),
            };
            let request = request.header("cookie", self.cookies_for(&url));
            let request = match from {
                SentFrom::Site(site) => request.header("sec-fetch-site", site),
                SentFrom::Origin(origin) => request.header("origin", origin),
                SentFrom::Unsaid => request,
            };
            let request = match &self.address {
                Some(address) => request.header("x-forwarded-for", address),
                None => request,
            };
            let response = request.send().await.unwrap();
            self.keep_cookies(&url, &response);
            let Some(next) = next(&url, &response) else {
                let status = response.status().as_u16();
                return Seen { url, status, text: response.text().await.unwrap() };
            };
            url = next;
        }
        panic!("too many hops, the last to {url}");
    }

    fn cookies_for(&self, url: &Url) -> String {
        let origin = origin(url);
        let own = self.cookies.iter().filter(|((server, _), _)| *server == origin);
        own.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, url: &Url, response: &Response) {
        for line in response.headers().get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if name.starts_with("__Host-") {
                for attribute in ["; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite="] {
                    assert!(line.contains(attribute), "{line}");
                }
            }
            let key = (origin(url), name.to_owned());
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Seen {
    /// What stands in its address.
    pub(crate) fn parameter(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.url)).1.into_owned()
    }

    /// What a hidden field of a form to an address with this ending holds.
    pub(crate) fn hidden(&self, action: &str, name: &str) -> String {
        let hidden = self.form(action).hidden.into_iter().find(|(found, _)| found == name);
        hidden.unwrap_or_else(|| panic!("no {name} in {}", self.text)).1
    }

    fn form(&self, action: &str) -> Form {
        let forms = self.text.split("<form ").skip(1);
        let form = { forms }.find(|form| attribute(form, "action").contains(action));
        let form = form.unwrap_or_else(|| panic!("no form to {action}: {} {}", self.status, self.text));
        let form = form.split("</form>").next().unwrap();
        let inputs = form.split("<input ").skip(1).filter(|input| attribute(input, "type") == "hidden");
        Form {
            action: attribute(form, "action"),
            hidden: inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect(),
        }
    }
}

/// By a redirect, or by a page that goes on by itself.
fn next(url: &Url, response: &Response) -> Option<Url> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let address = match response.status().as_u16() {
        302 | 303 => header("location")?,
        _ => header("refresh")?.strip_prefix("0;url=")?,
    };
    Some(url.join(address).unwrap())
}

fn origin(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
}

fn attribute(tag: &str, name: &str) -> String {
    let tag = tag.split('>').next().unwrap();
    let value = tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value
        .unwrap_or_default()
        .replace("&amp;", "&")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}
