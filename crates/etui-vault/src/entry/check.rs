//! Whether a document is an entry: what is known has its form, what is not known is left alone.

use core::hash::Hash;
use std::collections::HashSet;

use etui_chain::{Digest, ObjectId, Refusal, Refused};

use super::member;
use crate::document::{Document, Value};

pub(super) fn document(entry: &Document) -> Result<(), Refused> {
    for name in [member::TYPE, member::TITLE] {
        required(entry, name, is_text)?;
    }
    for name in [member::CREATED, member::MODIFIED] {
        required(entry, name, is_unsigned)?;
    }
    for name in [member::ARCHIVED, member::TRASHED] {
        optional(entry, name, is_unsigned)?;
    }
    for name in [member::USERNAME, member::PASSWORD, member::NOTES, member::TOTP, member::FOLDER] {
        optional(entry, name, is_text)?;
    }
    optional(entry, member::FAVOURITE, |value| matches!(value, Value::Bool(_)))?;
    lists(entry)
}

fn lists(entry: &Document) -> Result<(), Refused> {
    distinct(list(entry, member::TAGS)?.iter().map(Value::as_text))?;
    distinct(objects(entry, member::URLS, url)?.map(|url| url.text(member::URL)))?;
    distinct(objects(entry, member::FIELDS, field)?.map(|field| field.text(member::ID)))?;
    distinct(objects(entry, member::ATTACHMENTS, attachment)?.map(|attachment| attachment.text(member::ID)))?;
    for name in [member::HISTORY, member::CONFLICTS] {
        objects(entry, name, recorded)?.for_each(drop);
    }
    Ok(())
}

fn url(url: &Document) -> Result<(), Refused> {
    required(url, member::URL, is_text)?;
    optional(url, member::MATCH, is_text)
}

fn field(field: &Document) -> Result<(), Refused> {
    [member::ID, member::LABEL, member::FIELD_TYPE, member::VALUE]
        .into_iter()
        .try_for_each(|name| required(field, name, is_text))
}

fn attachment(attachment: &Document) -> Result<(), Refused> {
    required(attachment, member::ID, |value| {
        value.as_text().is_some_and(|text| text.parse::<ObjectId>().is_ok())
    })?;
    required(attachment, member::RECORD_HASH, |value| {
        value.as_text().is_some_and(|text| text.parse::<Digest>().is_ok())
    })?;
    required(attachment, member::NAME, is_text)?;
    required(attachment, member::SIZE, is_unsigned)
}

fn recorded(recorded: &Document) -> Result<(), Refused> {
    required(recorded, member::FIELD, is_text)?;
    required(recorded, member::VALUE, |_| true)?;
    required(recorded, member::AT, is_unsigned)
}

fn is_text(value: &Value) -> bool {
    value.as_text().is_some()
}

fn is_unsigned(value: &Value) -> bool {
    value.as_unsigned().is_some()
}

fn required(document: &Document, name: &str, fits: impl Fn(&Value) -> bool) -> Result<(), Refused> {
    match document.get(name) {
        Some(value) if fits(value) => Ok(()),
        Some(_) => Err(Refusal::Format.because("a member of an entry has the wrong type")),
        None => Err(Refusal::Format.because("an entry lacks a required member")),
    }
}

fn optional(document: &Document, name: &str, fits: impl Fn(&Value) -> bool) -> Result<(), Refused> {
    if document.get(name).is_some() { required(document, name, fits) } else { Ok(()) }
}

fn list<'a>(entry: &'a Document, name: &str) -> Result<&'a [Value], Refused> {
    optional(entry, name, |value| value.as_list().is_some())?;
    Ok(entry.list(name))
}

fn objects<'a>(
    entry: &'a Document,
    name: &str,
    check: impl Fn(&Document) -> Result<(), Refused>,
) -> Result<impl Iterator<Item = &'a Document>, Refused> {
    let list = list(entry, name)?;
    for element in list {
        check(
            element
                .as_object()
                .ok_or(Refusal::Format.because("a list of an entry has an element of the wrong type"))?,
        )?;
    }
    Ok(list.iter().filter_map(Value::as_object))
}

fn distinct<T: Hash + Eq>(mut keys: impl Iterator<Item = Option<T>>) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    if keys.all(|key| key.is_some_and(|key| seen.insert(key))) {
        Ok(())
    } else {
        Err(Refusal::Format.because("a list of an entry repeats a key or has an element of the wrong type"))
    }
}
