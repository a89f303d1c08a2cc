//! Which photos go: those that show only who was erased, were it several people.

use serde_json::json;
use tests::both;
use tests::fake::{person, photo};
use tests::world::World;

use crate::people::{Land, delete_user};
use crate::scan::Kept;

async fn the_last_one_in_it(world: World) {
    let land = Land::of(world).await;
    let session = land.school.open_session().await;
    let pair = [person(0), person(1)];
    let id = land.recognize(&session, &pair).await;
    // A stranger's face is somebody's.
    let with_a_stranger = [person(0), person(50)];
    land.recognize(&session, &with_a_stranger).await;
    let url = "query($id: ID!) { node(id: $id) { ... on Photo { url } } }";
    let link = land.admin.query(url, json!({ "id": id })).await["node"]["url"].clone();
    let link = link.as_str().unwrap();
    assert_eq!(land.admin.get(link).await.status(), 200);

    delete_user(&land, &land.school.students[0]).await;
    let kept = Kept::of(&land.world).await;
    assert!(kept.has_object(&photo(&pair)), "the other is in it");
    delete_user(&land, &land.school.students[1]).await;
    let kept = Kept::of(&land.world).await;
    assert!(!kept.has_object(&photo(&pair)), "everybody in it is erased");
    assert!(kept.has_object(&photo(&with_a_stranger)));
    // An address that was given out before opens nothing.
    assert_eq!(land.admin.get(link).await.status(), 404);
}

both!(a_photo_goes_with_the_last_one_in_it, the_last_one_in_it);
