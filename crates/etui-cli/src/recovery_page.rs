//! The Recovery Kit as a page to print: one file, nothing to load, no script.

use qrcode::{EcLevel, QrCode, render::svg};
use zeroize::Zeroizing;

use etui_crypto::RecoveryKit;

use crate::secret::Secret;

/// The kit does not fit a QR code.
#[derive(Debug, thiserror::Error)]
#[error("drawing the code of the Recovery Kit")]
pub(crate) struct PageError(#[source] qrcode::types::QrError);

/// What the page says beside the kit.
pub(crate) struct Page<'a> {
    /// The server's address.
    pub(crate) server: &'a str,
    /// The account's e-mail address.
    pub(crate) email: &'a str,
    /// The kit.
    pub(crate) kit: &'a RecoveryKit,
}

impl Page<'_> {
    /// The HTML of the page.
    pub(crate) fn html(&self) -> Result<Secret, PageError> {
        let code = self.kit.to_qr_text();
        let drawing = Zeroizing::new(drawing(&code)?);
        let (words, second) = self.kit.to_words();
        let second = second.map(|words| (words, "<h2>Second secret</h2>"));
        let mut html = String::with_capacity(16 * 1024 + drawing.len());
        for part in [
            HEAD,
            "<p><b>Server</b> ",
            &escaped(self.server),
            "<br><b>E-mail</b> ",
            &escaped(self.email),
            "<br><b>Account</b> <code>",
            &self.kit.account_id.to_string(),
            "</code></p>\n<figure>",
            &drawing,
            "</figure>\n<h2>Words</h2>\n",
            &list(&words),
            second.as_ref().map_or("", |(_, title)| title),
            &second.as_ref().map(|(words, _)| list(words)).unwrap_or_default(),
            FOOT,
        ] {
            html.push_str(part);
        }
        Ok(Secret::new(html))
    }
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Recovery Kit</title>
<style>
body { font: 12pt/1.5 system-ui, sans-serif; max-width: 42em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff }
ol { columns: 3; padding-left: 2.5em } li, code { font-family: ui-monospace, monospace }
figure { margin: 1em 0; width: 16em } svg { width: 100%; height: auto }
@media print { body { margin: 0 } }
</style>
<h1>Recovery Kit</h1>
<p>Whoever has this page and can sign in to the account can read everything in it. Print it, delete the file, and keep the
paper where you keep a passport. Without the master password and without this page, nobody can restore the data.</p>
"#;

const FOOT: &str = "\n<p>To use it: <code>etui recovery use</code>, with the words or with the text of the code.</p>\n</html>\n";

fn drawing(code: &str) -> Result<String, PageError> {
    // Paper is folded and stained: a quarter of the code may be lost.
    let code = QrCode::with_error_correction_level(code, EcLevel::Q).map_err(PageError)?;
    let drawing = code.render::<svg::Color<'_>>().min_dimensions(256, 256).build();
    // The declaration belongs to a file of its own, not into a page.
    Ok(drawing.split_once("?>").map_or(drawing.clone(), |(_, svg)| svg.to_owned()))
}

fn list(words: &str) -> Zeroizing<String> {
    let mut list = Zeroizing::new(String::with_capacity(words.len() * 3 + 512));
    list.push_str("<ol>");
    for word in words.split_whitespace() {
        list.push_str("<li>");
        list.push_str(word);
        list.push_str("</li>");
    }
    list.push_str("</ol>\n");
    list
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kit() -> RecoveryKit {
        let words = format!("{}art", "abandon ".repeat(23));
        RecoveryKit::from_words("ab".repeat(16).parse().unwrap(), &words, None).unwrap()
    }

    #[test]
    fn the_page_has_all_words_and_loads_nothing() {
        let kit = kit();
        let page = Page { server: "https://etui.test/?a=1&b=<x>", email: "ada@example.org", kit: &kit };
        let html = page.html().unwrap();
        let html = html.expose();
        assert_eq!(html.matches("<li>abandon</li>").count(), 23);
        assert_eq!(html.matches("<li>art</li>").count(), 1);
        assert!(html.contains(&"ab".repeat(16)) && html.contains("<svg") && !html.contains("<?xml"));
        assert!(html.contains("a=1&amp;b=&lt;x&gt;"));
        for loading in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(loading), "{loading}");
        }
    }
}
