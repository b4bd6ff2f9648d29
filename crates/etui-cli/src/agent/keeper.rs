//! What holds the unlocked device and does what is asked of it.

use std::{
    cell::{Cell, RefCell},
    path::Path,
    rc::Rc,
};

use etui_chain::Refusal;
use etui_client::{ClientError, Device, DeviceLine, Home, Invitation, LogIn, SignUp};
use tokio::task::JoinHandle;

use super::{
    account,
    caller::Caller,
    convert::{self, Problem},
    protocol::{Credentials, Kdf, Reply, Request},
};
use crate::{
    failure::{Failure, Kind},
    home::HomeFolder,
    secret::Secret,
};

/// The device, once it is unlocked, and what runs in the background for it.
pub(super) struct Keeper {
    home: Home,
    device: RefCell<Option<Rc<Device>>>,
    background: RefCell<Vec<JoinHandle<()>>>,
    /// How many answers are being made: an agent without a device may be about to get one.
    at_work: Cell<usize>,
}

impl Keeper {
    pub(super) fn new(home: &HomeFolder) -> Self {
        Self {
            home: Home::at(home.path().to_owned()),
            device: RefCell::default(),
            background: RefCell::default(),
            at_work: Cell::default(),
        }
    }

    /// Whether there is no device and none on its way.
    pub(super) fn holds_nothing(&self) -> bool {
        self.device.borrow().is_none() && self.at_work.get() == 0
    }

    /// Does what is asked. Progress and questions go straight to the caller; the final answer is handed back.
    pub(super) async fn answer(
        &self,
        request: Request,
        locks_in_s: u64,
        caller: &Caller,
    ) -> Result<Reply, Failure> {
        self.at_work.set(self.at_work.get() + 1);
        let answer = self.answer_one(request, locks_in_s, caller).await;
        self.at_work.set(self.at_work.get() - 1);
        answer
    }

    async fn answer_one(&self, request: Request, locks_in_s: u64, caller: &Caller) -> Result<Reply, Failure> {
        match request {
            Request::Unlock { .. }
            | Request::SignUp { .. }
            | Request::LogIn { .. }
            | Request::Recover { .. } => self.open(request, caller).await,
            Request::LogOut { force } => self.log_out(force).await,
            request => {
                let device = self.device()?;
                Answer { device: &device, locks_in_s, caller }.to(request).await
            }
        }
    }

    async fn open(&self, request: Request, caller: &Caller) -> Result<Reply, Failure> {
        let held = self.device.borrow().clone();
        if let Some(device) = held {
            return open_again(&device, request, caller).await;
        }
        let device = match request {
            Request::Unlock { master_password, former: None } => {
                Device::unlock(&self.home, &convert::master(&master_password)?).await
            }
            Request::Unlock { master_password, former: Some(former) } => {
                let (password, former) = (convert::master(&master_password)?, convert::master(&former)?);
                Device::unlock_with_former(&self.home, &password, &former).await
            }
            Request::SignUp { credentials, kdf, invitation } => {
                let sign_up = sign_up(credentials, kdf, invitation.as_ref(), caller)?;
                Device::sign_up(&self.home, sign_up).await
            }
            Request::LogIn { credentials, anew } => {
                Device::log_in(&self.home, log_in(credentials, anew, caller)?).await
            }
            Request::Recover { credentials, kit } => {
                Device::recover(&self.home, log_in(credentials, false, caller)?, convert::kit(&kit)?).await
            }
            _ => return Err(Problem::NotUnderstood.into()),
        };
        match device {
            Ok(device) => {
                let unlocked = convert::unlocked(&device);
                self.keep(device);
                Ok(Reply::Unlocked(unlocked))
            }
            Err(error) => convert::asks(error.while_signing_in()),
        }
    }

    fn keep(&self, device: Device) {
        let device = Rc::new(device);
        let mut background = self.background.borrow_mut();
        background.push(tokio::task::spawn_local(follow(Rc::clone(&device))));
        background.push(tokio::task::spawn_local(push_edits(Rc::clone(&device))));
        *self.device.borrow_mut() = Some(device);
    }

    fn device(&self) -> Result<Rc<Device>, Failure> {
        self.device.borrow().clone().ok_or_else(|| Problem::Locked.into())
    }

    async fn log_out(&self, force: bool) -> Result<Reply, Failure> {
        self.device()?.log_out(force).await.map_err(convert::failure)?;
        for task in self.background.borrow_mut().drain(..) {
            task.abort();
        }
        *self.device.borrow_mut() = None;
        Ok(Reply::Done)
    }
}

