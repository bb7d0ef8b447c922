//! How far a bulk resend got, as it goes on.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::components::number::grouped;
use crate::domain::resend_job::ResendJobState;
use crate::server_fns::resends::load_resend_progress;

/// How often to ask.
const EVERY: Duration = Duration::from_secs(2);

/// A bar with its numbers. It asks while the job runs and the page is looked at, and shows the page anew when the job stands
/// otherwise. Without JavaScript a link does that.
#[island]
pub fn ResendProgress(
    /// The job, `rsd_…`.
    id: String,
    state: ResendJobState,
    resent: i64,
    to_send: i64,
    refused: i64,
    left_out: i64,
) -> impl IntoView {
    let (counts, set_counts) = signal((resent, to_send, refused));
    if state == ResendJobState::Running {
        let id: Option<crate::domain::ids::ResendJobId> = id.parse().ok();
        Effect::new(move || {
            let ask = move || {
                if let (Some(id), false) = (id, document().hidden()) {
                    spawn_local(async move {
                        let Ok(now) = load_resend_progress(id).await else { return };
                        set_counts.set((now.resent, now.to_send, now.refused));
                        if now.state != state {
                            let _ = window().location().reload();
                        }
                    });
                }
            };
            let _ = set_interval_with_handle(ask, EVERY);
        });
    }
    let words = move || {
        let (resent, to_send, _) = counts.get();
        format!("{} of {} sent again", grouped(resent), grouped(to_send))
    };
    let rest = move || {
        let (.., refused) = counts.get();
        let parts = [(refused, "not possible"), (left_out, "left out")];
        let parts =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count)));
        parts.collect::<Vec<_>>().join(" · ")
    };
    view! {
        <div class="resend-progress">
            <p role="status">
                <strong>{words}</strong>
                <span class="rest">{rest}</span>
            </p>
            <progress aria-label="Sent again" value=move || counts.get().0.to_string() max=move || counts.get().1.max(1).to_string()></progress>
            {(state == ResendJobState::Running).then(|| view! { <noscript><a class="button" href="">"Reload"</a></noscript> })}
        </div>
    }
}
