//! The bar over the table: status, template, channel, and how many messages there are.

use leptos::prelude::*;

use super::templates::TemplateFilter;
use super::view_menu::ViewMenu;
use crate::components::ask::WhomToAsk;
use crate::components::can::may;
use crate::components::channel_mark::channel_glyph;
use crate::components::field::HiddenFields;
use crate::components::filter::{Choice, ChoiceMenu, filter_label};
use crate::components::icon::Icon;
use crate::components::menu::Menu;
use crate::components::number::grouped_total;
use crate::components::status_badge::status_glyph;
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::filter::StatusSet;
use crate::domain::ids::TemplateId;
use crate::domain::list_view::ListView;
use crate::domain::mount::mounted;
use crate::domain::page::Total;
use crate::domain::permission::Permission;
use crate::domain::plain_words::of_status;

/// Forms that work by themselves: each keeps what the others chose. Without a total there is no list.
#[component]
pub fn Filters(
    query: LogQuery,
    templates: Vec<(TemplateId, String)>,
    total: Option<Total>,
    look: ListView,
) -> impl IntoView {
    let exported = query.clone();
    let clear = query.has_filters().then(|| {
        view! { <a class="clear" href=mounted(query.without_filters().to_url())>"Clear filters"</a> }
    });
    view! {
        <div class="filters" id="messages" tabindex="-1">
            <StatusFilter query=query.clone()/>
            <TemplateFilter query=query.clone() templates/>
            <ChannelFilter query/>
            {clear}
            {total.map(|total| view! {
                <ViewMenu look/>
                <Export query=exported/>
                <a class="clear without-script" href="">"Reload"</a>
                <p class="filters-total" id="log-total">
                    {grouped_total(total)} {if total == Total::Exact(1) { " message" } else { " messages" }}
                </p>
            })}
        </div>
    }
}

/// The list as a file, or whom to ask for that.
#[component]
fn Export(query: LogQuery) -> impl IntoView {
    if !may(Permission::LogsExport) {
        return view! {
            <Menu label="Export".into_any() class="quiet">
                <p class="hint">"Your role cannot export messages. " <WhomToAsk/></p>
            </Menu>
        }
        .into_any();
    }
    let link = move |format: &'static str, label: &'static str| {
        let url = query.to_export_url(format);
        view! { <li><a class="menu-item" href=mounted(url) download="" rel="nofollow">{label}</a></li> }
    };
    view! {
        <Menu label="Export".into_any() class="quiet">
            <ul class="menu-list">{link("csv", "CSV, for spreadsheets")}{link("ndjson", "NDJSON, for programs")}</ul>
        </Menu>
    }
    .into_any()
}

#[component]
fn StatusFilter(query: LogQuery) -> impl IntoView {
    let chosen: Vec<_> = query.statuses.iter().map(EmailStatus::label).collect();
    let words = match chosen.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first, rest @ ..] => Some(format!("{first} +{}", rest.len())),
    };
    let boxes = EmailStatus::ALL
        .map(|status| {
            let is_chosen = query.statuses.contains(status);
            view! {
                <label class="menu-check" data-status=status.as_str() title=of_status(status)>
                    <input type="checkbox" name="status" value=status.as_str() checked=is_chosen/>
                    <Icon glyph=status_glyph(status)/>
                    {status.label()}
                    {exactly(status).map(|words| view! { <span class="menu-hint">{words}</span> })}
                </label>
            }
        })
        .collect_view();
    let problems = query.with_statuses(StatusSet::PROBLEMS).to_url();
    view! {
        <Menu label=filter_label("Status", words)>
            <a class="menu-item" href=mounted(problems)>"Problems: bounced, failed, spam"</a>
            <form method="get" action=mounted("/logs")>
                <HiddenFields fields=query.kept("status")/>
                <fieldset>
                    <legend class="menu-title">"Status"</legend>
                    {boxes}
                </fieldset>
                <div class="menu-foot"><button class="button primary">"Apply"</button></div>
            </form>
        </Menu>
    }
}

/// What a status leaves out that a card of the same name counts.
const fn exactly(status: EmailStatus) -> Option<&'static str> {
    match status {
        EmailStatus::Sent => Some("no report yet"),
        EmailStatus::Delivered => Some("not opened"),
        EmailStatus::Opened => Some("no link followed"),
        _ => None,
    }
}

#[component]
fn ChannelFilter(query: LogQuery) -> impl IntoView {
    let choice = |channel: Option<Channel>, label: &str| Choice {
        url: LogQuery { channel, ..query.with_page(1) }.to_url(),
        label: label.to_owned(),
        glyph: channel.map(channel_glyph),
        is_current: channel == query.channel,
    };
    let any = choice(None, "Any channel");
    let each = Channel::ALL.into_iter().map(|channel| choice(Some(channel), channel.label()));
    let choices: Vec<Choice> = std::iter::once(any).chain(each).collect();
    view! { <ChoiceMenu name="Channel" choices/> }
}
