//! What the account's plan has room for, as the server says it. It never decides more than what is sent: what has no room stays on
//! this device, and nothing else waits for it.

use etui_api::{ErrorCode, plan::AccountEntitlements, problem::PlanLimit};
use etui_chain::VaultId;

use super::Device;
use crate::ClientError;

/// The entitlement that bounds entries.
const ENTRIES: &str = "entries";

/// How many entries more there is room for, in one exchange.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Absent as long as nobody has spoken of a limit.
    left: Option<Left>,
}

#[derive(Debug, Clone, Copy)]
struct Left {
    /// What the plan has room for in all.
    allowed: u64,
    entries: usize,
}

impl Room {
    /// How many entries more may be sent.
    pub(super) fn entries(&self) -> usize {
        self.left.map_or(usize::MAX, |left| left.entries)
    }

    /// Counts what was sent.
    pub(super) const fn use_up(&mut self, entries: usize) {
        if let Some(left) = &mut self.left {
            left.entries = left.entries.saturating_sub(entries);
        }
    }

    fn of(allowed: u64, used: u64) -> Self {
        let entries = usize::try_from(allowed.saturating_sub(used)).unwrap_or(usize::MAX);
        Self { left: Some(Left { allowed, entries }) }
    }
}

impl Device {
    /// The account's plan, what is used of it, and the feature flags that hold.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`].
    pub async fn entitlements(&self) -> Result<AccountEntitlements, ClientError> {
        self.api.entitlements().await
    }

    /// An exchange, in which the plan keeps back only what it has no room for.
    pub(super) async fn sync_as_far_as_it_goes(&self) -> Result<(), ClientError> {
        match self.sync().await {
            Ok(_) | Err(ClientError::OverPlan { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where there was no room the last time, asks for how much there is now: to try it out would send all of it again.
    pub(super) async fn ask_for_room(&self, room: &mut Room) -> Result<(), ClientError> {
        let left_out = {
            let inner = self.inner.borrow();
            inner.over_plan && inner.engine.unsent_new() > 0
        };
        if left_out {
            let AccountEntitlements { entitlements, used, .. } = self.entitlements().await?;
            *room =
                entitlements.entries.map_or_else(Room::default, |allowed| Room::of(allowed, used.entries));
        }
        Ok(())
    }

    /// Takes back a commit for which there is no room: what makes nothing larger is sent by the next.
    pub(super) fn take_back(
        &self,
        vault_id: VaultId,
        limit: &PlanLimit,
        room: &mut Room,
    ) -> Result<(), ClientError> {
        let mut inner = self.inner.borrow_mut();
        let added = inner.engine.in_flight(&vault_id).map_or(0, |sent| sent.added() as u64);
        let step = inner.engine.withdraw_push(vault_id)?;
        inner.take(step)?;
        *room = Room::of(limit.allowed, limit.wanted.saturating_sub(added));
        Ok(())
    }

    /// To call it "up to date" would hide what waits for a larger plan.
    pub(super) fn refuse_if_over_plan(&self, room: &Room) -> Result<(), ClientError> {
        let mut inner = self.inner.borrow_mut();
        let waiting = inner.engine.unsent_new();
        let over = room.left.filter(|_| waiting > 0);
        inner.over_plan = over.is_some();
        over.map_or(Ok(()), |left| Err(ClientError::OverPlan { allowed: left.allowed, waiting }))
    }
}

/// What a plan has no room for, if that is why the server refused. Of a commit it is always entries.
pub(super) fn limit_of(error: &ClientError) -> Option<PlanLimit> {
    let ClientError::Server(problem) = error else { return None };
    let refused = problem.code == ErrorCode::PlanLimit;
    let unknown = || PlanLimit { what: ENTRIES.to_owned(), allowed: 0, wanted: 0 };
    refused.then(|| problem.limit.clone().unwrap_or_else(unknown))
}
