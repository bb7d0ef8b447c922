//! Why: the problems of the list by their reasons, each with the way to exactly its messages. It speaks of the list's rows:
//! what narrows them holds for it too. Links alone: it works without scripts.

use leptos::prelude::*;

use crate::components::can::may;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{counted, grouped, percentage};
use crate::components::time::{Time, ViewerClock};
use crate::domain::address::logs::LogQuery;
use crate::domain::failure::{FailureGroup, Reason, Reasons, ResendHelp};
use crate::domain::ids::AdapterId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::search::{Condition, Qualifier};

/// As many are shown at once; the others are behind one line.
const AT_ONCE: usize = 5;

/// The reasons; nothing where the list has no problems.
#[component]
pub fn Why(query: LogQuery, reasons: Option<Reasons>) -> impl IntoView {
    reasons.map(|reasons| view! { <Panel query reasons/> })
}

#[component]
fn Panel(query: LogQuery, reasons: Reasons) -> impl IntoView {
    let Reasons { problems, resent, groups, shown, undiagnosed, looked_from } = reasons;
    let with_adapters = shown.iter().any(|reason| reason.adapter.is_some());
    let may_resend = may(Permission::LogsResend);
    let rows: Vec<RowOf> = shown
        .iter()
        .map(|reason| {
            let list = list_of(&query, reason, &shown);
            let resend = may_resend && reason.resent < reason.count && !matches!(reason.class.resend(), ResendHelp::No);
            RowOf {
                reason: reason.clone(),
                show: (list != query).then(|| list.to_url()),
                resend: resend.then(|| resend_url(&list)),
            }
        })
        .collect();
    let (first, more) = rows.split_at(rows.len().min(AT_ONCE));
    let rarer = groups - rows.len() as i64;
    let more = (!more.is_empty()).then(|| {
        let summary = counted(groups - AT_ONCE as i64, "more reason", "more reasons");
        let rarer = (rarer > 0).then(|| {
            let text = format!("And {}, not shown here.", counted(rarer, "rarer one", "rarer ones"));
            view! { <p class="panel-note">{text}</p> }
        });
        view! {
            <details>
                <summary>{summary}</summary>
                <Groups rows=more.to_vec() problems with_adapters label="More reasons"/>
                {rarer}
            </details>
        }
    });
    let undiagnosed = (undiagnosed > 0).then(|| {
        let are = if undiagnosed == 1 { "is" } else { "are" };
        let text = format!(
            "{} from before the last update {are} still being looked through.",
            counted(undiagnosed, "problem", "problems")
        );
        view! { <p class="panel-note">{text}</p> }
    });
    view! {
        <section class="panel why" aria-label="Why">
            // On narrow windows the reasons are behind this line, and the messages come first.
            <input type="checkbox" id="reasons" class="why-toggle" autocomplete="off"/>
            <div class="panel-head">
                <h2>"Why"</h2>
                <p>
                    {format!("{} bounced or failed in {}", grouped(problems), counted(groups, "group", "groups"))}
                    {resent_of(resent, problems).map(|words| format!(", {words}"))}
                    {looked_from.map(|from| view! { ", the newest, back to " <Time at=from/> })}
                </p>
                <label for="reasons" class="why-short">
                    <span class="visually-hidden">"Show the reasons"</span>
                    <Icon glyph=Glyph::Chevron/>
                </label>
            </div>
            {(!first.is_empty()).then(|| view! { <Groups rows=first.to_vec() problems with_adapters label="Reasons"/> })}
            {more}
            {undiagnosed}
        </section>
    }
}

/// How many of them were resent already: "all resent", "12 resent".
fn resent_of(resent: i64, count: i64) -> Option<String> {
    match resent {
        0 => None,
        all if all == count => Some(if count == 1 { "resent" } else { "all resent" }.to_owned()),
        some => Some(format!("{} resent", grouped(some))),
    }
}

#[derive(Clone)]
struct RowOf {
    reason: Reason,
    /// The list of its messages; `None` where that is this one.
    show: Option<String>,
    resend: Option<String>,
}

