//! How much a document asks for, counted over its parsed text before it is validated. Depth and
//! complexity, which async-graphql weighs later, do not see what makes a small text dear: one
//! field under a thousand aliases, a thousand logins in one mutation, directives by the
//! thousand.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet};

/// GraphiQL sends the whole of its editor and names one operation of it.
const MAX_OPERATIONS: usize = 20;
/// Fields and spreads of all operations, with each fragment counted wherever it is spread.
const MAX_SELECTIONS: usize = 10_000;
/// Selection sets and fragments within each other; async-graphql refuses 32 later.
const MAX_DEPTH: usize = 64;
const MAX_ALIASES: usize = 30;
const MAX_DIRECTIVES: usize = 50;
const MAX_QUERY_FIELDS: usize = 50;
/// Each may guess a password or hold a transaction.
const MAX_MUTATION_FIELDS: usize = 10;
/// The specification's own rule.
const MAX_SUBSCRIPTION_FIELDS: usize = 1;

/// Refuses a document that asks for too much; the message names the limit.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), String> {
    let operations = document.operations.iter().len();
    if operations > MAX_OPERATIONS {
        return Err(format!("A document may hold at most {MAX_OPERATIONS} operations"));
    }
    let mut walk = Walk {
        document,
        known: HashMap::new(),
    };
    let mut selections = 0_usize;
    for (_, operation) in document.operations.iter() {
        let count = walk.operation(&operation.node);
        selections = selections.saturating_add(count.selections);
        if selections > MAX_SELECTIONS {
            return Err(format!(
                "The query has more than {MAX_SELECTIONS} fields, counting fragments wherever they are used"
            ));
        }
        let (kind, most) = match operation.node.ty {
            OperationType::Query => ("query", MAX_QUERY_FIELDS),
            OperationType::Mutation => ("mutation", MAX_MUTATION_FIELDS),
            OperationType::Subscription => ("subscription", MAX_SUBSCRIPTION_FIELDS),
        };
        let excess = if count.roots > most {
            let fields = if most == 1 { "field" } else { "fields" };
            format!("The {kind} has more than {most} {fields} at its root")
        } else if count.aliases > MAX_ALIASES {
            format!("The {kind} has more than {MAX_ALIASES} aliases")
        } else if count.directives > MAX_DIRECTIVES {
            format!("The {kind} has more than {MAX_DIRECTIVES} directives")
        } else {
            continue;
        };
        return Err(format!("{excess}, counting fragments wherever they are used"));
    }
    Ok(())
}

#[derive(Clone, Copy, Default)]
struct Count {
    selections: usize,
    aliases: usize,
    directives: usize,
    /// Fields of the set itself, those of its fragments included.
    roots: usize,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            roots: self.roots.saturating_add(other.roots),
        }
    }
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    /// What is in a fragment; nothing while it is being counted, so that a circle ends.
    known: HashMap<&'a Name, Count>,
}

