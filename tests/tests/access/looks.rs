//! The table of what only looks: root fields, types by `node(id:)`, subscriptions.

use crate::table::{Row, row};

pub const QUERIES: &[Row] = &[
    row("Query.viewer", "viewer { id }", "vvv", "vvv", "vvv"),
    row("Query.organization", "organization { id name }", "vvv", "vvv", "vvv"),
    row("Query.user", "user(id: @student) { id }", "vv-", "v--", "v--"),
    row("Query.user", "user(id: @mate) { id }", "vv-", "v--", "---"),
    row("Query.user", "user(id: @teacher) { id }", "vv-", "vv-", "v--"),
    row("Query.class", "class(id: @class) { id }", "vv-", "v--", "v--"),
    row(
        "Query.classes",
        "classes(first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("classes.nodes", "class"),
    row("Query.venue", "venue(id: @venue) { id }", "vv-", "vv-", "---"),
    row(
        "Query.venues",
        "venues(first: 100) { nodes { id } }",
        "yyn",
        "yyn",
        "FFF",
    )
    .has("venues.nodes", "venue"),
    row("Query.session", "session(id: @session) { id }", "vv-", "v--", "v--"),
    row(
        "Query.sessions",
        "sessions(first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("sessions.nodes", "session"),
    row(
        "Query.sessions",
        "sessions(classId: @class) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("sessions.nodes", "session"),
    row(
        "Query.sessions",
        "sessions(venueId: @venue, teacherId: @teacher) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("sessions.nodes", "session"),
    row("Query.job", "job(id: @job) { id }", "vv-", "v--", "---"),
    row("Query.job", "job(id: @enrolment) { id }", "vv-", "v--", "v--"),
    row("Query.job", "job(id: @identification) { id }", "vv-", "v--", "---"),
    row("Query.queues", "queues { kind }", "vvv", "FFF", "FFF"),
    row("Query.jobs", "jobs(first: 100) { nodes { id } }", "yyn", "ynn", "nnn").has("jobs.nodes", "job"),
    row(
        "Query.jobs",
        "jobs(filter: { kind: ENROL }, first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("jobs.nodes", "enrolment"),
    row(
        "Query.jobs",
        "jobs(filter: { kind: IDENTIFY }) { nodes { id } }",
        "yyn",
        "ynn",
        "nnn",
    )
    .has("jobs.nodes", "identification"),
    row(
        "Query.jobs",
        "jobs(filter: { sessionId: @session }) { nodes { id } }",
        "yyn",
        "ynn",
        "nnn",
    )
    .has("jobs.nodes", "job"),
    row("Query.users", "users(first: 100) { nodes { id } }", "yyn", "ynn", "FFF").has("users.nodes", "student"),
    row(
        "Query.users",
        "users(filter: { classId: @class }) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("users.nodes", "student"),
    row(
        "Query.users",
        "users(filter: { departmentId: @department }) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("users.nodes", "student"),
    row(
        "Query.users",
        "users(filter: { role: TEACHER }, first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("users.nodes", "teacher"),
    row("Query.departments", "departments { id }", "yyn", "yyn", "FFF").has("departments", "department"),
    row(
        "Query.auditLog",
        "auditLog(actorId: @teacher, first: 100) { nodes { id } }",
        "yyn",
        "FFF",
        "FFF",
    )
    .has("auditLog.nodes", "entry"),
    row("Query.health", "health { state }", "vvv", "vvv", "vvv").stranger("vvv"),
];

pub const NODES: &[Row] = &[
    row(
        "node:Organization",
        "node(id: @organization) { id }",
        "vv-",
        "vv-",
        "vv-",
    ),
    row("node:User", "node(id: @student) { id }", "vv-", "v--", "v--"),
    row("node:User", "node(id: @mate) { id }", "vv-", "v--", "---"),
    row("node:User", "node(id: @teacher) { id }", "vv-", "vv-", "v--"),
    row("node:Department", "node(id: @department) { id }", "vv-", "vv-", "v--"),
    row("node:AuditEntry", "node(id: @entry) { id }", "vv-", "---", "---"),
    row("node:Class", "node(id: @class) { id }", "vv-", "v--", "v--"),
    row("node:Venue", "node(id: @venue) { id }", "vv-", "vv-", "---"),
    row("node:Session", "node(id: @session) { id }", "vv-", "v--", "v--"),
    row("node:AttendanceMark", "node(id: @mark) { id }", "vv-", "v--", "v--"),
    row(
        "node:AttendanceMark",
        "node(id: @matesMark) { id }",
        "vv-",
        "v--",
        "---",
    ),
    row("node:Job", "node(id: @job) { id }", "vv-", "v--", "---"),
    row("node:Job", "node(id: @enrolment) { id }", "vv-", "v--", "v--"),
    row("node:Job", "node(id: @identification) { id }", "vv-", "v--", "---"),
    row("node:Photo", "node(id: @photo) { id }", "vv-", "v--", "---"),
    row("node:Photo", "node(id: @selfie) { id }", "vv-", "v--", "v--"),
    row("node:DetectedFace", "node(id: @face) { id }", "vv-", "v--", "---"),
    row("node:FaceTemplate", "node(id: @template) { id }", "vv-", "v--", "v--"),
];

pub const SUBSCRIPTIONS: &[Row] = &[
    row(
        "Subscription.attendance",
        "attendance(sessionId: @session) { student { id } }",
        "vv4",
        "v44",
        "v44",
    ),
    row("Subscription.job", "job(id: @job) { id }", "vv4", "v44", "444"),
    row(
        "Subscription.sessionChanged",
        "sessionChanged(classId: @class) { id }",
        "vv4",
        "v44",
        "v44",
    ),
    row("Subscription.job", "job(id: @enrolment) { id }", "vv4", "v44", "v44"),
    row(
        "Subscription.job",
        "job(id: @identification) { id }",
        "vv4",
        "v44",
        "444",
    ),
];
