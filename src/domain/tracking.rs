//! Whether messages tell when they are opened and which of their links are followed, and whether they can be unsubscribed
//! from. For what goes out by SMTP: providers that messages go out by their APIs track by themselves.

use serde::{Deserialize, Serialize};

/// What a team tracks where a template says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracking {
    pub tracks_opens: bool,
    pub tracks_clicks: bool,
}

/// What a template says of its own messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateTracking {
    /// `None` leaves it to the team.
    pub tracks_opens: Option<bool>,
    /// `None` leaves it to the team.
    pub tracks_clicks: Option<bool>,
    /// Whether its messages can be unsubscribed from with one click. Source: RFC 8058.
    pub offers_unsubscribe: bool,
}

/// What holds for one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageTracking {
    pub opens: bool,
    pub clicks: bool,
    pub unsubscribes: bool,
}

impl MessageTracking {
    pub const fn is_nothing(self) -> bool {
        !(self.opens || self.clicks || self.unsubscribes)
    }
}

impl Tracking {
    /// What holds for a message of a template, or for one of none.
    pub fn with(self, template: Option<TemplateTracking>) -> MessageTracking {
        let template = template.unwrap_or_default();
        MessageTracking {
            opens: template.tracks_opens.unwrap_or(self.tracks_opens),
            clicks: template.tracks_clicks.unwrap_or(self.tracks_clicks),
            unsubscribes: template.offers_unsubscribe,
        }
    }
}

/// What a form sends of a choice that a template makes or leaves to the team.
pub fn choice_of(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The choice as a form sends it.
pub const fn choice_text(choice: Option<bool>) -> &'static str {
    match choice {
        Some(true) => "yes",
        Some(false) => "no",
        None => "team",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_says_it_for_its_own_messages_and_else_the_team_does() {
        let team = Tracking { tracks_opens: true, tracks_clicks: false };
        let says = |tracks_opens, tracks_clicks| TemplateTracking { tracks_opens, tracks_clicks, ..Default::default() };
        let holds = |opens, clicks| MessageTracking { opens, clicks, unsubscribes: false };
        assert_eq!(team.with(None), holds(true, false));
        assert_eq!(team.with(Some(says(None, None))), holds(true, false));
        assert_eq!(team.with(Some(says(Some(false), Some(true)))), holds(false, true));
        assert!(Tracking::default().with(Some(TemplateTracking::default())).is_nothing());
        assert!(
            !Tracking::default()
                .with(Some(TemplateTracking { offers_unsubscribe: true, ..says(None, None) }))
                .is_nothing()
        );
        for choice in [Some(true), Some(false), None] {
            assert_eq!(choice_of(choice_text(choice)), choice);
        }
    }
}
