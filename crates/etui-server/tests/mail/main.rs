//! Letters, sent to a real mail server that also refuses, defers, hangs and goes away.

mod delivery;
mod program;

use std::path::Path;

use etui_server::{
    mail::{AccountLeaving, Letter, Post},
    settings::{Given, Settings},
};
use etui_services::Smtp;
use etui_store::Store;

/// A time to begin at, in ms since 1970.
const NOW_MS: u64 = 1_800_000_000_000;

/// A node that sends letters; its clock stands still unless it is told otherwise.
struct Node {
    store: Store,
    post: Post,
}

impl Node {
    async fn open(settings: &Settings) -> Self {
        let store = Store::open(&settings.store().unwrap()).await.unwrap();
        let config = settings.mail.as_ref().unwrap().config().unwrap();
        Self { store, post: Post::new(config, "https://etui.example.org".to_owned()).unwrap() }
    }

    async fn queue(&self, recipient: &str) {
        letter().queue(&self.store, recipient, NOW_MS).await.unwrap();
    }

    async fn deliver(&self, now_ms: u64) {
        self.post.deliver(&self.store, || now_ms, || false).await.unwrap();
    }

    async fn waiting(&self) -> u64 {
        self.store.waiting_mail().await.unwrap()
    }
}

fn letter() -> Letter {
    Letter::AccountLeaving(AccountLeaving { delete_at_ms: NOW_MS })
}

/// Settings as a file would give them.
fn settings(folder: &Path, smtp: &Smtp, more: &str) -> Settings {
    let text = format!(
        "data = '{}'\nlisten = '127.0.0.1:0'\nmail_server = '{}'\nmail_from = 'Etui <etui@example.org>'\n{more}",
        folder.display(),
        smtp.address()
    );
    let file = folder.join("server.toml");
    std::fs::write(&file, text).unwrap();
    Settings::resolve(Given::read(&file).unwrap()).unwrap()
}
