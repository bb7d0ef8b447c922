//! The channel of a message, by icon and word.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};
use crate::domain::channel::Channel;

#[component]
pub fn ChannelMark(channel: Channel) -> impl IntoView {
    view! {
        <span class="channel" data-channel=channel.as_str()>
            <Icon glyph=channel_glyph(channel)/>
            {channel.label()}
        </span>
    }
}

/// The icon of a channel.
pub const fn channel_glyph(channel: Channel) -> Glyph {
    match channel {
        Channel::Email => Glyph::Mail,
        Channel::Sms => Glyph::Speech,
        Channel::Call => Glyph::Phone,
        Channel::Push => Glyph::Bell,
        Channel::InApp => Glyph::Window,
    }
}
