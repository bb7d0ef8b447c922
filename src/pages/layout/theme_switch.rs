//! The choice of colours.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos::task::spawn_local;

use crate::components::icon::{Glyph, Icon};
use crate::server_fns::layout::{SetTheme, set_theme};

const CHOICES: [(&str, &str, Glyph); 3] =
    [("system", "Follow the system", Glyph::Auto), ("light", "Light", Glyph::Sun), ("dark", "Dark", Glyph::Moon)];

/// Three buttons; the chosen one is pressed. Without JavaScript each posts the form and the page comes again.
#[island]
pub fn ThemeSwitch(
    /// The theme the page was made with: `light`, `dark` or `system`.
    chosen: String,
) -> impl IntoView {
    let (chosen, set_chosen) = signal(chosen);
    let choose = move |event: leptos::ev::MouseEvent, theme: &'static str| {
        event.prevent_default();
        set_chosen.set(theme.to_owned());
        if let Some(root) = document().document_element() {
            let _ = match theme {
                "system" => root.remove_attribute("data-theme"),
                _ => root.set_attribute("data-theme", theme),
            };
        }
        spawn_local(async move {
            let _ = set_theme(theme.to_owned()).await;
        });
    };
    let buttons = CHOICES.map(|(theme, label, glyph)| {
        let is_pressed = move || if chosen.get() == theme { "true" } else { "false" };
        view! {
            <button
                name="theme"
                value=theme
                title=label
                aria-label=label
                aria-pressed=is_pressed
                on:click=move |event| choose(event, theme)
            >
                <Icon glyph/>
            </button>
        }
    });
    view! {
        <form method="post" action=SetTheme::PATH>
            <div class="theme-switch" role="group" aria-label="Colours">{buttons.collect_view()}</div>
        </form>
    }
}