/// Does what leaves the device unlocked as it is, whatever comes of it.
async fn open_again(device: &Device, request: Request, caller: &Caller) -> Result<Reply, Failure> {
    let opened = match request {
        Request::Unlock { master_password, .. } => device.unlock_again(&convert::master(&master_password)?),
        Request::LogIn { credentials, anew: false } => {
            // Its address is that of this device's server: it is right, whether or not the server can be reached.
            device.log_in_again(&log_in(credentials, false, caller)?).await
        }
        _ => {
            return Err(Failure::new(Kind::Failed, "this device is already unlocked")
                .with_hint("run `etui lock` first"));
        }
    };
    match opened {
        Ok(()) => Ok(Reply::Unlocked(convert::unlocked(device))),
        Err(error) => convert::asks(error),
    }
}

/// Follows the server's news for as long as the agent lives.
async fn follow(device: Rc<Device>) {
    device.watch().await;
}

/// Sends what is changed here. A failure is remembered by the device for `status`; the next change, the server's next
/// sign of life or a `sync` tries again.
async fn push_edits(device: Rc<Device>) {
    loop {
        device.unsent_notify().notified().await;
        let _ = device.sync().await;
    }
}

fn sign_up(
    credentials: Credentials,
    kdf: Kdf,
    invitation: Option<&Secret>,
    caller: &Caller,
) -> Result<SignUp, Failure> {
    Ok(SignUp {
        way: convert::way(&credentials.way, caller)?,
        master_password: convert::master(&credentials.master_password)?,
        server: credentials.server,
        email: credentials.email,
        device_name: credentials.device_name,
        kdf: convert::kdf(kdf),
        use_keyring: credentials.use_keyring,
        invitation: invitation.map(|text| Invitation::read(text.expose())),
    })
}

fn log_in(credentials: Credentials, anew: bool, caller: &Caller) -> Result<LogIn, Failure> {
    Ok(LogIn {
        way: convert::way(&credentials.way, caller)?,
        master_password: convert::master(&credentials.master_password)?,
        server: credentials.server,
        email: credentials.email,
        device_name: credentials.device_name,
        use_keyring: credentials.use_keyring,
        second_factor: Some(convert::second_factor(credentials.second_factor.as_ref(), caller)),
        keep_account: convert::agreement(credentials.keep_account, caller),
        kdf_memory: convert::agreement(credentials.accept_kdf_memory, caller),
        anew,
    })
}

/// One question to an unlocked device.
struct Answer<'a> {
    device: &'a Device,
    locks_in_s: u64,
    caller: &'a Caller,
}

