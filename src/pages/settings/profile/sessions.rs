//! The section about where a person is logged in.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::time::Time;
use crate::domain::account::PersonSession;
use crate::domain::mount::mounted;
use crate::server_fns::profile::{EndOtherSessions, EndSession};

/// The person's sessions, with buttons that end them.
#[component]
pub fn Sessions(sessions: Vec<PersonSession>) -> impl IntoView {
    let others = (sessions.len() > 1).then(|| {
        view! {
            <div class="panel-actions">
                <form method="post" action=mounted(EndOtherSessions::PATH)>
                    <button class="button small danger">"End all others"</button>
                </form>
            </div>
        }
    });
    view! {
        <section class="panel" aria-label="Sessions">
            <div class="panel-head">
                <h2>"Sessions"</h2>
                <p>"Where you are logged in."</p>
                {others}
            </div>
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Device and place"</th>
                        <th role="columnheader" scope="col" class="wide-only">"Began"</th>
                        <th role="columnheader" scope="col">"Last seen"</th>
                        <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    {sessions.into_iter().map(|session| view! { <SessionRow session/> }).collect_view()}
                </tbody>
            </table>
        </section>
    }
}

#[component]
fn SessionRow(session: PersonSession) -> impl IntoView {
    let place = session.address.unwrap_or_else(|| "unknown address".to_owned());
    let label = format!("End the session of {} at {place}", session.device);
    let action = if session.is_this {
        view! { <span class="nothing">"this session"</span> }.into_any()
    } else {
        view! {
            <form method="post" action=mounted(EndSession::PATH)>
                <button class="button small danger" name="session" value=session.name aria-label=label>"End"</button>
            </form>
        }
        .into_any()
    };
    view! {
        <tr role="row">
            <td role="cell"><span class="two-lines"><strong>{session.device}</strong><span>{place}</span></span></td>
            <td role="cell" class="wide-only"><Time at=session.began_at/></td>
            <td role="cell"><span class="stacked-label">"Last seen "</span><Time at=session.last_seen_at/></td>
            <td role="cell" class="actions">{action}</td>
        </tr>
    }
}
