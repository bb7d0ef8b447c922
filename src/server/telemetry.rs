//! What the server tells about itself: [metrics] for Prometheus, [traces] for whoever gathers them. Every layer calls it; it holds no personal data, and what
//! tells things apart in it has few values.

pub mod metrics;
pub mod process;
pub mod traces;