impl Answer<'_> {
    async fn to(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Status => Ok(Reply::Status(Box::new(convert::status(self.device, self.locks_in_s)))),
            Request::List { filter } => Ok(lines(self.device.list(&convert::filter(&filter)))),
            Request::Search { text, filter, limit } => {
                Ok(lines(self.device.search(&text, &convert::filter(&filter), limit)))
            }
            Request::Get { entry } => self.get(&entry),
            Request::Add { entries } => self.add(&entries).await,
            Request::Edit { entry, edits } => {
                let edits = convert::edits(edits)?;
                let edited = self.device.edit(entry, &edits).await.map_err(convert::failure)?;
                Ok(Reply::Entry { id: entry, document: convert::document(&edited)? })
            }
            Request::Purge { entry } => self.done(self.device.purge(entry).await),
            Request::Sync => self.sync().await,
            Request::Devices { shown } => self.devices(shown).await.map_err(convert::failure),
            Request::DeviceNews => Ok(devices(self.device.device_news().await.map_err(convert::failure)?)),
            Request::Plan => Ok(Reply::Plan(self.device.entitlements().await.map_err(convert::failure)?)),
            Request::RenameDevice { device, name } => {
                self.done(self.device.rename_device(convert::device_id(&device)?, &name).await)
            }
            Request::ApproveDevice { device } => {
                self.done(self.device.approve_device(convert::device_id(&device)?).await)
            }
            Request::LogOutOthers => self.done(self.device.sign_others_out().await),
            Request::RemoveDevice { device } => {
                self.done(self.device.remove_device(convert::device_id(&device)?).await)
            }
            Request::ChangeMasterPassword { old, new, way, second_factor, kdf } => {
                let (old, new) = (convert::master(&old)?, convert::master(&new)?);
                let (way, kdf) = (convert::way(&way, self.caller)?, convert::kdf(kdf));
                let second = convert::second_factor(second_factor.as_ref(), self.caller);
                self.done(self.device.change_master_password(&old, &new, &way, Some(&second), kdf).await)
            }
            Request::Account { asked, fresh } => {
                account::answer(self.device, &asked, &fresh, self.caller).await
            }
            Request::RecoveryCreate => {
                let kit = self.device.recovery_create().await.map_err(convert::failure)?;
                Ok(Reply::Kit(Secret::new(kit.to_qr_text().as_str())))
            }
            Request::RecoveryTest { kit } => self.done(self.device.recovery_test(&convert::kit(&kit)?).await),
            Request::Heal => self.heal().await,
            Request::FollowServer { code } => self.follow_server(&code).await,
            Request::Export { to } => self.export(Path::new(&to)).await,
            Request::Refused => {
                let all = self.device.refused().map_err(convert::failure)?;
                Ok(Reply::Refused(all.into_iter().map(convert::refused).collect()))
            }
            Request::ExportRefused { to } => {
                let count = self.device.export_refused(Path::new(&to)).map_err(convert::failure)?;
                Ok(Reply::ExportedRefused(count))
            }
            Request::ClearRefused => self.done(self.device.clear_refused()),
            // The server has dealt with these.
            Request::Lock
            | Request::StayUnlocked { .. }
            | Request::Answer(_)
            | Request::Stage { .. }
            | Request::Unlock { .. }
            | Request::SignUp { .. }
            | Request::LogIn { .. }
            | Request::Recover { .. }
            | Request::LogOut { .. } => Err(Problem::NotUnderstood.into()),
        }
    }

    async fn devices(&self, shown: bool) -> Result<Reply, ClientError> {
        let lines = self.device.devices().await?;
        if shown {
            self.device.devices_were_shown(&lines)?;
        }
        Ok(devices(lines))
    }

    fn get(&self, name: &str) -> Result<Reply, Failure> {
        let id = self.device.find(name).map_err(convert::failure)?;
        let entry = self.device.entry(id).map_err(convert::failure)?;
        Ok(Reply::Entry { id, document: convert::document(&entry)? })
    }

    /// Everything, the past too.
    async fn sync(&self) -> Result<Reply, Failure> {
        let report = match self.device.sync().await {
            Ok(report) => report,
            Err(error) => return Err(self.explained(error).await),
        };
        self.device.fetch_history().await.map_err(convert::failure)?;
        Ok(Reply::Synced(convert::synced(report)))
    }

    async fn heal(&self) -> Result<Reply, Failure> {
        match self.device.heal(Some(&|done, total| self.progress(done, total))).await {
            Ok(healed) => Ok(Reply::Healed(convert::healed(&healed))),
            Err(error) => Err(self.explained(error).await),
        }
    }

    async fn follow_server(&self, code: &str) -> Result<Reply, Failure> {
        let followed = self.device.follow_server(code).await.map_err(convert::failure)?;
        Ok(Reply::Followed(convert::followed(followed)))
    }

    /// A fork is for a person to decide, who has to know both branches.
    async fn explained(&self, error: ClientError) -> Failure {
        let is_fork = error.refusal() == Some(Refusal::Fork);
        let failure = convert::failure(error);
        match if is_fork { self.device.branches().await.ok() } else { None } {
            Some(branches) => convert::fork(failure, &branches),
            None => failure,
        }
    }

    async fn add(&self, documents: &[Secret]) -> Result<Reply, Failure> {
        let entries = documents.iter().map(convert::entry).collect::<Result<_, _>>()?;
        let added = self.device.add(entries, Some(&|done, total| self.progress(done, total))).await;
        Ok(Reply::Added(added.map_err(convert::failure)?))
    }

    async fn export(&self, to: &Path) -> Result<Reply, Failure> {
        let report = self.device.export_backup(to, Some(&|done, total| self.progress(done, total))).await;
        Ok(Reply::Exported(convert::backup(&report.map_err(convert::failure)?)))
    }

    fn progress(&self, done: usize, total: usize) {
        self.caller.tell(Reply::Progress { done, total });
    }

    #[expect(clippy::unused_self, reason = "reads as part of the answer")]
    fn done(&self, result: Result<(), ClientError>) -> Result<Reply, Failure> {
        result.map(|()| Reply::Done).map_err(convert::failure)
    }
}

fn devices(lines: Vec<DeviceLine>) -> Reply {
    Reply::Devices(lines.into_iter().map(convert::device).collect())
}

fn lines(summaries: Vec<etui_vault::Summary>) -> Reply {
    Reply::Entries(summaries.into_iter().map(convert::line).collect())
}
