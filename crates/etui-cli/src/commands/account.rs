//! What `signup`, `login` and `recovery use` ask for alike.

use std::path::PathBuf;

use clap::Args;
use etui_client::{ClientError, ServerAddress, email_address};
use etui_crypto::{
    LoginPassword, MasterPassword, check_login_choice, check_master_choice, check_password_reuse,
};

use super::{
    selection,
    signing_in::{self, SignInArguments},
};
use crate::{
    agent::{
        self, Agent, AgentError, convert,
        idle::{DEFAULT_MINUTES, MAX_MINUTES},
        platform,
        protocol::{Credentials, Head, Question, Reply, Request, Unlocked, Way},
    },
    context::Context,
    failure::{Failure, Kind},
    output::{count, time_text},
    prompt,
    secret::Secret,
    secret_input,
};

/// Whose account it is and where, and what this device is to be there.
#[derive(Debug, Args)]
pub(super) struct AccountArguments {
    /// The server's address
    #[arg(long, value_name = "URL", env = "ETUI_SERVER", hide_env = true)]
    pub(super) server: Option<String>,
    /// Send to an http address, in clear: whoever is on the way can sign in as you and withhold or delete what you save
    #[arg(long)]
    insecure_http: bool,
    /// The account's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
    /// Read the master password from a file (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) master_password_file: Option<PathBuf>,
    /// What to call this device (default: the name of the machine)
    #[arg(long, value_name = "NAME", value_parser = selection::device_name)]
    pub(super) device_name: Option<String>,
    /// Do not use a keyring: the master password opens the store on this device
    #[arg(long)]
    pub(super) no_keyring: bool,
    #[command(flatten)]
    pub(super) idle: IdleArguments,
}

/// How long the agent stays unlocked.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct IdleArguments {
    /// Lock after so many minutes without use [default: 15]
    #[arg(long, value_name = "MINUTES", env = "ETUI_IDLE_MINUTES", hide_env = true,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MINUTES)))]
    pub(super) idle_minutes: Option<u32>,
}

impl IdleArguments {
    pub(super) fn minutes(self) -> u32 {
        self.idle_minutes.unwrap_or(DEFAULT_MINUTES)
    }
}

/// How a device comes to an account that there is.
#[derive(Debug, Args)]
pub(super) struct EntryArguments {
    #[command(flatten)]
    pub(super) account: AccountArguments,
    #[command(flatten)]
    sign_in: SignInArguments,
    /// Agree to a key derivation that takes more than 256 MiB of memory
    #[arg(long)]
    accept_kdf_memory: bool,
}

/// Whether a password is being chosen or only given.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    New,
    Given,
}

impl AccountArguments {
    /// Who and where, asked for where it was not given, and checked before anything else is asked.
    pub(super) fn who(self) -> Result<Who, Failure> {
        let server = given_or_asked(self.server.as_deref(), "server address", "--server")?;
        let server = checked_server(&server, self.insecure_http)?;
        let email = given_or_asked(self.email.as_deref(), "e-mail address", "--email")?;
        let email = email_address(&email).map_err(convert::failure)?;
        Ok(Who { server, email, given: self })
    }
}

fn given_or_asked(given: Option<&str>, what: &str, option: &str) -> Result<String, Failure> {
    match given {
        Some(given) => Ok(given.to_owned()),
        None => {
            prompt::line(what).map_err(|error| Failure::from(error).with_hint(format!("give it by {option}")))
        }
    }
}

/// Whose account it is, and what else was given.
pub(super) struct Who {
    server: String,
    pub(super) email: String,
    given: AccountArguments,
}

