//! A message's status, by icon, word and colour.

use leptos::prelude::*;

use super::icon::{Glyph, Icon, push_icon};
use super::markup::Markup;
use crate::domain::email::EmailStatus;
use crate::domain::plain_words::of_status;

/// The badge, which says on hover what the status means.
#[component]
pub fn StatusBadge(status: EmailStatus) -> impl IntoView {
    view! {
        <span class="badge" data-status=status.as_str() title=of_status(status)>
            <Icon glyph=status_glyph(status)/>
            {status.label()}
        </span>
    }
}

/// The same as text.
pub fn push_status_badge(html: &mut Markup, status: EmailStatus) {
    html.html(r#"<span class="badge""#).attribute("data-status", status.as_str());
    html.attribute("title", of_status(status)).html(">");
    push_icon(html, status_glyph(status));
    html.text(status.label()).html("</span>");
}

/// The icon of a status.
pub const fn status_glyph(status: EmailStatus) -> Glyph {
    match status {
        EmailStatus::Queued => Glyph::Clock,
        EmailStatus::Sent => Glyph::Plane,
        EmailStatus::Delivered => Glyph::Check,
        EmailStatus::Opened => Glyph::Eye,
        EmailStatus::Clicked => Glyph::Cursor,
        EmailStatus::Bounced => Glyph::Bounce,
        EmailStatus::Failed => Glyph::Cross,
        EmailStatus::Spam => Glyph::Flag,
    }
}
