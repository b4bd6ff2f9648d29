//! What scripts say and do, by what becomes of an answer.

use etui_api::frame::{Frame, FrameReader, FrameWriter};
use http::{StatusCode, Uri};

use super::{Lie, Script, ScriptError};
use crate::evil::{Answer, Mutation, Question};

const CHANGES: &str = "/v1/vaults/0123/changes?after=3";

fn lies(text: &str) -> Result<Vec<Mutation>, ScriptError> {
    let script: Script = toml::from_str(text).expect("a script");
    script.lies.into_iter().map(Lie::into_mutation).collect()
}

fn lie(acts: &str) -> Mutation {
    let text = format!("[[lie]]\nname = 'one'\non = 'GET /v1/vaults/*/changes'\ndo = [{acts}]");
    lies(&text).expect("it says what it needs").remove(0)
}

fn delivery() -> Answer {
    let mut frames = FrameWriter::new();
    frames.push(&Frame::Header(vec![0]));
    for record in [[1, 1], [2, 2], [3, 3]] {
        frames.push(&Frame::Record(record));
    }
    Answer { status: StatusCode::OK, body: frames.finish(), ..Answer::default() }
}

fn told(mutation: &Mutation, path: &'static str, honest: Answer) -> Answer {
    let uri = Uri::from_static(path);
    let question = Question::new("GET", &uri, &[]);
    if mutation.concerns(&question) { mutation.alter(&question, honest) } else { honest }
}

/// The records of a delivery about which this was told.
fn records(acts: &str) -> Vec<Vec<u8>> {
    let answer = told(&lie(acts), CHANGES, delivery());
    let frames = FrameReader::read_all(&answer.body).expect("whole");
    let record = |frame| if let Frame::Record(bytes) = frame { Some(bytes) } else { None };
    frames.into_iter().filter_map(record).collect()
}

#[test]
fn frames_are_dropped_repeated_reversed_replaced_and_damaged() {
    assert_eq!(records(r#"{ drop = "last record" }"#), [[1, 1], [2, 2]]);
    assert_eq!(records(r#"{ drop = "record 2" }"#), [[1, 1], [3, 3]]);
    assert_eq!(records(r#"{ drop = "record 4" }"#), [[1, 1], [2, 2], [3, 3]], "there is none");
    assert_eq!(records(r#"{ repeat = "first record" }"#), [[1, 1], [2, 2], [3, 3], [1, 1]]);
    assert_eq!(records(r#"{ reverse = "record" }"#), [[3, 3], [2, 2], [1, 1]]);
    let replace = r#"{ replace = { place = "last record", with = "record 2" } }"#;
    assert_eq!(records(replace), [[1, 1], [2, 2], [2, 2]]);
    assert_eq!(records(r#"{ flip = { place = "record 1", bit = 0 } }"#)[0], [0x81, 1]);
    assert_eq!(records(r#"{ flip = { place = "record 1", bit = -1 } }"#)[0], [1, 0]);
    assert_eq!(records(r#"{ flip = { place = "record 1", bit = -17 } }"#)[0], [1, 1], "there is no such bit");
    assert_eq!(records(r#"{ cut = { place = "last record", bytes = 1 } }"#)[2], [3]);
    assert_eq!(records(r#"{ drop = "first record" }, { drop = "first record" }"#), [[3, 3]]);
}

#[test]
fn whole_answers_are_truncated_replaced_and_kept_back() {
    let whole = delivery().body;
    assert_eq!(told(&lie("{ truncate = 2 }"), CHANGES, delivery()).body, whole[..whole.len() - 2]);
    assert!(told(&lie("{ hang_up = true }"), CHANGES, delivery()).hangs_up);
    assert_eq!(told(&lie("{ status = 502 }"), CHANGES, delivery()).status, StatusCode::BAD_GATEWAY);
    let problem = told(&lie(r#"{ problem = "token_expired" }"#), CHANGES, delivery());
    assert_eq!(problem.status, StatusCode::UNAUTHORIZED);
    assert!(String::from_utf8(problem.body).unwrap().contains("token_expired"));
}

#[test]
fn json_is_set_and_removed() {
    let keysets = || Answer {
        status: StatusCode::OK,
        body: br#"{"kdf":{"m_kib":65536},"keysets":[1,2]}"#.to_vec(),
        ..Answer::default()
    };
    let set = r#"{ set = { at = "/kdf/m_kib", to = 8 } }, { set = { at = "/more", to = true } }, { remove = "/keysets/0" }"#;
    let document: serde_json::Value =
        serde_json::from_slice(&told(&lie(set), CHANGES, keysets()).body).expect("JSON");
    assert_eq!(document, serde_json::json!({ "kdf": { "m_kib": 8 }, "keysets": [2], "more": true }));
}

#[test]
fn lies_are_told_where_and_when_the_script_says() {
    let drop = r#"{ drop = "last record" }"#;
    assert_eq!(told(&lie(drop), "/v1/states", delivery()), delivery(), "another route");
    let text = format!(
        "[[lie]]\nname = 'one'\non = '* /v1/vaults/*/changes'\nafter = 1\ntimes = 1\ndo = [{drop}]\n\
         [[lie]]\nname = 'listed'\ncatalogue = 'corrupted_record'\n\
         [[lie]]\nname = 'later'\non = 'GET /v1/states'\nsince = 'POST /v1/states'\ndo = [{{ status = 500 }}]"
    );
    let lies = lies(&text).expect("it says what it needs");
    let altered = [0; 4].map(|_| told(&lies[0], CHANGES, delivery()) != delivery());
    assert_eq!(altered, [false, true, false, false]);
    assert_ne!(told(&lies[1], CHANGES, delivery()), delivery());
    assert_eq!(told(&lies[2], "/v1/states", delivery()), delivery(), "nothing of that kind has passed");
}

#[test]
fn what_is_no_script_is_said_to_be_none() {
    for (text, wrong) in [
        ("[[lie]]\nname = 'one'", "needs either"),
        ("[[lie]]\nname = 'one'\non = 'GET /v1/states'", "does nothing"),
        ("[[lie]]\nname = 'one'\ncatalogue = 'nothing'", "is not in the catalogue"),
        (
            "[[lie]]\nname = 'one'\ncatalogue = 'old_head'\non = 'GET /'\ndo = [{ status = 500 }]",
            "needs either",
        ),
    ] {
        let error = lies(text).err().expect(text).to_string();
        assert!(error.contains(wrong), "{error}");
    }
    for (text, wrong) in [
        ("[[lie]]\nname = 'one'\nof = 1", "unknown field `of`"),
        ("[[lie]]\nname = 'one'\non = '/v1/states'", "is no method and path"),
        ("[[lie]]\nname = 'one'\ndo = [{ drop = 'record 0' }]", "names no frame"),
        ("[[lie]]\nname = 'one'\ndo = [{ explode = 1 }]", "unknown variant `explode`"),
        ("[[lie]]\nname = 'one'\ndo = [{ hang_up = false }]", "leave it out"),
    ] {
        let error = toml::from_str::<Script>(text).err().expect(text).to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
