//! Registration: an address that was shown founds an organization, where the installation allows.

use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, data};
use tests::insider::Insider;
use tests::process::Process;
use tests::world::{PASSWORD, Setup, World, address};

use crate::{USER, conflict, invalid, login_raw, refusal, works};

pub async fn register(stranger: &Client, input: Value) -> Value {
    let query = format!(
        "mutation($input: RegisterInput!) {{ register(input: $input) {{ accessToken refreshToken user {{ {USER} organization {{ name timezone }} }} }} }}"
    );
    stranger.raw(&query, json!({ "input": input })).await
}

pub fn form(email: &str, token: &str) -> Value {
    json!({ "fullName": " Fred Founder ", "email": email, "password": PASSWORD, "verificationToken": token })
}

#[expect(clippy::needless_pass_by_value, reason = "written where it is given")]
pub fn with(form: &Value, more: Value) -> Value {
    let mut form = form.clone();
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    form
}

async fn found(world: World) {
    let insider = Insider::of(&world);
    let stranger = world.stranger();
    let email = address("founder");
    let (code, _) = insider.email_code(&email).await.unwrap();
    let confirmed = stranger
        .query(
            "mutation($email: String!, $code: String!) { confirmEmail(email: $email, code: $code) { verificationToken expiresAt } }",
            json!({ "email": email, "code": code }),
        )
        .await;
    let token = confirmed["confirmEmail"]["verificationToken"].as_str().unwrap();
    let form = form(&email.to_uppercase(), token);
    for (more, problem) in [
        (json!({}), invalid("organizationName")),
        (
            json!({ "organizationName": "A", "invitationToken": "x" }),
            invalid("invitationToken"),
        ),
        (json!({ "organizationName": " " }), invalid("organizationName")),
        (
            json!({ "organizationName": "A", "timezone": "Nowhere" }),
            invalid("timezone"),
        ),
        (json!({ "organizationName": "A", "fullName": "" }), invalid("fullName")),
        (json!({ "organizationName": "A", "email": "founder" }), invalid("email")),
        (
            json!({ "organizationName": "A", "email": address("other") }),
            invalid("verificationToken"),
        ),
        (
            json!({ "organizationName": "A", "verificationToken": "" }),
            invalid("verificationToken"),
        ),
        (
            json!({ "organizationName": "A", "password": "short" }),
            invalid("password"),
        ),
        (
            json!({ "organizationName": "A", "password": "€".repeat(43) }),
            invalid("password"),
        ),
        (
            json!({ "organizationName": "A", "password": "qwertyuiop" }),
            invalid("password"),
        ),
        (
            json!({ "organizationName": "A", "password": "fred founder" }),
            invalid("password"),
        ),
        (json!({ "invitationToken": "x" }), invalid("invitationToken")),
    ] {
        let answer = register(&stranger, with(&form, more.clone())).await;
        assert_eq!(refusal(&answer), problem, "{more}");
    }
    // None of these used the token up.
    let full = with(
        &form,
        json!({ "organizationName": " My School ", "timezone": "Asia/Tokyo" }),
    );
    let made = data(register(&stranger, full.clone()).await)["register"].clone();
    let user = &made["user"];
    assert_eq!(
        (
            &user["fullName"],
            &user["email"],
            &user["hasLogin"],
            &user["role"],
            &user["status"]
        ),
        (
            &json!("Fred Founder"),
            &json!(email),
            &json!(true),
            &json!("ADMIN"),
            &json!("ACTIVE")
        )
    );
    assert_eq!(
        user["organization"],
        json!({ "name": "My School", "timezone": "Asia/Tokyo" })
    );
    assert!(works(&stranger.with_token(made["accessToken"].as_str().unwrap())).await);
    data(login_raw(&stranger, &email, PASSWORD).await);
    assert_eq!(
        refusal(&register(&stranger, full).await),
        invalid("verificationToken"),
        "it works once"
    );
}

