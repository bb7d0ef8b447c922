//! The way from a thing to everything that was done to it, in the audit log.

use leptos::prelude::*;

use super::can::may;
use crate::domain::address::audit::AuditQuery;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;

/// A link for those who may see the audit log.
#[component]
pub fn HistoryLink(
    /// The thing's id, with its prefix.
    object: String,
) -> impl IntoView {
    may(Permission::AuditView).then(|| {
        let url = AuditQuery::about(object).to_url();
        view! { <a class="history-link" href=mounted(url) title="Everything that was done to it, in the audit log">"History"</a> }
    })
}