impl Who {
    /// Everything that the agent needs, asked for where it was not given.
    pub(super) fn credentials(self, way: Way, master: Choice) -> Result<Credentials, Failure> {
        let Self { server, email, given } = self;
        let (file, what) = (given.master_password_file.as_ref(), "master password");
        let master_password = match master {
            Choice::New => {
                let judge = |master: &Secret| check_new_master(master, way.login_password(), &[&email]);
                new_password(file, what, &[&email], judge)?
            }
            Choice::Given => given_password(file, what)?,
        };
        let device_name = given.device_name.unwrap_or_else(platform::host_name);
        let use_keyring = !given.no_keyring;
        Ok(Credentials {
            server,
            email,
            way,
            second_factor: None,
            master_password,
            device_name,
            use_keyring,
            keep_account: false,
            accept_kdf_memory: false,
        })
    }
}

impl EntryArguments {
    /// Who and where, before anything else is asked, and reads what was given.
    pub(super) fn read(self) -> Result<Entry, Failure> {
        let Self { account, sign_in, accept_kdf_memory } = self;
        let who = account.who()?;
        let (way, second_factor) = (sign_in.given()?, sign_in.second_factor()?);
        Ok(Entry { who, way, second_factor, accept_kdf_memory })
    }
}

/// Who comes to which account, and by what as far as it was given.
pub(super) struct Entry {
    who: Who,
    way: Option<Way>,
    second_factor: Option<Secret>,
    accept_kdf_memory: bool,
}

impl Entry {
    /// Everything that the agent needs, asked for where it was not given.
    pub(super) fn credentials(self, master: Choice) -> Result<Credentials, Failure> {
        let Self { who, way, second_factor, accept_kdf_memory } = self;
        let credentials = who.credentials(signing_in::or_login_password(way)?, master)?;
        Ok(Credentials { second_factor, accept_kdf_memory, ..credentials })
    }
}

/// A server's address as it is kept.
fn checked_server(typed: &str, insecure_http: bool) -> Result<String, Failure> {
    let address = ServerAddress::parse(typed).map_err(convert::failure)?;
    if address.is_in_clear() && !insecure_http {
        return Err(Failure::new(
            Kind::Usage,
            format!("{address} is not encrypted: the proof of your login password and the tokens of this device would \
                     travel in clear"),
        )
        .with_hint("use https; in a network that you trust to the last cable, `--insecure-http` goes ahead"));
    }
    Ok(address.to_string())
}

/// Reads a password that there is already.
pub(super) fn given_password(file: Option<&PathBuf>, what: &str) -> Result<Secret, Failure> {
    Ok(secret_input::read(file.map(PathBuf::as_path), what)?)
}

/// Reads a new password, which is judged, and asked for twice where it is typed.
pub(super) fn new_password(
    file: Option<&PathBuf>,
    what: &str,
    related: &[&str],
    judge: impl Fn(&Secret) -> Result<(), Failure>,
) -> Result<Secret, Failure> {
    let Some(file) = file else { return prompt::new_secret(what, related, judge) };
    let given = secret_input::from_file(file)?;
    judge(&given)?;
    Ok(given)
}

/// Reads a new login password.
pub(super) fn new_login_password(
    file: Option<&PathBuf>,
    what: &str,
    related: &[&str],
) -> Result<Secret, Failure> {
    new_password(file, what, related, check_login)
}

fn check_login(typed: &Secret) -> Result<(), Failure> {
    let password = LoginPassword::new(typed.expose()).map_err(|refused| convert::unassigned(&refused))?;
    check_login_choice(&password)
        .map_err(|fault| Failure::of(Kind::Usage, &fault).with_hint("choose a longer login password"))
}

/// Refuses a master password that would be guessed, or that tells the server about itself.
pub(super) fn check_new_master(
    typed: &Secret,
    login: Option<&Secret>,
    related: &[&str],
) -> Result<(), Failure> {
    let master = MasterPassword::new(typed.expose()).map_err(|refused| convert::unassigned(&refused))?;
    check_master_choice(&master, related).map_err(|fault| {
        Failure::of(Kind::Usage, &fault).with_hint("`etui generate --words 6` makes a good one")
    })?;
    if let Some(login) = login {
        let login = LoginPassword::new(login.expose()).map_err(|refused| convert::unassigned(&refused))?;
        check_password_reuse(&login, &master).map_err(|refused| {
            Failure::from(refused)
                .with_hint("choose a login password that says nothing of the master password")
        })?;
    }
    Ok(())
}

