//! Operations that ask too much, and texts where files belong, over HTTP and over a socket.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tests::both;
use tests::client::Client;
use tests::fake::{person, photo};
use tests::school::School;
use tests::socket::{Got, Socket};
use tests::world::{Setup, World};

use crate::{ENROL, IDENTIFY, SUBMIT, State, refusal, untouched};

/// Asks by HTTP and by the socket; the socket must live on. Answers the code of each.
async fn both_ways(client: &Client, socket: &mut Socket, query: &str, variables: &Value, case: &str) -> [String; 2] {
    let (by_http, _) = refusal(&client.raw(query, variables.clone()).await, case);
    socket.subscribe("bad", query, variables.clone()).await;
    let got = socket.within(Duration::from_secs(20)).await;
    let Some(Got::Error(error)) = got else {
        panic!("{case} over a socket: {got:?}")
    };
    // Behind an error that a resolver made comes the operation's end.
    if error.get("path").is_some() {
        assert_eq!(
            socket.within(Duration::from_secs(20)).await,
            Some(Got::Complete),
            "{case}"
        );
    }
    socket.subscribe("good", "{ viewer { fullName } }", json!({})).await;
    assert_eq!(socket.next().await["viewer"]["fullName"], "Ada Admin", "after {case}");
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Complete));
    let code = error["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("{case}: no code in {error}"));
    [by_http, code.to_owned()]
}

async fn a_text_is_no_file(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let mut socket = Socket::open(&admin).await;
    let before = State::of(&world).await;
    let endings = [
        "999",
        "x",
        "0",
        "",
        "-1",
        "+0",
        "0x0",
        "1e3",
        "18446744073709551616",
        "٣",
        "\u{0}",
    ];
    let mut texts: Vec<String> = endings.iter().map(|end| format!("#__graphql_file__:{end}")).collect();
    texts.extend(["", "photo.jpg", "#__graphql_file__", "#__GRAPHQL_FILE__:0"].map(str::to_owned));
    for text in &texts {
        let upload = json!({ "upload": text });
        let in_the_text = format!(
            "mutation {{ submitClassPhoto(sessionId: {session:?}, photo: {{ upload: {} }}) {{ job {{ id }} }} }}",
            json!(text)
        );
        let asked = [
            (SUBMIT, json!({ "session": session, "photo": upload })),
            (ENROL, json!({ "user": school.students[0], "photos": [upload] })),
            (IDENTIFY, json!({ "photo": upload })),
            (&in_the_text, json!({})),
        ];
        for (query, variables) in &asked {
            let case = format!("{text:?} in {query}");
            let codes = both_ways(&admin, &mut socket, query, variables, &case).await;
            assert_eq!(codes, ["INVALID_INPUT", "INVALID_INPUT"], "{case}");
        }
        // Beside a file that does come, whose number it is not.
        if *text != texts[2] {
            let photos = json!({ "user": school.students[0], "photos": [{ "upload": null }, upload] });
            let answer = admin
                .upload_raw(ENROL, photos, &[("photos.0.upload", photo(&[person(0)]))])
                .await;
            assert_eq!(refusal(&answer, text).0, "INVALID_INPUT", "{text:?} beside a file");
        }
        untouched(&world, &before, &admin, text).await;
    }
    for other in [json!(7), json!(true), json!([]), json!({})] {
        let variables = json!({ "session": session, "photo": { "upload": other } });
        let [http, socket] = both_ways(&admin, &mut socket, SUBMIT, &variables, "no text").await;
        assert_eq!(http, socket, "{other}");
        assert!(
            ["INVALID_INPUT", "BAD_REQUEST"].contains(&http.as_str()),
            "{other}: {http}"
        );
    }
    untouched(&world, &before, &admin, "no text").await;
}

both!(markers, a_text_is_no_file, |setup| Setup { workers: 0, ..setup });

/// Changes the session, so that one that runs in spite of its refusal shows.
fn open(session: &str, selection: &str) -> String {
    format!("mutation {{ openSession(id: {session:?}) {{ session {{ {selection} }} }} }}")
}

