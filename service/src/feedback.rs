//! What people tell whoever runs the installation.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::db::Sql;
use crate::error::{Error, Result};
use crate::rates::{self, Rule};
use crate::scope::Scope;
use crate::{Service, audit, people, text};

const MESSAGE_MAX: usize = 5000;

pub async fn submit(service: &Service, scope: &Scope, message: &str, rating: Option<i32>) -> Result<()> {
    let viewer = scope.viewer()?;
    let message = text::prose("message", message, MESSAGE_MAX)?
        .ok_or_else(|| Error::invalid("message", "message must not be empty"))?;
    if rating.is_some_and(|rating| !(1..=5).contains(&rating)) {
        return Err(Error::invalid("rating", "rating is between 1 and 5"));
    }
    let account = viewer.person.0.simple().to_string();
    rates::admit(service, &[(Rule::FeedbackByAccount, account)]).await?;
    let tx = service.begin().await?;
    // Erased since the request was let in: their words would stay.
    if people::still_here(&tx, [viewer.person]).await?.is_empty() {
        return Err(Error::Unauthenticated);
    }
    let id = service.new_id();
    tx.insert(vec![entity::feedback::Model {
        id,
        organization_id: viewer.organization.0,
        person_id: viewer.person.0,
        message,
        rating,
        created_at: service.now(),
    }])
    .await?;
    audit::record(&tx, viewer, "submitFeedback", ("Feedback", id), "submitted").await?;
    tx.commit().await
}

/// What was said, for the operator.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Feedback {
    pub created_at: DateTime<Utc>,
    pub organization: String,
    pub full_name: String,
    pub rating: Option<i32>,
    pub message: String,
}

/// The newest first; Muster's operator alone reads it.
pub async fn list(service: &Service, scope: &Scope, limit: u32) -> Result<Vec<Feedback>> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    service
        .db
        .reader()
        .all(
            &format!(
                "SELECT f.created_at, o.name AS organization, p.full_name, f.rating, f.message FROM feedback f \
                 JOIN organization o ON o.id = f.organization_id JOIN person p ON p.id = f.person_id \
                 ORDER BY f.created_at DESC, f.id DESC LIMIT {limit}"
            ),
            vec![],
        )
        .await
}
