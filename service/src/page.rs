//! Relay paging over a sort key and an id: rows that come or go meanwhile move nobody's place.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{DatabaseConnection, FromQueryResult, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::is_sensible;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};

const DEFAULT: u32 = 50;
const MAX: u32 = 100;

/// Of long lists, counting further would cost more than it tells.
pub const COUNTED: i64 = 10_000;

/// What a client asked for, as it came.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
    /// Counting is another statement: only where somebody reads it.
    pub count: bool,
}

/// A page in the order of the list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Each with its cursor.
    pub rows: Vec<(String, T)>,
    pub has_next: bool,
    pub has_previous: bool,
    /// Set where it was asked for.
    pub total: Option<i64>,
}

impl<T> Page<T> {
    pub fn map<U>(self, with: impl Fn(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(|(c, row)| (c, with(row))).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
            total: self.total,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum SortKey {
    Time(DateTime<Utc>),
    Text(String),
    /// The bits of a float: written as decimals it might come back as its neighbour.
    Number(u64),
}

impl SortKey {
    pub fn number(value: f64) -> Self {
        Self::Number(value.to_bits())
    }
}

impl From<SortKey> for Value {
    fn from(key: SortKey) -> Self {
        match key {
            SortKey::Time(time) => time.into(),
            SortKey::Text(text) => text.into(),
            SortKey::Number(bits) => f64::from_bits(bits).into(),
        }
    }
}

/// How a list is ordered: the names of its two columns, and the kind of the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub key: &'static str,
    pub id: &'static str,
    pub kind: KeyKind,
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KeyKind {
    Time,
    Text,
    Number,
}

/// A row that knows its place in its list.
pub(crate) trait Placed {
    fn place(&self) -> (SortKey, Uuid);
}

/// A checked request, ready to become SQL.
#[derive(Debug)]
struct Window {
    order: Order,
    limit: u32,
    backwards: bool,
    after: Option<(SortKey, Uuid)>,
    before: Option<(SortKey, Uuid)>,
}

impl Window {
    fn new(request: &PageRequest, order: Order) -> Result<Self> {
        let size = |field, n: Option<i32>| match n {
            None => Ok(None),
            Some(n) => match u32::try_from(n) {
                Ok(n) if n <= MAX => Ok(Some(n)),
                _ => Err(Error::invalid(field, format!("{field} is between 0 and {MAX}"))),
            },
        };
        let (first, last) = (size("first", request.first)?, size("last", request.last)?);
        if first.is_some() && last.is_some() {
            return Err(Error::invalid("last", "give first or last, not both"));
        }
        let cursor = |field, text: &Option<String>| {
            text.as_deref()
                .map(|t| {
                    decode(t, order.kind)
                        .ok_or_else(|| Error::invalid(field, format!("{field} is not a cursor of this list")))
                })
                .transpose()
        };
        Ok(Self {
            order,
            limit: first.or(last).unwrap_or(DEFAULT),
            backwards: last.is_some(),
            after: cursor("after", &request.after)?,
            before: cursor("before", &request.before)?,
        })
    }

    /// The condition, order and limit: `AND … ORDER BY … LIMIT …`, one row more than asked for.
    fn tail(&self, values: &mut Values) -> String {
        let Order { key, id, .. } = self.order;
        let mut sql = String::new();
        for (bound, later) in [(&self.after, true), (&self.before, false)] {
            if let Some((k, i)) = bound {
                let sign = if later == self.order.descending { "<" } else { ">" };
                let (k, i) = (values.push(k.clone()), values.push(*i));
                sql += &format!(" AND ({key}, {id}) {sign} ({k}, {i})");
            }
        }
        let way = if self.backwards == self.order.descending {
            "ASC"
        } else {
            "DESC"
        };
        sql += &format!(" ORDER BY {key} {way}, {id} {way} LIMIT {}", self.limit + 1);
        sql
    }

    /// Turns the rows that [`tail`](Self::tail) selected into the page.
    fn page<T: Placed>(&self, mut rows: Vec<T>, total: Option<i64>) -> Page<T> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        if self.backwards {
            rows.reverse();
        }
        let (has_next, has_previous) = if self.backwards {
            (self.before.is_some(), more)
        } else {
            (more, self.after.is_some())
        };
        Page {
            rows: rows.into_iter().map(|row| (encode(&row.place()), row)).collect(),
            has_next,
            has_previous,
            total,
        }
    }
}

/// Reads one page. `body` is `FROM … WHERE …` and is written twice where the list is counted:
/// each statement has values of its own.
pub(crate) async fn fetch<T: Placed + FromQueryResult + Send>(
    db: &DatabaseConnection,
    request: &PageRequest,
    order: Order,
    columns: impl Fn(&mut Values) -> String,
    body: impl Fn(&mut Values) -> String,
) -> Result<Page<T>> {
    read(db, request, order, columns, body, None).await
}

/// The same of a list that can be very long: counting ends one above [`COUNTED`].
pub(crate) async fn fetch_long<T: Placed + FromQueryResult + Send>(
    db: &DatabaseConnection,
    request: &PageRequest,
    order: Order,
    columns: impl Fn(&mut Values) -> String,
    body: impl Fn(&mut Values) -> String,
) -> Result<Page<T>> {
    read(db, request, order, columns, body, Some(COUNTED + 1)).await
}

#[derive(FromQueryResult)]
struct Counted<T: FromQueryResult> {
    list_total: i64,
    #[sea_orm(nested)]
    row: T,
}

/// A page of a list that is dear to make: `listed` is a statement of all its rows, which is run
/// once for both the page and the count. `body` is `FROM listed … WHERE …` and leaves none out.
pub(crate) async fn fetch_listed<T: Placed + FromQueryResult + Send>(
    db: &DatabaseConnection,
    request: &PageRequest,
    order: Order,
    listed: impl Fn(&mut Values) -> Result<String>,
    columns: impl Fn(&mut Values) -> String,
    body: &str,
) -> Result<Page<T>> {
    let window = Window::new(request, order)?;
    let mut values = Values::default();
    let with = format!("WITH listed AS MATERIALIZED ({})", listed(&mut values)?);
    let columns = columns(&mut values);
    let sql = format!(
        "{with} SELECT {columns}, (SELECT COUNT(*) FROM listed) AS list_total {body}{}",
        window.tail(&mut values)
    );
    let rows: Vec<Counted<T>> = db.all(&sql, values.done()).await?;
    let total = match rows.first() {
        Some(row) => Some(row.list_total),
        None if request.count => {
            let mut values = Values::default();
            let sql = format!("SELECT COUNT(*) AS value FROM ({}) listed", listed(&mut values)?);
            let count: Option<Scalar> = db.one(&sql, values.done()).await?;
            count.map(|c| c.value)
        }
        None => None,
    };
    let rows = rows.into_iter().map(|counted| counted.row).collect();
    Ok(window.page(rows, total))
}

async fn read<T: Placed + FromQueryResult + Send>(
    db: &DatabaseConnection,
    request: &PageRequest,
    order: Order,
    columns: impl Fn(&mut Values) -> String,
    body: impl Fn(&mut Values) -> String,
    most: Option<i64>,
) -> Result<Page<T>> {
    let window = Window::new(request, order)?;
    let total = if request.count {
        let mut values = Values::default();
        let body = body(&mut values);
        let sql = match most {
            None => format!("SELECT COUNT(*) AS value {body}"),
            Some(most) => format!("SELECT COUNT(*) AS value FROM (SELECT 1 {body} LIMIT {most}) few"),
        };
        let count: Option<Scalar> = db.one(&sql, values.done()).await?;
        count.map(|c| c.value)
    } else {
        None
    };
    let mut values = Values::default();
    let columns = columns(&mut values);
    let body = body(&mut values);
    let sql = format!("SELECT {columns} {body}{}", window.tail(&mut values));
    Ok(window.page(db.all(&sql, values.done()).await?, total))
}

fn encode(place: &(SortKey, Uuid)) -> String {
    BASE64.encode(serde_json::to_vec(place).unwrap_or_default())
}

fn decode(cursor: &str, kind: KeyKind) -> Option<(SortKey, Uuid)> {
    let (key, id): (serde_json::Value, Uuid) = serde_json::from_slice(&BASE64.decode(cursor).ok()?).ok()?;
    let key = match kind {
        KeyKind::Time => {
            let time = serde_json::from_value::<DateTime<Utc>>(key).ok()?;
            SortKey::Time(is_sensible(time).then(|| time.trunc_subsecs(6))?)
        }
        KeyKind::Text => {
            let text = serde_json::from_value::<String>(key).ok()?;
            SortKey::Text((!text.contains('\0')).then_some(text)?)
        }
        KeyKind::Number => {
            let bits = serde_json::from_value::<u64>(key).ok()?;
            SortKey::Number(f64::from_bits(bits).is_finite().then_some(bits)?)
        }
    };
    Some((key, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Order = Order {
        key: "k",
        id: "id",
        kind: KeyKind::Text,
        descending: false,
    };

    fn window(request: &PageRequest) -> Result<Window> {
        Window::new(request, ORDER)
    }

    #[test]
    fn sizes_are_checked() {
        for (first, last) in [
            (Some(-1), None),
            (Some(101), None),
            (None, Some(101)),
            (Some(1), Some(1)),
        ] {
            assert!(
                window(&PageRequest {
                    first,
                    last,
                    ..Default::default()
                })
                .is_err()
            );
        }
        assert!(
            window(&PageRequest {
                first: Some(0),
                ..Default::default()
            })
            .is_ok()
        );
    }

    #[test]
    fn a_cursor_of_another_list_or_none_at_all_is_refused() {
        let time = encode(&(SortKey::Time(DateTime::UNIX_EPOCH), Uuid::nil()));
        assert!(decode(&time, KeyKind::Time).is_some());
        for after in ["", "%%%", "AAAA", "bnVsbA"] {
            assert!(
                window(&PageRequest {
                    after: Some(after.into()),
                    ..Default::default()
                })
                .is_err()
            );
        }
        let text = encode(&(SortKey::Text("a".into()), Uuid::nil()));
        assert!(decode(&text, KeyKind::Time).is_none());
    }

    #[test]
    fn a_number_comes_back_to_the_last_bit() {
        for number in [0.1 + 0.2, 1.0 / 3.0, 0.0, 2.0 / 7.0] {
            let place = (SortKey::number(number), Uuid::nil());
            assert_eq!(decode(&encode(&place), KeyKind::Number), Some(place));
        }
        assert!(decode(&encode(&(SortKey::number(f64::NAN), Uuid::nil())), KeyKind::Number).is_none());
    }

    #[test]
    fn backwards_reads_from_the_end() {
        let mut values = Values::default();
        let sql = window(&PageRequest {
            last: Some(2),
            ..Default::default()
        })
        .unwrap()
        .tail(&mut values);
        assert_eq!(sql, " ORDER BY k DESC, id DESC LIMIT 3");
    }
}
