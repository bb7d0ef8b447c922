//! Menus that open without JavaScript.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// A button that opens a panel under it. [super::behaviour]'s script closes it again on a click elsewhere.
#[component]
pub fn Menu(
    /// What the button says.
    label: AnyView,
    /// Further classes: `menu-end` aligns the panel with the button's right edge.
    #[prop(optional, into)]
    class: String,
    /// Whether it is open at first.
    #[prop(optional)]
    is_open: bool,
    /// What the panel holds.
    children: Children,
) -> impl IntoView {
    view! {
        <details class=format!("menu {class}") data-menu="" open=is_open>
            <summary class="button">{label}<Icon glyph=Glyph::Chevron/></summary>
            <div class="menu-panel">{children()}</div>
        </details>
    }
}
