//! What a letter says, as plain text and as HTML.

use crate::document::escape;

/// A letter's words. Whatever is put in is text: it cannot become markup or a header.
pub(crate) struct Text {
    /// Never holds a secret: it is shown on locked screens.
    pub(crate) subject: &'static str,
    parts: Vec<Part>,
}

enum Part {
    Paragraph(String),
    Link(String),
    Code(String),
}

impl Text {
    pub(crate) const fn about(subject: &'static str) -> Self {
        Self { subject, parts: Vec::new() }
    }

    #[must_use]
    pub(crate) fn paragraph(mut self, words: impl Into<String>) -> Self {
        self.parts.push(Part::Paragraph(words.into()));
        self
    }

    /// An address of this server to be opened.
    #[must_use]
    pub(crate) fn link(mut self, address: String) -> Self {
        self.parts.push(Part::Link(address));
        self
    }

    /// Something to be typed or copied.
    #[must_use]
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.parts.push(Part::Code(code.into()));
        self
    }

    /// As plain text.
    pub(crate) fn plain(&self) -> String {
        let lines = self.parts.iter().map(|part| match part {
            Part::Paragraph(words) => format!("{words}\n"),
            Part::Link(address) => format!("{address}\n"),
            Part::Code(code) => format!("    {code}\n"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// As HTML.
    pub(crate) fn html(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Paragraph(words) => format!("<p>{}</p>", escape(words)),
            Part::Link(address) => format!("<p><a href=\"{0}\">{0}</a></p>", escape(address)),
            Part::Code(code) => format!("<pre>{}</pre>", escape(code)),
        });
        let parts: String = parts.collect();
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head><body>{parts}</body></html>",
            escape(self.subject)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_stays_text() {
        let text = Text::about("a & b")
            .paragraph("<img src=x onerror=1>")
            .link("https://a.example/\"><script>".to_owned())
            .code("1 < 2");
        let html = text.html();
        assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
        assert!(html.contains("<p>&lt;img src=x onerror=1&gt;</p>"), "{html}");
        assert!(html.contains("href=\"https://a.example/&quot;&gt;&lt;script&gt;\""), "{html}");
        assert_eq!(text.plain(), "<img src=x onerror=1>\n\nhttps://a.example/\"><script>\n\n    1 < 2\n");
    }
}
