//! What is counted, and how much of it is allowed.

use std::time::Duration;

use super::gcra::Limit;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What is counted, each in a window of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Logins, registrations and confirmations from one address of the network.
    LoginByOrigin,
    /// Wrong passwords for one account: by the address that was given, whether or not there is
    /// such an account, so that the answer doesn't tell.
    LoginByAccount,
    /// Mails that one address of the network has us send.
    CodeByOrigin,
    /// Mails to one address.
    CodeByAddress,
    UploadByOrigin,
    UploadByAccount,
    FeedbackByAccount,
    /// Invitations that one admin mails.
    InvitationByAccount,
    /// Wrong codes of a classroom's screen, typed by one student.
    CheckInByAccount,
    ExportByAccount,
}

impl Rule {
    /// Whether what was right isn't counted.
    pub(super) const fn counts_failures(self) -> bool {
        matches!(self, Self::LoginByAccount | Self::CheckInByAccount)
    }
}

/// How much of each is allowed. The default is what a school is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// A class of thirty logs in at once from behind one address, and the class next door with
    /// them. Each costs us a password hash, so that one address keeps us busy for a few seconds of
    /// each minute and no longer.
    pub login_by_origin: Limit,
    /// Nobody mistypes a password ten times in a row; who guesses has 40 tries an hour.
    pub login_by_account: Limit,
    /// A class of thirty that registers at once gets its codes; nobody sends mail to the world
    /// through us.
    pub code_by_origin: Limit,
    /// For somebody whose mail is slow, and no flood for somebody who never asked.
    pub code_by_address: Limit,
    /// Bounds the guessing of codes. One has six digits and takes five tries: a guesser hits it
    /// with 5 in 1,000,000. At 20 codes a day that is 1 in 10,000 a day, and who went on for a
    /// whole year at one account, whose owner gets every one of the 7,300 mails, would hit with a
    /// chance of 3.6 %. The first day allows 40: 1 in 5,000.
    pub code_by_address_daily: Limit,
    /// Five accounts' worth: the staff room is one address too.
    pub upload_by_origin: Limit,
    /// A camera that sends a picture every second, and as much again.
    pub upload_by_account: Limit,
    /// Each is a mail that a person reads.
    pub feedback_by_account: Limit,
    /// A school invites all of its staff in an afternoon.
    pub invitation_by_account: Limit,
    /// A code that is copied wrong, and not one that is tried out from home.
    pub check_in_by_account: Limit,
    /// A report for each class at the end of a term; each keeps a worker and stays for days.
    pub export_by_account: Limit,
}

/// What one account may upload of what one address of the network may.
const ACCOUNTS_BY_ORIGIN: u32 = 5;

impl Default for Rates {
    fn default() -> Self {
        Self {
            login_by_origin: Limit::new(100, MINUTE),
            login_by_account: Limit::new(10, 15 * MINUTE),
            code_by_origin: Limit::new(30, HOUR),
            code_by_address: Limit::new(5, HOUR),
            code_by_address_daily: Limit::new(20, DAY),
            upload_by_origin: Limit::new(120 * ACCOUNTS_BY_ORIGIN, MINUTE),
            upload_by_account: Limit::new(120, MINUTE),
            feedback_by_account: Limit::new(10, HOUR),
            invitation_by_account: Limit::new(500, HOUR),
            check_in_by_account: Limit::new(10, 10 * MINUTE),
            export_by_account: Limit::new(60, HOUR),
        }
    }
}

impl Rates {
    /// Nothing is refused: for tests that log in a thousand times.
    pub const fn unlimited() -> Self {
        Self {
            login_by_origin: Limit::UNLIMITED,
            login_by_account: Limit::UNLIMITED,
            code_by_origin: Limit::UNLIMITED,
            code_by_address: Limit::UNLIMITED,
            code_by_address_daily: Limit::UNLIMITED,
            upload_by_origin: Limit::UNLIMITED,
            upload_by_account: Limit::UNLIMITED,
            feedback_by_account: Limit::UNLIMITED,
            invitation_by_account: Limit::UNLIMITED,
            check_in_by_account: Limit::UNLIMITED,
            export_by_account: Limit::UNLIMITED,
        }
    }

    /// From one address of the network.
    #[must_use]
    pub fn with_logins_per_minute(mut self, times: u32) -> Self {
        self.login_by_origin = Limit::new(times, MINUTE);
        self
    }

    /// By one account, and five times that from one address of the network.
    #[must_use]
    pub fn with_uploads_per_minute(mut self, times: u32) -> Self {
        self.upload_by_account = Limit::new(times, MINUTE);
        self.upload_by_origin = Limit::new(times.saturating_mul(ACCOUNTS_BY_ORIGIN), MINUTE);
        self
    }

    /// A rule's limits, each with the name under which it is counted.
    pub(super) fn of(&self, rule: Rule) -> Vec<(&'static str, Limit)> {
        match rule {
            Rule::LoginByOrigin => vec![("login-origin", self.login_by_origin)],
            Rule::LoginByAccount => vec![("login-account", self.login_by_account)],
            Rule::CodeByOrigin => vec![("code-origin", self.code_by_origin)],
            Rule::CodeByAddress => vec![
                ("code-address", self.code_by_address),
                ("code-address-daily", self.code_by_address_daily),
            ],
            Rule::UploadByOrigin => vec![("upload-origin", self.upload_by_origin)],
            Rule::UploadByAccount => vec![("upload-account", self.upload_by_account)],
            Rule::FeedbackByAccount => vec![("feedback-account", self.feedback_by_account)],
            Rule::InvitationByAccount => vec![("invitation-account", self.invitation_by_account)],
            Rule::CheckInByAccount => vec![("check-in-account", self.check_in_by_account)],
            Rule::ExportByAccount => vec![("export-account", self.export_by_account)],
        }
    }
}
