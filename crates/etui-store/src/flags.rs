//! Feature flags: for some of a hundred accounts, and as an administrator says for one.

use std::collections::BTreeMap;

use etui_chain::{AccountId, Digest};
use sea_orm::ConnectionTrait;

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Sets the hash apart from every other use of an account's id.
const LABEL: &[u8] = b"etui/v1/flag\0";

/// Every flag, as it holds for an account.
pub(crate) async fn of_account<C: ConnectionTrait>(
    connection: &C,
    account_id: AccountId,
) -> Result<BTreeMap<String, bool>, StoreError> {
    const SELECT: &str = "SELECT flag.name, flag.share_percent, account_flag.enabled FROM flag \
         LEFT JOIN account_flag ON account_flag.name = flag.name AND account_flag.account_id = $1";
    let rows = sql::rows(connection, "reading feature flags", SELECT, [sql::id(account_id)]).await?;
    let flag = |row: &sea_orm::QueryResult| {
        let name: String = row.column(0)?;
        let share_percent = row.number(1)?;
        let enabled = match row.column::<Option<i64>>(2)? {
            Some(enabled) => enabled != 0,
            None => is_within_share(&name, account_id, share_percent),
        };
        Ok((name, enabled))
    };
    rows.iter().map(flag).collect()
}

/// Whether an account is among so many of a hundred. Stable, independent between flags, and never lost by a larger share.
fn is_within_share(flag: &str, account_id: AccountId, share_percent: u64) -> bool {
    let hash = Digest::of(&[LABEL, account_id.as_bytes(), flag.as_bytes()]);
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a digest is longer than four bytes");
    // The first 32 bits as a fraction of one, in hundredths.
    (u64::from(u32::from_be_bytes(*first)) * 100) >> 32 < share_percent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> impl Iterator<Item = AccountId> {
        (1..=10_000_u128).map(|number| AccountId::new(number.to_be_bytes()).unwrap())
    }

    fn share_of(flag: &str, share_percent: u64) -> usize {
        accounts().filter(|account_id| is_within_share(flag, *account_id, share_percent)).count()
    }

    #[test]
    fn a_share_is_that_of_the_accounts_and_only_grows() {
        assert_eq!((share_of("search", 0), share_of("search", 100)), (0, 10_000));
        // Four standard deviations around so many of 10,000 draws.
        for (share, expected, apart) in
            [(1, 100_usize, 40), (10, 1000, 120), (50, 5000, 200), (90, 9000, 120)]
        {
            let found = share_of("search", share);
            assert!(found.abs_diff(expected) < apart, "{share} %: {found}");
        }
        let kept = accounts().filter(|id| is_within_share("search", *id, 10));
        assert!(kept.into_iter().all(|id| is_within_share("search", id, 11)));
    }

    #[test]
    fn flags_are_independent_of_each_other() {
        let both = accounts()
            .filter(|id| is_within_share("search", *id, 50) && is_within_share("import", *id, 50))
            .count();
        assert!((2_300..2_700).contains(&both), "{both}");
    }
}
