//! `sendlog demo`

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Args;
use sendlog::domain::error::AppError;
use sendlog::domain::mount::mount;
use sendlog::server::App;
use sendlog::server::clock::Clock;
use sendlog::server::config::Config;
use sendlog::server::demo;
use sendlog::server::demo::sink::Sink;
use sendlog::server::secrets::SecretKey;
use sendlog::server::services::gauges;
use sendlog::server::store::Store;
use sendlog::server::telemetry::metrics;
use serde_json::json;

use super::serve::{activated, listen, run};
use super::{Failure, announce};

#[derive(Args)]
pub struct DemoArgs {
    /// The same seed gives the same messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many messages
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    messages: u32,
    /// Print the log-ins as one JSON object
    #[arg(long)]
    json: bool,
}

/// Serves a throw-away database filled with messages of the past, whose mail goes to a sink on this machine.
pub async fn serve_demo(config: Config, args: DemoArgs) -> Result<(), Failure> {
    if config.observe.has_metrics() {
        gauges::install();
        tokio::spawn(metrics::keep_up());
    }
    let folder = TemporaryFolder::create()?;
    let url = format!("sqlite://{}", folder.0.join("sendlog.db").display());
    let mut config = Config { allow_private_adapters: true, ..config };
    config.smtp.smtp_addr = config.smtp.smtp_addr.or_else(free_smtp_addr);
    let activated = activated(&mut config)?;
    mount(config.base_path());
    let app = App::new(Store::open(&url).await?, Clock::system(), config, SecretKey::generate());
    let listeners = listen(&app.config, activated).await?;
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await?;
    let options = demo::DemoOptions {
        seed: args.seed,
        messages: args.messages as usize,
        days: 30,
        now: app.clock.now(),
        smtp_url: sink.url(),
    };
    let team = demo::fill(&app, &options).await?;
    if args.json {
        announce(json!(team));
    } else {
        announce(team.log_ins());
        if let Some(addr) = app.config.smtp.smtp_addr {
            announce(format_args!("SMTP is at smtp://{addr}; the password is the API key"));
        }
        announce(format_args!("Sendlog is at {}", app.config.public_url()));
    }
    run(app, listeners, None).await
}

/// Where the demo takes messages by SMTP: at port 2525 unless somebody else does.
fn free_smtp_addr() -> Option<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    bind(2525).or_else(|_| bind(0)).ok()
}

/// A folder that is deleted with its value.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> Result<Self, AppError> {
        let folder = std::env::temp_dir().join(format!("sendlog-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|_| AppError::Unavailable)?;
        Ok(Self(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
