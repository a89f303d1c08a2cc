//! The table of the fields of objects that not everybody who reaches the object may see.

use crate::table::{Row, row};

/// Of people: a student reads all of themselves, a teacher of their students.
pub const PEOPLE: &[Row] = &[
    row("User.email", "user(id: @student) { email }", "vv-", "v--", "v--").at("user.email"),
    row(
        "User.rollNumber",
        "user(id: @student) { rollNumber }",
        "vv-",
        "v--",
        "v--",
    )
    .at("user.rollNumber"),
    row("User.rollNumber", "user(id: @mate) { rollNumber }", "vv-", "v--", "---").at("user.rollNumber"),
    row("User.enrolled", "user(id: @student) { enrolled }", "vv-", "v--", "v--").at("user.enrolled"),
    row(
        "User.faceTemplates",
        "user(id: @student) { faceTemplates { id } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("user.faceTemplates", "template"),
    row(
        "User.classes",
        "user(id: @student) { classes { nodes { id } } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("user.classes.nodes", "class"),
    // Of colleagues and of their teachers it is name and role.
    row("User.email", "user(id: @teacher) { email }", "vv-", "v--", "---").at("user.email"),
    row("User.enrolled", "user(id: @teacher) { enrolled }", "vv-", "v--", "---").at("user.enrolled"),
    row(
        "User.faceTemplates",
        "user(id: @teacher) { faceTemplates { id } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.faceTemplates"),
    row(
        "User.classes",
        "user(id: @teacher) { classes { nodes { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.classes"),
    row(
        "User.email",
        "class(id: @class) { teachers { fullName email } }",
        "vv-",
        "v--",
        "---",
    )
    .at("class.teachers.0.email"),
    row(
        "User.fullName",
        "class(id: @class) { teachers { fullName } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("class.teachers.0.fullName"),
    row(
        "User.email",
        "session(id: @session) { class { teachers { email } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("session.class.teachers.0.email"),
    row(
        "User.email",
        "node(id: @mark) { ... on AttendanceMark { session { class { teachers { email } } } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.session.class.teachers.0.email"),
    row(
        "User.email",
        "job(id: @enrolment) { submittedBy { email } }",
        "vv-",
        "v--",
        "---",
    )
    .at("job.submittedBy.email"),
    row(
        "User.faceTemplates",
        "job(id: @enrolment) { submittedBy { faceTemplates { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("job.submittedBy.faceTemplates"),
];

pub const OBJECTS: &[Row] = &[
    row(
        "Class.students",
        "class(id: @class) { students { nodes { id } } }",
        "yy-",
        "y--",
        "---",
    )
    .has("class.students.nodes", "student"),
    row(
        "Class.studentCount",
        "class(id: @class) { studentCount }",
        "vv-",
        "v--",
        "---",
    )
    .at("class.studentCount"),
    row(
        "Class.unenrolledStudents",
        "class(id: @class) { unenrolledStudents { id } }",
        "vv-",
        "v--",
        "---",
    )
    .at("class.unenrolledStudents"),
    row(
        "Class.students",
        "session(id: @session) { class { students { nodes { id } } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("session.class.students"),
    row(
        "Class.sessions",
        "class(id: @class) { sessions { nodes { id } } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("class.sessions.nodes", "session"),
    row(
        "Class.latestSession",
        "class(id: @class) { latestSession { id } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("class.latestSession"),
    row(
        "Venue.sessions",
        "venue(id: @venue) { sessions { nodes { id } } }",
        "yy-",
        "yn-",
        "---",
    )
    .has("venue.sessions.nodes", "session"),
    row(
        "Venue.sessions",
        "session(id: @session) { venue { sessions { nodes { id } } } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("session.venue.sessions.nodes", "session"),
    row(
        "Session.roll",
        "session(id: @session) { roll { nodes { student { id } } } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("session.roll.nodes", "student"),
    row(
        "Session.roll",
        "session(id: @session) { roll { nodes { student { id } mark { id } } } }",
        "yy-",
        "y--",
        "n--",
    )
    .has("session.roll.nodes", "mate"),
    row(
        "Session.summary",
        "session(id: @session) { summary { present } }",
        "vv-",
        "v--",
        "---",
    )
    .at("session.summary"),
    row(
        "Session.photos",
        "session(id: @session) { photos { id } }",
        "yy-",
        "y--",
        "n--",
    )
    .has("session.photos", "photo"),
    row(
        "Session.jobs",
        "session(id: @session) { jobs { id } }",
        "yy-",
        "y--",
        "n--",
    )
    .has("session.jobs", "job"),
    row(
        "AttendanceMark.face",
        "node(id: @mark) { ... on AttendanceMark { face { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.face"),
    row(
        "AttendanceMark.history",
        "node(id: @mark) { ... on AttendanceMark { history { to } } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("node.history.0"),
    row("Job.faces", "job(id: @job) { faces { id } }", "yy-", "y--", "---").has("job.faces", "face"),
    row("Job.marks", "job(id: @job) { marks { id } }", "yy-", "y--", "---").has("job.marks", "mark"),
    row(
        "Job.marks",
        "node(id: @job) { ... on Job { marks { id } } }",
        "yy-",
        "y--",
        "---",
    )
    .has("node.marks", "matesMark"),
    // Of a report: whose it is, tests/reports shows.
    row("Job.export", "job(id: @job) { export { url } }", "---", "---", "---").at("job.export"),
    row("Job.photos", "job(id: @job) { photos { id } }", "yy-", "y--", "---").has("job.photos", "photo"),
    row(
        "Job.photos",
        "job(id: @enrolment) { photos { id } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("job.photos", "selfie"),
    row(
        "Job.templates",
        "job(id: @enrolment) { templates { id } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("job.templates", "template"),
    row(
        "Job.user",
        "job(id: @enrolment) { user { id email } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("job.user.email"),
    row("Job.session", "job(id: @job) { session { id } }", "vv-", "v--", "---").at("job.session"),
    row(
        "Photo.url",
        "node(id: @photo) { ... on Photo { url } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.url"),
    row(
        "Photo.url",
        "node(id: @selfie) { ... on Photo { url } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("node.url"),
    row(
        "Photo.annotatedUrl",
        "node(id: @photo) { ... on Photo { annotatedUrl } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.annotatedUrl"),
    row(
        "Photo.faces",
        "node(id: @photo) { ... on Photo { faces { id } } }",
        "yy-",
        "y--",
        "---",
    )
    .has("node.faces", "face"),
    row(
        "Photo.session",
        "node(id: @photo) { ... on Photo { session { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.session"),
    row(
        "DetectedFace.candidates",
        "node(id: @face) { ... on DetectedFace { candidates { student { id } } } }",
        "yy-",
        "y--",
        "---",
    )
    .has("node.candidates", "student"),
    row(
        "DetectedFace.student",
        "node(id: @face) { ... on DetectedFace { student { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.student"),
    row(
        "DetectedFace.cropUrl",
        "node(id: @face) { ... on DetectedFace { cropUrl } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.cropUrl"),
    row(
        "DetectedFace.photo",
        "node(id: @face) { ... on DetectedFace { photo { url } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.photo.url"),
    row(
        "FaceTemplate.cropUrl",
        "node(id: @template) { ... on FaceTemplate { cropUrl } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("node.cropUrl"),
    row(
        "FaceTemplate.user",
        "node(id: @template) { ... on FaceTemplate { user { email } } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("node.user.email"),
    row("Health.version", "health { version }", "vvv", "---", "---")
        .at("health.version")
        .stranger("---"),
    row(
        "Health.components",
        "health { components { name } }",
        "vvv",
        "---",
        "---",
    )
    .at("health.components")
    .stranger("---"),
];