async fn what_asks_too_much_does_nothing(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = &school.session(tests::school::now()).await;
    let mut socket = Socket::open(&admin).await;
    let around = |times: usize| format!("{}id{}", "class { latestSession { ".repeat(times), " } }".repeat(times));
    let (mut doubling, mut many) = (String::new(), String::new());
    for i in 0..40 {
        let _ = write!(doubling, " fragment F{i} on Session {{ ...F{0} ...F{0} }}", i + 1);
    }
    for i in 0..120 {
        let _ = write!(many, "f{i}: id ");
    }
    let circle = format!("{} fragment A on Session {{ id ...A }}", open(session, "...A"));
    let cases = [
        ("too deep", open(session, &around(10))),
        ("far too deep", open(session, &around(60))),
        ("brackets beyond counting", open(session, &around(5000))),
        ("values too deep", {
            let (left, right) = ("[".repeat(800), "]".repeat(800));
            format!("mutation {{ openSession(id: {left}{right}) {{ session {{ id }} }} }}")
        }),
        (
            "a page of too much",
            open(
                session,
                &format!("roll(first: 100) {{ nodes {{ student {{ {many} }} }} }}"),
            ),
        ),
        (
            "a page of pages of pages",
            open(
                session,
                "class { students { nodes { classes { nodes { sessions { nodes { id } } } } } } }",
            ),
        ),
        (
            "fragments that double",
            format!("{}{doubling} fragment F40 on Session {{ id }}", open(session, "...F0")),
        ),
        ("a fragment of itself", circle),
        (
            "a text too long",
            open(session, &format!("id {}", " id".repeat(30_000))),
        ),
        ("no such field", open(session, "id secret")),
        ("no selection", format!("mutation {{ openSession(id: {session:?}) }}")),
        (
            "two operations and no name",
            format!("{} query B {{ viewer {{ id }} }}", open(session, "id")),
        ),
        (
            "a missing variable",
            "mutation($id: ID!) { openSession(id: $id) { session { id } } }".to_owned(),
        ),
    ];
    let before = State::of(&world).await;
    for (case, query) in cases {
        let codes = both_ways(&admin, &mut socket, &query, &json!({}), case).await;
        assert_eq!(codes, ["BAD_REQUEST", "BAD_REQUEST"], "{case}");
        untouched(&world, &before, &admin, case).await;
    }
    let fine = admin.query(&open(session, &around(5)), json!({})).await;
    assert!(fine["openSession"]["session"]["class"].is_object(), "{fine}");
}

both!(too_much, what_asks_too_much_does_nothing, |setup| Setup {
    workers: 0,
    ..setup
});

/// A socket on which nonsense comes is closed with the protocol's code; the next one is let in.
async fn nonsense_closes_its_socket_alone(world: World) {
    let (_, admin) = world.organization("School").await;
    let before = State::of(&world).await;
    let mut neighbour = Socket::open(&admin).await;
    let cases = [
        (json!(7), 4400),
        (json!([]), 4400),
        (json!({}), 4400),
        (json!({ "type": "start", "id": "1" }), 4400),
        (json!({ "type": "subscribe", "id": "1" }), 4400),
        (
            json!({ "type": "subscribe", "id": "1", "payload": { "query": 7 } }),
            4400,
        ),
        (
            json!({ "type": "subscribe", "id": "1", "payload": [{ "query": "{ viewer { id } }" }] }),
            4400,
        ),
        (json!({ "type": "connection_init" }), 4429),
        (json!({ "type": "ping", "payload": "x".repeat(300_000) }), 1009),
    ];
    for (message, close) in cases {
        let mut socket = Socket::open(&admin).await;
        let case = message.to_string();
        socket.send(message).await;
        let got = socket.within(Duration::from_secs(20)).await;
        assert_eq!(got, Some(Got::Closed(close)), "{}", &case[..case.len().min(100)]);
    }
    neighbour.subscribe("1", "{ viewer { fullName } }", json!({})).await;
    assert_eq!(neighbour.next().await["viewer"]["fullName"], "Ada Admin");
    untouched(&world, &before, &admin, "nonsense").await;
}

both!(nonsense, nonsense_closes_its_socket_alone, |setup| Setup {
    workers: 0,
    ..setup
});
