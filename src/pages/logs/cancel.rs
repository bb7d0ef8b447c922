//! `/logs/cancel`: says how many of the chosen messages can be taken back before their time, and asks.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_location;

use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::number::counted;
use crate::domain::address::logs::LogQuery;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::pages::layout::{PageTitle, Section, in_layout};
use crate::server_fns::emails::{CancelChosen, CancelView, load_cancel};

#[component]
pub fn CancelPage() -> impl IntoView {
    let address = use_location().search.get_untracked();
    in_layout(Section::Logs, load_cancel(address), |view| view! { <Cancel view/> })
}

#[component]
fn Cancel(view: CancelView) -> impl IntoView {
    let CancelView { waiting, others, list } = view;
    let back = LogQuery::parse(&list).unwrap_or_default().to_url();
    let unchanged = back.clone();
    let kept = if list.is_empty() { "/logs?q=is:scheduled&preset=all".to_owned() } else { back.clone() };
    let count = waiting.len() as i64;
    let others = (others > 0).then(|| match others {
        1 => "1 more that you chose does not wait for a time: it stays as it is.".to_owned(),
        _ => format!("{others} more that you chose do not wait for a time: they stay as they are."),
    });
    let body = if count == 0 {
        view! {
            <section class="panel" aria-label="What will happen">
                <EmptyState glyph=Glyph::Clock title="Nothing here can be canceled">
                    <p>"Only messages that wait for their time can be. None of those that you chose does."</p>
                    <p><a class="button" href=mounted(unchanged)>"Back to the list"</a></p>
                </EmptyState>
            </section>
        }
        .into_any()
    } else {
        let ids = waiting.iter().map(EmailId::to_string).collect::<Vec<_>>().join(",");
        let what = counted(count, "message", "messages");
        view! {
            <form class="panel panel-body stack" method="post" action=mounted(CancelChosen::PATH) data-once data-ends-choice>
                <input type="hidden" name="ids" value=ids/>
                <input type="hidden" name="list" value=list/>
                <p>
                    <strong>{format!("{what} will not go out.")}</strong>
                    " Their entries stay in the log as failed, with your name. This cannot be undone; what goes out before you press the button has gone out."
                </p>
                {others.map(|words| view! { <p>{words}</p> })}
                <div class="dialog-buttons">
                    <a class="button" href=mounted(kept)>"Keep them"</a>
                    <button class="button danger">{format!("Cancel {what}")}</button>
                </div>
            </form>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted(back)>"Logs"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <PageTitle text="Cancel messages"/>
        </div>
        <div class="resend-new">{body}</div>
    }
}
