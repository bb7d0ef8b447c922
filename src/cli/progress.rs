//! How far a long command has come, on the terminal of whoever waits for it.

use std::fmt::Write;
use std::io::IsTerminal;

use chrono::TimeDelta;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use sendlog::server::clock::Clock;
use sendlog::server::services::backups::Step;

/// A bar with the time that is left. Where nobody looks, nothing is drawn.
pub struct Progress {
    bar: ProgressBar,
    step: Option<Step>,
}

impl Progress {
    pub fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: ProgressBar::with_draw_target(None, target), step: None }
    }

    /// Draws it; `all` is 0 where nobody knows how much there is.
    pub fn tell(&mut self, step: Step, done: u64, all: u64) {
        if self.step != Some(step) {
            self.step = Some(step);
            let template = if all == 0 {
                "{msg} {spinner} {elapsed}"
            } else {
                "{msg:9} {wide_bar} {human_pos} of {human_len} rows, {percent} %, {eta} left, until {end}"
            };
            self.bar.reset();
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style.with_key("end", write_end));
            }
            self.bar.set_message(words(step));
            self.bar.enable_steady_tick(std::time::Duration::from_millis(200));
        }
        if all > 0 {
            self.bar.set_length(all);
            self.bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn words(step: Step) -> &'static str {
    match step {
        Step::Copying => "copying",
        Step::Checking => "checking",
        Step::Indexing => "indexing",
    }
}

/// When it ends, by this machine's clock.
fn write_end(state: &ProgressState, out: &mut dyn Write) {
    let end = Clock::system().now() + TimeDelta::from_std(state.eta()).unwrap_or_default();
    let _ = write!(out, "{}", end.format("%H:%M UTC"));
}
