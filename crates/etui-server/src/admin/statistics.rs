//! `etui-server admin statistics`

use clap::Args;
use etui_api::admin::{Recent, Statistics};

use super::{
    told::{Common, columns},
    with_store,
};
use crate::clock;

/// How to show them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  etui-server admin statistics\n  etui-server admin statistics --json")]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (told, options) = self.common.split();
        let figures = with_store(options, async |store, _settings| {
            Ok(store.statistics(&store.operator(), clock::now_ms()).await?)
        })?;
        told.say(&figures, || words(&figures))
    }
}

fn words(figures: &Statistics) -> String {
    let Statistics { accounts, disabled, leaving, devices, vaults, entries, bytes, signed_up, active } =
        figures;
    let recent = |Recent { day, week, month }: &Recent| {
        format!("{day} within a day, {week} within a week, {month} within 30 days")
    };
    let rows = [
        ("accounts", format!("{accounts}, of these disabled {disabled}, being deleted {leaving}")),
        ("signed up", recent(signed_up)),
        ("active", recent(active)),
        ("devices signed in", devices.to_string()),
        ("vaults", vaults.to_string()),
        ("entries", entries.to_string()),
        ("sealed bytes", bytes.to_string()),
    ];
    columns(&rows.map(|(name, value)| [name.to_owned(), value]))
}
