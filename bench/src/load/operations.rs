//! What teachers do all day, each as often as its weight says, and what comes of it.

use rand::RngExt;
use rand::rngs::StdRng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who they are.
    Viewer,
    Classes,
    /// A session's roll with its marks.
    Roll,
    Dashboard,
    Mark,
    /// A photo of the class.
    Upload,
}

/// Of a hundred operations.
const WEIGHTS: [(Operation, u32); 6] = [
    (Operation::Viewer, 10),
    (Operation::Classes, 15),
    (Operation::Roll, 25),
    (Operation::Dashboard, 10),
    (Operation::Mark, 33),
    (Operation::Upload, 7),
];

impl Operation {
    pub const ALL: [Self; 6] = [
        Self::Viewer,
        Self::Classes,
        Self::Roll,
        Self::Dashboard,
        Self::Mark,
        Self::Upload,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Classes => "classes",
            Self::Roll => "roll",
            Self::Dashboard => "dashboard",
            Self::Mark => "mark",
            Self::Upload => "upload",
        }
    }

    pub fn query(self) -> &'static str {
        match self {
            Self::Viewer => "{ viewer { id fullName organization { name } } }",
            Self::Classes => "{ classes(first: 20) { nodes { id name code } } }",
            Self::Roll => {
                "query($session: ID!) { session(id: $session) { state summary { present expected } roll(first: 100) { \
                 nodes { student { id fullName rollNumber } mark { status source } } } } }"
            }
            Self::Dashboard => {
                "{ dashboard { today { present late absent } openSessions { id class { name } } \
                 recentMarks { status student { fullName } } reviewQueueLength } }"
            }
            Self::Mark => {
                "mutation($session: ID!, $student: ID!, $status: MarkStatus!) { markAttendance(input: { \
                 sessionId: $session, studentId: $student, status: $status }) { mark { id status } } }"
            }
            Self::Upload => {
                "mutation($session: ID!, $photo: PhotoInput!) { submitClassPhoto(sessionId: $session, photo: $photo) { \
                 job { id status } } }"
            }
        }
    }

    pub fn any(random: &mut StdRng) -> Self {
        let mut left = random.random_range(0..WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (operation, weight) in WEIGHTS {
            if left < weight {
                return operation;
            }
            left -= weight;
        }
        Self::Viewer
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// `RATE_LIMITED` or `UNAVAILABLE`: to be tried again later.
    Refused(String),
    /// Any other error, or no answer.
    Failed(String),
}
