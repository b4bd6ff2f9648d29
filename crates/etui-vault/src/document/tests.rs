use etui_chain::Refusal;
use proptest::prelude::*;

use super::*;

fn refusal(json: &str) -> Refusal {
    Document::decode(json.as_bytes()).unwrap_err().refusal
}

#[test]
fn what_is_not_one_plain_object_is_refused() {
    for json in ["", "[]", "1", "{", "{} {}", r#"{"a":1,"a":2}"#, r#"{"a":1.5}"#, r#"{"a":9007199254740992}"#]
    {
        assert_eq!(refusal(json), Refusal::Format, "{json}");
    }
    assert_eq!(Document::decode(b"{\"a\":\"\xff\"}").unwrap_err().refusal, Refusal::Format);
}

#[test]
fn limits_hold_when_reading_and_when_writing() {
    let deepest = format!("{}{}{}", r#"{"a":"#.repeat(MAX_DEPTH), "1", "}".repeat(MAX_DEPTH));
    assert!(Document::decode(deepest.as_bytes()).unwrap().encode().is_ok());
    assert_eq!(refusal(&format!(r#"{{"a":{deepest}}}"#)), Refusal::Limit);
    assert_eq!(refusal(&format!(r#"{{"a":[{}0]}}"#, "0,".repeat(MAX_ELEMENTS))), Refusal::Limit);
    assert_eq!(refusal(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_DOCUMENT_BYTES))), Refusal::Limit);

    let too_deep = Document::from([("a", Value::Object(Document::decode(deepest.as_bytes()).unwrap()))]);
    assert_eq!(too_deep.encode().unwrap_err().refusal, Refusal::Limit);
    let too_long = Document::from([("a", Value::text(&"x".repeat(MAX_DOCUMENT_BYTES)))]);
    assert_eq!(too_long.encode().unwrap_err().refusal, Refusal::Limit);
}

#[test]
fn nothing_is_shown_by_debug() {
    let document = Document::from([("password", Value::text("hunter2"))]);
    let shown = format!("{document:?} {:?} {:?}", document.get("password"), SecretText::new("hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Into::into),
        ".*".prop_map(serde_json::Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map(".*", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// An independent writer and reader agree with ours on every document.
    #[test]
    fn reads_and_writes_what_serde_json_does(value in any_value()) {
        let document = Document::decode(serde_json::json!({ "a": value }).to_string().as_bytes()).unwrap();
        let bytes = document.encode().unwrap();
        let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&read["a"], &value);
        prop_assert_eq!(bytes.len(), bytes.capacity());
        prop_assert!(Document::decode(&bytes).unwrap() == document);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::decode(&bytes);
    }
}
