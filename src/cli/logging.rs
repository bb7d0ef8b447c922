//! The log of the program, on standard error: lines for people, or JSON for what gathers logs. Started by `main`.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use sendlog::server::telemetry::traces::Exporting;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What is logged where `RUST_LOG` says nothing.
const FILTER: &str = "warn,sendlog=info";

/// Begins to write the log, and to gather it with traces for the collector at `otlp_endpoint`.
pub fn start(format: LogFormat, otlp_endpoint: Option<&str>) -> Result<Option<Exporting>, String> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let lines = fmt::layer().with_writer(|| Quietly(std::io::stderr())).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let exporting = otlp_endpoint.map(Exporting::start).transpose()?;
    let gathered = exporting.as_ref().map(Exporting::layer);
    tracing_subscriber::registry().with(gathered).with(lines.with_filter(filter)).init();
    Ok(exporting)
}

/// Writes what it can: a log whose reader has gone, or whose disk is full, stops nobody.
struct Quietly<W>(W);

impl<W: Write> Write for Quietly<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}
