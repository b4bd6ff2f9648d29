//! What came before this device joined, fetched afterwards: with it every device can heal a restored server.

use etui_chain::VaultId;

use super::Device;
use crate::{ClientError, evidence::Evidence};

impl Device {
    /// Fetches the states and commits from before this device joined, as far as they are not here yet, newest first.
    /// Each answer is verified and durable before the next is asked for, so that this can be stopped at any time.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`], or the name by which the history was refused; what is held
    /// is unharmed then.
    pub async fn fetch_history(&self) -> Result<(), ClientError> {
        let _one_at_a_time = self.fetching_history.lock().await;
        let mut evidence = Evidence::default();
        let result = self.fetch_older(&mut evidence).await;
        self.put_aside_if_refused(&result, &evidence);
        result
    }

    async fn fetch_older(&self, evidence: &mut Evidence) -> Result<(), ClientError> {
        while let Some(version) = self.states_begin() {
            let older = self.api.states_before(version, evidence).await;
            self.save_session()?;
            let mut inner = self.inner.borrow_mut();
            let step = inner.engine.accept_older_states(older?)?;
            inner.take(step)?;
        }
        let vaults: Vec<VaultId> = self.inner.borrow().engine.vault_ids().collect();
        for vault_id in vaults {
            while let Some(seq) = self.commits_begin(vault_id) {
                let older = self.api.commits_before(vault_id, seq, evidence).await;
                self.save_session()?;
                let mut inner = self.inner.borrow_mut();
                let step = inner.engine.accept_older_commits(vault_id, &older?)?;
                inner.take(step)?;
            }
        }
        Ok(())
    }

    fn states_begin(&self) -> Option<u64> {
        self.inner.borrow().engine.states_begin()
    }

    fn commits_begin(&self, vault_id: VaultId) -> Option<u64> {
        self.inner.borrow().engine.commits_begin(&vault_id)
    }
}