both!(who_has_shown_their_address_founds_an_organization, found, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// However often somebody registers with one token at once, their address has one login.
async fn once(world: World) {
    let insider = Insider::of(&world);
    let stranger = world.stranger();
    let email = address("twice");
    let token = insider.verified(&email).await.unwrap();
    let input = with(&form(&email, &token), json!({ "organizationName": "B" }));
    let far = stranger.at(world.bases.last().unwrap());
    let (a, b) = tokio::join!(register(&stranger, input.clone()), register(&far, input));
    let won = [&a, &b].iter().filter(|answer| answer.get("errors").is_none()).count();
    assert_eq!(won, 1, "{a} {b}");
    for lost in [a, b].iter().filter(|answer| answer.get("errors").is_some()) {
        assert!([invalid("verificationToken"), conflict("EMAIL_TAKEN")].contains(&refusal(lost)));
    }
}

both!(an_address_registers_once, once, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// Where the installation is closed, founding is FORBIDDEN and joining is not.
async fn closed(world: World) {
    let (_, admin) = world.organization("School").await;
    let insider = Insider::of(&world);
    let (email, invited) = (address("founder"), address("invited"));
    let token = insider.verified(&email).await.unwrap();
    let joining = insider.verified(&invited).await.unwrap();
    let (invitation, _) = insider
        .invite(
            &admin,
            &crate::invitations::new("Ina Invited", &invited, service::kinds::Role::Teacher),
        )
        .await
        .unwrap();
    if world.apis.is_empty() {
        let service = world.twin(|parts| parts.open_registration = false);
        let form = |email, token, organization, invitation| service::accounts::Registration {
            full_name: "Fred",
            email,
            password: PASSWORD,
            verification_token: token,
            organization_name: organization,
            timezone: None,
            invitation_token: invitation,
        };
        let origin = service::rates::Origin::default();
        let answer = service::accounts::register(&service, origin, form(&email, &token, Some("A"), None)).await;
        assert_eq!(answer.unwrap_err().code(), "FORBIDDEN");
        let answer =
            service::accounts::register(&service, origin, form(&invited, &joining, None, Some(&invitation))).await;
        answer.unwrap();
        return;
    }
    let mut settings: Vec<(&str, &str)> = world.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    settings.retain(|(name, _)| *name != "MUSTER_OPEN_REGISTRATION");
    settings.push(("MUSTER_OPEN_REGISTRATION", "off"));
    let api = Process::start("api", &settings).await;
    let there = world.stranger().at(&api.base);
    let answer = register(&there, with(&form(&email, &token), json!({ "organizationName": "A" }))).await;
    assert_eq!(refusal(&answer).0, "FORBIDDEN");
    let answer = register(
        &there,
        with(&form(&invited, &joining), json!({ "invitationToken": invitation })),
    )
    .await;
    data(answer);
}

both!(a_closed_installation_is_joined_and_not_founded_in, closed, |s| Setup {
    workers: 0,
    ..s
});

/// Below a root field that signs somebody in it is they who look, whoever sent the operation; the
/// operation's other fields stay its sender's.
async fn beside(world: World) {
    let (_, here) = world.organization("Here").await;
    let (there, their_admin) = world.organization("There").await;
    let (_, tess) = world.member(there, "Tess", service::kinds::Role::Teacher).await;
    let school = tests::school::School::with_students(&tess, 1).await;
    let email = crate::me(&tess).await["email"].clone();
    let admins = crate::me(&their_admin).await["email"].clone();
    let query = "mutation($email: String!, $admin: String!, $password: String!) { \
         first: login(email: $email, password: $password) { user { role organization { name settings { lateAfterMinutes } } \
         classes { nodes { id students { nodes { rollNumber } } } } } } \
         second: login(email: $admin, password: $password) { user { role organization { name settings { lateAfterMinutes } } } } \
         updateMySettings(input: { locale: \"de\" }) { user { organization { name } } } }";
    let variables = json!({ "email": email, "admin": admins, "password": PASSWORD });
    let answer = here.query(query, variables.clone()).await;
    let user = &answer["first"]["user"];
    assert_eq!(user["organization"], json!({ "name": "There", "settings": null }));
    assert_eq!(user["classes"]["nodes"][0]["id"], school.class);
    assert!(user["classes"]["nodes"][0]["students"]["nodes"][0]["rollNumber"].is_string());
    assert_eq!(
        answer["second"]["user"],
        json!({ "role": "ADMIN", "organization": { "name": "There", "settings": { "lateAfterMinutes": 10 } } })
    );
    assert_eq!(answer["updateMySettings"]["user"]["organization"]["name"], "Here");
    // A stranger is signed in below the field alone, and stays a stranger beside it.
    let answer = world.stranger().raw(query, variables).await;
    assert_eq!(answer["data"]["second"]["user"]["organization"]["name"], "There");
    assert_eq!(answer["data"]["updateMySettings"], Value::Null);
    assert_eq!(refusal(&answer).0, "UNAUTHENTICATED");
}

both!(who_signs_in_sees_their_own_below_that_field_alone, beside, |s| Setup {
    workers: 0,
    ..s
});
