//! The choice of colours.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::icon::{Glyph, Icon};
use crate::domain::mount::mounted;
use crate::server_fns::layout::SetTheme;

const CHOICES: [(&str, &str, Glyph); 3] =
    [("system", "Follow the system", Glyph::Auto), ("light", "Light", Glyph::Sun), ("dark", "Dark", Glyph::Moon)];

/// Three buttons; the chosen one is pressed. Each posts the form and the page comes again; a script changes the colours at once.
#[component]
pub fn ThemeSwitch(
    /// The theme the page was made with: `light`, `dark` or `system`.
    chosen: String,
) -> impl IntoView {
    let buttons = CHOICES.map(|(theme, label, glyph)| {
        view! {
            <button
                name="theme"
                value=theme
                title=label
                aria-label=label
                aria-pressed=if chosen == theme { "true" } else { "false" }
            >
                <Icon glyph/>
            </button>
        }
    });
    view! {
        <form method="post" action=mounted(SetTheme::PATH)>
            <div class="theme-switch" role="group" aria-label="Colours">{buttons.collect_view()}</div>
        </form>
    }
}
