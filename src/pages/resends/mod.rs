//! `/resends`: the bulk resends of the team. [new] asks before one, [report] tells what became of one.

mod new;
mod report;

use leptos::prelude::*;

pub use self::new::NewResendPage;
pub use self::report::ResendPage;
use super::layout::{PageTitle, Section, in_layout};
use crate::components::address::query_value;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::number::grouped;
use crate::components::time::Time;
use crate::domain::mount::mounted;
use crate::domain::page::CursorPage;
use crate::domain::resend_job::{ResendCounts, ResendJob, ResendJobState};
use crate::server_fns::resends::load_resends;

#[component]
pub fn ResendsPage() -> impl IntoView {
    let before = query_value("before").and_then(|id| id.parse().ok());
    in_layout(Section::Resends, load_resends(before), |page| view! { <Resends page/> })
}

#[component]
fn Resends(page: CursorPage<ResendJob>) -> impl IntoView {
    let older = page.items.last().filter(|_| page.has_more).map(|job| format!("/resends?before={}", job.id));
    let list = if page.items.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Resend title="No bulk resend yet">
                <p>"Choose messages in the log, or search for what failed, then resend them together."</p>
                <p><a class="button primary" href=mounted("/logs?status=bounced,failed")>"Look at what failed"</a></p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Resend"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Resent"</th>
                        <th scope="col" class="wide-only">"Started by"</th>
                        <th scope="col" class="time">"Started"</th>
                    </tr>
                </thead>
                <tbody>{page.items.into_iter().map(|job| view! { <ResendRow job/> }).collect_view()}</tbody>
            </table>
        }
        .into_any()
    };
    view! {
        <div class="page-head"><PageTitle text="Resends"/></div>
        <section class="panel" aria-label="Resends">
            {list}
            {older.map(|url| view! { <div class="panel-foot"><a class="page-step" href=mounted(url) rel="next">"Older"</a></div> })}
        </section>
    }
}

#[component]
fn ResendRow(job: ResendJob) -> impl IntoView {
    view! {
        <tr>
            <td>
                <span class="two-lines">
                    <a class="row-link" href=mounted(format!("/resends/{}", job.id))>{job.name}</a>
                    <span>{job.reason}</span>
                </span>
            </td>
            <td><StateBadge state=job.state/></td>
            <td>{resent_words(job.counts)}</td>
            <td class="wide-only">{job.made_by}</td>
            <td class="time"><Time at=job.id.created_at()/></td>
        </tr>
    }
}

/// "52 of 87".
fn resent_words(counts: ResendCounts) -> String {
    format!("{} of {}", grouped(counts.resent), grouped(counts.to_send()))
}

/// How a job stands.
#[component]
fn StateBadge(state: ResendJobState) -> impl IntoView {
    view! { <span class="badge resend-state" data-state=state.as_str()>{state.label()}</span> }
}
