//! What the server holds about the account, and its end.

use etui_api::{
    ErrorCode,
    limits::{MAX_DATA_EXPORT_BYTES, MAX_EVENTS_ANSWER_BYTES},
    privacy::{AuditEvents, DataExport, Deletion, FetchDataExport},
    session::Token,
};
use reqwest::Method;

use super::{
    Api,
    answer::{Answer, send},
};
use crate::ClientError;

impl Api {
    /// A page of the audit log, newest first.
    pub(crate) async fn account_events(&self, before: Option<u64>) -> Result<AuditEvents, ClientError> {
        let before = before.map(|before| format!("?before={before}")).unwrap_or_default();
        let path = format!("/v1/account/events{before}");
        self.get_json(&path, "fetching the audit log", MAX_EVENTS_ANSWER_BYTES).await
    }

    /// Has the account deleted.
    pub(crate) async fn delete_account(&self) -> Result<Deletion, ClientError> {
        let doing = "deleting the account";
        let request = || self.request(Method::DELETE, "/v1/account").timeout(self.patience.small_answer);
        let response = self.authorised(doing, request).await?;
        Answer::to(response, doing, etui_api::limits::MAX_JSON_ANSWER_BYTES).json().await
    }

    /// Keeps it after all.
    pub(crate) async fn keep_account(&self) -> Result<(), ClientError> {
        let request = || self.request(Method::POST, "/v1/account/keep").timeout(self.patience.small_answer);
        self.authorised("keeping the account", request).await.map(drop)
    }

    /// Asks for everything held as one file.
    pub(crate) async fn begin_data_export(&self) -> Result<DataExport, ClientError> {
        let doing = "asking for everything held";
        let request =
            || self.request(Method::POST, "/v1/account/exports").timeout(self.patience.whole_answer);
        let response = self.authorised(doing, request).await?;
        Answer::to(response, doing, etui_api::limits::MAX_JSON_ANSWER_BYTES).json().await
    }

    /// The file, as it arrives, and how long it says it is; `None` while it is being made.
    pub(crate) async fn data_export(&self, secret: &Token) -> Result<Option<(Answer, u64)>, ClientError> {
        let doing = "fetching everything held";
        let fetch = FetchDataExport { secret: secret.clone() };
        let request = self.request(Method::POST, "/v1/account/exports/fetch").json(&fetch);
        match send(request, doing).await {
            Ok(response) => {
                let bytes = response.content_length().unwrap_or_default();
                Ok(Some((Answer::to(response, doing, MAX_DATA_EXPORT_BYTES), bytes)))
            }
            Err(ClientError::Server(problem)) if problem.code == ErrorCode::NotReady => Ok(None),
            Err(error) => Err(error),
        }
    }
}
