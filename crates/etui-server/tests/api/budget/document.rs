//! Which fields of bodies are secrets, by the document.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every secret, as an operation and a path in its body.
pub(super) fn secrets() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&etui_server::openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let mut found = BTreeSet::new();
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        let mut fields = BTreeSet::new();
        let content = &operation["requestBody"]["content"];
        if let Some(json) = content.get("application/json") {
            collect(&document, &json["schema"], "", &mut fields);
        } else if !content.is_null() && takes_anybody(operation) {
            fields.insert("frames".to_owned());
        }
        found.extend(fields.into_iter().map(|field| (name.to_owned(), field)));
    }
    found
}

fn takes_anybody(operation: &Value) -> bool {
    operation["security"].as_array().unwrap().iter().any(|needs| needs.as_object().unwrap().is_empty())
}

/// A token is a secret by its type, a login proof by its name.
fn collect(document: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    const SCHEMAS: &str = "#/components/schemas/";
    if let Some(name) = schema["$ref"].as_str().map(|it| it.strip_prefix(SCHEMAS).unwrap()) {
        if name == "Token" {
            found.insert(path.to_owned());
        } else {
            collect(document, &document["components"]["schemas"][name], path, found);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if name == "login_proof" {
            found.insert(path);
        } else {
            collect(document, property, &path, found);
        }
    }
    let parts = ["allOf", "oneOf", "anyOf"].iter().filter_map(|name| schema[*name].as_array());
    for part in parts.flatten().chain(schema.get("items")) {
        collect(document, part, path, found);
    }
}
