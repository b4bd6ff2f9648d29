//! A [`Document`] to JSON text, into a buffer that wipes itself and never moves.

use etui_chain::{Refusal, Refused};
use zeroize::Zeroizing;

use super::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_ELEMENTS, Value};

pub(super) fn document(document: &Document) -> Result<Zeroizing<Vec<u8>>, Refused> {
    if !object_within_limits(document, 1) {
        return Err(Refusal::Limit.because("the document nests too deeply or lists too much"));
    }
    let mut counter = Counter(0);
    object(document, &mut counter);
    if counter.0 > MAX_DOCUMENT_BYTES {
        return Err(Refusal::Limit.because("the document is larger than 1 MiB"));
    }
    // Measured first: a growing buffer would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(counter.0));
    object(document, &mut *bytes);
    Ok(bytes)
}

pub(super) fn length(subject: &Value) -> usize {
    let mut counter = Counter(0);
    value(subject, &mut counter);
    counter.0
}

fn within_limits(value: &Value, depth: usize) -> bool {
    match value {
        Value::List(list) => {
            depth <= MAX_DEPTH
                && list.len() <= MAX_ELEMENTS
                && list.iter().all(|element| within_limits(element, depth + 1))
        }
        Value::Object(document) => object_within_limits(document, depth),
        _ => true,
    }
}

fn object_within_limits(document: &Document, depth: usize) -> bool {
    depth <= MAX_DEPTH
        && document.0.len() <= MAX_ELEMENTS
        && document.0.values().all(|value| within_limits(value, depth + 1))
}

trait Sink {
    fn push(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Counter(usize);

impl Sink for Counter {
    fn push(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

fn value(value: &Value, sink: &mut impl Sink) {
    match value {
        Value::Null => sink.push(b"null"),
        Value::Bool(true) => sink.push(b"true"),
        Value::Bool(false) => sink.push(b"false"),
        Value::Integer(number) => sink.push(number.to_string().as_bytes()),
        Value::Text(text) => string(text.expose(), sink),
        Value::List(list) => elements(list, sink),
        Value::Object(document) => object(document, sink),
    }
}

fn elements(list: &[Value], sink: &mut impl Sink) {
    sink.push(b"[");
    for (index, element) in list.iter().enumerate() {
        if index > 0 {
            sink.push(b",");
        }
        value(element, sink);
    }
    sink.push(b"]");
}

fn object(document: &Document, sink: &mut impl Sink) {
    sink.push(b"{");
    for (index, (name, member)) in document.0.iter().enumerate() {
        if index > 0 {
            sink.push(b",");
        }
        string(name, sink);
        sink.push(b":");
        value(member, sink);
    }
    sink.push(b"}");
}

/// Escapes only what RFC 8259 section 7 requires: quotation mark, reverse solidus and the controls below U+0020.
fn string(text: &str, sink: &mut impl Sink) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    sink.push(b"\"");
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        sink.push(&text.as_bytes()[plain..index]);
        plain = index + 1;
        match byte {
            b'"' | b'\\' => sink.push(&[b'\\', byte]),
            b'\n' => sink.push(b"\\n"),
            b'\r' => sink.push(b"\\r"),
            b'\t' => sink.push(b"\\t"),
            _ => sink.push(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
    sink.push(&text.as_bytes()[plain..]);
    sink.push(b"\"");
}
