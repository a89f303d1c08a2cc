//! Everything that a Muster keeps, read as bytes: each column of each table, each stored object
//! and, on SQLite, the files themselves, where deleted rows may linger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use tests::world::World;
use uuid::Uuid;

pub async fn query(world: &World, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await.unwrap()
}

/// The row's id in an id of the API.
pub fn uuid(id: &str) -> Uuid {
    let (_, uuid) = id.split_once('_').unwrap();
    Uuid::parse_str(uuid).unwrap()
}

/// What is looked for: a word for it, and its bytes.
pub type Needle = (String, Vec<u8>);

pub fn needle(what: &str, text: &str) -> Needle {
    (what.to_owned(), text.as_bytes().to_vec())
}

/// Every form in which these bytes could lie somewhere.
fn forms(bytes: &[u8]) -> [Vec<u8>; 4] {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        bytes.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        BASE64_STANDARD.encode(bytes).trim_end_matches('=').as_bytes().to_vec(),
    ]
}

/// Everything that is kept, each piece with its place.
pub struct Kept(Vec<(String, Vec<u8>)>);

impl Kept {
    pub async fn of(world: &World) -> Self {
        let mut all = Vec::new();
        for (table, column, kind) in columns(world).await {
            let sql = match (world.service.db.is_postgres(), kind.as_str()) {
                (true, "bytea") => format!("SELECT \"{column}\" AS v FROM \"{table}\" WHERE \"{column}\" IS NOT NULL"),
                (true, _) => format!(
                    "SELECT convert_to(\"{column}\"::text, 'UTF8') AS v FROM \"{table}\" WHERE \"{column}\" IS NOT NULL"
                ),
                (false, _) => {
                    format!("SELECT CAST(\"{column}\" AS BLOB) AS v FROM \"{table}\" WHERE \"{column}\" IS NOT NULL")
                }
            };
            for row in query(world, &sql, vec![]).await {
                all.push((format!("{table}.{column}"), row.try_get("", "v").unwrap()));
            }
        }
        for file in files(world.folder.path()) {
            let shown = file.strip_prefix(world.folder.path()).unwrap().display().to_string();
            all.push((shown, std::fs::read(&file).unwrap()));
        }
        Self(all)
    }

    /// Where a needle lies, in whatever form.
    pub fn places(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let forms = forms(bytes);
        let holds = |piece: &[u8]| forms.iter().any(|form| contains(piece, form));
        let found = self.0.iter().filter(|(_, piece)| holds(piece));
        found.map(|(place, _)| place.as_str()).collect()
    }

    /// Whether an object of the media store is exactly this.
    pub fn has_object(&self, bytes: &[u8]) -> bool {
        self.0
            .iter()
            .any(|(place, piece)| place.starts_with("media/") && piece == bytes)
    }

    /// The columns in which an id stands, however it is written.
    pub fn columns_with(&self, id: Uuid) -> BTreeSet<&str> {
        let mut all = self.places(id.as_bytes());
        all.extend(self.places(id.to_string().as_bytes()));
        all.retain(|place| !place.contains('/') && !place.starts_with("muster.db"));
        all
    }

    pub fn assert_all_here(&self, needles: &[Needle]) {
        for (what, bytes) in needles {
            assert!(!self.places(bytes).is_empty(), "the scan does not find {what}");
        }
    }

    pub fn assert_none_here(&self, needles: &[Needle]) {
        let found: BTreeMap<&str, BTreeSet<&str>> = needles
            .iter()
            .map(|(what, bytes)| (what.as_str(), self.places(bytes)))
            .filter(|(_, places)| !places.is_empty())
            .collect();
        assert!(found.is_empty(), "still there: {found:#?}");
    }
}

fn contains(piece: &[u8], form: &[u8]) -> bool {
    let Some(first) = form.first() else { return false };
    let starts = |from: usize| piece[from..].iter().position(|byte| byte == first).map(|at| from + at);
    let mut next = starts(0);
    while let Some(at) = next {
        if piece[at..].starts_with(form) {
            return true;
        }
        next = starts(at + 1);
    }
    false
}

/// Table, column and type of all there is, by the database's own catalog: a table that comes later
/// is looked into without a word here.
async fn columns(world: &World) -> Vec<(String, String, String)> {
    let sql = if world.service.db.is_postgres() {
        "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS k FROM information_schema.columns \
         WHERE table_schema = 'public'"
    } else {
        "SELECT m.name AS t, c.name AS c, c.type AS k FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table'"
    };
    let rows = query(world, sql, vec![]).await;
    let text = |row: &QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    let all: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "t"), text(row, "c"), text(row, "k").to_lowercase()))
        .collect();
    let tables: BTreeSet<&str> = all.iter().map(|(table, ..)| table.as_str()).collect();
    assert!(tables.len() > 20, "too few tables to be all: {tables:?}");
    all
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}
