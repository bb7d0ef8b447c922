//! How many requests the list has, by what they were answered: a strip over the table, of the same rows.

use leptos::prelude::*;

use crate::components::number::{counted, grouped};
use crate::domain::address::requests::{Place, RequestQuery, StatusClass};
use crate::domain::api_request::{COUNTED, RequestCounts};
use crate::domain::mount::mounted;

/// The numbers; each leads to the requests that it counts. Nothing where there are none.
#[component]
pub fn Counts(query: RequestQuery, counts: RequestCounts) -> impl IntoView {
    let total = counts.total();
    let classes = StatusClass::ALL.into_iter().filter_map(|class| {
        let count = counts.of(class.digit());
        let is_chosen = query.status == Some(class);
        let words = format!("{} {}", grouped(count), words_of(class));
        let url = RequestQuery { status: Some(class), ..query.at(Place::Newest) }.to_url();
        (count > 0).then(|| {
            view! {
                <li data-class=class.as_str()>
                    {if is_chosen { words.into_any() } else { view! { <a href=mounted(url)>{words}</a> }.into_any() }}
                </li>
            }
        })
    });
    let classes = classes.collect_view();
    (total > 0).then(|| {
        view! {
            <div class="request-counts">
                <p>
                    <strong>{counted(total, "request", "requests")}</strong>
                    {counts.goes_on.then(|| format!(" among the newest {}", grouped(COUNTED)))}
                </p>
                <ul aria-label="By status">{classes}</ul>
            </div>
        }
    })
}

const fn words_of(class: StatusClass) -> &'static str {
    match class {
        StatusClass::Success => "succeeded",
        StatusClass::Redirect => "redirected",
        StatusClass::Refused => "refused",
        StatusClass::Fault => "failed",
    }
}
