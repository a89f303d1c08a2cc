//! A student and a teacher with everything that a person can have, and what tells of them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use service::id::{OrganizationId, PersonId};
use service::kinds::Role;
use service::rates::Origin;
use service::recognition::SeenFace;
use service::{Scope, accounts};
use tests::client::{Client, data};
use tests::fake::{self, Colour, look, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::{PASSWORD, World, address};

use crate::scan::{Needle, needle, query};

pub const NAME: &str = "Zebulon Quisquilian";
/// The colour of the person under test; the mates' are 0 and 1.
pub const ZEB: usize = 9;
/// The first of those whom a teacher who is erased has enrolled.
const OWN: usize = 40;

/// A school of two mates with an admin and a teacher.
pub struct Land {
    pub world: World,
    pub organization: OrganizationId,
    pub admin: Client,
    pub school: School,
    pub department: String,
}

/// Somebody who can sign in.
pub struct Somebody {
    pub id: String,
    pub person: PersonId,
    pub email: String,
    pub refresh: String,
    pub client: Client,
}

impl Land {
    pub async fn of(world: World) -> Self {
        let (organization, admin) = world.organization("Here").await;
        let (_, teacher) = world.member(organization, "Tess Teacher", Role::Teacher).await;
        let school = School::enrolled(&teacher, 2).await;
        let made = admin
            .query(
                "mutation { createDepartment(input: { name: \"Letters\", code: \"L\" }) { department { id } } }",
                json!({}),
            )
            .await;
        Self {
            world,
            organization,
            admin,
            school,
            department: text(&made["createDepartment"]["department"]["id"]),
        }
    }

    pub async fn somebody(&self, name: &str, role: Role) -> Somebody {
        let email = address("zebulon");
        let account = accounts::NewAccount {
            full_name: name,
            email: &email,
            password: PASSWORD,
            role,
        };
        let person = accounts::add(&self.world.service, &Scope::System("test"), self.organization, &account)
            .await
            .unwrap();
        let stranger = self.world.stranger();
        let answer = stranger
            .query(
                "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
                 accessToken refreshToken } }",
                json!({ "email": email, "password": PASSWORD }),
            )
            .await;
        Somebody {
            id: format!("usr_{}", person.0.simple()),
            person,
            email,
            refresh: text(&answer["login"]["refreshToken"]),
            client: stranger.with_token(answer["login"]["accessToken"].as_str().unwrap()),
        }
    }

    pub async fn update(&self, id: &str, input: Value) {
        self.admin
            .query(
                "mutation($id: ID!, $input: UpdateUserInput!) { updateUser(id: $id, input: $input) { user { id } } }",
                json!({ "id": id, "input": input }),
            )
            .await;
    }

    pub async fn join(&self, student: &str) {
        let added = self
            .school
            .teacher
            .query(
                "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
                 results { error { code } } } }",
                json!({ "class": self.school.class, "id": student }),
            )
            .await;
        assert_eq!(added["addStudents"]["results"][0]["error"], Value::Null);
    }

    pub async fn recognize(&self, session: &str, people: &[Colour]) -> String {
        let job = self.school.submit(session, photo(people)).await;
        let job = ended(&self.school.teacher, &job).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job}");
        text(&job["photos"][0]["id"])
    }

    pub async fn mark(&self, by: &Client, session: &str, student: &str, status: &str, remark: &str) {
        let input = json!({ "sessionId": session, "studentId": student, "status": status, "remark": remark });
        data(
            by.raw(
                "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id } } }",
                json!({ "input": input }),
            )
            .await,
        );
    }

    /// Says something to the operator, asks for a code, and leaves the hash of a password.
    async fn traces(&self, somebody: &Somebody) -> Vec<Needle> {
        somebody
            .client
            .query(
                "mutation { submitFeedback(message: \"Quisquilian is dissatisfied\", rating: 1) { received } }",
                json!({}),
            )
            .await;
        accounts::request_password_reset(&self.world.service, Origin::default(), &somebody.email)
            .await
            .unwrap();
        let sql = "SELECT password_hash FROM person WHERE id = $1";
        let row = &query(&self.world, sql, vec![somebody.person.0.into()]).await[0];
        let hash: String = row.try_get("", "password_hash").unwrap();
        let sql = "SELECT address_hash FROM code";
        let row = &query(&self.world, sql, vec![]).await[0];
        vec![
            needle("the name", NAME),
            needle("the name in lower case", &NAME.to_lowercase()),
            needle("the family name", "Quisquilian"),
            needle("the address", &somebody.email),
            needle("the password hash", &hash),
            needle("feedback", "dissatisfied"),
            (
                "the code's address".to_owned(),
                row.try_get("", "address_hash").unwrap(),
            ),
        ]
    }
}

