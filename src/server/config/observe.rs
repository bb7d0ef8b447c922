//! Settings of what is seen of the server from outside.

use std::net::SocketAddr;

use clap::Args;

use super::parse_addr;

/// The fewest characters of a token: one that is shorter can be tried out.
const SHORTEST_TOKEN: usize = 16;

/// Settings of the numbers, of the health checks and of the traces.
#[derive(Clone, Debug, Default, Args)]
pub struct ObserveArgs {
    /// The address at which /health and /metrics are answered, and nothing else: 127.0.0.1:9464. Who reaches it needs no token
    #[arg(long, env = "SENDLOG_METRICS_ADDR", value_parser = parse_addr)]
    pub metrics_addr: Option<SocketAddr>,

    /// Answer /metrics at the main address too, to whoever sends this token: Authorization: Bearer TOKEN
    #[arg(long, env = "SENDLOG_METRICS_TOKEN", hide_env_values = true, value_parser = parse_token)]
    pub metrics_token: Option<String>,

    /// Where a collector takes traces and logs by OTLP over HTTP: http://127.0.0.1:4318
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = parse_endpoint)]
    pub otlp_endpoint: Option<String>,
}

impl ObserveArgs {
    /// Whether anybody can ask for the numbers.
    pub const fn has_metrics(&self) -> bool {
        self.metrics_addr.is_some() || self.metrics_token.is_some()
    }
}

fn parse_token(text: &str) -> Result<String, String> {
    if text.len() < SHORTEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("write at least {SHORTEST_TOKEN} visible characters; openssl rand -hex 32 makes some"));
    }
    Ok(text.to_owned())
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("write the scheme, the host and the port: http://127.0.0.1:4318".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_can_be_guessed_or_not_be_sent_is_refused() {
        for wrong in ["", "short", "with a space in it, and long", "höchst geheim, aber lang"] {
            assert!(parse_token(wrong).is_err(), "{wrong}");
        }
        assert!(parse_token("0123456789abcdef").is_ok());
    }
}
