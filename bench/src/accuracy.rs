//! Who is recognized in the group photos beside the checkout, as they are and in worse copies; and
//! whether somebody who isn't of the class is ever taken for somebody who is. Decided by whole jobs,
//! by the catalog's thresholds.

use std::collections::BTreeSet;

use ::tests::school::School;

use crate::degraded;
use crate::rig::{Decided, Done, Rig};

/// People of photos against what was decided of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Who is labelled to be there, over all photos.
    pub people: usize,
    /// Of those, matched.
    pub right: usize,
    /// Of those, shown to a person under the right name, and not matched.
    pub review: usize,
    /// Matched without being there.
    pub wrong: usize,
}

impl Tally {
    pub fn add(&mut self, done: &Done, labels: &BTreeSet<String>) {
        let matched = done.matched();
        self.add_names(&matched, labels);
        let doubtful: BTreeSet<&String> = done.faces.iter().filter_map(|face| face.student.as_ref()).collect();
        let shown = |name: &&String| doubtful.contains(*name) && !matched.contains(*name);
        self.review += labels.iter().filter(shown).count();
    }

    pub fn add_names(&mut self, matched: &[String], labels: &BTreeSet<String>) {
        let right = matched.iter().filter(|name| labels.contains(*name)).count();
        self.people += labels.len();
        self.right += right;
        self.wrong += matched.len() - right;
    }
}

/// How often somebody who doesn't belong to the class was in a photo, and how often they were
/// matched to somebody who does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Strangers {
    pub seen: usize,
    pub matched: usize,
}

impl Strangers {
    /// `whole` and `without` are the decisions of one photo, face by face, for the class and for the
    /// class without `stranger`.
    fn add(&mut self, whole: &[Decided], without: &[Decided], stranger: &str) {
        let theirs = |face: &Decided| face.student.as_deref() == Some(stranger);
        for (_, face) in whole.iter().zip(without).filter(|(face, _)| theirs(face)) {
            self.seen += 1;
            self.matched += usize::from(face.decision == "MATCHED");
        }
    }
}

const HEADER: &str = "\
| the five group photos | people | matched | in review under the right name | matched who aren't there | faces of somebody left out of the class | of those, matched |
|---|---|---|---|---|---|---|";

/// A table of its own. The first `kinds` kinds of copies; the first is the photos as they are.
pub fn lines(kinds: usize) -> Vec<String> {
    let rig = Rig::new(1);
    let students = ::tests::faces::students();
    let class = rig.class(&students);
    let others: Vec<(&str, School)> = (0..students.len())
        .map(|left_out| {
            let mut rest = students.clone();
            rest.remove(left_out);
            (students[left_out].0.as_str(), rig.class(&rest))
        })
        .collect();
    let mut lines = vec![HEADER.to_owned()];
    for (kind, copy) in degraded::KINDS.iter().take(kinds) {
        let (tally, strangers) = of_copies(&rig, &class, &others, *copy);
        lines.push(format!(
            "| {kind} | {} | {} | {} | {} | {} | {} |",
            tally.people, tally.right, tally.review, tally.wrong, strangers.seen, strangers.matched
        ));
    }
    lines
}

fn of_copies(rig: &Rig, class: &School, others: &[(&str, School)], copy: degraded::Copying) -> (Tally, Strangers) {
    let (mut tally, mut strangers) = (Tally::default(), Strangers::default());
    for (photo, labels) in ::tests::faces::group_photos() {
        let photo = copy(&photo);
        let whole = rig.recognize(class, &photo);
        tally.add(&whole, &labels);
        for (stranger, rest) in others {
            if labels.contains(*stranger) {
                strangers.add(&whole.faces, &rig.recognize(rest, &photo).faces, stranger);
            }
        }
    }
    (tally, strangers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(decision: &str, student: Option<&str>) -> Decided {
        Decided {
            decision: decision.into(),
            student: student.map(str::to_owned),
        }
    }

    #[test]
    fn everyone_counts_once() {
        let done = Done {
            took: 1.0,
            faces: vec![
                face("MATCHED", Some("a")),
                face("NEEDS_REVIEW", Some("a")),
                face("NEEDS_REVIEW", Some("b")),
                face("MATCHED", Some("x")),
                face("UNKNOWN", None),
            ],
            stages: [0.2; 5],
        };
        let labels = ["a", "b", "c"].map(str::to_owned).into();
        let mut tally = Tally::default();
        tally.add(&done, &labels);
        let expected = Tally {
            people: 3,
            right: 1,
            review: 1,
            wrong: 1,
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn a_stranger_is_known_by_the_face_that_was_theirs() {
        let whole = [face("MATCHED", Some("a")), face("MATCHED", Some("b"))];
        let without = [face("MATCHED", Some("b")), face("NEEDS_REVIEW", Some("b"))];
        let mut strangers = Strangers::default();
        strangers.add(&whole, &without, "a");
        assert_eq!(strangers, Strangers { seen: 1, matched: 1 });
    }
}
