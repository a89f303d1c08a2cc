//! What a query may demand before it is validated. async-graphql's own limits (depth,
//! complexity) are found by walking the query, and these walks are where a text of 1 kB can
//! end the process or keep a core busy for minutes: values nested some 600 deep overflow the
//! stack behind the parser's own guard, and fragments that spread two others each double the
//! walk with every one.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request, ServerError, ServerResult};

/// Brackets of any kind within each other; selections have limits of their own below it.
const MAX_NESTING: usize = 128;
/// Besides strings, which may well be photos.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Fields and spreads of all operations, with each fragment counted wherever it is spread.
const MAX_SELECTIONS: usize = 10_000;
/// Selection sets and fragments within each other; async-graphql refuses 32 later.
const MAX_DEPTH: usize = 64;

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
    if selections(request.parsed_query()?) > MAX_SELECTIONS {
        return refuse(format!(
            "The query has more than {MAX_SELECTIONS} fields, counting fragments wherever they are used"
        ));
    }
    Ok(())
}

#[derive(Default)]
struct Text {
    nesting: usize,
    bytes: usize,
}

/// Looks at the brackets outside strings and comments. A text that isn't GraphQL may be
/// measured wrong, but never below what the parser descends before it notices.
fn measure(query: &str) -> Text {
    let bytes = query.as_bytes();
    let mut text = Text::default();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        let length = match byte {
            b'#' => line(&bytes[at..]),
            b'"' => {
                at += string(&bytes[at..]);
                continue;
            }
            b'{' | b'[' | b'(' => {
                depth += 1;
                text.nesting = text.nesting.max(depth);
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
        text.bytes += length;
        at += length;
    }
    text
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

fn selections(document: &ExecutableDocument) -> usize {
    let mut walk = Walk {
        document,
        known: HashMap::new(),
    };
    let operations = document.operations.iter();
    operations
        .map(|(_, operation)| &operation.node.selection_set.node)
        .fold(0, |sum: usize, set| sum.saturating_add(walk.set(set, 0)))
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// What is in a fragment; none while it is being counted, so that a circle ends.
    known: HashMap<&'a Name, usize>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet, depth: usize) -> usize {
        if depth > MAX_DEPTH {
            return MAX_SELECTIONS + 1;
        }
        set.items.iter().fold(0, |sum, item| {
            sum.saturating_add(match &item.node {
                Selection::Field(field) => self.set(&field.node.selection_set.node, depth + 1).saturating_add(1),
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, depth + 1).saturating_add(1)
                }
                Selection::FragmentSpread(spread) => self
                    .fragment(&spread.node.fragment_name.node, depth + 1)
                    .saturating_add(1),
            })
        })
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> usize {
        if let Some(&known) = self.known.get(name) {
            return known;
        }
        let document = self.document;
        let Some(fragment) = document.fragments.get(name) else {
            return 0;
        };
        self.known.insert(name, 0);
        let count = self.set(&fragment.node.selection_set.node, depth);
        self.known.insert(name, count);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn refused(query: String) -> Option<String> {
        check(&mut Request::new(query)).err().map(|error| error.message)
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
    fn a_photo_in_the_query_is_no_text() {
        let photo = "x".repeat(1_000_000);
        assert_eq!(refused(format!("{{ a(b: \"{photo}\") }}")), None);
        assert!(refused(format!("{{ {photo} }}")).is_some());
    }

    #[test]
    fn fragments_count_wherever_they_are_spread() {
        let mut doubling = "{ ...F0 }".to_owned();
        let mut chain = "{ ...F0 }".to_owned();
        for i in 0..40 {
            let _ = write!(doubling, " fragment F{i} on Q {{ ...F{0} ...F{0} }}", i + 1);
            let _ = write!(chain, " fragment F{i} on Q {{ a ...F{} }}", i + 1);
        }
        assert!(refused(doubling).is_some());
        assert_eq!(refused(chain.clone() + " fragment F40 on Q { a }"), None);
        for i in 40..1000 {
            let _ = write!(chain, " fragment F{i} on Q {{ a ...F{} }}", i + 1);
        }
        assert!(refused(chain).is_some());
        assert_eq!(refused("{ ...A } fragment A on Q { ...A }".to_owned()), None);
        assert_eq!(refused("{ ...A } fragment A on Q { a { ...A } ...B }".to_owned()), None);
    }
}
