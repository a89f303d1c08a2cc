//! `muster admin`: the way into a new installation, and what only an operator may do to the logins
//! of one. Works beside a running server.

mod logins;

use std::io::{self, BufRead, IsTerminal, Read};

use service::accounts::{self, NewAccount};
use service::kinds::Role;
use service::mail::{self, Block, Courier, Letter};
use service::{Error, Scope, Service};

use crate::args::{AdminCommand, NewAdmin};
use crate::database::{self, why};
use crate::parts::{build, public_url};
use crate::secret::key_ring;
use crate::settings::{Database, Settings};
use crate::{Failure, Outcome, rotate, say};

/// Far more than any password: what is longer is a file by mistake.
const MAX_LINE: u64 = 4096;

pub(crate) async fn run(settings: Settings, command: AdminCommand) -> Outcome {
    match command {
        AdminCommand::Create(new) => create(settings, new).await,
        AdminCommand::List => logins::list(&open(&settings).await?).await,
        AdminCommand::Suspend(login) => logins::set_active(&open(&settings).await?, &login.email, false).await,
        AdminCommand::Activate(login) => logins::set_active(&open(&settings).await?, &login.email, true).await,
        AdminCommand::ResetPassword(new) => {
            let password = read_password("reset-password", new.password_stdin)?;
            logins::set_password(&open(&settings).await?, &new.login.email, &password).await
        }
        AdminCommand::Feedback(newest) => logins::feedback(&open(&settings).await?, newest.limit).await,
        AdminCommand::RotateKey => rotate::run(&settings),
    }
}

/// The service over the database of the settings, whose schema is this version's.
pub(crate) async fn open(settings: &Settings) -> Result<Service, Failure> {
    let keys = key_ring(settings)?;
    let db = database::connect(settings).await?;
    match settings.database {
        Database::Embedded | Database::Sqlite(_) => {
            database::bring_up_to_date(&db).await?;
        }
        Database::Postgres(_) => database::require_up_to_date(&db).await?,
    }
    let url = public_url(settings, None);
    let (service, _) = build(settings, db, keys, url).await?;
    Ok(service)
}

async fn create(settings: Settings, new: NewAdmin) -> Outcome {
    let password = read_password("create", new.password_stdin)?;
    let service = open(&settings).await?;
    let admin = NewAccount {
        full_name: &new.name,
        email: &new.email,
        password: &password,
        role: Role::Admin,
    };
    let scope = Scope::System("muster admin create");
    accounts::found(&service, &scope, &new.organization, new.timezone.as_deref(), &admin)
        .await
        .map_err(refused)?;
    say(&format!(
        "Created {} with its admin {}, who can log in now.",
        new.organization.trim(),
        new.email.trim()
    ))?;
    welcome(&service, &scope, &new).await;
    Ok(())
}

fn read_password(command: &str, from_stdin: bool) -> Result<String, Failure> {
    if !from_stdin {
        return Err(Failure::Usage(format!(
            "--password-stdin is needed: the password is read from standard input, since arguments show in the list \
             of processes; for example: printf %s \"$PASSWORD\" | muster admin {command} … --password-stdin"
        )));
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprint!("Password (it shows as you type): ");
    }
    let mut line = String::new();
    stdin
        .lock()
        .take(MAX_LINE)
        .read_line(&mut line)
        .map_err(|error| Failure::Failed(format!("the password cannot be read from standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What the person at the terminal got wrong is told by the flag's name.
fn refused(error: Error) -> Failure {
    match error {
        Error::Invalid { field, message } => {
            let flag = match field {
                "organizationName" => "--organization",
                "fullName" => "--name",
                "email" => "--email",
                "timezone" => "--timezone",
                "password" => "--password-stdin",
                other => other,
            };
            Failure::Usage(format!("{flag}: {message}"))
        }
        Error::NotFound("login") => Failure::failed("--email: nobody logs in with this address"),
        other => Failure::Failed(why(&other)),
    }
}

/// A mail that cannot be sent now is no reason to have no admin: a server sends it later.
async fn welcome(service: &Service, scope: &Scope, new: &NewAdmin) {
    let letter = Letter {
        to: new.email.trim().to_owned(),
        subject: "Welcome to Muster".into(),
        body: vec![
            Block::Text(format!("Hello {},", new.name.trim())),
            Block::Text(format!(
                "{} is set up on Muster, and you are its admin. Log in with this address and the password that was \
                 chosen at the set-up, at {}/graphiql.",
                new.organization.trim(),
                service.public_url
            )),
        ],
    };
    let sent = async {
        mail::send(service, scope, letter).await?;
        Courier::new(service.clone()).round(|| false).await
    };
    if let Err(error) = sent.await {
        tracing::warn!(error = why(&error), "the welcome mail waits");
    }
}
