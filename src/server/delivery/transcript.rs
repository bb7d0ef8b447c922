//! What is said in an attempt, noted while it is said. Written by [super::smtp]. What proves a log-in is never noted;
//! [super::hidden] takes secrets out of the rest.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::exchange::Step;

/// What stands in the place of a secret.
pub const SECRET: &str = "(secret)";

/// How much is noted, in bytes, both sides together.
const MOST: usize = 64 * 1024;

/// A conversation as it goes on. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    steps: Vec<Step>,
    bytes: usize,
}

impl Transcript {
    /// Notes what Sendlog says.
    pub fn say(&self, text: impl Into<String>) {
        self.note(true, text.into());
    }

    /// Notes what the server says.
    pub fn hear(&self, text: impl Into<String>) {
        self.note(false, text.into());
    }

    fn note(&self, is_ours: bool, text: String) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.bytes + text.len() <= MOST {
            noted.bytes += text.len();
            noted.steps.push(Step { is_ours, text });
        }
    }

    /// Everything that was noted, which is forgotten.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_has_a_bound() {
        let transcript = Transcript::default();
        (0..100_000).for_each(|_| transcript.hear("250 hello"));
        assert!(transcript.take().len() < 10_000);
        assert_eq!(transcript.take(), []);
    }
}
