//! The audit log as it is given: in pages, and whole as lines of JSON.

use std::{collections::HashMap, future::Future, sync::Arc};

use axum::response::Response;
use etui_api::privacy::{AuditEvent, AuditEvents};
use etui_chain::DeviceId;
use etui_store::{Pseudonym, StoreError};
use futures_util::{StreamExt as _, stream};

use crate::{answers, app::App};

/// Events of one page.
pub(crate) const PAGE_EVENTS: u64 = 100;

/// A page of what the store gave; these devices are named.
pub(crate) fn page(events: &[etui_store::AuditEvent], devices: &HashMap<Pseudonym, DeviceId>) -> AuditEvents {
    let is_full = events.len() as u64 == PAGE_EVENTS;
    let next = events.last().filter(|_| is_full).map(|event| event.number);
    AuditEvents { events: events.iter().map(|event| told(event, devices)).collect(), next }
}

/// Every page from the newest on, an event a line. What fails before anything of it is there is an answer like any other.
///
/// # Errors
/// The store's, up to the first page.
pub(crate) async fn lines<F>(
    app: Arc<App>,
    next: impl Fn(Option<u64>) -> F + Send + Sync + 'static,
) -> Result<Response, StoreError>
where
    F: Future<Output = Result<AuditEvents, StoreError>> + Send + 'static,
{
    let first = next(None).await?;
    let rest = stream::try_unfold((first.next, next), |(before, next)| async move {
        let Some(before) = before else { return Ok(None) };
        let page = next(Some(before)).await?;
        Ok::<_, StoreError>(Some((as_lines(&page), (page.next, next))))
    });
    Ok(answers::json_lines(app, stream::iter([Ok(as_lines(&first))]).chain(rest)))
}

fn told(event: &etui_store::AuditEvent, devices: &HashMap<Pseudonym, DeviceId>) -> AuditEvent {
    let device = |id: Option<Pseudonym>| id.and_then(|id| devices.get(&id).copied());
    AuditEvent {
        number: event.number,
        time_ms: event.time_ms,
        account: event.account.to_string(),
        actor: event.actor.clone(),
        actor_id: event.actor_id.map(|id| id.to_string()),
        actor_device_id: device(event.actor_id),
        action: event.action.clone(),
        object: event.object.map(|object| object.to_string()),
        device_id: device(event.object),
        outcome: event.outcome.clone(),
    }
}

fn as_lines(page: &AuditEvents) -> String {
    let line = |event| serde_json::to_string(event).expect("an event is plain JSON") + "\n";
    page.events.iter().map(line).collect()
}
