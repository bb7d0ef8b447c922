//! `/resends/new`: says what a bulk resend would do to how many, and asks.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_location;

use crate::components::empty_state::EmptyState;
use crate::components::field::OfTeam;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::grouped;
use crate::domain::address::resends::NewResendQuery;
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::domain::resend_job::{
    DEFAULT_PER_MINUTE, MAX_MESSAGES, MAX_REASON_CHARS, Preflight, PreflightGroup, ResendItemState, ResendOptions,
};
use crate::pages::layout::{PageTitle, Section, in_layout};
use crate::server_fns::resends::{CreateResend, NewResendView, load_new_resend};

/// The paces that can be chosen, in messages a minute.
const PACES: [i64; 6] = [30, 60, 120, DEFAULT_PER_MINUTE, 1_000, 6_000];

#[component]
pub fn NewResendPage() -> impl IntoView {
    let address = use_location().search.get_untracked();
    let load = async move {
        let query = NewResendQuery::parse(&address)?;
        let view = load_new_resend(address).await?;
        Ok::<_, AppError>((query, view))
    };
    in_layout(Section::Resends, load, |(query, view)| view! { <NewResend query view/> })
}

#[component]
fn NewResend(query: NewResendQuery, view: NewResendView) -> impl IntoView {
    let NewResendView { preflight, once, draft } = view;
    let (count, total) = (preflight.counts.waiting, preflight.counts.total());
    let failing = preflight.failing(query.options);
    let is_doubtful = preflight.to_mend + failing == count;
    let chosen = if query.ids.is_empty() {
        view! {
            <p>
                {format!("{} that failed or bounced, of ", messages(total))}
                <a href=mounted(query.log.to_url())>"this list"</a>
                {(preflight.others > 0).then(|| format!(
                    ". The others of the list, {}, did not fail and stay as they are", grouped(preflight.others)
                ))}
                "."
            </p>
        }
        .into_any()
    } else {
        view! { <p>{format!("{} that you chose.", messages(total))}</p> }.into_any()
    };
    let body = if total == 0 {
        view! {
            <section class="panel" aria-label="What will happen">
                <EmptyState glyph=Glyph::Resend title="Nothing here can be resent">
                    <p>"No message of this list failed or bounced."</p>
                    <p><a class="button" href=mounted(query.log.to_url())>"Back to the list"</a></p>
                </EmptyState>
            </section>
        }
        .into_any()
    } else {
        view! {
            <section class="panel" aria-labelledby="preflight">
                <div class="panel-head"><h2 id="preflight">"What will happen"</h2></div>
                <Groups preflight=preflight.clone() query=query.clone()/>
            </section>
            {to_mend(&preflight).map(|words| view! { <ToMend words list=query.log.to_url()/> })}
            {likely_to_fail(failing, count).map(|words| view! { <Warning words/> })}
            {suppressed(&preflight).map(|words| view! { <Warning words/> })}
            {outdated(preflight.outdated).map(|words| view! { <Warning words/> })}
            {match count {
                0 => view! {
                    <p>"None of them would be sent again."</p>
                    <div class="form-buttons"><a class="button" href=mounted(query.log.to_url())>"Cancel"</a></div>
                }
                .into_any(),
                _ => view! { <Form query count is_doubtful once draft/> }.into_any(),
            }}
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/resends")>"Resends"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <PageTitle text="Resend messages"/>
        </div>
        <div class="resend-new">{chosen}{body}</div>
    }
}

/// "1 message", "87 messages".
fn messages(count: i64) -> String {
    format!("{} message{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// What will only end the same way again unless the team mends it, in a sentence.
fn to_mend(preflight: &Preflight) -> Option<String> {
    let (count, why) = (preflight.to_mend, preflight.to_mend_why.join("; "));
    let words = match count {
        0 => return None,
        1 => format!("1 of them will bounce again unless its reason is fixed first: {why}."),
        _ => format!("{} of them will bounce again unless the reason is fixed first: {why}.", grouped(count)),
    };
    Some(words)
}

/// How many of those that are sent again will end the same way whatever the team does, in a sentence.
fn likely_to_fail(failing: i64, count: i64) -> Option<String> {
    let words = match failing {
        0 => return None,
        1 if count == 1 => "It will likely fail again, for the reason above.".to_owned(),
        _ if failing == count => "All of them will likely fail again, for the reasons above.".to_owned(),
        1 => "1 of them will likely fail again, for the reason above.".to_owned(),
        _ => format!("{} of them will likely fail again, for the reasons above.", grouped(failing)),
    };
    Some(words)
}

/// How many go to addresses that are not written to any more, in a sentence.
fn suppressed(preflight: &Preflight) -> Option<String> {
    let none = match preflight.suppressed {
        0 => None,
        1 => Some("1 of them goes to a suppressed address and will be dropped.".to_owned()),
        count => Some(format!("{} of them go to suppressed addresses and will be dropped.", grouped(count))),
    };
    let some = match preflight.partly_suppressed {
        0 => None,
        1 => Some("1 of them has suppressed addresses among its recipients: only the others get it.".to_owned()),
        count => Some(format!(
            "{} of them have suppressed addresses among their recipients: only the others get them.",
            grouped(count)
        )),
    };
    let told: Vec<String> = [none, some].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join(" "))
}

/// How many say what may be over by now, in a sentence.
fn outdated(count: i64) -> Option<String> {
    let words = match count {
        0 => return None,
        1 => "1 of them is older than what it says: a code, link or day in it may have passed.".to_owned(),
        _ => {
            let count = grouped(count);
            format!("{count} of them are older than what they say: codes, links or days in them may have passed.")
        }
    };
    Some(words)
}

#[component]
fn Warning(words: String) -> impl IntoView {
    view! {
        <div class="callout" data-tone="waiting" role="note">
            <Icon glyph=Glyph::Alert/>
            <div class="callout-body"><p>{words}</p></div>
        </div>
    }
}

#[component]
fn ToMend(words: String, list: String) -> impl IntoView {
    view! {
        <div class="callout" data-tone="waiting" role="note">
            <Icon glyph=Glyph::Alert/>
            <div class="callout-body">
                <p>{words}</p>
                <p>"To see whether it is fixed, resend one of "<a href=mounted(list)>"the list"</a>" first."</p>
            </div>
        </div>
    }
}

#[component]
fn Groups(preflight: Preflight, query: NewResendQuery) -> impl IntoView {
    let options = query.options;
    let toggles = [
        (
            preflight.resent_already,
            options.includes_resent,
            ResendOptions { includes_resent: !options.includes_resent, ..options },
            "went out already",
        ),
        (
            preflight.likely_to_fail,
            options.includes_failing,
            ResendOptions { includes_failing: !options.includes_failing, ..options },
            "will likely fail again",
        ),
    ];
    let toggles = toggles.into_iter().filter(|(count, ..)| *count > 0).map(|(count, is_in, changed, what)| {
        let verb = if is_in { "Leave out" } else { "Resend also" };
        let words = format!("{verb} the {} that {what}", grouped(count));
        view! { <a class="button" href=mounted(query.with(changed).to_url())>{words}</a> }
    });
    let toggles = toggles.collect_view();
    let rows = preflight.groups.into_iter().map(|group| view! { <Group group/> }).collect_view();
    view! {
        <table class="table resend-groups">
            <thead>
                <tr>
                    <th scope="col">"What happens"</th>
                    <th scope="col">"Why"</th>
                    <th scope="col" class="number">"Messages"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        <div class="panel-foot resend-toggles">{toggles}</div>
    }
}

#[component]
fn Group(group: PreflightGroup) -> impl IntoView {
    let what = match group.state {
        ResendItemState::Waiting | ResendItemState::Resent => "Sent again",
        ResendItemState::Refused => "Not possible",
        ResendItemState::LeftOut => "Left out",
    };
    view! {
        <tr>
            <td><span class="resend-item" data-state=group.state.as_str()>{what}</span></td>
            <td>{group.words}</td>
            <td class="number">{grouped(group.count)}</td>
        </tr>
    }
}

#[component]
fn Form(
    query: NewResendQuery,
    count: i64,
    /// Whether all of them will likely fail again, or do so unless something is mended.
    is_doubtful: bool,
    once: String,
    draft: Draft,
) -> impl IntoView {
    let address = query.to_url().split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
    let chosen = draft.get("per_minute").and_then(|pace| pace.parse().ok()).unwrap_or(DEFAULT_PER_MINUTE);
    let paces = PACES.map(|pace| {
        let label = format!("{} a minute: {}", grouped(pace), time_words(count, pace));
        view! { <option value=pace.to_string() selected={pace == chosen}>{label}</option> }
    });
    let go_on = format!("Resend {}{}", messages(count), if is_doubtful { " anyway" } else { "" });
    view! {
        <form class="panel panel-body resend-form" method="post" action=mounted(CreateResend::PATH) data-ends-choice>
            <OfTeam/>
            <input type="hidden" name="address" value=address/>
            <input type="hidden" name="expected" value=count.to_string()/>
            <input type="hidden" name="once" value=once/>
            <div class="field">
                <label for="name">"Name"</label>
                <input id="name" name="name" type="text" maxlength="100" autocomplete="off" placeholder=format!("Resend {}", messages(count)) value=draft.text("name")/>
            </div>
            <div class="field">
                <label for="reason">"Why"</label>
                <textarea id="reason" name="reason" rows="2" maxlength=MAX_REASON_CHARS aria-describedby="reason-hint">{draft.text("reason")}</textarea>
                <p class="hint" id="reason-hint">"For your team and the audit log. It can stay empty."</p>
            </div>
            <div class="field">
                <label for="per_minute">"Pace"</label>
                <select id="per_minute" name="per_minute" autocomplete="off">{paces}</select>
            </div>
            <p class="hint">
                "The messages are chosen at the moment you press the button: what fails later is not among them. Each gets one
                copy, with its own entry in the log. You can pause and stop it on the next page. "
                {format!("A resend takes at most {} messages.", grouped(MAX_MESSAGES))}
            </p>
            <div class="form-buttons">
                <button class="button" class:primary=!is_doubtful><Icon glyph=Glyph::Resend/>{go_on}</button>
                <a class="button" href=mounted(query.log.to_url())>"Cancel"</a>
            </div>
        </form>
    }
}

/// How long it takes.
fn time_words(count: i64, per_minute: i64) -> String {
    let seconds = (count * 60 + per_minute - 1) / per_minute;
    match (count + per_minute - 1) / per_minute {
        _ if seconds <= 1 => "about a second".to_owned(),
        _ if seconds < 50 => format!("about {seconds} seconds"),
        1 => "about a minute".to_owned(),
        minutes if minutes < 90 => format!("about {minutes} minutes"),
        minutes => format!("about {} hours", (minutes + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_says_how_long_it_takes() {
        let words: Vec<String> = [3, 87, 300, 1_200, 10_000].iter().map(|count| time_words(*count, 300)).collect();
        assert_eq!(
            words,
            ["about a second", "about 18 seconds", "about a minute", "about 4 minutes", "about 34 minutes"]
        );
        // The fewest show what a pace changes, too.
        assert_eq!(
            [30, 60, 300].map(|pace| time_words(15, pace)),
            ["about 30 seconds", "about 15 seconds", "about 3 seconds"]
        );
        assert_eq!(time_words(10_000, 30), "about 6 hours");
    }
}
