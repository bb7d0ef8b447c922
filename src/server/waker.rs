//! Waking workers. Called by the services that leave something in the outbox.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes workers: those of this node, and of others.
#[derive(Clone, Debug, Default)]
pub struct OutboxWaker {
    /// Of this node's worker.
    pub here: Arc<Notify>,
    /// Of workers elsewhere, whom [super::services::nodes] tells.
    pub elsewhere: Arc<Notify>,
}

impl OutboxWaker {
    /// Called after the commit that left a message in the outbox.
    pub fn wake(&self) {
        self.here.notify_one();
        self.elsewhere.notify_one();
    }
}
