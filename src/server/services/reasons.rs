//! Why the problems of a list are problems, by groups. Called by the log's page.

use std::collections::HashMap;

use super::emails::{asked, with_events};
use super::failures::failed;
use crate::domain::error::AppError;
use crate::domain::failure::{Reason, Reasons};
use crate::domain::filter::EmailFilter;
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::reasons::{CountedReason, CountedReasons};

/// How many reasons of a list are shown.
const SHOWN: i64 = 20;

/// Why messages of the viewer's team that a filter finds did not arrive: the reasons with the most messages; `None` where all
/// arrived, or still may. Needs `logs:view`.
pub async fn list_reasons(app: &App, viewer: &Viewer, filter: &EmailFilter) -> Result<Option<Reasons>, AppError> {
    viewer.require(Permission::LogsView)?;
    let adapters = app.store.list_adapters(viewer.team).await?;
    let by_adapter = adapters.len() > 1;
    let counted = app.store.count_reasons(viewer.team, &asked(viewer, filter), by_adapter, SHOWN).await?;
    let CountedReasons { problems, resent, groups, reasons, undiagnosed, looked_from } = counted;
    if problems == 0 {
        return Ok(None);
    }
    let newest: Vec<i64> = reasons.iter().map(|reason| reason.newest.0).collect();
    let newest = app.store.find_emails(viewer.team, &newest).await?;
    let records = with_events(app, viewer, newest).await?;
    let words: HashMap<EmailId, String> = records
        .iter()
        .filter_map(|record| Some((record.email.id, failed(&record.email).words(&record.events)?)))
        .collect();
    let named = |id: AdapterId| adapters.iter().find(|adapter| adapter.id == id).map(|adapter| adapter.name.clone());
    let shown = |reason: CountedReason| Reason {
        group: reason.group,
        class: reason.class,
        mailbox_provider: reason.mailbox_provider,
        adapter: reason.adapter.map(|id| (id, named(id))),
        words: words.get(&reason.newest).cloned(),
        count: reason.count,
        resent: reason.resent,
        first: reason.oldest.created_at(),
        last: reason.newest.created_at(),
    };
    let shown = reasons.into_iter().map(shown).collect();
    Ok(Some(Reasons { problems, resent, groups, shown, undiagnosed, looked_from }))
}
