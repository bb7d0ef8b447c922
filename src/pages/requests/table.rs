//! The requests: a table, which narrow windows show as two lines a request.

use leptos::prelude::*;

use crate::components::empty_state::EmptyState;
use crate::components::http::{HttpStatusBadge, Method};
use crate::components::icon::Glyph;
use crate::components::number::duration;
use crate::components::periods::WiderPeriod;
use crate::components::time::Time;
use crate::domain::address::requests::{Place, RequestQuery, StatusClass};
use crate::domain::api_request::ApiRequestSummary;
use crate::domain::ids::ApiKeyId;
use crate::domain::mount::mounted;
use crate::domain::period::Period;

/// Some requests, newest first.
#[component]
pub fn RequestTable(rows: Vec<ApiRequestSummary>) -> impl IntoView {
    // The roles stay when the style sheet takes the table apart on narrow windows.
    view! {
        <table class="request-table" role="table" aria-label="Requests">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Status"</th>
                    <th role="columnheader" scope="col">"Endpoint"</th>
                    <th role="columnheader" scope="col">"Key"</th>
                    <th role="columnheader" scope="col">"User agent"</th>
                    <th role="columnheader" scope="col" class="duration">"Took"</th>
                    <th role="columnheader" scope="col" class="time" aria-sort="descending">"Arrived"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.into_iter().map(|row| view! { <Row row/> }).collect_view()}</tbody>
        </table>
    }
}

#[component]
fn Row(row: ApiRequestSummary) -> impl IntoView {
    let url = format!("/requests/{}", row.id);
    let key = match (row.api_key_name, row.api_key_id) {
        (Some(name), _) => name.into_any(),
        (None, Some(id)) => view! { <code>{id.to_string()}</code> }.into_any(),
        (None, None) => view! { <span class="nothing">"a session"</span> }.into_any(),
    };
    let (endpoint, agent) = (row.endpoint, row.user_agent.unwrap_or_else(|| "–".to_owned()));
    let (whole_endpoint, whole_agent) = (endpoint.clone(), agent.clone());
    view! {
        <tr role="row">
            <td role="cell" class="status"><HttpStatusBadge status=row.response_status/></td>
            <td role="cell" class="endpoint" title=whole_endpoint>
                <a class="row-link" href=mounted(url)><Method method=row.method/>" "<code>{endpoint}</code></a>
            </td>
            <td role="cell" class="key">{key}</td>
            <td role="cell" class="agent" title=whole_agent>{agent}</td>
            <td role="cell" class="duration">{duration(row.duration_ms)}</td>
            <td role="cell" class="time"><Time at=row.at/></td>
        </tr>
    }
}

/// What stands in the place of an empty table, with a way to requests.
#[component]
pub fn Nothing(query: RequestQuery, period: Period, keys: Vec<(ApiKeyId, String)>) -> impl IntoView {
    if query.place != Place::Newest {
        let newest = query.at(Place::Newest).to_url();
        return view! {
            <EmptyState glyph=Glyph::Code title="There is nothing older">
                <p>"The list ends before this place."</p>
                <p><a class="button" href=mounted(newest)>"Back to the newest"</a></p>
            </EmptyState>
        }
        .into_any();
    }
    let key = query.key.and_then(|id| keys.into_iter().find(|(known, _)| *known == id));
    let title = nothing_title(&query, &period, key.map(|(_, name)| name));
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    let way_out = if query.has_filters() {
        view! { <a class="button" href=mounted(query.without_filters().to_url())>"Clear filters"</a> }.into_any()
    } else {
        view! { <a class="button" href=mounted("/connect")>"Connect a program"</a> }.into_any()
    };
    view! {
        <EmptyState glyph=Glyph::Code title>
            <p class="empty-links"><WiderPeriod preset=period.preset to_url/>{way_out}</p>
        </EmptyState>
    }
    .into_any()
}

/// What is missing, in one sentence: "No refused POST requests to “/emails” in the last 7 days".
fn nothing_title(query: &RequestQuery, period: &Period, key: Option<String>) -> String {
    let class = match query.status {
        Some(StatusClass::Success) => "successful ",
        Some(StatusClass::Redirect) => "redirected ",
        Some(StatusClass::Refused) => "refused ",
        Some(StatusClass::Fault) => "failed ",
        None => "",
    };
    let method = query.method.map(|method| format!("{method} ")).unwrap_or_default();
    let noun = if class.is_empty() && method.is_empty() { "API requests" } else { "requests" };
    let endpoint = query.endpoint.as_ref().map(|part| format!(" to “{part}”")).unwrap_or_default();
    let key = key.map(|name| format!(" with the key “{name}”")).unwrap_or_default();
    let agent = query.user_agent.as_ref().map(|part| format!(" by “{part}”")).unwrap_or_default();
    let recipient = query.recipient.as_ref().map(|address| format!(" for {address}")).unwrap_or_default();
    let error = query.error.as_ref().map(|part| format!(" that say “{part}”")).unwrap_or_default();
    // A request that made no message may have been for them.
    let no = if query.recipient.is_some() { "Found no" } else { "No" };
    format!("{no} {class}{method}{noun}{recipient}{endpoint}{key}{agent}{error}{}", period.preset.within())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::filter::TimeRange;
    use crate::domain::period::Preset;

    #[test]
    fn an_empty_list_says_what_is_missing() {
        let period = Period {
            preset: Preset::Last7Days,
            range: TimeRange::default(),
            previous: None,
            label: "the last 7 days".to_owned(),
            now: chrono::DateTime::UNIX_EPOCH,
            time_zone: "UTC".to_owned(),
        };
        let title = |query: &str, key: Option<&str>| {
            nothing_title(&RequestQuery::parse(query).unwrap(), &period, key.map(str::to_owned))
        };
        assert_eq!(title("", None), "No API requests in the last 7 days");
        assert_eq!(
            title("status=4xx&method=POST&endpoint=/emails", Some("crm")),
            "No refused POST requests to “/emails” with the key “crm” in the last 7 days"
        );
        assert_eq!(
            title("recipient=ada@finch.example&error=empty", None),
            "Found no API requests for ada@finch.example that say “empty” in the last 7 days"
        );
        assert_eq!(title("agent=node", None), "No API requests by “node” in the last 7 days");
    }
}