impl<'a> Walk<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Count {
        let on_variables = operation.variable_definitions.iter();
        let on_variables: usize = on_variables.map(|variable| variable.node.directives.len()).sum();
        let own = Count {
            directives: operation.directives.len() + on_variables,
            ..Count::default()
        };
        own.plus(self.set(&operation.selection_set.node, 0))
    }

    fn set(&mut self, set: &'a SelectionSet, depth: usize) -> Count {
        if depth > MAX_DEPTH {
            return Count {
                selections: MAX_SELECTIONS + 1,
                ..Count::default()
            };
        }
        set.items.iter().fold(Count::default(), |sum, item| {
            let mut own = Count {
                selections: 1,
                directives: item.node.directives().len(),
                ..Count::default()
            };
            let within = match &item.node {
                Selection::Field(field) => {
                    own.roots = 1;
                    own.aliases = usize::from(field.node.alias.is_some());
                    Count {
                        roots: 0,
                        ..self.set(&field.node.selection_set.node, depth + 1)
                    }
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, depth + 1),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1),
            };
            sum.plus(own).plus(within)
        })
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Count {
        if let Some(&known) = self.known.get(name) {
            return known;
        }
        let document = self.document;
        let Some(fragment) = document.fragments.get(name) else {
            return Count::default();
        };
        self.known.insert(name, Count::default());
        let own = Count {
            directives: fragment.node.directives.len(),
            ..Count::default()
        };
        let count = own.plus(self.set(&fragment.node.selection_set.node, depth));
        self.known.insert(name, count);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use async_graphql::parser::parse_query;

    use super::*;

    #[track_caller]
    fn refused(query: &str) -> Option<String> {
        check(&parse_query(query).unwrap()).err()
    }

    /// `build(n)` is taken at the limit and refused, with the limit in its message, one above it.
    #[track_caller]
    fn bounded(limit: usize, build: impl Fn(usize) -> String) {
        assert_eq!(refused(&build(limit)), None);
        let message = refused(&build(limit + 1)).expect("a refusal");
        assert!(message.contains(&limit.to_string()), "{message}");
    }

    #[test]
    fn fragments_count_wherever_they_are_spread() {
        let mut doubling = "{ ...F0 }".to_owned();
        let mut chain = "{ ...F0 }".to_owned();
        for i in 0..40 {
            let _ = write!(doubling, " fragment F{i} on Q {{ ...F{0} ...F{0} }}", i + 1);
            let _ = write!(chain, " fragment F{i} on Q {{ a ...F{} }}", i + 1);
        }
        assert!(refused(&doubling).is_some());
        assert_eq!(refused(&(chain.clone() + " fragment F40 on Q { a }")), None);
        for i in 40..1000 {
            let _ = write!(chain, " fragment F{i} on Q {{ a ...F{} }}", i + 1);
        }
        assert!(refused(&chain).is_some());
        assert_eq!(refused("{ ...A } fragment A on Q { ...A }"), None);
        assert_eq!(refused("{ ...A } fragment A on Q { a { ...A } ...B }"), None);
    }

    #[test]
    fn aliases_are_bounded_within_an_operation() {
        let aliases = |n: usize| (0..n).fold(String::new(), |all, i| all + &format!("a{i}: b "));
        bounded(MAX_ALIASES, |n| format!("{{ a {{ {} }} }}", aliases(n)));
        // Ten in a fragment and a few around it.
        bounded(MAX_ALIASES, |n| {
            let fragment = format!("fragment F on Q {{ {} }}", aliases(10));
            format!(
                "{{ a {{ ...F }} b {{ ... on Q {{ ...F }} }} c {{ {} }} }} {fragment}",
                aliases(n - 20)
            )
        });
        assert!(refused(&format!("{{ a {{ {} }} }}", aliases(5000))).is_some());
        // Each operation has its own.
        let two = format!(
            "query A {{ a {{ {0} }} }} query B {{ a {{ {0} }} }}",
            aliases(MAX_ALIASES)
        );
        assert_eq!(refused(&two), None);
    }

    #[test]
    fn root_fields_are_bounded_by_the_kind_of_operation() {
        for (kind, limit) in [
            ("query", MAX_QUERY_FIELDS),
            ("mutation", MAX_MUTATION_FIELDS),
            ("subscription", MAX_SUBSCRIPTION_FIELDS),
        ] {
            bounded(limit, |n| format!("{kind} {{ {} }}", "a ".repeat(n)));
            bounded(limit, |n| {
                format!(
                    "{kind} {{ ... {{ ...F }} {} }} fragment F on Q {{ a {{ b c d }} }}",
                    "a ".repeat(n - 1)
                )
            });
        }
        let logins = (0..1000).fold(String::new(), |all, i| all + &format!("a{i}: login "));
        assert!(refused(&format!("mutation {{ {logins} }}")).is_some());
    }

    #[test]
    fn directives_are_bounded_wherever_they_stand() {
        let many = |n: usize| " @skip(if: false)".repeat(n);
        for place in [
            "{ a@ }",
            "query @ { a }",
            "query($b: Int @) { a }",
            "{ ...@ { a } }",
            "{ ...F } fragment F on Q @ { a }",
            "{ ...F @ } fragment F on Q { a }",
        ] {
            bounded(MAX_DIRECTIVES, |n| place.replace('@', &many(n)));
        }
    }

    #[test]
    fn a_document_holds_a_few_operations() {
        bounded(MAX_OPERATIONS, |n| {
            (0..n).fold(String::new(), |all, i| all + &format!("query Q{i} {{ a }} "))
        });
    }
}
