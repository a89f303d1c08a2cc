//! kill -9 of a worker in the middle of a re-embedding: another goes on behind what is written.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended, enrol};
use tests::world::{Mode, Setup};

use super::{NEW, crops, marked, model_of, overwrite, reembed, restart_with, templates};

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Processes)
    };
    let Some(mut world) = setup.build().await else { return };
    world.hire().await;
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let student = &school.students[0];
    let photos = vec![photo(&[person(0)]); 20];
    ended(&admin, &enrol(&admin, student, &photos).await).await;
    // Of two batches the second takes its time.
    overwrite(&world, &crops(&world, student).await[22], &[SLOW, person(0)]).await;
    restart_with(&mut world, NEW).await;
    let job = reembed(&admin).await;
    let begun = Instant::now();
    while templates(&world, NEW).await.0 == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.workers[0].kill();
    world.workers.clear();
    let (written, _) = templates(&world, NEW).await;
    assert!(written < 23, "all was over already");
    world.hire_with(NEW).await;
    let job = ended(&admin, &job).await;
    assert_eq!(
        (&job["status"], &job["attempts"]),
        (&json!("SUCCEEDED"), &json!(2)),
        "{job:#}"
    );
    assert_eq!(templates(&world, NEW).await, (23, 23));
    assert_eq!(model_of(&admin, student).await, NEW);
    assert_eq!(marked(&school, &[person(0)]).await, ["Student 000"]);
}
