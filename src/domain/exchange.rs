//! What was said between Sendlog and an adapter's server in an attempt to send a message. Kept by the store without secrets,
//! shown on the message's timeline to those who may see contents.

use serde::{Deserialize, Serialize};

use super::ids::EventId;

/// How much of each side is kept, in bytes.
pub const SIDE_BYTES: usize = 16 * 1024;

/// Both sides, in the order in which they spoke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange(pub Vec<Step>);

/// What one side said: a command or a reply of SMTP, a request or an answer of HTTP, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whether Sendlog said it.
    pub is_ours: bool,
    pub text: String,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// That of its first event.
    pub id: EventId,
    /// The encryption, where it is known: `TLS 1.3`.
    pub tls: Option<String>,
    /// The first digits of the answer: 250 by SMTP, 202 by HTTP.
    pub code: Option<u16>,
    /// `5.7.1`.
    pub enhanced_code: Option<String>,
    pub duration_ms: i64,
    /// `None` where the viewer sees no contents, or it is not kept.
    pub exchange: Option<Exchange>,
}

impl Exchange {
    /// The same with at most [SIDE_BYTES] of each side.
    #[must_use]
    pub fn bounded(self) -> Self {
        let mut left = [SIDE_BYTES; 2];
        let cut = |mut step: Step| {
            let left = &mut left[usize::from(step.is_ours)];
            if *left == 0 {
                return None;
            }
            if step.text.len() > *left {
                let end = step.text.floor_char_boundary(*left);
                let rest = step.text.len() - end;
                step.text.truncate(end);
                step.text.push_str(&format!("… {} more", bytes(rest)));
                *left = 0;
            } else {
                *left -= step.text.len();
            }
            Some(step)
        };
        Self(self.0.into_iter().filter_map(cut).collect())
    }

    /// The same with its beginning and its end alone, each shortened, for a message that simply went out.
    #[must_use]
    pub fn in_short(mut self) -> Self {
        const ENDS: usize = 2;
        const SHORT: usize = 160;
        if self.0.len() > 2 * ENDS {
            let left_out = self.0.len() - 2 * ENDS;
            let note = Step { is_ours: true, text: format!("(… {left_out} lines)") };
            self.0.splice(ENDS..self.0.len() - ENDS, [note]);
        }
        for step in &mut self.0 {
            if step.text.len() > SHORT {
                step.text.truncate(step.text.floor_char_boundary(SHORT));
                step.text.push('…');
            }
        }
        self
    }
}

/// A number of bytes as people read it: `48,312 bytes`.
pub fn bytes(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if count == 1 { "1 byte".to_owned() } else { format!("{grouped} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(is_ours: bool, text: String) -> Step {
        Step { is_ours, text }
    }

    #[test]
    fn each_side_has_its_bound_and_says_what_is_left_out() {
        let long = "é".repeat(SIDE_BYTES);
        let steps = vec![step(true, long.clone()), step(false, "250 ok".into()), step(true, "more".into())];
        let Exchange(steps) = Exchange(steps).bounded();
        assert_eq!(steps.len(), 2);
        assert!(steps[0].text.len() < SIDE_BYTES + 40 && steps[0].text.ends_with("… 16,384 bytes more"));
        assert_eq!(steps[1].text, "250 ok");
    }

    #[test]
    fn a_message_that_went_out_keeps_the_ends_of_what_was_said() {
        let steps = (0..100).map(|place| step(place % 2 == 0, format!("line {place}"))).collect();
        let Exchange(steps) = Exchange(steps).in_short();
        let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(texts, ["line 0", "line 1", "(… 96 lines)", "line 98", "line 99"]);
    }

    #[test]
    fn bytes_are_grouped() {
        assert_eq!(
            [0, 1, 999, 1000, 48_312, 1_234_567].map(bytes),
            ["0 bytes", "1 byte", "999 bytes", "1,000 bytes", "48,312 bytes", "1,234,567 bytes"]
        );
    }
}
