//! `etui-server admin accounts`

use clap::Args;
use etui_api::admin::{AdminAccount, Role};
use etui_store::{Search, Store};

use super::{
    told::{Common, columns, time},
    with_store,
};

/// Which accounts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  etui-server admin accounts\n  etui-server admin accounts --search example.org --json"
)]
pub struct Arguments {
    /// Only those whose address contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Arguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { search, common } = self;
        let (told, options) = common.split();
        let text = search.map(|text| text.to_lowercase());
        let accounts = with_store(options, async |store, _settings| all(store, text).await)?;
        told.say(&accounts, || words(&accounts))
    }
}

async fn all(store: &Store, text: Option<String>) -> anyhow::Result<Vec<AdminAccount>> {
    let mut search = Search { text, after: None };
    let mut accounts = Vec::new();
    loop {
        let page = store.accounts(&store.operator(), &search).await?;
        accounts.extend(page.accounts);
        if page.next.is_none() {
            return Ok(accounts);
        }
        search.after = page.next;
    }
}

fn words(accounts: &[AdminAccount]) -> String {
    if accounts.is_empty() {
        return "There are no such accounts.".to_owned();
    }
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| {
            let plan = account.plan.clone().unwrap_or_else(|| "-".to_owned());
            let seen = account.last_seen_ms.map_or_else(|| "not signed in".to_owned(), time);
            [account.email.clone(), account.account_id.to_string(), plan, seen, standing(account)]
        })
        .collect();
    columns(&rows)
}

/// What is not as with most.
pub(super) fn standing(account: &AdminAccount) -> String {
    let remarks = [
        (account.role == Role::Administrator, "administrator"),
        (account.disabled_ms.is_some(), "disabled"),
        (account.delete_at_ms.is_some(), "being deleted"),
    ];
    let remarks = remarks.into_iter().filter_map(|(applies, remark)| applies.then_some(remark));
    remarks.collect::<Vec<_>>().join(", ")
}
