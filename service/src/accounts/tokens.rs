//! The two tokens of a login. The access token is a JWT (HS256) that names the login and nothing
//! else; the refresh token is random and kept as a hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Service;
use crate::error::{Error, Result};
use crate::id::LoginId;
use crate::keys::Purpose;

const ACCESS_LASTS: TimeDelta = TimeDelta::minutes(15);
const ISSUER: &str = "muster";
const AUDIENCE: &str = "muster-api";
pub(super) const SECRET_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: LoginId,
    iat: i64,
    nbf: i64,
    exp: i64,
}

pub(super) fn new_access(service: &Service, login: LoginId) -> Result<(String, DateTime<Utc>)> {
    let now = service.now();
    let expires = now + ACCESS_LASTS;
    let (id, key) = service.keys.current(Purpose::AccessToken);
    let header = Header {
        kid: Some(BASE64.encode(id)),
        ..Header::new(Algorithm::HS256)
    };
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: login,
        iat: now.timestamp(),
        nbf: now.timestamp(),
        exp: expires.timestamp(),
    };
    let token = encode(&header, &claims, &EncodingKey::from_secret(&key)).map_err(Error::internal)?;
    Ok((token, expires))
}

/// The times are checked by the Clock, without leeway: the library would ask the system's.
pub(super) fn read_access(service: &Service, token: &str) -> Result<LoginId> {
    let refused = |_| Error::Unauthenticated;
    let header = decode_header(token).map_err(refused)?;
    let id = header
        .kid
        .and_then(|kid| BASE64.decode(kid).ok())
        .and_then(|id| id.try_into().ok())
        .ok_or(Error::Unauthenticated)?;
    let key = service
        .keys
        .find(Purpose::AccessToken, id)
        .ok_or(Error::Unauthenticated)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &DecodingKey::from_secret(&key), &validation)
        .map_err(refused)?
        .claims;
    let now = service.now().timestamp();
    if claims.nbf > now || claims.exp <= now {
        return Err(Error::Unauthenticated);
    }
    Ok(claims.sub)
}

pub(super) fn new_secret(service: &Service) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    service.entropy.fill(&mut secret);
    secret
}

/// The login's id is in front, so that a spent token still tells which login it was of.
pub(super) fn refresh_text(login: LoginId, secret: &[u8]) -> String {
    BASE64.encode([login.0.as_bytes(), secret].concat())
}

pub(super) fn read_refresh(token: &str) -> Option<(LoginId, Vec<u8>)> {
    let bytes = BASE64.decode(token).ok()?;
    let (id, secret) = bytes.split_first_chunk::<16>()?;
    (secret.len() == SECRET_BYTES).then(|| (LoginId(Uuid::from_bytes(*id)), secret.to_vec()))
}
