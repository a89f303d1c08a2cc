//! The table of what changes classes, venues and sessions that are there, and of whole terms.

use crate::table::{Row, row};

pub const TIMETABLE: &[Row] = &[
    row(
        "Mutation.updateClass",
        "updateClass(id: @class, input: { name: \"Renamed\" }) { class { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.updateClass",
        "updateClass(id: #class, input: { departmentId: @department }) { class { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.updateClass",
        "updateClass(id: #class, input: { name: @unique, teacherIds: [#teacher, @teacher] }) { class { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.updateClass",
        "updateClass(id: #class, input: { teacherIds: [#teacher, @student] }) { class { id } }",
        "II4",
        "II4",
        "FFF",
    ),
    row(
        "Mutation.archiveClass",
        "archiveClass(id: @spareClass, archived: true) { class { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.deleteClass",
        "deleteClass(id: @spareClass) { deletedId }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.removeStudents",
        "removeStudents(classId: @class, studentIds: [@joined]) { class { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.removeStudents",
        "removeStudents(classId: #class, studentIds: [@joined]) { class { id } }",
        "v44",
        "v44",
        "FFF",
    ),
    row(
        "Mutation.updateVenue",
        "updateVenue(id: @venue, input: { name: @unique }) { venue { id } }",
        "vv4",
        "FF4",
        "FF4",
    ),
    row(
        "Mutation.deleteVenue",
        "deleteVenue(id: @spareVenue) { deletedId }",
        "vv4",
        "FF4",
        "FF4",
    ),
    row(
        "Mutation.scheduleSessions",
        "scheduleSessions(input: { classId: @class, weekdays: [MONDAY], startTime: \"08:00\", endTime: \"09:00\", \
         from: \"2027-01-04\", to: \"2027-01-18\", allowOverlap: true }) { sessions { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.scheduleSessions",
        "scheduleSessions(input: { classId: #class, venueId: @venue, weekdays: [MONDAY], startTime: \"08:00\", \
         endTime: \"09:00\", from: \"2027-01-04\", to: \"2027-01-18\", allowOverlap: true }) { sessions { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.updateSession",
        "updateSession(id: @scheduled, input: { title: @unique }) { session { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.updateSession",
        "updateSession(id: #scheduled, input: { venueId: @venue, allowOverlap: true }) { session { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.cancelSession",
        "cancelSession(id: @scheduled) { session { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
];