/// The student, and where there is something of them.
pub struct Student {
    pub who: Somebody,
    pub roll_number: String,
    pub needles: Vec<Needle>,
    /// Sessions with the student's mark: recognized, then corrected; by hand alone.
    pub sessions: [String; 2],
    /// Photos of them alone, which go, and with others, which stays.
    pub alone: String,
    pub together: String,
    pub gone: Vec<Bytes>,
    pub stays: Bytes,
}

impl Student {
    pub async fn of(land: &Land) -> Self {
        let who = land.somebody(NAME, Role::Student).await;
        let roll_number = format!("R-{}", uuid::Uuid::new_v4().simple());
        land.update(
            &who.id,
            json!({ "rollNumber": roll_number, "departmentId": land.department }),
        )
        .await;
        land.join(&who.id).await;
        let (teacher, colour) = (&land.school.teacher, fake::person(ZEB));
        let portrait = photo(&[colour]);
        let job = enrol(teacher, &who.id, &vec![portrait.clone(); ENROLMENT]).await;
        assert_eq!(ended(teacher, &job).await["status"], "SUCCEEDED");
        // By themselves, with a key: it waits to be accepted.
        let own = who
            .client
            .query(
                "mutation($id: ID!, $photo: String!) { enrolFaces(userId: $id, photos: [{ base64: $photo }], \
                 idempotencyKey: \"key of Quisquilian\") { job { id } } }",
                json!({ "id": who.id, "photo": BASE64_STANDARD.encode(&portrait) }),
            )
            .await;
        ended(&who.client, own["enrolFaces"]["job"]["id"].as_str().unwrap()).await;

        let recognized = land.school.open_session().await;
        let alone = land.recognize(&recognized, &[colour]).await;
        let group = [fake::person(0), colour];
        let together = land.recognize(&recognized, &group).await;
        land.mark(teacher, &recognized, &who.id, "LATE", "Quisquilian came by bus")
            .await;
        let by_hand = land.school.open_session().await;
        land.mark(teacher, &by_hand, &who.id, "EXCUSED", "a letter from the Quisquilians")
            .await;
        let asked = land
            .admin
            .query(
                "mutation($photo: String!) { identifyFaces(photo: { base64: $photo }) { job { id } } }",
                json!({ "photo": BASE64_STANDARD.encode(&portrait) }),
            )
            .await;
        let asked = ended(&land.admin, asked["identifyFaces"]["job"]["id"].as_str().unwrap()).await;
        assert_eq!(asked["faces"][0]["student"]["id"], who.id, "{asked}");

        let mut needles = land.traces(&who).await;
        needles.push(needle("the roll number", &roll_number));
        needles.push(needle("a remark", "came by bus"));
        needles.push(needle("an excuse", "a letter from"));
        needles.push(needle("an idempotency key", "key of Quisquilian"));
        needles.extend(sealed(land, who.person).await);
        needles.extend(objects(land, who.person).await);
        Self {
            who,
            roll_number,
            needles,
            sessions: [recognized, by_hand],
            alone,
            together,
            gone: vec![portrait, crop(colour)],
            stays: photo(&group),
        }
    }
}

/// The bytes of a face's crop, as the fake vision makes them.
fn crop(colour: Colour) -> Bytes {
    the_face(colour).crop
}

fn the_face(colour: Colour) -> SeenFace {
    look(&photo(&[colour]), None).faces.remove(0)
}

