//! The API's description.

use std::path::Path;

use crate::support::{TestServer, send};

#[test]
fn the_document_in_the_repository_is_the_one_of_the_handlers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/openapi.json");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == etui_server::openapi_json(),
        "spec/openapi.json is out of date: cargo run -p etui-server -- openapi > spec/openapi.json"
    );
}

#[tokio::test]
async fn pages_carry_no_script_and_fetch_nothing() {
    let server = TestServer::start().await;
    for path in ["/", "/reference"] {
        let answer = send(server.request(reqwest::Method::GET, path)).await;
        assert_eq!(answer.status, 200);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"));
        let page = String::from_utf8(answer.body).unwrap();
        for never in ["<script", "http-equiv", "src=", "@import", "url("] {
            assert!(!page.contains(never), "{path} contains {never}");
        }
    }
    let reference = send(server.request(reqwest::Method::GET, "/reference")).await;
    let reference = String::from_utf8(reference.body).unwrap();
    for code in etui_api::ErrorCode::ALL {
        assert!(reference.contains(&format!("id=\"{code}\"")), "problems link to {code}");
    }
}

/// Nothing that somebody sends is an address to be fetched (CVE-2026-47158's neighbours: icons, previews, callbacks).
#[test]
fn no_request_carries_an_address() {
    let document: serde_json::Value = serde_json::from_str(&etui_server::openapi_json()).unwrap();
    let (schemas, mut seen) = (&document["components"]["schemas"], 0);
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    for (_, operation) in operations {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut names: Vec<&str> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
        let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema = body.map(|path| &schemas[path.rsplit('/').next().unwrap()]["properties"]);
        names.extend(
            schema
                .and_then(|properties| properties.as_object())
                .into_iter()
                .flat_map(|it| it.keys())
                .map(String::as_str),
        );
        for name in names {
            seen += 1;
            let words = ["url", "uri", "href", "host", "address", "endpoint", "callback"];
            assert!(
                !words.iter().any(|word| name.to_lowercase().contains(word)),
                "{}: {name}",
                operation["operationId"]
            );
        }
    }
    assert!(seen > 20, "{seen}");
}
