//! The table of marks and statistics: a teacher's are those of their classes, a student's their own.

use crate::table::{Row, row};

pub const STATISTICS: &[Row] = &[
    row(
        "Query.marks",
        "marks(filter: { sessionId: @session }) { nodes { id } }",
        "yyn",
        "ynn",
        "ynn",
    )
    .has("marks.nodes", "mark"),
    row(
        "Query.marks",
        "marks(filter: { classId: @class }) { nodes { id } }",
        "yyn",
        "ynn",
        "nnn",
    )
    .has("marks.nodes", "matesMark"),
    row("Query.dashboard", "dashboard { students }", "vvv", "vvv", "FFF").at("dashboard.students"),
    row(
        "Dashboard.today",
        "dashboard { today { sessions } }",
        "vvv",
        "vvv",
        "FFF",
    )
    .at("dashboard.today"),
    row(
        "Dashboard.inRange",
        "dashboard(range: { from: \"2026-01-01\", to: \"2026-01-02\" }) { inRange { sessions } }",
        "vvv",
        "vvv",
        "FFF",
    )
    .at("dashboard.inRange"),
    row("Dashboard.students", "dashboard { students }", "vvv", "vvv", "FFF"),
    row(
        "Dashboard.enrolledStudents",
        "dashboard { enrolledStudents }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row("Dashboard.teachers", "dashboard { teachers }", "vvv", "vvv", "FFF"),
    row("Dashboard.classes", "dashboard { classes }", "vvv", "vvv", "FFF"),
    row("Dashboard.venues", "dashboard { venues }", "vvv", "vvv", "FFF"),
    row(
        "Dashboard.openSessions",
        "dashboard { openSessions { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("dashboard.openSessions", "session"),
    row(
        "Dashboard.trend",
        "dashboard(range: { from: \"2026-01-01\", to: \"2026-01-02\" }) { trend { bucket } }",
        "vvv",
        "vvv",
        "FFF",
    )
    .at("dashboard.trend"),
    row("Dashboard.queues", "dashboard { queues { kind } }", "vvv", "---", "FFF").at("dashboard.queues"),
    row(
        "Dashboard.recentMarks",
        "dashboard { recentMarks { id } }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Dashboard.reviewQueueLength",
        "dashboard { reviewQueueLength }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.attendanceSummary",
        "attendanceSummary(filter: { range: { from: \"2026-01-01\", to: \"2026-12-31\" } }) { sessions }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.attendanceTrend",
        "attendanceTrend(interval: YEAR, filter: { range: { from: \"2026-01-01\", to: \"2026-12-31\" } }) { bucket }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.classStatistics",
        "classStatistics(filter: { range: { from: \"2000-01-01\", to: \"2099-12-31\" } }) { class { id } }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.departmentStatistics",
        "departmentStatistics(range: { from: \"2000-01-01\", to: \"2099-12-31\" }) { students }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.studentStatistics",
        "studentStatistics(filter: { range: { from: \"2000-01-01\", to: \"2099-12-31\" } }) { totalCount }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Query.studentsAtRisk",
        "studentsAtRisk(belowRate: 1, filter: { range: { from: \"2000-01-01\", to: \"2099-12-31\" } }) { totalCount }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Class.statistics",
        "class(id: @class) { statistics { sessions } }",
        "vv-",
        "v--",
        "---",
    )
    .at("class.statistics"),
    row(
        "User.statistics",
        "user(id: @student) { statistics { sessions } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("user.statistics"),
    row(
        "User.statistics",
        "user(id: @mate) { statistics { sessions } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.statistics"),
    row(
        "User.marks",
        "user(id: @student) { marks { nodes { id } } }",
        "yy-",
        "y--",
        "y--",
    )
    .has("user.marks.nodes", "mark"),
    row(
        "User.marks",
        "user(id: @mate) { marks { nodes { id } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.marks"),
    row(
        "User.sessions",
        "user(id: @student) { sessions { nodes { session { id } } } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("user.sessions"),
    row(
        "User.sessions",
        "user(id: @mate) { sessions { nodes { state } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.sessions"),
];
