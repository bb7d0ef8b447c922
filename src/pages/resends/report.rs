//! `/resends/{id}`: how far a bulk resend got, and what became of each message.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_params_map};

use super::StateBadge;
use crate::components::can::may;
use crate::components::email_words::{shown_subject, spoken_list};
use crate::components::number::grouped;
use crate::components::pagination::Pagination;
use crate::components::status_badge::StatusBadge;
use crate::components::time::Time;
use crate::domain::address::resends::{ReportQuery, list_of};
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::ResendJobId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::resend_job::{
    CopyCounts, ResendCounts, ResendItem, ResendItemState, ResendJob, ResendJobState, ResendStep,
};
use crate::pages::layout::{Section, in_layout};
use crate::pages::logs::list_words;
use crate::server_fns::emails::LogFrame;
use crate::server_fns::resends::{PAGE_SIZE, ResendView, SteerResend, load_resend};

#[component]
pub fn ResendPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse().ok()));
    let address = use_location().search.get_untracked();
    let load = async move {
        let id: ResendJobId = id.ok_or_else(|| AppError::not_found("Resend"))?;
        let query = ReportQuery::parse(&address)?;
        Ok::<_, AppError>((query, load_resend(id, query.state, query.page).await?))
    };
    in_layout(Section::Resends, load, |(query, view)| view! { <Report query view/> })
}

#[component]
fn Report(query: ReportQuery, view: ResendView) -> impl IntoView {
    let ResendView { job, list, items, copies, may_change } = view;
    let refresh = refresh(job.state, may_change);
    let (id, counts) = (job.id, job.counts);
    let of_state = |state: Option<ResendItemState>| match state {
        None => counts.total(),
        Some(ResendItemState::Waiting) => counts.waiting,
        Some(ResendItemState::Resent) => counts.resent,
        Some(ResendItemState::Refused) => counts.refused,
        Some(ResendItemState::LeftOut) => counts.left_out,
    };
    let states = [None].into_iter().chain(ResendItemState::ALL.map(Some));
    let tabs = states.filter(|state| state.is_none() || of_state(*state) > 0 || *state == query.state).map(|state| {
        let label = state.map_or("All", ResendItemState::label);
        let current = (state == query.state).then_some("page");
        let url = ReportQuery { state, page: 1 }.to_url(id);
        view! { <li><a class="resend-tab" href=mounted(url) aria-current=current>{label}" "<span class="count">{grouped(of_state(state))}</span></a></li> }
    });
    let tabs = tabs.collect_view();
    let total_pages = (of_state(query.state) + PAGE_SIZE - 1) / PAGE_SIZE;
    let pages = (total_pages > 1).then(|| {
        let to_url = Box::new(move |page| ReportQuery { page, ..query }.to_url(id));
        view! { <div class="panel-foot"><Pagination page=query.page total_pages to_url/></div> }
    });
    let rows = items.into_iter().map(|item| view! { <Item item/> }).collect_view();
    view! {
        <Title text=format!("{} · Sendlog", job.name)/>
        <div class="page-head" id="resend-head" data-refresh=refresh>
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/resends")>"Resends"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <h1>{job.name.clone()}</h1>
            <StateBadge state=job.state/>
            {may(Permission::LogsResend).then(|| view! { <Steps job=job.clone()/> })}
        </div>
        <section class="panel panel-body resend-about" aria-label="Progress">
            <Progress state=job.state counts copies=copies.clone() refresh/>
            <Copies copies refresh/>
            <div id="resend-about" data-refresh=refresh>
                {job.note.clone().map(|note| view! { <p class="resend-note">"Stopped: "{note}"."</p> })}
                <About job list/>
            </div>
        </section>
        <section class="panel" id="resend-items" data-refresh=refresh aria-label="Messages">
            <nav aria-label="States"><ul class="resend-tabs">{tabs}</ul></nav>
            <table class="table resend-items">
                <thead>
                    <tr>
                        <th scope="col">"Message"</th>
                        <th scope="col">"What happened"</th>
                        <th scope="col">"The copy"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {pages}
        </section>
    }
}

/// A bar with its numbers. Without JavaScript a link shows the page anew.
#[component]
fn Progress(
    state: ResendJobState,
    counts: ResendCounts,
    copies: Vec<(EmailStatus, i64)>,
    refresh: Option<&'static str>,
) -> impl IntoView {
    let (resent, to_send) = (counts.resent, counts.to_send());
    let (done, rest) = progress_words(state, counts, &copies);
    view! {
        <div class="resend-progress">
            <p role="status">
                <span id="resend-counts" data-refresh=refresh>
                    <strong>{done}</strong>
                    {rest.map(|rest| view! { <span class="rest">{format!(" {rest}")}</span> })}
                </span>
            </p>
            <progress
                id="resend-bar"
                data-refresh=refresh
                aria-label="Sent again"
                value=resent.to_string()
                max=to_send.max(1).to_string()
            ></progress>
            {refresh.is_some().then(|| view! { <noscript><a class="button" href="">"Reload"</a></noscript> })}
        </div>
    }
}