/// Starts an agent and gives it what it needs to unlock; what it still has to know is asked. If that fails, the agent
/// ends and nothing is unlocked.
pub(super) fn open(
    context: &Context,
    idle: IdleArguments,
    mut request: Request,
) -> Result<Unlocked, Failure> {
    let mut agent = agent::client::start(&context.home, idle.minutes())?;
    let opened = ask_until_open(&mut agent, &mut request);
    if opened.is_err() {
        // The next command must not find an agent that holds nothing and is about to end.
        let _ = agent.lock();
    }
    opened
}

/// Signs in by the agent that holds the device, which goes on holding it if that fails.
pub(super) fn open_again(
    mut agent: Agent,
    idle: IdleArguments,
    mut request: Request,
) -> Result<Unlocked, Failure> {
    let unlocked = ask_until_open(&mut agent, &mut request)?;
    if let Some(minutes) = idle.idle_minutes {
        agent.tell(&Request::StayUnlocked { minutes })?;
    }
    Ok(unlocked)
}

/// Refuses a folder that is a device already, before anything is asked for in vain.
pub(super) fn refuse_if_in_use(context: &Context) -> Result<(), Failure> {
    match etui_client::Home::at(context.home.path().to_owned()).device() {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(convert::failure(ClientError::InUse(context.home.path().to_owned()))),
        Err(error) => Err(convert::failure(error)),
    }
}

fn ask_until_open(agent: &mut Agent, request: &mut Request) -> Result<Unlocked, Failure> {
    match ask_person(agent, request)? {
        Reply::Unlocked(unlocked) => Ok(unlocked),
        _ => Err(AgentError::OtherVersion.into()),
    }
}

/// Asks the agent, and the person for whatever the agent then asks for.
pub(super) fn ask_person(agent: &mut Agent, request: &mut Request) -> Result<Reply, Failure> {
    ask_person_with(agent, request, |_, _| {})
}

/// The same, and hears how far it is.
pub(super) fn ask_person_with(
    agent: &mut Agent,
    request: &mut Request,
    mut progress: impl FnMut(usize, usize),
) -> Result<Reply, Failure> {
    loop {
        match agent.ask_with(request, &mut progress)? {
            Reply::Asks { question, failure } => answer(question, request).ok_or(failure)?,
            reply => return Ok(reply),
        }
    }
}

/// Puts a person's answer into the request; none if there is nobody to ask, or the answer is no.
fn answer(question: Question, request: &mut Request) -> Option<()> {
    match (question, request) {
        (Question::FormerMasterPassword, Request::Unlock { former, .. }) => {
            *former = Some(prompt::secret_of_person("master password used on this device before")?);
        }
        (Question::Invitation, Request::SignUp { invitation, .. }) => {
            *invitation = Some(prompt::secret_of_person("invitation, as the link that you were given")?);
        }
        (Question::LoginPassword, Request::Account { fresh, .. }) => {
            let asked = "login password, since this is for whoever is present";
            fresh.way = Some(Way::LoginPassword(prompt::secret_of_person(asked)?));
        }
        _ => return None,
    }
    Some(())
}

/// What a new device got: nothing here tells whether it is the newest, another device does.
pub(super) fn say_head(context: &Context, head: &Head) -> Result<(), Failure> {
    let Head { time_ms, device, entries } = head;
    let entries = count(*entries, "entry", "entries");
    context
        .output
        .line(&format!("The account has {entries}; newest change by {device} at {}.", time_text(*time_ms)))?;
    context.output.note(
        "Compare that with `etui status` on another device: a server could show an old account to a new device.",
    );
    Ok(())
}

/// Says calmly what opens the store on a device that was set up without a keyring.
pub(super) fn note_keyring(context: &Context, unlocked: &Unlocked) {
    if let Some(reason) = &unlocked.without_keyring {
        context.output.note(&format!("The master password opens the store on this device, since {reason}."));
    }
}
