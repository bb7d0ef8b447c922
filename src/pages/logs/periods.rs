//! The choice of period: three presets and a range of one's own.

use leptos::prelude::*;

use super::query::LogQuery;
use crate::components::icon::{Glyph, Icon};
use crate::components::time::ViewerClock;
use crate::domain::period::{Period, Preset};

/// The presets as links, and a form for a range in the viewer's time zone.
#[component]
pub fn Periods(query: LogQuery, period: Period) -> impl IntoView {
    let links = Preset::ALL
        .into_iter()
        .filter(|preset| *preset != Preset::Custom)
        .map(|preset| {
            let current = (preset == period.preset).then_some("true");
            view! { <a class="segment" href=query.with_preset(preset).to_url() aria-current=current>{preset.label()}</a> }
        })
        .collect_view();
    view! {
        <div class="periods">
            <nav class="segments" aria-label="Period">
                {links}
                <CustomPeriod query=query.clone() period=period.clone()/>
            </nav>
            {(period.preset == Preset::Custom).then(|| view! { <p class="period-label">{period.label.clone()}</p> })}
        </div>
    }
}

#[component]
fn CustomPeriod(query: LogQuery, period: Period) -> impl IntoView {
    let clock = ViewerClock::of_page();
    let value = |time: Option<_>| time.map(|time| clock.field_value(time));
    let is_current = period.preset == Preset::Custom;
    let kept = query.with_period(Default::default()).fields();
    view! {
        <details class="menu menu-end" data-menu="">
            <summary class="segment" aria-current=is_current.then_some("true")>
                "Custom…"
                <Icon glyph=Glyph::Chevron/>
            </summary>
            <form class="menu-panel custom-period" method="get" action="/logs">
                <input type="hidden" name="preset" value=Preset::Custom.as_str()/>
                {kept.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()}
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
