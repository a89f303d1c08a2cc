//! Accounts: registration, logins, passwords and the codes that are mailed. Whether a login holds
//! is read from the database at every request.

mod codes;
mod credentials;
mod invitations;
mod letters;
mod logins;
mod operator;
mod passwords;
mod profile;
mod register;
mod tokens;

pub use codes::{CodeSent, Verified, confirm_email, request_email_verification, request_password_reset};
pub use credentials::{change_email, change_password, reset_password};
pub use invitations::{Invitation, Invited, invite};
pub use logins::{Tokens, authenticate, login, logout, logout_everywhere, recheck, refresh};
pub use operator::{Account, NewAccount, add, found, list, on_behalf, set_active, set_password};
pub use passwords::PasswordCost;
pub use profile::{SettingsChange, rename, set_settings, viewer};
pub use register::{Registration, register};

pub(crate) use codes::{clear_codes, forget as forget_codes};
pub(crate) use credentials::prove_owner;
pub(crate) use invitations::withdraw as withdraw_invitation;
pub(crate) use logins::{LiveLogins, clear_logins, end_all, erase_all, tell_all};
pub(crate) use passwords::Hashing;
