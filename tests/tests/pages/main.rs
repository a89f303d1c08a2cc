//! Every connection, page by page, forwards and backwards, while rows come in between: what was
//! there at the beginning comes once and in its order.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod grown;

use serde_json::{Value, json};
use tests::both;
use tests::client::Client;
use tests::school::School;
use tests::world::{Setup, World};

use grown::{Grown, Kind};

const PAGE: usize = 7;

/// A connection: where it is, what an entry is told by, and what makes it longer.
struct List {
    /// `#name` is an id of the school's.
    path: &'static [&'static str],
    key: &'static str,
    grows: Kind,
}

const fn list(path: &'static [&'static str], grows: Kind) -> List {
    List { path, key: "id", grows }
}

const LISTS: &[List] = &[
    list(&["users"], Kind::Student),
    list(&["users(filter: { role: STUDENT }"], Kind::Student),
    list(&["classes"], Kind::Class),
    list(&["venues"], Kind::Venue),
    list(&["sessions"], Kind::Session),
    list(&["jobs"], Kind::Job),
    list(&["auditLog"], Kind::Venue),
    list(&["class(id: #class)", "students"], Kind::Student),
    list(&["class(id: #class)", "sessions"], Kind::Session),
    list(&["venue(id: #venue)", "sessions"], Kind::Session),
    list(&["user(id: #admin)", "classes"], Kind::Class),
    list(&["departments.0", "users"], Kind::Student),
    list(&["marks"], Kind::Mark),
    list(&["user(id: #student)", "marks"], Kind::Mark),
    List {
        path: &["user(id: #student)", "sessions"],
        key: "session { id }",
        grows: Kind::Session,
    },
    List {
        path: &["studentStatistics(filter: { range: { from: \"2020-01-01\", to: \"2099-01-01\" } }"],
        key: "student { id }",
        grows: Kind::Student,
    },
    List {
        path: &["studentsAtRisk(filter: { range: { from: \"2020-01-01\", to: \"2099-01-01\" } }, belowRate: 0.9"],
        key: "student { id }",
        grows: Kind::Absentee,
    },
    List {
        path: &["session(id: #session)", "roll"],
        key: "student { id }",
        grows: Kind::Student,
    },
];

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Forwards,
    Backwards,
}

impl List {
    /// One page: the keys, and the cursor to go on from.
    async fn page(&self, client: &Client, grown: &Grown, way: Way, cursor: &Value) -> (Vec<String>, Option<Value>) {
        let (size, from) = match way {
            Way::Forwards => ("first", "after"),
            Way::Backwards => ("last", "before"),
        };
        let mut query = String::new();
        for step in self.path {
            let step = grown.named(step);
            let step = step.strip_suffix(".0").unwrap_or(&step).to_owned();
            query += &step;
            if step == *self.path.last().unwrap() || self.path.last().unwrap().starts_with(&step) {
                // The connection itself: its own arguments may be open for ours.
                query += if step.contains('(') { ", " } else { "(" };
                query += &format!("{size}: {PAGE}, {from}: $cursor)");
            }
            query += " { ";
        }
        let key = self.key;
        query += &format!(
            "nodes {{ {key} }} edges {{ cursor node {{ {key} }} }} \
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} totalCount"
        );
        query += &" }".repeat(self.path.len());
        let query = format!("query($cursor: String) {{ {query} }}");
        let answer = client.query(&query, json!({ "cursor": cursor })).await;
        let mut found = &answer;
        for step in self.path {
            found = &found[step.split(['(', '.']).next().unwrap()];
            if step.ends_with(".0") {
                found = &found[0];
            }
        }
        let nodes = found["nodes"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer:#}"));
        let keys: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let edges = found["edges"].as_array().unwrap();
        let told: Vec<String> = edges.iter().map(|edge| edge["node"].to_string()).collect();
        assert_eq!(keys, told);
        let info = &found["pageInfo"];
        assert_eq!(
            info["startCursor"],
            edges.first().map_or(Value::Null, |e| e["cursor"].clone())
        );
        assert_eq!(
            info["endCursor"],
            edges.last().map_or(Value::Null, |e| e["cursor"].clone())
        );
        let (more, next) = match way {
            Way::Forwards => ("hasNextPage", "endCursor"),
            Way::Backwards => ("hasPreviousPage", "startCursor"),
        };
        assert!(
            keys.len() == PAGE || info[more] == false,
            "a short page with more behind it"
        );
        let next = (info[more] == true).then(|| info[next].clone());
        (keys, next)
    }

    /// All of it, with something new after every page where wanted.
    async fn walk(&self, client: &Client, grown: &mut Grown, way: Way, growing: bool) -> Vec<String> {
        let mut all = Vec::new();
        let mut cursor = Value::Null;
        for _ in 0..200 {
            let (keys, next) = self.page(client, grown, way, &cursor).await;
            match way {
                Way::Forwards => all.extend(keys),
                Way::Backwards => all.splice(0..0, keys).for_each(drop),
            }
            let Some(next) = next else { return all };
            cursor = next;
            if growing {
                grown.grow(client, self.grows).await;
            }
        }
        panic!("{:?} does not end", self.path)
    }
}

async fn pages(world: World) {
    let (_, admin) = world.organization("School").await;
    let mut grown = Grown::new(&admin).await;
    walk_all(LISTS, &admin, &mut grown).await;
}

/// Faces wait, and templates are there, after a worker has looked.
async fn waiting(world: World) {
    let (_, admin) = world.organization("School").await;
    let mut grown = Grown::of(School::enrolled(&admin, 1).await).await;
    for _ in 0..4 {
        grown.grow(&admin, Kind::Claims).await;
        grown.grow(&admin, Kind::Templates).await;
    }
    let lists = [
        list(&["reviewQueue"], Kind::Claims),
        list(&["faceTemplates"], Kind::Templates),
    ];
    walk_all(&lists, &admin, &mut grown).await;
}

async fn walk_all(lists: &[List], admin: &Client, grown: &mut Grown) {
    for list in lists {
        let before = list.walk(admin, grown, Way::Forwards, false).await;
        assert!(before.len() > 2 * PAGE, "{:?} has {} entries", list.path, before.len());
        assert_eq!(
            before,
            list.walk(admin, grown, Way::Backwards, false).await,
            "{:?}",
            list.path
        );
        for way in [Way::Forwards, Way::Backwards] {
            let seen = list.walk(admin, grown, way, true).await;
            let mut distinct = seen.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), seen.len(), "{:?}: an entry twice", list.path);
            let kept: Vec<String> = seen.into_iter().filter(|key| before.contains(key)).collect();
            assert_eq!(kept, before, "{:?}: an entry lost or out of its place", list.path);
        }
        let after = list.walk(admin, grown, Way::Forwards, false).await;
        assert!(after.len() > before.len(), "{:?} did not grow", list.path);
    }
}

both!(no_entry_comes_twice_and_none_is_lost, pages, |setup| Setup {
    workers: 0,
    ..setup
});
both!(no_face_that_waits_is_lost, waiting);
