//! No field of the schema is forgotten: each is in the table, or said to be plain.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::client::Client;

use crate::accounts::ACCOUNTS;
use crate::administration::ADMINISTRATION;
use crate::changes::SCHOOL;
use crate::looks::{NODES, QUERIES, SUBSCRIPTIONS};
use crate::objects::{OBJECTS, PEOPLE};
use crate::offices::OFFICES;
use crate::review::{DECISIONS, REVIEWS};
use crate::statistics::STATISTICS;
use crate::timetable::TIMETABLE;

/// Fields that whoever reaches the object may read, and what only leads to objects with rows of
/// their own.
const PLAIN: &[(&str, &str)] = &[
    ("Organization", "id name timezone createdAt"),
    (
        "OrganizationSettings",
        "matchThreshold reviewThreshold minEnrolmentPhotos lateAfterMinutes closeAfterMinutes photoRetentionDays \
         requireLiveness checkInRadiusMeters maxUploadMegabytes",
    ),
    ("Department", "id name code"),
    ("UserSettings", "locale emailOnAbsence emailOnMark"),
    ("AuditEntry", "id at action targetType targetId summary"),
    ("User", "id fullName hasLogin role status organization createdAt"),
    ("Class", "id name code archived teachers"),
    ("Venue", "id name building capacity location"),
    ("GeoPoint", "latitude longitude"),
    ("Session", "id class venue title startsAt endsAt state"),
    ("CheckInCode", "code expiresAt"),
    ("ReviewEvent", "change face queueLength"),
    ("RollEntry", "student mark history"),
    (
        "AttendanceMark",
        "id session student status source similarity remark markedAt markedBy",
    ),
    ("MarkChange", "from to source by at remark"),
    (
        "AttendanceSummary",
        "sessions expected present late excused absent unmarked rate",
    ),
    ("StudentSession", "session state mark"),
    ("TrendPoint", "bucket summary"),
    ("ClassStatistics", "class summary"),
    ("DepartmentStatistics", "department students summary"),
    ("StudentStatistics", "student summary consecutiveAbsences lastPresentAt"),
    ("AttendanceEvent", "cursor replayed student mark change summary"),
    (
        "Job",
        "id kind status stage progress attempts error submittedBy timings createdAt startedAt finishedAt",
    ),
    ("Queue", "kind paused queued running failed oldestQueuedSeconds"),
    ("ExportFile", "url expiresAt rows byteSize"),
    ("JobError", "code message retryable"),
    ("JobTimings", "queued decode detect embed match write total"),
    ("Photo", "id width height byteSize uploadedBy createdAt"),
    (
        "DetectedFace",
        "id session box detectionScore quality decision reason similarity decidedBy decidedAt",
    ),
    ("Box", "x y width height"),
    ("Candidate", "student similarity"),
    ("FaceQuality", "overall sharpness brightness yaw pitch roll interocular"),
    (
        "FaceTemplate",
        "id status photoIndex quality model rejections createdAt",
    ),
    ("Health", "state"),
    ("ComponentHealth", "name state latencyMs detail"),
    ("StudentResult", "index student error"),
    ("MarkResult", "index mark error"),
    ("ItemError", "code message field"),
];

/// These carry objects and say nothing themselves.
const CARRIERS: [&str; 4] = ["Connection", "Edge", "Payload", "PageInfo"];

pub async fn check(client: &Client) {
    let schema = client
        .query(
            "{ __schema { types { name kind fields { name } possibleTypes { name } } } }",
            json!({}),
        )
        .await;
    let words = |value: &Value| -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut needed = BTreeSet::new();
    for kind in schema["__schema"]["types"].as_array().unwrap() {
        let name = kind["name"].as_str().unwrap();
        if name == "Node" {
            needed.extend(words(&kind["possibleTypes"]).iter().map(|of| format!("node:{of}")));
        }
        let carrier = CARRIERS.iter().any(|end| name.ends_with(end));
        if kind["kind"] == "OBJECT" && !name.starts_with("__") && !carrier {
            needed.extend(words(&kind["fields"]).iter().map(|field| format!("{name}.{field}")));
        }
    }
    let tables = [
        QUERIES,
        NODES,
        PEOPLE,
        OBJECTS,
        OFFICES,
        SUBSCRIPTIONS,
        SCHOOL,
        ACCOUNTS,
        ADMINISTRATION,
        TIMETABLE,
        STATISTICS,
        REVIEWS,
        DECISIONS,
    ];
    let mut known: BTreeSet<String> = tables
        .iter()
        .flat_map(|t| t.iter())
        .map(|r| r.field.to_owned())
        .collect();
    known.insert("Query.node".to_owned());
    for (name, fields) in PLAIN {
        known.extend(fields.split_whitespace().map(|field| format!("{name}.{field}")));
    }
    let missing: Vec<_> = needed.difference(&known).collect();
    assert!(missing.is_empty(), "not in the table of access: {missing:?}");
    let gone: Vec<_> = known.difference(&needed).collect();
    assert!(gone.is_empty(), "in the table, but not in the schema: {gone:?}");
}
