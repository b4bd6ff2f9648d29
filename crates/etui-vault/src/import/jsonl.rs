//! JSON Lines: one entry a line, members named as in the entry document.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{ImportError, ImportFault};
use crate::{
    document::{Document, SecretText, Value},
    entry::{EntryType, FieldKind, MatchRule, NewEntry, NewField, member},
    totp::OneTimePassword,
};

/// Reads every line that is not blank; a line that is not understood does not stop the others.
pub fn parse(text: &str) -> impl Iterator<Item = Result<NewEntry, ImportError>> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| parse_line(number, line))
}

/// Reads one line, for example
/// `{"type":"login","title":"Mail","username":"ada","password":"…","urls":["https://mail.test"],"tags":["home"]}`.
///
/// `title` is required; `type` (default `login`), `username`, `password`, `notes`, `totp` and `folder` are texts, `urls` are
/// texts or objects with `url` and `match`, `tags` are texts, `favorite` or `favourite` is a flag, `fields` are objects with
/// `label`, `value` and, if not plain text, `fieldType`.
///
/// # Errors
/// The first fault of the line. `line` is its number, counted from 1.
pub fn parse_line(line: usize, text: &str) -> Result<NewEntry, ImportError> {
    new_entry(text).map_err(|what| ImportError { line, what })
}

fn new_entry(line: &str) -> Result<NewEntry, ImportFault> {
    let document = Document::decode(line.as_bytes())
        .map_err(|_| repeated_member(line).map_or(ImportFault::NotAnObject, ImportFault::RepeatedMember))?;
    let title = document.text(member::TITLE).filter(|title| !title.is_empty()).ok_or(ImportFault::NoTitle)?;
    let mut new = NewEntry::new(EntryType::Login, title);
    document.members().try_for_each(|(name, value)| take(&mut new, name, value))?;
    Ok(new)
}

/// The first name that an object has twice.
fn repeated_member(line: &str) -> Option<String> {
    serde_json::Deserializer::from_str(line).deserialize_map(Names).ok().flatten()
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut names, mut repeated) = (BTreeSet::new(), None);
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<IgnoredAny>()?;
            if let Some(again) = names.replace(name) {
                repeated.get_or_insert(again);
            }
        }
        Ok(repeated)
    }
}

fn take(new: &mut NewEntry, name: &str, value: &Value) -> Result<(), ImportFault> {
    match name {
        member::TITLE => {}
        member::TYPE => new.entry_type = entry_type(value)?,
        member::USERNAME => new.username = Some(text(value, member::USERNAME)?.into()),
        member::PASSWORD => new.password = Some(text(value, member::PASSWORD)?.into()),
        member::NOTES => new.notes = Some(text(value, member::NOTES)?.into()),
        member::TOTP => new.totp = Some(one_time_password(value)?),
        member::FOLDER => new.folder = Some(text(value, member::FOLDER)?.to_owned()),
        member::FAVOURITE | "favourite" => new.favourite = flag(value)?,
        member::TAGS => new.tags = list(value, member::TAGS, |tag| Ok(text(tag, member::TAGS)?.to_owned()))?,
        member::URLS => new.urls = list(value, member::URLS, url)?,
        member::FIELDS => new.fields = list(value, member::FIELDS, field)?,
        unknown => return Err(ImportFault::UnknownMember(unknown.to_owned())),
    }
    Ok(())
}

fn entry_type(value: &Value) -> Result<EntryType, ImportFault> {
    match EntryType::from_name(text(value, member::TYPE)?) {
        EntryType::Unknown => Err(ImportFault::UnknownType),
        known => Ok(known),
    }
}

fn one_time_password(value: &Value) -> Result<SecretText, ImportFault> {
    OneTimePassword::normalise(text(value, member::TOTP)?).map_err(|_| ImportFault::OneTimePassword)
}

fn flag(value: &Value) -> Result<bool, ImportFault> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        _ => Err(ImportFault::WrongType(member::FAVOURITE)),
    }
}

fn url(value: &Value) -> Result<(String, MatchRule), ImportFault> {
    let wrong = ImportFault::WrongType(member::URLS);
    let Some(object) = value.as_object() else {
        return Ok((text(value, member::URLS)?.to_owned(), MatchRule::Domain));
    };
    let rule = object.text(member::MATCH).map_or(MatchRule::Domain, MatchRule::from_name);
    match (object.text(member::URL), rule) {
        (None, _) | (_, MatchRule::Unknown) => Err(wrong),
        (Some(url), rule) => Ok((url.to_owned(), rule)),
    }
}

