//! The table of an organization's settings, its departments and its log.

use crate::table::{Row, row};

pub const OFFICES: &[Row] = &[
    row(
        "Organization.settings",
        "organization { settings { lateAfterMinutes } }",
        "vvv",
        "---",
        "---",
    )
    .at("organization.settings"),
    row(
        "Organization.settings",
        "node(id: @organization) { ... on Organization { settings { lateAfterMinutes } } }",
        "vv-",
        "---",
        "---",
    )
    .at("node.settings"),
    row(
        "Organization.settings",
        "user(id: @student) { organization { settings { lateAfterMinutes } } }",
        "vv-",
        "---",
        "---",
    )
    .at("user.organization.settings"),
    row(
        "Organization.departments",
        "organization { departments { id } }",
        "yyn",
        "yyn",
        "ynn",
    )
    .has("organization.departments", "department"),
    row(
        "User.settings",
        "user(id: @student) { settings { locale } }",
        "vv-",
        "---",
        "v--",
    )
    .at("user.settings"),
    row(
        "User.settings",
        "user(id: @teacher) { settings { locale } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.settings"),
    row(
        "User.settings",
        "class(id: @class) { teachers { settings { locale } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("class.teachers.0.settings"),
    row(
        "User.department",
        "user(id: @student) { department { id } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("user.department"),
    row(
        "User.department",
        "user(id: @teacher) { department { id } }",
        "vv-",
        "v--",
        "---",
    )
    .at("user.department"),
    row(
        "Class.department",
        "class(id: @class) { department { id } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("class.department"),
    row(
        "Class.department",
        "session(id: @session) { class { department { id } } }",
        "vv-",
        "v--",
        "v--",
    )
    .at("session.class.department"),
    row(
        "Department.head",
        "node(id: @department) { ... on Department { head { id } } }",
        "vv-",
        "vv-",
        "v--",
    )
    .at("node.head"),
    row(
        "User.email",
        "node(id: @department) { ... on Department { head { email } } }",
        "vv-",
        "v--",
        "---",
    )
    .at("node.head.email"),
    row(
        "Department.users",
        "node(id: @department) { ... on Department { users { nodes { id } } } }",
        "yy-",
        "yn-",
        "---",
    )
    .has("node.users.nodes", "student"),
    row(
        "Department.users",
        "node(id: @department) { ... on Department { users(role: TEACHER) { nodes { id } } } }",
        "nn-",
        "nn-",
        "---",
    )
    .has("node.users.nodes", "student"),
    row(
        "AuditEntry.actor",
        "node(id: @entry) { ... on AuditEntry { actor { id } } }",
        "vv-",
        "---",
        "---",
    )
    .at("node.actor"),
    row(
        "AuditEntry.target",
        "node(id: @entry) { ... on AuditEntry { target { id } } }",
        "vv-",
        "---",
        "---",
    )
    .at("node.target"),
];
