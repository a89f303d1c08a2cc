//! The number of SQL statements does not grow with the class, nor with those who watch.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::time::Duration;

use serde_json::json;
use tests::client::data;
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::socket::Socket;
use tests::world::{Mode, Setup, World};

async fn world(workers: usize) -> World {
    Setup {
        workers,
        ..Setup::new(Mode::Embedded)
    }
    .build()
    .await
    .unwrap()
}

/// People are asked for in one place only (`markedBy`): two places may be answered by one statement
/// or by two, as it happens.
const ROLL: &str = "query($id: ID!) { session(id: $id) { class { name teachers { fullName } } summary { present } \
     roll(first: 100) { totalCount nodes { student { id fullName rollNumber enrolled organization { name } } \
     mark { status markedBy { fullName } face { box { x } photo { width } } } \
     history { to source } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_of_200_costs_as_many_statements_as_one_of_10() {
    let world = world(2).await;
    let (_, admin) = world.organization("School").await;
    let mut costs = Vec::new();
    // An organization knows nobody by two names.
    for (size, first) in [(10, 0), (200, 5)] {
        let school = School::with_students(&admin, size).await;
        for (n, student) in (first..).zip(&school.students).take(5) {
            let photos = vec![photo(&[person(n)]); tests::school::ENROLMENT];
            ended(&admin, &tests::school::enrol(&admin, student, &photos).await).await;
        }
        let session = school.open_session().await;
        let people: Vec<_> = (first..first + 5).map(person).collect();
        let job = ended(&admin, &school.submit(&session, photo(&people)).await).await;
        assert_eq!(job["marks"].as_array().unwrap().len(), 5);
        for student in school.students.iter().skip(5) {
            data(school.mark(&session, student, "PRESENT").await);
        }
        // The worker's beat looks every two seconds: the least of several runs is without it.
        let mut least = u64::MAX;
        for _ in 0..6 {
            let before = world.service.db.statements();
            let answer = admin.query(ROLL, json!({ "id": session })).await;
            least = least.min(world.service.db.statements() - before);
            assert_eq!(answer["session"]["roll"]["totalCount"], size);
            let nodes = answer["session"]["roll"]["nodes"].as_array().unwrap();
            assert_eq!(nodes.len(), size.min(100));
            assert!(nodes.iter().all(|n| n["history"][0]["to"] == "PRESENT"));
        }
        costs.push(least);
    }
    println!("statements for a roll of 10 and of 200: {costs:?}");
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_with_200_subscribers_costs_as_many_statements_as_with_10() {
    let world = world(0).await;
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 3).await;
    let mut costs = Vec::new();
    for watchers in [10, 200] {
        let session = school.open_session().await;
        let mut sockets = Vec::new();
        for _ in 0..watchers {
            let mut socket = Socket::open(&admin).await;
            let query = "subscription($id: ID!) { attendance(sessionId: $id) { cursor student { fullName email } \
                 mark { status source student { fullName } } change { from to } summary { present expected } } }";
            socket.subscribe("1", query, json!({ "id": session })).await;
            sockets.push(socket);
        }
        // Until every subscription has read its state.
        tokio::time::sleep(Duration::from_secs(2)).await;
        // The hub looks every second as well: the least of several marks is without that look.
        let mut least = u64::MAX;
        for turn in 0..8 {
            let status = if turn % 2 == 0 { "PRESENT" } else { "EXCUSED" };
            let before = world.service.db.statements();
            data(school.mark(&session, &school.students[0], status).await);
            for socket in &mut sockets {
                assert_eq!(socket.next().await["attendance"]["mark"]["status"], status);
            }
            least = least.min(world.service.db.statements() - before);
        }
        costs.push(least);
    }
    println!("statements for a mark with 10 and 200 subscribers: {costs:?}");
    assert_eq!(costs[0], costs[1]);
}
