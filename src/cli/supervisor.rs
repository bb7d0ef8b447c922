//! What systemd is told, where it started the program and asks: that it is ready, lives and stops. Elsewhere nobody is told.
//! Source: sd_notify(3).

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// Whoever connects is answered.
pub fn say_ready() {
    say(NotifyState::Ready);
}

/// What runs comes to its end.
pub fn say_stopping() {
    say(NotifyState::Stopping);
}

/// Says again and again that the program lives, where systemd starts it anew when it does not. It does when its threads go on; a
/// database that is away is no reason to start it anew.
pub async fn say_alive() {
    let Some(within) = watchdog_enabled().filter(|within| !within.is_zero()) else { return };
    let mut ticks = interval(within / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        say(NotifyState::Watchdog);
    }
}

fn say(state: NotifyState<'_>) {
    if let Err(cause) = notify(&[state]) {
        warn!(%cause, "cannot tell systemd how the program is");
    }
}
