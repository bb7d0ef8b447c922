//! The choice of period: three presets and a range of one's own.

use leptos::prelude::*;

use super::field::HiddenFields;
use super::icon::{Glyph, Icon};
use super::time::ViewerClock;
use crate::domain::period::{Period, Preset};

/// The presets as links, and a form for a range in the viewer's time zone.
#[component]
pub fn Periods(
    /// The period that is shown.
    period: Period,
    /// The address of the page, without its parameters.
    path: &'static str,
    /// What the form keeps: the page's parameters but for the period's.
    kept: Vec<(&'static str, String)>,
    /// The address of a preset.
    to_url: Box<dyn Fn(Preset) -> String + Send>,
) -> impl IntoView {
    let links = Preset::ALL
        .into_iter()
        .filter(|preset| *preset != Preset::Custom)
        .map(|preset| {
            let current = (preset == period.preset).then_some("true");
            view! { <a class="segment" href=to_url(preset) aria-current=current>{preset.label()}</a> }
        })
        .collect_view();
    view! {
        <div class="periods">
            <nav class="segments" aria-label="Period">
                {links}
                <CustomPeriod period=period.clone() path kept/>
            </nav>
            {(period.preset == Preset::Custom).then(|| view! { <p class="period-label">{period.label.clone()}</p> })}
        </div>
    }
}

#[component]
fn CustomPeriod(period: Period, path: &'static str, kept: Vec<(&'static str, String)>) -> impl IntoView {
    let clock = ViewerClock::of_page();
    let value = |time: Option<_>| time.map(|time| clock.field_value(time));
    let is_current = period.preset == Preset::Custom;
    view! {
        <details class="menu menu-end" data-menu="">
            <summary class="segment" aria-current=is_current.then_some("true")>
                "Custom…"
                <Icon glyph=Glyph::Chevron/>
            </summary>
            <form class="menu-panel custom-period" method="get" action=path>
                <input type="hidden" name="preset" value=Preset::Custom.as_str()/>
                <HiddenFields fields=kept/>
                <div class="field">
                    <label for="from">"From"</label>
                    <input id="from" name="from" type="datetime-local" value=value(period.range.from)/>
                </div>
                <div class="field">
                    <label for="to">"To, not included"</label>
                    <input id="to" name="to" type="datetime-local" value=value(period.range.to)/>
                </div>
                <p class="hint">"Times are in " {period.time_zone.clone()} ". An empty field leaves that end open."</p>
                <button class="button primary">"Apply"</button>
            </form>
        </details>
    }
}

/// The period at the end of a sentence about what is missing in it: " in the last 7 days".
pub fn within(period: &Period) -> String {
    match period.preset {
        Preset::Today => " today".to_owned(),
        Preset::Last7Days | Preset::Last30Days => format!(" in {}", period.label),
        Preset::Custom => " in this period".to_owned(),
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
        let words = format!("Look at the {}", preset.label().to_lowercase());
        view! { <a class="button" href=to_url(preset)>{words}</a> }
    })
}

const fn wider(preset: Preset) -> Option<Preset> {
    match preset {
        Preset::Today => Some(Preset::Last7Days),
        Preset::Last7Days | Preset::Custom => Some(Preset::Last30Days),
        Preset::Last30Days => None,
    }
}
