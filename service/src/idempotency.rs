//! A request that may be sent twice has its effects once: the first answer is kept with a hash
//! of the request, in the transaction of the effects.

use chrono::TimeDelta;
use sea_orm::FromQueryResult;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::Sql;
use crate::error::{Error, Result, is_duplicate};
use crate::housekeeping::Turn;
use crate::scope::Viewer;
use crate::{Service, Tx};

const KEPT: TimeDelta = TimeDelta::hours(24);
const KEY_MAX: usize = 200;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub operation: &'static str,
    pub key: String,
    pub hash: [u8; 32],
}

impl Request {
    pub fn new(operation: &'static str, key: Option<&str>, hash: [u8; 32]) -> Result<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_MAX || key.chars().any(char::is_control) {
            return Err(Error::invalid(
                "idempotencyKey",
                format!("idempotencyKey has 1 to {KEY_MAX} printable characters"),
            ));
        }
        Ok(Some(Self {
            operation,
            key: key.to_owned(),
            hash,
        }))
    }
}

#[derive(FromQueryResult)]
struct Row {
    request_hash: Vec<u8>,
    answer: serde_json::Value,
}

/// What the first request was answered, if there was one.
pub(crate) async fn find<A: DeserializeOwned>(
    service: &Service,
    viewer: &Viewer,
    request: &Request,
) -> Result<Option<A>> {
    let row: Option<Row> = service
        .db
        .writer()
        .one(
            "SELECT request_hash, answer FROM idempotency \
             WHERE person_id = $1 AND operation = $2 AND key = $3 AND created_at > $4",
            vec![
                viewer.person.0.into(),
                request.operation.into(),
                request.key.clone().into(),
                (service.now() - KEPT).into(),
            ],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    if row.request_hash != request.hash {
        return Err(Error::conflict(
            "IDEMPOTENCY_KEY_REUSED",
            "this idempotencyKey was used with other content; take a new key for a new request",
        ));
    }
    Ok(Some(serde_json::from_value(row.answer)?))
}

/// Lets the answers go that nobody asks for again; how many.
pub(crate) async fn clear(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let until = service.now() - KEPT;
    turn.clear("idempotency", "person_id, operation, key", |values| {
        format!("created_at <= {}", values.push(until))
    })
    .await
}

/// Keeps the answer; false where another request with the key was faster: roll back and
/// [`find`] its answer.
pub(crate) async fn keep(
    tx: &Tx<'_>,
    viewer: &Viewer,
    request: &Request,
    answer: &(impl Serialize + Sync),
) -> Result<bool> {
    let now = tx.service.now();
    tx.run(
        "DELETE FROM idempotency WHERE person_id = $1 AND operation = $2 AND key = $3 AND created_at <= $4",
        vec![
            viewer.person.0.into(),
            request.operation.into(),
            request.key.clone().into(),
            (now - KEPT).into(),
        ],
    )
    .await?;
    let row = entity::idempotency::Model {
        person_id: viewer.person.0,
        operation: request.operation.to_owned(),
        key: request.key.clone(),
        organization_id: viewer.organization.0,
        request_hash: request.hash.to_vec(),
        answer: serde_json::to_value(answer)?,
        created_at: now,
    };
    match tx.insert(vec![row]).await {
        Ok(()) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
