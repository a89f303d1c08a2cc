//! The table of who reviews faces, who checks in, and who sees what for that is shown.

use crate::table::{Row, row};

pub const REVIEWS: &[Row] = &[
    row(
        "Query.reviewQueue",
        "reviewQueue(first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("reviewQueue.nodes", "waiting"),
    row(
        "Query.reviewQueue",
        "reviewQueue(classId: @class) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("reviewQueue.nodes", "waiting"),
    row(
        "Subscription.reviewQueue",
        "reviewQueue(classId: @class) { change face { id } queueLength }",
        "vv4",
        "v44",
        "FFF",
    ),
    row(
        "Query.faceTemplates",
        "faceTemplates(first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("faceTemplates.nodes", "template"),
    row(
        "Query.faceTemplates",
        "faceTemplates(status: ACCEPTED, classId: @class, first: 100) { nodes { id } }",
        "yyn",
        "ynn",
        "FFF",
    )
    .has("faceTemplates.nodes", "template"),
    row(
        "Session.checkInCode",
        "session(id: @session) { checkInCode { code expiresAt } }",
        "vv-",
        "v--",
        "---",
    )
    .at("session.checkInCode"),
];

pub const DECISIONS: &[Row] = &[
    row(
        "Mutation.reviewFace",
        "reviewFace(faceId: @face, decision: CONFIRM) { face { id } mark { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.reviewFace",
        "reviewFace(faceId: #waiting, decision: REASSIGN, studentId: @student) { face { id } }",
        "v44",
        "v44",
        "FFF",
    ),
    row(
        "Mutation.reviewFaceTemplate",
        "reviewFaceTemplate(id: @pending, accept: true) { template { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.deleteFaceTemplate",
        "deleteFaceTemplate(id: @pending) { deletedId }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.checkIn",
        "checkIn(input: { sessionId: @room, code: @secret, selfie: { base64: @picture } }) { job { id } }",
        "FFF",
        "FFF",
        "v44",
    ),
    row(
        "Mutation.checkIn",
        "checkIn(input: { sessionId: @room, code: \"00000000\", selfie: { base64: @picture } }) { job { id } }",
        "FFF",
        "FFF",
        "I44",
    ),
];