/// How far it got, and what is to be said beside: what became of the copies, once it is over, and what was not sent again.
fn progress_words(
    state: ResendJobState,
    counts: ResendCounts,
    copies: &[(EmailStatus, i64)],
) -> (String, Option<String>) {
    let begins = if state.is_over() { format!("{}: ", state.label()) } else { String::new() };
    let done = format!("{begins}{} of {} sent again.", grouped(counts.resent), grouped(counts.to_send()));
    let CopyCounts { arrived, lost, unreported } =
        if state.is_over() { CopyCounts::of(copies) } else { CopyCounts::default() };
    let have = if unreported == 1 { "has no report yet" } else { "have no report yet" };
    let parts = [
        (arrived, "arrived"),
        (lost, "did not arrive"),
        (unreported, have),
        (counts.refused, "not possible"),
        (counts.left_out, "left out"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count)));
    let rest = parts.collect::<Vec<_>>().join(", ");
    (done, (!rest.is_empty()).then(|| format!("{rest}.")))
}

/// What became of the copies: that a message was sent again does not say that it arrived.
#[component]
fn Copies(copies: Vec<(EmailStatus, i64)>, refresh: Option<&'static str>) -> impl IntoView {
    let has_any = !copies.is_empty();
    let parts = copies.into_iter().map(|(status, count)| {
        view! { <li><StatusBadge status/>" "{grouped(count)}</li> }
    });
    view! {
        <div class="resend-copies" id="resend-copies" data-refresh=refresh>
            {has_any.then(|| view! { <span>"The copies: "</span><ul>{parts.collect_view()}</ul> })}
        </div>
    }
}

/// How often, in seconds, the parts of the page are fetched anew that may change.
fn refresh(state: ResendJobState, may_change: bool) -> Option<&'static str> {
    match state {
        ResendJobState::Running => Some("2"),
        _ => may_change.then_some("10"),
    }
}

#[component]
fn Steps(job: ResendJob) -> impl IntoView {
    let steps = ResendStep::ALL.into_iter().filter(|step| step.is_possible(job.state)).map(|step| {
        view! {
            <form method="post" action=mounted(SteerResend::PATH)>
                <input type="hidden" name="id" value=job.id.to_string()/>
                <button class="button" name="step" value=step.as_str()>{step.label()}</button>
            </form>
        }
    });
    view! { <div class="page-actions">{steps.collect_view()}</div> }
}

#[component]
fn About(job: ResendJob, list: Option<LogFrame>) -> impl IntoView {
    let filter = match list_of(&job).zip(list) {
        Some((query, LogFrame { period, templates, names })) => {
            let words = format!("{} · {}", list_words(&query, &templates, &names), period.label);
            view! { <a href=mounted(query.to_url())>{words}</a> }.into_any()
        }
        None => "Messages that were chosen".into_any(),
    };
    view! {
        <dl class="resend-facts">
            <div><dt>"Started by"</dt><dd>{job.made_by}", "<Time at=job.id.created_at()/></dd></div>
            {job.reason.map(|reason| view! { <div><dt>"Why"</dt><dd>{reason}</dd></div> })}
            <div><dt>"Messages"</dt><dd>{filter}</dd></div>
            <div><dt>"Pace"</dt><dd>{format!("{} a minute", grouped(job.per_minute))}</dd></div>
            {job.finished_at.map(|at| view! { <div><dt>"Ended"</dt><dd><Time at/></dd></div> })}
        </dl>
    }
}

#[component]
fn Item(item: ResendItem) -> impl IntoView {
    let message = match item.email {
        Some(email) => {
            let subject = shown_subject(&email.subject, email.channel);
            view! {
                <span class="two-lines">
                    <a href=mounted(format!("/logs/{}", item.email_id))>{spoken_list(&email.recipients)}</a>
                    <span>{subject}</span>
                </span>
            }
            .into_any()
        }
        None => view! { <span class="nothing">"Not kept any more"</span> }.into_any(),
    };
    let copy = item.copy.map(|(id, status)| match status {
        Some(status) => {
            let label = format!("The copy {id}");
            view! { <a class="copy-link" href=mounted(format!("/logs/{id}")) title=label><StatusBadge status/></a> }
                .into_any()
        }
        None => view! { <span class="nothing">"Not kept any more"</span> }.into_any(),
    });
    view! {
        <tr>
            <td>{message}</td>
            <td>
                <span class="resend-item" data-state=item.state.as_str()>{item.state.label()}</span>
                {item.words.map(|words| view! { <p class="remark">{words}</p> })}
            </td>
            <td>{copy}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_done_says_what_became_of_its_copies() {
        let counts = ResendCounts { resent: 15, ..ResendCounts::default() };
        let done = "Done: 15 of 15 sent again.".to_owned();
        let unknown = Some("15 have no report yet.".to_owned());
        assert_eq!(progress_words(ResendJobState::Done, counts, &[(EmailStatus::Sent, 15)]), (done.clone(), unknown));
        let copies = [
            (EmailStatus::Queued, 1),
            (EmailStatus::Delivered, 9),
            (EmailStatus::Opened, 2),
            (EmailStatus::Bounced, 3),
        ];
        let told = Some("11 arrived, 3 did not arrive, 1 has no report yet.".to_owned());
        assert_eq!(progress_words(ResendJobState::Done, counts, &copies), (done.clone(), told));
        assert_eq!(progress_words(ResendJobState::Done, counts, &[]), (done, None));
        // While it goes on, the list of the copies says it.
        let half = ResendCounts { waiting: 5, resent: 10, refused: 2, left_out: 1 };
        let (begun, rest) = progress_words(ResendJobState::Running, half, &[(EmailStatus::Sent, 10)]);
        assert_eq!(begun, "10 of 15 sent again.");
        assert_eq!(rest.as_deref(), Some("2 not possible, 1 left out."));
    }
}
