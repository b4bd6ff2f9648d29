//! Looking for secrets where none may be.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use memchr::memmem;

/// A secret, and every form in which it could leak.
pub struct Canary {
    name: String,
    forms: Vec<(String, Vec<u8>)>,
}

/// Where a canary was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Leak {
    /// Which one.
    pub canary: String,
    /// In which form.
    pub form: String,
}

impl Canary {
    /// A text, which may also be written in UTF-16.
    pub fn text(name: &str, text: &str) -> Self {
        let mut canary = Self::bytes(name, text.as_bytes());
        let utf_16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
        canary.forms.push(("UTF-16LE".to_owned(), utf_16(u16::to_le_bytes)));
        canary.forms.push(("UTF-16BE".to_owned(), utf_16(u16::to_be_bytes)));
        canary
    }

    /// A key, or anything else that is no text.
    pub fn bytes(name: &str, bytes: &[u8]) -> Self {
        assert!(bytes.len() >= 8, "{name} is too short to be told from chance");
        let mut forms = vec![
            ("raw".to_owned(), bytes.to_vec()),
            ("hex".to_owned(), HEXLOWER.encode(bytes).into_bytes()),
            ("upper-case hex".to_owned(), HEXUPPER.encode(bytes).into_bytes()),
            ("list of numbers".to_owned(), numbers(bytes)),
        ];
        for (alphabet, encoding) in [("base64", BASE64_NOPAD), ("base64url", BASE64URL_NOPAD)] {
            for before in 0..3 {
                let within =
                    &encoding.encode(&[&vec![0; before], bytes].concat())[(before * 8).div_ceil(6)..];
                // The last character may hold bits of what follows.
                let whole = &within[..within.len() - 1];
                forms.push((format!("{alphabet} after {before} bytes"), whole.as_bytes().to_vec()));
            }
        }
        Self { name: name.to_owned(), forms }
    }
}

/// The first canary that lies in these bytes, if any does.
pub fn leak(canaries: &[Canary], bytes: &[u8]) -> Option<Leak> {
    let forms = canaries.iter().flat_map(|canary| canary.forms.iter().map(move |form| (canary, form)));
    forms
        .into_iter()
        .find(|(_, (_, form))| memmem::find(bytes, form).is_some())
        .map(|(canary, (form, _))| Leak { canary: canary.name.clone(), form: form.clone() })
}

/// Every file below a folder, with its contents; sockets left out.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).expect("a folder") {
        let item = item.expect("an item");
        let kind = item.file_type().expect("what it is");
        if kind.is_dir() {
            found.extend(files(&item.path()));
        } else if kind.is_file() {
            found.push((item.path(), fs::read(item.path()).expect("a file that can be read")));
        }
    }
    found
}

/// As a debugging form or JSON would show bytes.
fn numbers(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for byte in bytes {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{byte}");
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_wherever_it_lies() {
        let secret = "canary-Zt9é";
        let canaries = [Canary::text("secret", secret)];
        let found = |bytes: &[u8]| leak(&canaries, bytes).map(|leak| leak.form);
        assert_eq!(found(b"nothing to see"), None);
        assert_eq!(found(format!("in {secret}.").as_bytes()).as_deref(), Some("raw"));
        assert_eq!(found(HEXLOWER.encode(secret.as_bytes()).as_bytes()).as_deref(), Some("hex"));
        assert_eq!(found(HEXUPPER.encode(secret.as_bytes()).as_bytes()).as_deref(), Some("upper-case hex"));
        for before in 0..9 {
            for after in 0..4 {
                let text = format!("{}{secret}{}", "x".repeat(before), "~".repeat(after));
                for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                    let form = found(encoding.encode(text.as_bytes()).as_bytes());
                    assert!(form.is_some_and(|form| form.starts_with("base64")), "{before} {after}");
                }
            }
        }
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(found(&wide).as_deref(), Some("UTF-16BE"));
        assert_eq!(found(format!("{:?}", secret.as_bytes()).as_bytes()).as_deref(), Some("list of numbers"));
    }
}
