//! Tables, columns and references as the database's own catalog tells them.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, QueryResult, Statement};
use service::db::Db;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// In the database's own word.
    pub kind: String,
    /// Neither null nor with a default.
    pub required: bool,
    pub is_postgres: bool,
}

impl Column {
    /// The column as text under its own name, whatever is in it.
    pub fn as_text(&self) -> String {
        let name = &self.name;
        match (self.is_postgres, self.kind.as_str()) {
            (true, "bytea") => format!("encode({name}, 'hex') AS {name}"),
            (true, _) => format!("{name}::text AS {name}"),
            (false, _) => {
                format!("CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE CAST({name} AS TEXT) END AS {name}")
            }
        }
    }
}

/// That columns of one table are those of another's key.
#[derive(Clone, Debug)]
pub struct Reference {
    pub to: String,
    /// The column here, and the one there.
    pub columns: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Catalog {
    columns: BTreeMap<String, Vec<Column>>,
    references: BTreeMap<String, Vec<Reference>>,
}

async fn ask(db: &Db, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(db.writer().get_database_backend(), sql);
    db.writer().query_all_raw(statement).await.unwrap()
}

const COLUMNS: [&str; 2] = [
    "SELECT m.name AS t, c.name AS c, c.type AS k, \
     CASE WHEN c.\"notnull\" = 1 AND c.dflt_value IS NULL THEN 1 ELSE 0 END AS r \
     FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid",
    "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS k, \
     CASE WHEN is_nullable = 'NO' AND column_default IS NULL THEN 1 ELSE 0 END AS r \
     FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
];

const REFERENCES: [&str; 2] = [
    "SELECT m.name AS t, f.id AS n, f.\"table\" AS o, f.\"from\" AS a, COALESCE(f.\"to\", 'id') AS b \
     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
    "SELECT c.conrelid::regclass::text AS t, c.oid::int AS n, c.confrelid::regclass::text AS o, a.attname::text AS a, \
     b.attname::text AS b FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there) \
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.here \
     JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.there WHERE c.contype = 'f' ORDER BY 1, 2",
];

impl Catalog {
    /// Without the table of the migrations themselves.
    pub async fn of(db: &Db) -> Self {
        let is_postgres = db.is_postgres();
        let which = usize::from(is_postgres);
        let text = |row: &QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
        let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in ask(db, COLUMNS[which]).await {
            let table = text(&row, "t");
            if table != "seaql_migrations" && !table.starts_with("sqlite_") {
                columns.entry(table).or_default().push(Column {
                    name: text(&row, "c"),
                    kind: text(&row, "k").to_lowercase(),
                    required: row.try_get::<i32>("", "r").unwrap() == 1,
                    is_postgres,
                });
            }
        }
        let mut references: BTreeMap<String, BTreeMap<i32, Reference>> = BTreeMap::new();
        for row in ask(db, REFERENCES[which]).await {
            let number = row.try_get("", "n").unwrap();
            let of_table = references.entry(text(&row, "t")).or_default();
            let reference = of_table.entry(number).or_insert_with(|| Reference {
                to: text(&row, "o"),
                columns: Vec::new(),
            });
            reference.columns.push((text(&row, "a"), text(&row, "b")));
        }
        Self {
            columns,
            references: references
                .into_iter()
                .map(|(table, all)| (table, all.into_values().collect()))
                .collect(),
        }
    }

    pub fn tables(&self) -> impl Iterator<Item = &String> {
        self.columns.keys()
    }

    pub fn columns(&self, table: &str) -> &[Column] {
        self.columns.get(table).map_or(&[], Vec::as_slice)
    }

    pub fn references(&self, table: &str) -> &[Reference] {
        self.references.get(table).map_or(&[], Vec::as_slice)
    }

    /// The tables in an order in which whatever a row points at is there before it. Of tables that point at each
    /// other the one that most point at comes first, with nothing to point at.
    pub fn in_order(&self) -> Vec<&String> {
        let mut order: Vec<&String> = Vec::new();
        while order.len() < self.columns.len() {
            let left: Vec<&String> = self.tables().filter(|table| !order.contains(table)).collect();
            let is_there = |table: &str, reference: &Reference| reference.to == table || order.contains(&&reference.to);
            let ready = |table: &str| self.references(table).iter().all(|r| is_there(table, r));
            let possible = |table: &str| {
                let must = |r: &&Reference| r.columns.iter().all(|(here, _)| self.is_required(table, here));
                self.references(table).iter().filter(must).all(|r| is_there(table, r))
            };
            let wanted = |to: &str| {
                left.iter()
                    .filter(|t| self.references(t).iter().any(|r| r.to == to))
                    .count()
            };
            let next = left.iter().find(|table| ready(table)).or_else(|| {
                let possible = left.iter().filter(|table| possible(table));
                possible.max_by_key(|table| wanted(table))
            });
            let next = *next.expect("the references of required columns go in a circle");
            order.push(next);
        }
        order
    }

    fn is_required(&self, table: &str, column: &str) -> bool {
        let found = self.columns(table).iter().find(|known| known.name == column);
        found.is_some_and(|column| column.required)
    }
}