/// What a face looks like to the models, as it is sealed.
pub fn embedding(colour: Colour) -> Vec<u8> {
    let numbers = the_face(colour).embedding.unwrap();
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

async fn sealed(land: &Land, person: PersonId) -> Vec<Needle> {
    let sql = "SELECT embedding FROM face_template WHERE person_id = $1 AND embedding IS NOT NULL";
    let rows = query(&land.world, sql, vec![person.0.into()]).await;
    assert_eq!(rows.len(), ENROLMENT + 1);
    rows.iter()
        .map(|row| ("a sealed embedding".to_owned(), row.try_get("", "embedding").unwrap()))
        .collect()
}

/// The keys of what lies in the store of this person alone.
async fn objects(land: &Land, person: PersonId) -> Vec<Needle> {
    let sql = "SELECT crop_key AS k FROM face_template WHERE person_id = $1 UNION ALL \
               SELECT crop_key FROM face WHERE student_id = $1 UNION ALL \
               SELECT h.media_key FROM photo h JOIN job j ON j.id = h.job_id WHERE j.person_id = $1";
    let rows = query(&land.world, sql, vec![person.0.into()]).await;
    assert_eq!(rows.len(), (ENROLMENT + 1) * 2 + 3);
    rows.iter()
        .map(|row| needle("an object's key", &row.try_get::<String>("", "k").unwrap()))
        .collect()
}

/// Whether any template that is left opens to this face: by every key that there is.
pub async fn opens_to(land: &Land, face: &[u8]) -> bool {
    let sql = "SELECT id, organization_id, embedding FROM face_template WHERE embedding IS NOT NULL";
    let rows = query(&land.world, sql, vec![]).await;
    assert!(!rows.is_empty(), "the mates have templates");
    rows.iter().any(|row| {
        let (id, organization) = (
            row.try_get("", "id").unwrap(),
            row.try_get("", "organization_id").unwrap(),
        );
        let sealed: Vec<u8> = row.try_get("", "embedding").unwrap();
        land.world.service.keys.open(organization, id, &sealed).unwrap() == face
    })
}

/// A teacher who is head of the department, teaches, submitted a photo and marked by hand.
pub struct Teacher {
    pub who: Somebody,
    pub class: School,
    pub needles: Vec<Needle>,
    pub session: String,
}

impl Teacher {
    pub async fn of(land: &Land) -> Self {
        let who = land.somebody(NAME, Role::Teacher).await;
        land.update(&who.id, json!({ "departmentId": land.department })).await;
        land.admin
            .query(
                "mutation($id: ID!, $head: ID!) { updateDepartment(id: $id, input: { headId: $head }) { \
                 department { id } } }",
                json!({ "id": land.department, "head": who.id }),
            )
            .await;
        let class = School::enrolled_from(&who.client, OWN, 2).await;
        let session = class.open_session().await;
        let job = class
            .submit_raw(&session, photo(&[fake::person(OWN)]), Some("key of Quisquilian"))
            .await;
        ended(
            &who.client,
            data(job)["submitClassPhoto"]["job"]["id"].as_str().unwrap(),
        )
        .await;
        land.mark(&who.client, &session, &class.students[1], "EXCUSED", "ill")
            .await;
        let mut needles = land.traces(&who).await;
        needles.push(needle("an idempotency key", "key of Quisquilian"));
        Self {
            who,
            class,
            needles,
            session,
        }
    }
}

/// The columns in which the id of somebody erased may stand.
pub fn assert_id_only_where_it_may(columns: &std::collections::BTreeSet<&str>) {
    const MAY: [&str; 17] = [
        "audit.actor_id",
        "audit.target_id",
        "face.candidates",
        "face.decided_by",
        "face.student_id",
        "job.person_id",
        "job.submitted_by",
        "mark.marked_by",
        "mark.student_id",
        "mark_change.by_id",
        "mark_change.student_id",
        // Sums of marks.
        "student_week.student_id",
        "membership.person_id",
        "person.id",
        "photo.uploaded_by",
        "session.created_by",
        "invitation.created_by",
    ];
    let others: Vec<_> = columns.iter().filter(|column| !MAY.contains(column)).collect();
    assert!(others.is_empty(), "the id is in {others:?}");
    assert!(columns.contains("person.id") && columns.contains("audit.target_id"));
}

pub async fn delete_user(land: &Land, id: &str) {
    let deleted = land
        .admin
        .query(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(deleted["deleteUser"]["deletedId"], id);
}

pub async fn delete_account(client: &Client) -> Value {
    let deleted = client
        .query(
            "mutation($password: String!) { deleteAccount(password: $password) { erasedTemplates erasedPhotos } }",
            json!({ "password": PASSWORD }),
        )
        .await;
    deleted["deleteAccount"].clone()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Anything of the API that takes an id, as the asker sees it.
pub async fn refused(client: &Client, mutation: &str, variables: Value) -> String {
    let answer = client.raw(mutation, variables).await;
    tests::client::code(&answer).to_owned()
}
