//! The reference page: the OpenAPI document for people, as plain HTML.

use core::fmt::Write as _;

use etui_api::ErrorCode;
use serde_json::{Map, Value};

use crate::routes;

/// The one style of every page.
pub(crate) const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.55 system-ui,sans-serif;\
--text:#1b2421;--ground:#f4f6f4;--sheet:#fff;--line:#c3ccc7;--edge:#74807a;--accent:#15604a;--on-accent:#fff}\
@media(prefers-color-scheme:dark){:root{\
--text:#e4eae7;--ground:#101412;--sheet:#191f1c;--line:#37423d;--edge:#87938d;--accent:#7ed3b1;--on-accent:#0c1f18}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--text)}\
header,main{max-width:36rem;margin:0 auto}main.wide{max-width:56rem}\
header{padding:1.5rem 1.5rem .75rem}header a{color:inherit;font-weight:600;text-decoration:none}\
main{padding:1.5rem;margin-bottom:3rem;background:var(--sheet);border:1px solid var(--line);border-radius:.75rem;\
overflow-wrap:anywhere}\
@media(max-width:38rem){main{border-width:1px 0;border-radius:0}}\
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25}\
h2{margin:2rem 0 .5rem;font-size:1.15rem;padding-top:1.5rem;border-top:1px solid var(--line)}\
a{color:var(--accent)}p{margin:.75rem 0}section{margin:1.5rem 0}\
pre,code{font:.9em/1.5 ui-monospace,monospace}\
pre{margin:.75rem 0;padding:.75rem;background:var(--ground);border-radius:.4rem;white-space:pre-wrap}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dd{margin:0}dt{font-weight:600}\
label{font-weight:600}\
input{display:block;width:100%;margin-top:.35rem;color:inherit;background:var(--sheet)}\
button,input{font:inherit;padding:.55rem .9rem;border:1px solid var(--edge);border-radius:.4rem}\
input+button{margin-top:.75rem}button{cursor:pointer;font-weight:600;color:var(--on-accent);background:var(--accent);border-color:var(--accent)}\
button.quiet{color:var(--accent);background:none;border-color:var(--edge)}\
button:disabled{cursor:default;color:inherit;background:none;border-color:var(--line);opacity:.75}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
fieldset{border:1px solid var(--line);border-radius:.4rem;margin:1rem 0;padding:0 1rem}legend{font-weight:600;padding:0 .4rem}\
[role=alert]:not(:empty){border-left:.25rem solid var(--accent);padding-left:.75rem}[role=alert]:empty{margin:0}";

/// The beginning of every page, up to its content.
pub(crate) fn beginning(title: &str, head: &str, is_wide: bool) -> String {
    let class = if is_wide { " class=\"wide\"" } else { "" };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · Etui</title><style>{STYLE}</style>{head}\
         </head><body><header><a href=\"/\">Etui</a></header><main{class}><h1>{title}</h1>"
    )
}

/// The end of every page.
pub(crate) const END: &str = "</main></body></html>\n";

/// The page.
pub(crate) fn page() -> String {
    let document = serde_json::to_value(routes::openapi()).expect("the document is plain JSON");
    let mut html = beginning("Reference of the API", "", true);
    add(
        &mut html,
        format_args!(
            "<p>{}</p><p>The same for programs: <a href=\"/openapi.json\">openapi.json</a></p>",
            prose(&document["info"]["description"])
        ),
    );
    for tag in list(&document["tags"]) {
        write_tag(&mut html, &document, tag);
    }
    write_schemas(&mut html, members(&document["components"]["schemas"]));
    write_codes(&mut html);
    html.push_str(END);
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
    add(html, format_args!("<h2>{}</h2><p>{}</p>", text(&tag["name"]), prose(&tag["description"])));
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
            prose(&operation["description"]),
        ),
    );
    for parameter in list(&operation["parameters"]) {
        write_row(html, &format!("{} parameter", text(&parameter["in"])), parameter);
    }
    for content in members(&operation["requestBody"]["content"]) {
        add(html, format_args!("<tr><th>body</th><td>{}</td><td></td></tr>", content_type(content)));
    }
    for (status, answer) in members(&operation["responses"]).filter(|(status, _)| *status != "default") {
        let kinds: Vec<_> = members(&answer["content"]).map(content_type).collect();
        add(
            html,
            format_args!(
                "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
                escape(status),
                kinds.join(", "),
                prose(&answer["description"])
            ),
        );
    }
    html.push_str("</table></section>");
}

/// The content type, and the form of it where it has a name.
fn content_type((kind, content): (&String, &Value)) -> String {
    let schema = content["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let schema = schema.map(|name| format!(" <a href=\"#{0}\">{0}</a>", escape(name)));
    format!("<code>{}</code>{}", escape(kind), schema.unwrap_or_default())
}

fn write_row(html: &mut String, kind: &str, item: &Value) {
    add(
        html,
        format_args!(
            "<tr><th>{kind}</th><td><code>{}</code></td><td>{}</td></tr>",
            text(&item["name"]),
            prose(&item["description"])
        ),
    );
}

fn write_schemas<'a>(html: &mut String, schemas: impl Iterator<Item = (&'a String, &'a Value)>) {
    html.push_str("<h2>JSON</h2>");
    for (name, schema) in schemas.filter(|(_, schema)| forms(schema).next().is_some()) {
        add(
            html,
            format_args!(
                "<section id=\"{0}\"><h3>{0}</h3><p>{1}</p>",
                escape(name),
                prose(&schema["description"])
            ),
        );
        for form in forms(schema) {
            write_form(html, form);
        }
        html.push_str("</section>");
    }
}

/// The one form of an object, or each that it may have.
fn forms(schema: &Value) -> impl Iterator<Item = &Value> {
    core::iter::once(schema)
        .chain(list(&schema["oneOf"]))
        .chain(list(&schema["allOf"]))
        .filter(|form| form["properties"].is_object())
}

fn write_form(html: &mut String, form: &Value) {
    html.push_str("<table>");
    for (member, value) in members(&form["properties"]) {
        add(
            html,
            format_args!("<tr><th>{}</th><td>{}</td></tr>", escape(member), prose(&value["description"])),
        );
    }
    html.push_str("</table>");
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

/// Text with `code` in it.
fn prose(value: &Value) -> String {
    let mut html = String::new();
    for (index, part) in text(value).split('`').enumerate() {
        html.push_str(match index {
            0 => "",
            odd if odd % 2 == 1 => "<code>",
            _ => "</code>",
        });
        html.push_str(part);
    }
    html
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_prose_is_marked_and_nothing_else_is_markup() {
        assert_eq!(prose(&"a `<b>` & `c`.".into()), "a <code>&lt;b&gt;</code> &amp; <code>c</code>.");
        assert_eq!(prose(&"plain".into()), "plain");
    }

    #[test]
    fn every_form_that_is_linked_is_there() {
        let page = page();
        let links: Vec<_> =
            page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.contains(&"SignIn"));
        for name in links {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
