//! The reference page: the OpenAPI document for people, as plain HTML.

use core::fmt::Write as _;

use etui_api::ErrorCode;
use serde_json::{Map, Value};

use crate::routes;

/// The one style of every page.
pub(crate) const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
main{max-width:48rem;margin:2rem auto;padding:0 1rem}\
pre,code{font-family:ui-monospace,monospace}pre{overflow-x:auto}\
h2{margin-top:2.5rem}section{margin:1.5rem 0}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}";

/// The page.
pub(crate) fn page() -> String {
    let document = serde_json::to_value(routes::openapi()).expect("the document is plain JSON");
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Etui: reference</title>\
         <style>{STYLE}</style></head><body><main><h1>Reference of the API</h1><p>{}</p>\
         <p>The same for programs: <a href=\"/openapi.json\">openapi.json</a></p>",
        text(&document["info"]["description"])
    );
    for tag in list(&document["tags"]) {
        write_tag(&mut html, &document, tag);
    }
    write_schemas(&mut html, members(&document["components"]["schemas"]));
    write_codes(&mut html);
    html.push_str("</main></body></html>\n");
    html
}

/// Text as it may stand in HTML and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn write_tag(html: &mut String, document: &Value, tag: &Value) {
    add(html, format_args!("<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"])));
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            if list(&operation["tags"]).any(|name| *name == tag["name"]) {
                write_operation(html, path, method, operation);
            }
        }
    }
}

fn write_operation(html: &mut String, path: &str, method: &str, operation: &Value) {
    add(
        html,
        format_args!(
            "<section id=\"{}\"><h3>{}</h3><p><code>{} {}</code></p><p>{}</p><table>",
            text(&operation["operationId"]),
            text(&operation["summary"]),
            method.to_uppercase(),
            escape(path),
            text(&operation["description"]),
        ),
    );
    for parameter in list(&operation["parameters"]) {
        write_row(html, &format!("{} parameter", text(&parameter["in"])), parameter);
    }
    for kind in members(&operation["requestBody"]["content"]).map(|(kind, _)| kind) {
        add(html, format_args!("<tr><th>body</th><td><code>{}</code></td><td></td></tr>", escape(kind)));
    }
    for (status, answer) in members(&operation["responses"]).filter(|(status, _)| *status != "default") {
        let kinds: Vec<_> = members(&answer["content"]).map(|(kind, _)| escape(kind)).collect();
        add(
            html,
            format_args!(
                "<tr><th>{}</th><td><code>{}</code></td><td>{}</td></tr>",
                escape(status),
                kinds.join(", "),
                text(&answer["description"])
            ),
        );
    }
    html.push_str("</table></section>");
}

fn write_row(html: &mut String, kind: &str, item: &Value) {
    add(
        html,
        format_args!(
            "<tr><th>{kind}</th><td><code>{}</code></td><td>{}</td></tr>",
            text(&item["name"]),
            text(&item["description"])
        ),
    );
}

fn write_schemas<'a>(html: &mut String, schemas: impl Iterator<Item = (&'a String, &'a Value)>) {
    html.push_str("<h2>JSON</h2>");
    for (name, schema) in schemas.filter(|(_, schema)| schema["properties"].is_object()) {
        add(
            html,
            format_args!("<section><h3>{}</h3><p>{}</p><table>", escape(name), text(&schema["description"])),
        );
        for (member, value) in members(&schema["properties"]) {
            add(
                html,
                format_args!("<tr><th>{}</th><td>{}</td></tr>", escape(member), text(&value["description"])),
            );
        }
        html.push_str("</table></section>");
    }
}

fn write_codes(html: &mut String) {
    html.push_str("<h2>Problems</h2><table>");
    for code in ErrorCode::ALL {
        add(
            html,
            format_args!(
                "<tr id=\"{code}\"><th>{code}</th><td>{}</td><td>{}</td></tr>",
                code.status(),
                code.title()
            ),
        );
    }
    html.push_str("</table>");
}

fn add(html: &mut String, arguments: core::fmt::Arguments<'_>) {
    html.write_fmt(arguments).expect("a string takes everything");
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
