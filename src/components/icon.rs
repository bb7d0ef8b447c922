//! The icons of `public/icons.svg`: strokes of 1.5 px on a field of 16 px, in the colour of the text around them.

use std::sync::LazyLock;

use leptos::prelude::*;

use super::markup::Markup;
use crate::domain::fingerprint::fingerprint;
use crate::domain::mount::{mount_path, mounted};

/// Of the sprite that this build was made with, on the server and in the browser alike.
const SPRITE: u64 = fingerprint(include_bytes!("../../public/icons.svg"));

macro_rules! glyphs {
    ($($variant:ident, $name:literal;)+) => {
        /// An icon of the sprite.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Glyph {
            $(#[doc = $name] $variant,)+
        }

        impl Glyph {
            pub const ALL: &[Glyph] = &[$(Glyph::$variant,)+];

            /// Its id in the sprite.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

glyphs! {
    Alert, "alert";
    Auto, "auto";
    Bell, "bell";
    Book, "book";
    Bounce, "bounce";
    Check, "check";
    Chevron, "chevron";
    Clock, "clock";
    Code, "code";
    Copy, "copy";
    Cross, "cross";
    Cursor, "cursor";
    Eye, "eye";
    File, "file";
    Flag, "flag";
    Gear, "gear";
    Key, "key";
    Left, "left";
    Logs, "logs";
    Lock, "lock";
    LogOut, "log-out";
    Mail, "mail";
    Menu, "menu";
    Moon, "moon";
    Person, "person";
    Phone, "phone";
    Plane, "plane";
    Plug, "plug";
    Plus, "plus";
    Resend, "resend";
    Right, "right";
    Search, "search";
    Shield, "shield";
    Speech, "speech";
    Sun, "sun";
    Team, "team";
    Template, "template";
    Window, "window";
}

/// Where the server has the sprite.
pub fn sprite_path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| format!("/pkg/{SPRITE:016x}/icons.svg"));
    &PATH
}

/// An icon that repeats what the text beside it says, so screen readers pass over it.
#[component]
pub fn Icon(glyph: Glyph) -> impl IntoView {
    view! {
        <svg class="icon" width="16" height="16" aria-hidden="true">
            <use href=mounted(format!("{}#{}", sprite_path(), glyph.as_str()))></use>
        </svg>
    }
}

/// The same as text.
pub fn push_icon(html: &mut Markup, glyph: Glyph) {
    html.html(r#"<svg class="icon" width="16" height="16" aria-hidden="true"><use href=""#)
        .text(mount_path())
        .text(sprite_path());
    html.html("#").html(glyph.as_str()).html(r#""></use></svg>"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sprite_has_every_icon() {
        let sprite = include_str!("../../public/icons.svg");
        for glyph in Glyph::ALL {
            assert!(sprite.contains(&format!("id=\"{}\"", glyph.as_str())), "{} is missing", glyph.as_str());
        }
    }
}
