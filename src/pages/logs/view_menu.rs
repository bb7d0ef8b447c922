//! The menu of how the list looks: columns and the height of rows. A form that posts and leads back; no script is needed.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::menu::Menu;
use crate::domain::list_view::{Column, ListView};
use crate::domain::mount::mounted;
use crate::server_fns::emails::SetListView;

#[component]
pub fn ViewMenu(look: ListView) -> impl IntoView {
    let boxes = Column::ALL
        .map(|column| {
            let is_shown = !look.hidden.contains(&column);
            view! {
                <label class="menu-check">
                    <input type="checkbox" name=column.as_str() value="1" checked=is_shown autocomplete="off"/>
                    {column.label()}
                </label>
            }
        })
        .collect_view();
    let rows = [(false, "0", "Comfortable"), (true, "1", "Dense")]
        .map(|(is_dense, value, label)| {
            view! {
                <label class="menu-check">
                    <input type="radio" name="dense" value=value checked={is_dense == look.is_dense} autocomplete="off"/>
                    {label}
                </label>
            }
        })
        .collect_view();
    view! {
        <Menu label="View".into_any() class="quiet view-menu">
            <form method="post" action=mounted(SetListView::PATH)>
                <fieldset>
                    <legend class="menu-title">"Columns beside recipient and time"</legend>
                    {boxes}
                </fieldset>
                <fieldset>
                    <legend class="menu-title">"Rows"</legend>
                    {rows}
                </fieldset>
                <div class="menu-foot"><button class="button primary">"Apply"</button></div>
            </form>
        </Menu>
    }
}
