//! What the server tells about itself: [metrics] for Prometheus. Every layer calls it; it holds no personal data, and what
//! tells things apart in it has few values.

pub mod metrics;
mod process;
