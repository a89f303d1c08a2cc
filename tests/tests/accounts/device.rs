//! A device that signs in, and what it asks.

use serde_json::{Value, json};
use service::id::OrganizationId;
use service::kinds::Role;
use tests::client::{Client, code};
use tests::world::{PASSWORD, World};

pub const LOGIN: &str = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
     user { id email role } accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt } }";
pub const REFRESH: &str =
    "mutation($token: String!) { refresh(refreshToken: $token) { user { id } accessToken refreshToken } }";
pub const LOGOUT: &str = "mutation($token: String) { logout(refreshToken: $token) { endedLogins } }";

/// A member's address, and a client that isn't signed in.
pub async fn member(world: &World, organization: OrganizationId, role: Role) -> String {
    let (_, client) = world.member(organization, "Mia Member", role).await;
    email(&client).await
}

pub async fn email(client: &Client) -> String {
    let found = client.query("{ viewer { email } }", json!({})).await;
    found["viewer"]["email"].as_str().unwrap().to_owned()
}

/// A device that has signed in, with its tokens.
pub struct Device {
    pub client: Client,
    pub access: String,
    pub refresh: String,
}

impl Device {
    pub async fn login(stranger: &Client, email: &str) -> Self {
        let answer = stranger
            .query(LOGIN, json!({ "email": email, "password": PASSWORD }))
            .await;
        Self::of(stranger, &answer["login"])
    }

    pub fn of(stranger: &Client, payload: &Value) -> Self {
        let token = |name: &str| payload[name].as_str().unwrap().to_owned();
        let access = token("accessToken");
        Self {
            client: stranger.with_token(&access),
            access,
            refresh: token("refreshToken"),
        }
    }

    pub async fn refresh(&self, stranger: &Client) -> Value {
        stranger.raw(REFRESH, json!({ "token": self.refresh })).await
    }
}

pub async fn works(client: &Client) -> bool {
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    if answer["data"]["viewer"]["id"].is_string() {
        return true;
    }
    assert_eq!(code(&answer), "UNAUTHENTICATED", "{answer}");
    false
}
