//! The command line: `sendlog serve`, `migrate`, `migrate-data`, `backup`, `restore`, `check`, `doctor`, `health`, `demo`, `admin`. A wrong setting is one line and exit status 2.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::Failure;
use cli::admin::{AdminCommand, admin};
use cli::backup::{BackupArgs, RestoreArgs, backup, restore};
use cli::check::{CheckArgs, check};
use cli::demo::{DemoArgs, serve_demo};
use cli::doctor::doctor;
use cli::health::{HealthArgs, health};
use cli::logging::{self, LogFormat};
use cli::migrate::{MigrateArgs, migrate};
use cli::migrate_data::{MigrateDataArgs, migrate_data};
use cli::serve::serve;
use sendlog::server::config::{Config, DatabaseArgs};
use sendlog::server::render::helper::{HELPER_ARGUMENT, serve_as_helper};

/// A page is thousands of small allocations. How it is set is in .cargo/config.toml.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The log of every message a team sends.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// How lines of the log are written, on standard error
    #[arg(long, env = "SENDLOG_LOG_FORMAT", value_enum, default_value_t, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the dashboard and the APIs, and send accepted messages
    Serve {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        config: Config,
    },
    /// Bring the database up to date and end
    Migrate(MigrateArgs),
    /// Copy the database into another one, of either engine, while it is in use
    MigrateData(MigrateDataArgs),
    /// Write everything but the secret key to a file, while the database is in use
    Backup(BackupArgs),
    /// Make a new database of a backup
    Restore(RestoreArgs),
    /// Look whether the database holds what it should: status 0 if so
    Check(CheckArgs),
    /// Look what of the machine, the settings and what they lead to keeps Sendlog from working: status 0 if nothing does
    Doctor {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        config: Config,
    },
    /// Ask a running server whether it is well: status 0 if so
    Health {
        #[command(flatten)]
        health: HealthArgs,
    },
    /// Serve a throw-away database filled with 30 days of messages
    Demo {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        demo: DemoArgs,
    },
    /// Make users, keys and adapters; check the audit log
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
}

impl Command {
    /// Where traces and logs go beside standard error: of what runs for good.
    fn otlp_endpoint(&self) -> Option<&str> {
        match self {
            Self::Serve { config, .. } | Self::Demo { config, .. } => config.observe.otlp_endpoint.as_deref(),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    // A helper needs no threads and no settings.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == HELPER_ARGUMENT) {
        return serve_as_helper();
    }
    run_command()
}

#[tokio::main]
async fn run_command() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return fail(&one_line(&error.to_string())),
        Err(help) => help.exit(),
    };
    let exporting = match logging::start(cli.log_format, cli.command.otlp_endpoint()) {
        Ok(exporting) => exporting,
        Err(cause) => return fail(&cause),
    };
    let result = match cli.command {
        Command::Serve { database, config } => serve(database, config).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate(args) => migrate(args).await.map(|()| ExitCode::SUCCESS),
        Command::MigrateData(args) => migrate_data(args).await.map(|()| ExitCode::SUCCESS),
        Command::Backup(args) => backup(args).await.map(|()| ExitCode::SUCCESS),
        Command::Restore(args) => restore(args).await.map(|()| ExitCode::SUCCESS),
        Command::Doctor { database, config } => doctor(database, config).await,
        Command::Check(args) => check(args).await,
        Command::Health { health: args } => health(args).await.map(|()| ExitCode::SUCCESS),
        Command::Demo { config, demo } => serve_demo(config, demo).await.map(|()| ExitCode::SUCCESS),
        Command::Admin { command } => admin(command).await,
    };
    if let Some(exporting) = exporting {
        exporting.end().await;
    }
    match result {
        Ok(code) => code,
        Err(Failure(line)) => fail(&line),
    }
}

fn fail(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "sendlog: {line}");
    ExitCode::from(2)
}

/// What clap says, up to its hints, in one line.
fn one_line(error: &str) -> String {
    let said = error.trim_start_matches("error: ").lines().take_while(|line| !line.is_empty());
    said.map(str::trim).collect::<Vec<_>>().join(" ")
}
