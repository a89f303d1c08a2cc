//! The same by the mails themselves: what somebody who has nothing but a mailbox does.

use serde_json::json;
use tests::both;
use tests::client::data;
use tests::mailbox::{mails, nth, secret};
use tests::world::{PASSWORD, World, address};

use crate::registering::{form, register, with};
use crate::{OTHER_PASSWORD, login_raw, works};

const VERIFY: &str = "mutation($email: String!) { requestEmailVerification(email: $email) { expiresAt } }";
const CONFIRM: &str =
    "mutation($email: String!, $code: String!) { confirmEmail(email: $email, code: $code) { verificationToken } }";

/// `count`: how many mails the address has had.
async fn verified(world: &World, email: &str, count: usize) -> String {
    let stranger = world.stranger();
    stranger.query(VERIFY, json!({ "email": email })).await;
    let code = secret(&nth(world, email, count).await);
    let confirmed = stranger.query(CONFIRM, json!({ "email": email, "code": code })).await;
    confirmed["confirmEmail"]["verificationToken"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn by_mail(world: World) {
    let stranger = world.stranger();
    let (founder, invited) = (address("founder"), address("invited"));
    let token = verified(&world, &founder, 0).await;
    let input = with(&form(&founder, &token), json!({ "organizationName": "School" }));
    let made = data(register(&stranger, input).await);
    let admin = stranger.with_token(made["register"]["accessToken"].as_str().unwrap());

    let invite = "mutation($email: String!) { inviteUser(input: { fullName: \"Ina\", role: TEACHER, email: $email }) { user { id } } }";
    admin.query(invite, json!({ "email": invited })).await;
    let invitation = secret(&nth(&world, &invited, 0).await);
    let token = verified(&world, &invited, 1).await;
    let input = with(&form(&invited, &token), json!({ "invitationToken": invitation }));
    let joined = data(register(&stranger, input).await);
    assert_eq!(joined["register"]["user"]["role"], "TEACHER");
    let teacher = stranger.with_token(joined["register"]["accessToken"].as_str().unwrap());

    let reset = "mutation($email: String!) { requestPasswordReset(email: $email) { expiresAt } }";
    stranger.query(reset, json!({ "email": invited })).await;
    let code = secret(&nth(&world, &invited, 2).await);
    let set = "mutation($email: String!, $code: String!, $new: String!) { \
               resetPassword(email: $email, code: $code, newPassword: $new) { endedLogins } }";
    let variables = json!({ "email": invited, "code": code, "new": OTHER_PASSWORD });
    assert_eq!(stranger.query(set, variables).await["resetPassword"]["endedLogins"], 1);
    assert!(!works(&teacher).await);
    data(login_raw(&stranger, &invited, OTHER_PASSWORD).await);

    // No mail carries a password, and who has a login is told so instead of being sent a code.
    stranger.query(VERIFY, json!({ "email": founder })).await;
    let told = nth(&world, &founder, 1).await;
    assert!(told.contains("already has a login"), "{told}");
    let changed = nth(&world, &invited, 3).await;
    assert!(changed.contains("Your password was changed"), "{changed}");
    for text in mails(&world, &founder).iter().chain(&mails(&world, &invited)) {
        assert!(!text.contains(PASSWORD) && !text.contains(OTHER_PASSWORD), "{text}");
    }
}

both!(whoever_has_a_mailbox_registers_joins_and_comes_back, by_mail);
