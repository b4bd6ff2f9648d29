//! The account as the server holds it: its log, everything held as one file, its end.

use std::{io::Write as _, path::Path, time::Duration};

use bytes::Bytes;
use etui_api::{ErrorCode, privacy::AuditEvent, session::Token};
use etui_chain::DeviceId;
use tokio::time::{sleep, timeout};

use super::{Device, Progress};
use crate::{
    ClientError,
    api::Answer,
    data_export::{self, DataExportReport},
    new_file::{IfThere, NewFile},
};

/// Between two looks whether a large file has been made.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// One event of the audit log, with the device's name where it is about one.
pub struct EventLine {
    /// As the server has it.
    pub event: AuditEvent,
    /// The device's name, from the sealed account settings.
    pub device_name: Option<String>,
    /// The name of the device that the holder did it with.
    pub actor_device_name: Option<String>,
}

impl Device {
    /// The account's audit log, newest first, at most so many events.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn account_events(&self, most: usize) -> Result<Vec<EventLine>, ClientError> {
        let (mut lines, mut before) = (Vec::new(), None);
        loop {
            let page = self.api.account_events(before).await?;
            let names = self.inner.borrow().account_settings()?;
            let name = |id: Option<DeviceId>| id.and_then(|id| names.device_name(&id).map(str::to_owned));
            let line = |event: AuditEvent| EventLine {
                device_name: name(event.device_id),
                actor_device_name: name(event.actor_device_id),
                event,
            };
            lines.extend(page.events.into_iter().map(line).take(most - lines.len()));
            match page.next {
                // Whatever a server says, each page is further back.
                Some(next) if lines.len() < most && before.is_none_or(|before| next < before) => {
                    before = Some(next);
                }
                _ => return Ok(lines),
            }
        }
    }

    /// Has the server delete the account after its grace: until when it can be kept, in ms since 1970. What is on this device
    /// stays.
    ///
    /// # Errors
    /// [`ClientError::FreshSignInNeeded`].
    pub async fn delete_account(&self) -> Result<u64, ClientError> {
        Ok(self.api.delete_account().await?.delete_at_ms)
    }

    /// Keeps an account that was deleted.
    ///
    /// # Errors
    /// [`ClientError::NotLeavingAccount`]; [`ClientError::SignedOut`].
    pub async fn keep_account(&self) -> Result<(), ClientError> {
        self.api.keep_account().await.map_err(|error| error.if_not_found(ClientError::NotLeavingAccount))
    }

    /// Writes everything that the server holds about the account to a new file, reads it back, and only then gives it its name.
    /// Progress is in KiB.
    ///
    /// # Errors
    /// As [`Self::delete_account`]; [`ClientError::FileExists`]; [`ClientError::DownloadCut`]; `format` for a file that is cut
    /// short or damaged; [`ClientError::File`]. Then there is no file of that name.
    pub async fn download_everything(
        &self,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<DataExportReport, ClientError> {
        // Before the server makes anything in vain.
        let mut file = NewFile::create(to, IfThere::Refuse)?;
        let (mut answer, total) = self.everything_held().await?;
        let in_kib = |bytes: u64| usize::try_from(bytes >> 10).unwrap_or(usize::MAX);
        let mut written = 0;
        while let Some(piece) = self.next_piece(&mut answer).await? {
            file.write(|out| out.write_all(&piece))?;
            written += piece.len() as u64;
            if let Some(progress) = progress {
                progress(in_kib(written), in_kib(total));
            }
        }
        let report = data_export::check(file.written()?)?;
        file.name()?;
        Ok(report)
    }

    /// The file as it arrives, and how long it says it is. What expired before it was fetched is asked for once more.
    async fn everything_held(&self) -> Result<(Answer, u64), ClientError> {
        match self.made_for(&self.api.begin_data_export().await?.secret).await {
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::NoLongerValid => {
                self.made_for(&self.api.begin_data_export().await?.secret).await
            }
            made => made,
        }
    }

    /// Waits until the file has been made.
    async fn made_for(&self, secret: &Token) -> Result<(Answer, u64), ClientError> {
        loop {
            match self.api.data_export(secret).await? {
                Some(answer) => return Ok(answer),
                None => sleep(BETWEEN_LOOKS).await,
            }
        }
    }

    /// What has arrived of it; `None` at its end. A connection that says nothing any more is taken for one that broke.
    async fn next_piece(&self, answer: &mut Answer) -> Result<Option<Bytes>, ClientError> {
        match timeout(self.api.patience().silence, answer.piece()).await {
            Err(_) => Err(ClientError::DownloadCut(None)),
            Ok(Err(ClientError::Offline { source, .. })) => Err(ClientError::DownloadCut(source)),
            Ok(piece) => piece,
        }
    }
}
