//! What a query may demand before it is validated. async-graphql's own limits (depth,
//! complexity) are found by walking the query, and these walks are where a text of 1 kB can
//! end the process or keep a core busy for minutes: values nested some 600 deep overflow the
//! stack behind the parser's own guard, and fragments that spread two others each double the
//! walk with every one.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, ServerError, ServerResult};

use super::demand;

/// Brackets of any kind within each other; selections have limits of their own below it.
const MAX_NESTING: usize = 128;
/// Besides strings, which may well be photos.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Names, numbers, strings and signs. The parser takes microseconds for each, on an async thread.
const MAX_TOKENS: usize = 4000;

/// Parses the request's query, unless it would cost too much to go on with.
pub(super) fn check(request: &mut Request) -> ServerResult<()> {
    let refuse = |message: String| Err(ServerError::new(message, None));
    let text = measure(&request.query);
    if text.nesting > MAX_NESTING {
        return refuse(format!("The query nests deeper than {MAX_NESTING} brackets"));
    }
    if text.bytes > MAX_TEXT_BYTES {
        return refuse(format!(
            "The query is longer than {} kB without its strings; long values go into variables",
            MAX_TEXT_BYTES / 1024
        ));
    }
    if text.tokens > MAX_TOKENS {
        return refuse(format!(
            "The query has more than {MAX_TOKENS} tokens (names, values and signs); long lists go into variables"
        ));
    }
    demand::check(request.parsed_query()?).or_else(refuse)
}

/// Whether the request is for a subscription; what can't be read, or names no operation of its own, isn't.
pub(super) fn watches(request: &mut Request) -> bool {
    if check(request).is_err() {
        return false;
    }
    let wanted = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else {
        return false;
    };
    let mut asked = document.operations.iter().filter(|(name, _)| match (&wanted, name) {
        (Some(wanted), Some(name)) => wanted == name.as_str(),
        (Some(_), None) => false,
        (None, _) => true,
    });
    let only = asked.next().filter(|_| asked.next().is_none());
    only.is_some_and(|(_, operation)| operation.node.ty == OperationType::Subscription)
}

#[derive(Default)]
struct Text {
    nesting: usize,
    bytes: usize,
    tokens: usize,
}

/// Looks at the brackets outside strings and comments. A text that isn't GraphQL may be
/// measured wrong, but never below what the parser descends before it notices. The three dots of
/// a spread count as three tokens.
fn measure(query: &str) -> Text {
    let bytes = query.as_bytes();
    let mut text = Text::default();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        let length = match byte {
            b'#' => line(&bytes[at..]),
            b'"' => {
                text.tokens += 1;
                at += string(&bytes[at..]);
                continue;
            }
            byte if is_word(byte) => {
                text.tokens += 1;
                bytes[at..].iter().take_while(|byte| is_word(**byte)).count()
            }
            b',' => 1,
            byte if byte.is_ascii_whitespace() => 1,
            b'{' | b'[' | b'(' => {
                depth += 1;
                text.nesting = text.nesting.max(depth);
                text.tokens += 1;
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                text.tokens += 1;
                1
            }
            _ => {
                text.tokens += 1;
                1
            }
        };
        text.bytes += length;
        at += length;
    }
    text
}

/// Of a name or a number, the signs of a number excepted.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Length of the rest of the line.
fn line(text: &[u8]) -> usize {
    let end = text.iter().position(|b| matches!(b, b'\n' | b'\r'));
    end.unwrap_or(text.len())
}

/// Length of the string that starts here, with its quotes.
fn string(text: &[u8]) -> usize {
    let block = text.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        at += match (block, byte) {
            (true, b'\\') if rest.starts_with(b"\\\"\"\"") => 4,
            (true, b'"') if rest.starts_with(b"\"\"\"") => return at + 3,
            (false, b'\\') => 2,
            // A plain string ends with its line; the parser stops there too.
            (false, b'"' | b'\n' | b'\r') => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: String) -> Option<String> {
        check(&mut Request::new(query)).err().map(|error| error.message)
    }

    #[test]
    fn what_watches_is_the_operation_that_is_asked_for() {
        let two = "query Q { a } subscription S { b }";
        let cases = [
            ("{ a }", None, false),
            ("subscription { b }", None, true),
            ("subscription S { b }", None, true),
            ("subscription S { b }", Some("S"), true),
            ("subscription S { b }", Some("Q"), false),
            (two, Some("Q"), false),
            (two, Some("S"), true),
            (two, None, false),
            ("subscription {", None, false),
            ("", None, false),
        ];
        for (query, wanted, watched) in cases {
            let mut request = Request::new(query);
            if let Some(wanted) = wanted {
                request = request.operation_name(wanted);
            }
            assert_eq!(watches(&mut request), watched, "{query} {wanted:?}");
        }
    }

    #[test]
    fn nesting_is_refused_before_it_is_parsed() {
        for depth in [130, 600, 860, 1000, 200_000] {
            for (open, close) in [("{a", "}"), ("[", "]"), ("{a:", "}")] {
                let (open, close) = (open.repeat(depth), close.repeat(depth));
                for query in [
                    open.clone(),
                    format!("{{ a(values: {open}{close}) }}"),
                    format!("query A($a: {open}Int{close}) {{ a }}"),
                ] {
                    assert!(refused(query).is_some_and(|message| message.contains("nests")));
                }
            }
        }
        assert_eq!(refused(format!("{}a{}", "{a".repeat(50), "}".repeat(50))), None);
    }

    #[test]
    fn strings_and_comments_do_not_nest() {
        let many = "[".repeat(50);
        for text in [
            format!("{{ a(b: \"{many}\\\"{many}\") }}"),
            format!("{{ a(b: \"\"\"{many}\\\"\"\"\n{many}\"\"\") }}"),
            format!("# {many}\n{{ a }}"),
        ] {
            assert!(measure(&text).nesting <= 2, "{text}");
        }
        assert_eq!(measure(&format!("\"\" {many}")).nesting, 50);
        assert_eq!(measure(&format!("\"{many}\n{many}")).nesting, 50);
        assert_eq!(measure("\"\\").nesting, 0);
    }

    #[test]
    fn tokens_are_bounded_before_they_are_parsed() {
        // Two braces, and a name, a colon and a name each.
        let aliases = |n: usize| (0..n).fold(String::new(), |all, i| all + &format!("a{i}:b, "));
        let message = refused(format!("{{ {} }}", aliases(1333))).unwrap();
        assert!(message.contains("4000 tokens"), "{message}");
        let message = refused(format!("{{ {} }}", aliases(1332))).unwrap();
        assert!(message.contains("at its root"), "{message}");
        assert_eq!(measure("{ a(b: \"c d\", e: [1, -2]) ...F } # g").tokens, 19);
    }

    #[test]
    fn a_photo_in_the_query_is_no_text() {
        let photo = "x".repeat(1_000_000);
        assert_eq!(refused(format!("{{ a(b: \"{photo}\") }}")), None);
        assert!(refused(format!("{{ {photo} }}")).is_some());
    }
}