fn field(value: &Value) -> Result<NewField, ImportFault> {
    let wrong = || ImportFault::WrongType(member::FIELDS);
    let field = value.as_object().ok_or_else(wrong)?;
    let kind = field.text(member::FIELD_TYPE).map_or(FieldKind::Text, FieldKind::from_name);
    match (field.text(member::LABEL), field.text(member::VALUE), kind) {
        (Some(label), Some(value), kind) if kind != FieldKind::Unknown && !label.is_empty() => {
            Ok(NewField { label: label.to_owned(), kind, value: value.into() })
        }
        _ => Err(wrong()),
    }
}

fn text<'a>(value: &'a Value, name: &'static str) -> Result<&'a str, ImportFault> {
    value.as_text().ok_or(ImportFault::WrongType(name))
}

fn list<T>(
    value: &Value,
    name: &'static str,
    element: impl Fn(&Value) -> Result<T, ImportFault>,
) -> Result<Vec<T>, ImportFault> {
    value.as_list().ok_or(ImportFault::WrongType(name))?.iter().map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Counting;

    #[test]
    fn a_full_line_becomes_an_entry() {
        let line = r#"{"type":"login","title":"Mail","username":"ada","password":"s","urls":["https://a.test",
            {"url":"https://b.test","match":"exact"}],"notes":"n","tags":["x"],"totp":"GEZDGNBVGY3TQOJQ","folder":"F",
            "favourite":true,"fields":[{"label":"PIN","fieldType":"concealed-string","value":"1"}]}"#;
        let entry = parse_line(1, line).unwrap().into_entry(5, &mut Counting::default()).unwrap();
        assert_eq!((entry.title(), entry.username(), entry.password()), ("Mail", Some("ada"), Some("s")));
        let urls: Vec<_> = entry.urls().map(|url| (url.url, url.rule)).collect();
        assert_eq!(urls, [("https://a.test", MatchRule::Domain), ("https://b.test", MatchRule::Exact)]);
        assert!(entry.totp().unwrap().starts_with("otpauth://totp/"));
        assert_eq!((entry.notes(), entry.folder(), entry.is_favourite()), (Some("n"), Some("F"), true));
        assert_eq!(entry.field_labelled("PIN").unwrap().kind, FieldKind::Hidden);
        assert_eq!((entry.history().count(), entry.created_ms()), (0, 5));
    }

    #[test]
    fn one_bad_line_does_not_stop_the_others() {
        let text = "{\"type\":\"note\",\"title\":\"a\",\"notes\":\"b\"}\n\nnot json\n{\"title\":\"c\"}\n";
        let lines: Vec<_> = parse(text).collect();
        assert_eq!(lines[0].as_ref().unwrap().entry_type, EntryType::Note);
        assert_eq!(*lines[1].as_ref().unwrap_err(), ImportError { line: 3, what: ImportFault::NotAnObject });
        assert_eq!(lines[2].as_ref().unwrap().entry_type, EntryType::Login);
    }

    #[test]
    fn faults_are_named_without_values() {
        for (line, what) in [
            (r#"["sesame"]"#, ImportFault::NotAnObject),
            (r#"{"password":"sesame"}"#, ImportFault::NoTitle),
            (r#"{"title":"t","type":"sesame"}"#, ImportFault::UnknownType),
            (
                r#"{"title":"t","notes":"sesame","notes":"sesame"}"#,
                ImportFault::RepeatedMember("notes".to_owned()),
            ),
            (r#"{"title":"t","pasword":"sesame"}"#, ImportFault::UnknownMember("pasword".to_owned())),
            (r#"{"title":"t","totp":"sesame!"}"#, ImportFault::OneTimePassword),
            (r#"{"title":"t","password":["sesame"]}"#, ImportFault::WrongType("password")),
            (r#"{"title":"t","urls":"sesame"}"#, ImportFault::WrongType("urls")),
            (r#"{"title":"t","urls":[{"url":"x","match":"sesame"}]}"#, ImportFault::WrongType("urls")),
            (r#"{"title":"t","fields":[{"value":"sesame"}]}"#, ImportFault::WrongType("fields")),
            (r#"{"title":"t","favorite":"sesame"}"#, ImportFault::WrongType("favorite")),
        ] {
            let error = parse_line(7, line).unwrap_err();
            assert_eq!(error, ImportError { line: 7, what });
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }
}
