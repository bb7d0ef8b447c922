//! The choice of period: presets, a period in words, and a range by date and time.

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;

use super::field::HiddenFields;
use super::icon::{Glyph, Icon};
use super::time::ViewerClock;
use crate::domain::mount::mounted;
use crate::domain::period::{Period, Preset};

/// The presets that stand beside the menu; it has the others.
const BESIDE: [Preset; 3] = [Preset::Today, Preset::Last7Days, Preset::Last30Days];

/// The presets as links, and a menu with the rest of them and with forms for a range in the viewer's time zone.
#[component]
pub fn Periods(
    /// The period that is shown.
    period: Period,
    /// The address of the page, without its parameters.
    path: &'static str,
    /// What the forms keep: the page's parameters but for the period's.
    kept: Vec<(&'static str, String)>,
    /// The address of a preset.
    to_url: Box<dyn Fn(Preset) -> String + Send>,
    /// What was typed and cannot be read, and why.
    #[prop(optional_no_strip)]
    unread: Option<(String, String)>,
) -> impl IntoView {
    let is_open = unread.is_some();
    let current = |preset| (preset == period.preset).then_some("true");
    let links = BESIDE
        .map(|preset| {
            view! { <a class="segment" href=mounted(to_url(preset)) aria-current=current(preset)>{preset.label()}</a> }
        })
        .collect_view();
    let others = Preset::ALL
        .into_iter()
        .filter(|preset| *preset != Preset::Custom && !BESIDE.contains(preset))
        .map(|preset| {
            view! {
                <li><a class="menu-item" href=mounted(to_url(preset)) aria-current=current(preset)>{preset.label()}</a></li>
            }
        })
        .collect_view();
    let is_other = !BESIDE.contains(&period.preset);
    let label = if is_other { period.label.clone() } else { "Other…".to_owned() };
    let zone = period.time_zone.clone();
    view! {
        <div class="periods">
            <nav class="segments" aria-label="Period">
                {links}
                <details class="menu menu-end" data-menu="" open=is_open>
                    <summary class="segment" aria-current=is_other.then_some("true")>
                        {label}
                        <Icon glyph=Glyph::Chevron/>
                    </summary>
                    <div class="menu-panel period-menu">
                        <ul class="menu-list">{others}</ul>
                        <TypedPeriod path kept=kept.clone() unread/>
                        <CustomPeriod period path kept/>
                    </div>
                </details>
            </nav>
            <p class="period-zone">{zone}</p>
        </div>
    }
}

/// A period in words, with what is wrong with it beside the field.
#[component]
fn TypedPeriod(
    path: &'static str,
    kept: Vec<(&'static str, String)>,
    unread: Option<(String, String)>,
) -> impl IntoView {
    let (typed, error) = unread.unzip();
    let is_wrong = error.is_some();
    let described_by = if is_wrong { "when-error when-hint" } else { "when-hint" };
    view! {
        <form class="typed-period" method="get" action=mounted(path)>
            <HiddenFields fields=kept/>
            <div class="field">
                <label for="when">"In words"</label>
                <input
                    id="when"
                    name="when"
                    type="text"
                    value=typed
                    aria-invalid=is_wrong.then_some("true")
                    aria-describedby=described_by
                    placeholder="9-10 yesterday"
                    maxlength="100"
                    autocomplete="off"
                    spellcheck="false"
                />
            </div>
            <button class="button">"Show"</button>
            {error.map(|error| view! { <p class="field-error" id="when-error" role="alert">{error}</p> })}
            <p class="hint" id="when-hint">"Such as 28 Nov 9:10-9:20, 28.11.2026, since Monday or last 3 hours."</p>
        </form>
    }
}

#[component]
fn CustomPeriod(period: Period, path: &'static str, kept: Vec<(&'static str, String)>) -> impl IntoView {
    let clock = ViewerClock::of_page();
    let end = move |name: &'static str, label: &'static str, at: Option<DateTime<Utc>>| {
        // A day that ends the range is whole: the midnight after it is not shown as the next day.
        let is_midnight = at.is_some_and(|at| name == "to" && clock.field_values(at).1.is_empty());
        let shown = at.map(|at| if is_midnight { at - TimeDelta::seconds(1) } else { at });
        let (day, time) = shown.map(|at| clock.field_values(at)).unwrap_or_default();
        let time = if is_midnight { String::new() } else { time };
        let (day_id, time_id) = (format!("{name}-day"), format!("{name}-time"));
        view! {
            <div class="field">
                <label for=day_id.clone()>{label}</label>
                <div class="day-and-time">
                    <DayInput id=day_id name value=day/>
                    <input
                        id=time_id
                        name=format!("{name}_time")
                        type="text"
                        aria-label=format!("{label}: time, 24 hours")
                        inputmode="numeric"
                        pattern="([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
                        data-wrong="Write the time as hours and minutes, such as 09:30 or 23:59."
                        placeholder="00:00"
                        autocomplete="off"
                        value=time
                    />
                </div>
            </div>
        }
    };
    view! {
        <form class="custom-period" method="get" action=mounted(path)>
            <input type="hidden" name="preset" value=Preset::Custom.as_str()/>
            <HiddenFields fields=kept/>
            {end("from", "From", period.range.from)}
            {end("to", "To", period.range.to)}
            <p class="hint">"Times are in " {period.time_zone.clone()} ". A day without a time is whole; without a date, that end is open."</p>
            <button class="button primary">"Apply"</button>
        </form>
    }
}

/// A field for a day, written the same way in every browser's language.
#[component]
pub fn DayInput(
    #[prop(into)] id: String,
    name: &'static str,
    value: String,
    /// The id of what is said to be wrong with it.
    #[prop(default = None)]
    error: Option<&'static str>,
) -> impl IntoView {
    view! {
        <input
            id=id
            name=name
            type="text"
            inputmode="numeric"
            pattern="[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
            title="Year, month and day, such as 2026-01-31"
            data-wrong="Write the day as year, month and day, such as 2026-01-31."
            placeholder="YYYY-MM-DD"
            maxlength="10"
            autocomplete="off"
            value=value
            autofocus=error.is_some()
            aria-invalid=error.map(|_| "true")
            aria-describedby=error
        />
    }
}

/// A link to a longer period, where there is one.
#[component]
pub fn WiderPeriod(
    /// The period in which nothing was found.
    preset: Preset,
    /// The address of a preset.
    to_url: Box<dyn Fn(Preset) -> String + Send>,
) -> impl IntoView {
    wider(preset).map(|preset| {
        let words = format!("Look at{}", preset.within().trim_start_matches(" in"));
        view! { <a class="button" href=mounted(to_url(preset))>{words}</a> }
    })
}

const fn wider(preset: Preset) -> Option<Preset> {
    match preset {
        Preset::LastHour | Preset::Last24Hours | Preset::Today | Preset::Yesterday => Some(Preset::Last7Days),
        Preset::Last7Days | Preset::Custom => Some(Preset::Last30Days),
        Preset::Last30Days => Some(Preset::Last90Days),
        Preset::Last90Days => Some(Preset::AllTime),
        Preset::AllTime => None,
    }
}
