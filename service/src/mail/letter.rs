//! What a mail says, and how it is laid out: the same words as text and as HTML.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A mail before it is laid out.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub body: Vec<Block>,
}

#[derive(Clone, Serialize, Deserialize)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A code or a token, on a line of its own so that it can be copied.
    Code(String),
}

// By hand: codes and addresses are nobody's to read in a log.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Block")
    }
}

impl Letter {
    pub(super) fn text(&self) -> String {
        let blocks = self.body.iter().map(|block| match block {
            Block::Text(text) => text.clone(),
            Block::Code(code) => format!("    {code}"),
        });
        let mut text = blocks.collect::<Vec<_>>().join("\n\n");
        text.push('\n');
        text
    }

    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>{}</title></head>\
             <body style=\"font-family:sans-serif;font-size:16px;line-height:1.5;max-width:36em\">",
            escaped(&self.subject)
        );
        for block in &self.body {
            // Writing to a string cannot fail.
            let _ = match block {
                Block::Text(text) => write!(html, "<p>{}</p>", escaped(text)),
                Block::Code(code) => write!(
                    html,
                    "<p><code style=\"font-size:20px;overflow-wrap:anywhere\">{}</code></p>",
                    escaped(code)
                ),
            };
        }
        html.push_str("</body></html>");
        html
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_say_the_same_and_html_is_escaped() {
        let letter = Letter {
            to: "ana@example.org".into(),
            subject: "Hi".into(),
            body: vec![Block::Text("School <b>&\"A\"</b>".into()), Block::Code("123456".into())],
        };
        assert_eq!(letter.text(), "School <b>&\"A\"</b>\n\n    123456\n");
        let html = letter.html();
        assert!(
            html.contains("<p>School &lt;b&gt;&amp;&quot;A&quot;&lt;/b&gt;</p>"),
            "{html}"
        );
        assert!(html.contains(">123456</code>"), "{html}");
        assert!(!format!("{letter:?}").contains("ana"));
    }
}
