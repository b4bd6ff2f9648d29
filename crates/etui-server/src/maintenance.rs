//! `etui-server backup`, `restore`, `verify`: beside a running server, or without one.

use std::{
    future::Future,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use etui_store::{Copied, Purged, SealedTotp, Store, StoreError, Verified};

use crate::{
    clock,
    sealing::Sealed,
    settings::Settings,
    token_keys::{self, TokenKeys},
    tokens::Tokens,
};

/// Brings the tables up to this version, and makes the token key if there is none.
///
/// # Errors
/// `NewerSchema`, or what could not be read or written.
pub fn migrate(settings: &Settings) -> anyhow::Result<()> {
    run(async { Store::migrate(&settings.store()?).await.context("bringing the tables up to date") })?;
    Tokens::open(&settings.token_key_file)?;
    writeln!(io::stdout(), "The tables are of this version.")?;
    Ok(())
}

/// Makes a new key that signs access tokens; `at_once`: for a file that somebody may know, so that nothing of it counts any more.
///
/// # Errors
/// What could not be read or written.
pub fn rotate_token_key(settings: &Settings, at_once: bool) -> anyhow::Result<()> {
    let now_s = clock::now_s();
    let from_s = token_keys::rotate(&settings.token_key_file, at_once, now_s)?;
    let signs = if at_once {
        run(leave_nothing_to_the_keys_before(settings)).context(
            "the keys before are dead, and the database still holds what they have sealed: repeat the command",
        )?;
        "now; the keys before are dead, and every device signs in again".to_owned()
    } else {
        format!("in {} minutes", (from_s - now_s) / 60)
    };
    writeln!(io::stdout(), "{} has a new key. It signs {signs}.", settings.token_key_file.display())?;
    Ok(())
}

/// Seals anew what lies in the database, and ends whatever was begun by somebody who may have had a session with them.
async fn leave_nothing_to_the_keys_before(settings: &Settings) -> anyhow::Result<()> {
    let store = Store::look(&settings.store()?).await.context("opening the data")?;
    let keys = TokenKeys::open(&settings.token_key_file)?;
    let renew = |account_id, before: &SealedTotp| {
        let renewed = keys.sealing.renew(Sealed::Totp, account_id, before.as_bytes());
        let renewed = renewed.map_err(|source| StoreError::Random { source })?;
        Ok(renewed.map(SealedTotp::new))
    };
    store.renew_totp(&store.operator(), renew).await?;
    store.end_what_was_begun(&store.operator()).await?;
    store.close().await;
    Ok(())
}

/// Copies everything into a folder, as it is at one moment, while a server may go on.
///
/// # Errors
/// What could not be read or written.
pub fn back_up(settings: &Settings, to: &Path) -> anyhow::Result<()> {
    let copied = run(async {
        let store = Store::look(&settings.store()?).await?;
        let copied = store.back_up(to).await.with_context(|| format!("backing up to {}", to.display()))?;
        store.close().await;
        anyhow::Ok(copied)
    })?;
    let Copied { rows, segments, kept } = copied;
    writeln!(io::stdout(), "Copied: rows {rows}, segments {segments} (there from before: {kept}).")?;
    writeln!(io::stdout(), "Check it with `etui-server verify --data {}`.", to.display())?;
    Ok(())
}

/// Fills an empty store from a backup; `take_over`: even if the segments belong to a database that is gone.
///
/// # Errors
/// `NotEmpty`, or what could not be read or written.
pub fn restore(settings: &Settings, from: &Path, take_over: bool) -> anyhow::Result<()> {
    let copied = run(async {
        let config = settings.store()?;
        let store = if take_over { Store::take_over(&config).await } else { Store::open(&config).await }?;
        let copied =
            store.restore(from).await.with_context(|| format!("restoring from {}", from.display()))?;
        store.close().await;
        anyhow::Ok(copied)
    })?;
    writeln!(io::stdout(), "Restored: rows {}, segments {}.", copied.rows, copied.segments + copied.kept)?;
    writeln!(
        io::stdout(),
        "Every device signs in again; `etui heal` on one of each account brings back what came after the backup."
    )?;
    Ok(())
}

/// Removes accounts whose grace is over, and every record that is past its time; a server may go on.
///
/// # Errors
/// What could not be read or written.
pub fn purge(settings: &Settings) -> anyhow::Result<()> {
    let purged = run(async {
        let store = Store::look(&settings.store()?).await?;
        let purged = store
            .purge(&settings.retention(), clock::now_ms())
            .await
            .context("removing what is past its time")?;
        store.close().await;
        anyhow::Ok(purged)
    })?;
    let Purged { accounts, records, exports } = purged;
    writeln!(io::stdout(), "Removed: accounts {accounts}, records {records}, downloads {exports}.")?;
    Ok(())
}

/// Checks every row, object, hash and chain; each problem is printed as it is found.
///
/// # Errors
/// What could not be asked; that there were problems.
pub fn verify(settings: &Settings) -> anyhow::Result<()> {
    let verified = run(async {
        let store = Store::look(&settings.store()?).await?;
        // A reader that has gone away does not make what is stored any better.
        let verified = store.verify(&mut |problem| drop(writeln!(io::stdout(), "{problem}"))).await?;
        store.close().await;
        anyhow::Ok(verified)
    })?;
    let Verified { accounts, states, commits, records, problems } = verified;
    writeln!(
        io::stdout(),
        "Checked: accounts {accounts}, states {states}, commits {commits}, records {records}."
    )?;
    if problems > 0 {
        bail!(
            "{problems} problems were found: restore what is missing from a backup, then `etui heal` from a device"
        );
    }
    writeln!(io::stdout(), "Everything holds.")?;
    Ok(())
}

pub(crate) fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}
