//! The OpenAPI document around the operations, and the page made from it.

use std::collections::BTreeMap;

use etui_api::{Problem, problem};
use utoipa::{
    IntoResponses, OpenApi as _, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema, ServerBuilder,
        schema::SchemaType,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::routes;

mod page;

pub(crate) use page::{END, beginning, escape, page};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Etui server",
        description = "The server keeps what devices have sealed and signed, and can read none of it. \
                       `spec/api.md` tells the protocol as a story; `spec/crypto.md` fixes what is signed.",
        contact(name = "", url = "", email = ""),
    ),
    tags(
        (name = "accounts", description = "Signing up."),
        (name = "sessions", description = "Signing in, refreshing, signing out."),
        (name = "account", description = "One's own account: what it may use, the ways to sign in, what is held about it, its end. Changing a way needs a fresh sign-in and ends all other sessions."),
        (name = "devices", description = "Devices and their sessions."),
        (name = "states", description = "The account's signed states and the keysets that they name."),
        (name = "vaults", description = "Signed commits and sealed records."),
        (name = "healing", description = "Giving a server back what it lost."),
        (name = "events", description = "News as it happens."),
        (name = "administration", description = "For administrators: nothing here reaches what is sealed."),
        (name = "server", description = "The server itself."),
    ),
    components(schemas(Problem)),
)]
struct Frame;

/// The document without its operations.
pub(crate) fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    document.info.contact = None;
    document.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let components = document.components.get_or_insert_default();
    let mut scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    scheme.description = Some("The access token of a session.".to_owned());
    let mut administration = scheme.clone();
    administration.description = Some("The access token that `administer` gives.".to_owned());
    components.add_security_scheme("session", SecurityScheme::Http(scheme));
    components.add_security_scheme("administration", SecurityScheme::Http(administration));
    components.responses.insert("Problem".to_owned(), RefOr::T(problem_response()));
    document
}

/// The whole document as JSON, ending in a line break.
pub fn json() -> String {
    let mut text = routes::openapi().to_pretty_json().expect("the document is plain JSON");
    text.push('\n');
    text
}

/// What any operation may answer in place of its success.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([("default".to_owned(), RefOr::Ref(Ref::from_response_name("Problem")))])
    }
}

/// Bytes as they are: frames, a sealed record. In OpenAPI 3.1 the content type alone says so.
pub(crate) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        object.description(Some("Bytes, not JSON.")).build().into()
    }
}

impl ToSchema for Bytes {}

fn problem_response() -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    ResponseBuilder::new()
        .description("A problem document (RFC 9457); its `code` says which.")
        .content(problem::CONTENT_TYPE, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}