#[component]
fn Groups(rows: Vec<RowOf>, problems: i64, with_adapters: bool, label: &'static str) -> impl IntoView {
    // The roles stay when the style sheet takes the table apart on narrow windows.
    view! {
        <table class="why-table" role="table" aria-label=label data-adapters=with_adapters.then_some("")>
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Messages"</th>
                    <th role="columnheader" scope="col">"Reason"</th>
                    <th role="columnheader" scope="col">"What the server said"</th>
                    <th role="columnheader" scope="col">"Whose problem"</th>
                    {with_adapters.then(|| view! { <th role="columnheader" scope="col">"Adapter"</th> })}
                    <th role="columnheader" scope="col">"First and last"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">
                {rows.into_iter().map(|row| view! { <Row row problems with_adapters/> }).collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn Row(row: RowOf, problems: i64, with_adapters: bool) -> impl IntoView {
    let RowOf { reason, show, resend } = row;
    let Reason { class, mailbox_provider, adapter, words, count, resent, first, last, .. } = reason;
    let name = match &mailbox_provider {
        Some(provider) => format!("{} · {provider}", class.label()),
        None => class.label().to_owned(),
    };
    let of = format!("{}: {name}", counted(count, "message", "messages"));
    let words = words.unwrap_or_else(|| "–".to_owned());
    let adapter = with_adapters.then(|| {
        let shown = match adapter {
            Some((_, Some(name))) => name,
            Some((_, None)) => "removed".to_owned(),
            None => "–".to_owned(),
        };
        view! { <td role="cell" class="adapter" title=shown.clone()>{shown.clone()}</td> }
    });
    let clock = ViewerClock::of_page();
    let day = |at| clock.local(at).date_naive();
    let today = (day(first) != day(last) && day(last) == day(clock.now)).then_some("today ");
    let since = (first != last).then(|| view! { <Time at=first/> " – " {today} });
    let resend = resend.map(|url| {
        view! { <a class="button small" href=mounted(url) aria-label=format!("Resend… {of}")>"Resend…"</a> }
    });
    view! {
        <tr role="row">
            <td role="cell" class="count">
                <strong>{grouped(count)}</strong> " " <span class="share">{percentage(count, problems)}</span>
            </td>
            <th role="rowheader" scope="row" class="reason" title=name.clone()>
                {name.clone()}
                " "
                {resent_of(resent, count).map(|words| view! { <span class="resent">{words}</span> })}
            </th>
            <td role="cell" class="words" title=words.clone()>{words.clone()}</td>
            <td role="cell" class="whose">{class.whose().label()}</td>
            {adapter}
            <td role="cell" class="when">{since} <Time at=last/></td>
            <td role="cell" class="actions">
                {show.map(|url| view! { <a class="button small" href=mounted(url) aria-label=format!("Show {of}")>"Show"</a> })}
                {resend}
            </td>
        </tr>
    }
}

/// The first page of a group's messages, every other filter kept.
fn list_of(query: &LogQuery, reason: &Reason, shown: &[Reason]) -> LogQuery {
    let mut list = query.with_page(1);
    list.search.take(Qualifier::Reason);
    list.search.take(Qualifier::Group);
    list.search.conditions.push(Condition::of(Qualifier::Reason, [reason.class.slug()]));
    list.search.conditions.push(Condition::of(Qualifier::Group, [reason.group.to_string()]));
    match reason.adapter {
        Some((id, _)) => {
            list.search.take(Qualifier::Adapter);
            list.search.conditions.push(Condition::of(Qualifier::Adapter, [id.to_string()]));
        }
        None => {
            // What came in by no adapter is all but what went out by one.
            let others: Vec<String> = adapters_of(reason.group, shown).map(|id| id.to_string()).collect();
            if !others.is_empty() {
                let denied = Condition { is_not: true, ..Condition::of(Qualifier::Adapter, others) };
                list.search.conditions.push(denied);
            }
        }
    }
    list
}

fn adapters_of(group: FailureGroup, shown: &[Reason]) -> impl Iterator<Item = AdapterId> {
    let of_group = shown.iter().filter(move |reason| reason.group == group);
    of_group.filter_map(|reason| reason.adapter.as_ref().map(|(id, _)| *id))
}

/// The address of the page that resends all messages of a list.
fn resend_url(list: &LogQuery) -> String {
    crate::domain::address::url("/resends/new", list.with_page(1).fields())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::failure::FailureClass;

    fn reason(group: i64, adapter: Option<i64>) -> Reason {
        Reason {
            group: FailureGroup(group),
            class: FailureClass::AddressUnknown,
            mailbox_provider: None,
            adapter: adapter.map(|id| (AdapterId(id), None)),
            words: None,
            count: 1,
            resent: 0,
            first: DateTime::UNIX_EPOCH,
            last: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_group_keeps_every_other_filter_of_the_address() {
        let query =
            LogQuery::parse("preset=30d&status=bounced&channel=sms&page=3&q=ada tag:a group:v1-00000000000000ff")
                .unwrap();
        let list = list_of(&query, &reason(1, None), &[reason(1, None)]);
        assert_eq!(
            list.to_url(),
            "/logs?preset=30d&status=bounced&channel=sms\
             &q=ada%20tag:a%20reason:address-unknown%20group:v1-0000000000000001"
        );
        assert_eq!(LogQuery::parse(list.to_url().split_once('?').unwrap().1), Ok(list.clone()));
        let resend = "/resends/new?preset=30d&status=bounced&channel=sms\
             &q=ada%20tag:a%20reason:address-unknown%20group:v1-0000000000000001";
        assert_eq!(resend_url(&list), resend);
    }

    #[test]
    fn groups_of_several_adapters_are_told_apart() {
        let shown = [reason(1, Some(7)), reason(1, None), reason(2, Some(8))];
        let adapters = shown.each_ref().map(|of| list_of(&LogQuery::default(), of, &shown).search.to_string());
        assert!(adapters[0].ends_with("group:v1-0000000000000001 adapter:adp_0000000000007"), "{adapters:?}");
        assert!(adapters[1].ends_with("group:v1-0000000000000001 -adapter:adp_0000000000007"), "{adapters:?}");
    }
}
