//! The command line: `sendlog serve`, `migrate`, `demo`, `admin`. A wrong setting is one line and exit status 2.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use sendlog::domain::adapter::AdapterKind;
use sendlog::domain::api_key::{KeyApi, KeyLimits};
use sendlog::domain::error::AppError;
use sendlog::domain::ids::TeamId;
use sendlog::domain::permission::{Permission, PermissionSet};
use sendlog::domain::team::Role;
use sendlog::server::api::Api;
use sendlog::server::clock::Clock;
use sendlog::server::config::{Config, DatabaseArgs, Half};
use sendlog::server::delivery::sink::Sink;
use sendlog::server::delivery::worker::{Worker, WorkerSettings};
use sendlog::server::demo;
use sendlog::server::render::helper::{HELPER_ARGUMENT, serve_as_helper};
use sendlog::server::secrets::SecretKey;
use sendlog::server::services::adapters::NewAdapter;
use sendlog::server::services::api_keys::NewApiKey;
use sendlog::server::services::audit::CheckedLog;
use sendlog::server::services::{accounts, adapters, api_keys, audit, teams};
use sendlog::server::store::Store;
use sendlog::server::store::audit::AuditVerdict;
use sendlog::server::{App, web};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// The log of every message a team sends.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
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
    Migrate {
        #[command(flatten)]
        database: DatabaseArgs,
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

#[derive(Args)]
struct DemoArgs {
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

#[derive(Subcommand)]
enum AdminCommand {
    /// Make an account and add it to a team, which is made when it does not exist
    ///
    /// The password is read from SENDLOG_PASSWORD, or asked for.
    #[command(name = "create-user")]
    User {
        /// The account's address
        #[arg(long)]
        email: String,
        /// The person's name
        #[arg(long)]
        name: String,
        /// The team's slug
        #[arg(long)]
        team: String,
        /// owner, admin, member or viewer
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Make an API key and print its secret
    #[command(name = "create-key")]
    Key {
        /// The team's slug
        #[arg(long)]
        team: String,
        /// The key's name
        #[arg(long)]
        name: String,
        /// A permission, such as emails:send; repeat it, or give '*' for all
        #[arg(long, required = true)]
        scope: Vec<String>,
        /// After how many days it ends by itself; never when absent
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=1826))]
        expires_in_days: Option<u32>,
        /// An API that takes it: sendlog, resend, sendwithus, jetemail or notificationapi; repeat it; all when absent
        #[arg(long)]
        api: Vec<KeyApi>,
        /// How many requests it may make in a second; the server's limit when absent
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        rate_limit: Option<u32>,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Add an adapter: a mail server, or an address that other channels' messages are posted to
    #[command(name = "create-adapter")]
    Adapter {
        /// The team's slug
        #[arg(long)]
        team: String,
        /// What it speaks: smtp, or http for the channels other than e-mail
        #[arg(long = "type")]
        kind: AdapterKind,
        /// Where it connects to: smtp://user:password@mail.example.com:587 or https://token@example.com/messages
        #[arg(long)]
        url: String,
        /// The sender of messages that name none: "Finch <receipts@finch.example>"; http needs none
        #[arg(long, required_if_eq("kind", "smtp"))]
        from: Option<String>,
        /// Its name; the host when absent
        #[arg(long, default_value = "")]
        name: String,
        /// Send by it whatever names no adapter
        #[arg(long)]
        default: bool,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Check that no line of the audit logs was changed or removed
    ///
    /// Ends with status 1 when one was. The hash of a team's last line, kept elsewhere, shows later that no line was cut
    /// off the end.
    #[command(name = "verify-audit")]
    Audit {
        /// The slug of the only team to check; all when absent
        #[arg(long)]
        team: Option<String>,
        /// A hash that was printed before and must still be in the log: TEAM=HASH, the team by slug or id; can be repeated
        #[arg(long, value_name = "TEAM=HASH", value_parser = parse_expected)]
        expect: Vec<(String, String)>,
        #[command(flatten)]
        common: AdminArgs,
    },
}

#[derive(Args)]
struct AdminArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Why the program ends: one line for the person who started it.
struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,sendlog=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Quietly(std::io::stderr()))
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return fail(&one_line(&error.to_string())),
        Err(help) => help.exit(),
    };
    let result = match cli.command {
        Command::Serve { database, config } => serve(database, config).await.map(|()| ExitCode::SUCCESS),
        Command::Migrate { database } => migrate(database).await.map(|()| ExitCode::SUCCESS),
        Command::Demo { config, demo } => serve_demo(config, demo).await.map(|()| ExitCode::SUCCESS),
        Command::Admin { command } => admin(command).await,
    };
    match result {
        Ok(code) => code,
        Err(Failure(line)) => fail(&line),
    }
}

fn fail(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "sendlog: {line}");
    ExitCode::from(2)
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

/// Prints what a command was asked for. A command whose answer gets nowhere has failed.
fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|cause| Failure(format!("cannot write the answer: {cause}")))
}

/// Prints what a server says of itself. It serves whether or not somebody reads that.
fn announce(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What clap says, up to its hints, in one line.
fn one_line(error: &str) -> String {
    let said = error.trim_start_matches("error: ").lines().take_while(|line| !line.is_empty());
    said.map(str::trim).collect::<Vec<_>>().join(" ")
}

async fn serve(database: DatabaseArgs, config: Config) -> Result<(), Failure> {
    let app = open(&database, config).await?;
    let listeners = listen(&app.config).await?;
    if app.config.only != Some(Half::Worker) {
        if let Some(token) = accounts::create_setup_token(&app).await? {
            announce(format_args!("Set up Sendlog, once, at {}/setup?token={token}", app.config.public_url()));
        }
        announce(format_args!("Sendlog is at {}", app.config.public_url()));
        for (dialect, addr) in &app.config.dialect_addrs {
            announce(format_args!("{} is at http://{addr}", dialect.as_str()));
        }
    }
    run(app, listeners).await
}

async fn migrate(database: DatabaseArgs) -> Result<(), Failure> {
    Store::open(&database.database_url).await?.close().await;
    print_line("The database is up to date.")
}

async fn serve_demo(config: Config, args: DemoArgs) -> Result<(), Failure> {
    let folder = TemporaryFolder::create()?;
    let url = format!("sqlite://{}", folder.0.join("sendlog.db").display());
    // Its mail goes to a sink on this machine.
    let config = Config { allow_private_adapters: true, ..config };
    let app = App::new(Store::open(&url).await?, Clock::system(), config, SecretKey::generate());
    let listeners = listen(&app.config).await?;
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
        announce(format_args!("Sendlog is at {}", app.config.public_url()));
    }
    run(app, listeners).await
}

async fn admin(command: AdminCommand) -> Result<ExitCode, Failure> {
    match command {
        AdminCommand::User { email, name, team, role, common } => {
            let app = open_for_admin(&common).await?;
            let password = password()?;
            check_slug(&team)?;
            let user = accounts::create_user(&app, &email, &name, password, None).await?;
            let team = match app.store.find_team_by_slug(&team).await? {
                Some(team) => team,
                None => teams::create_team_of(&app, &team, None).await?,
            };
            accounts::add_member(&app, team.id, user, role).await?;
            let object = json!({ "id": user, "email": email, "team": team.slug, "role": role });
            print_made(common.json, &object, &format!("Made {email} {} of {}.", role, team.name))?;
        }
        AdminCommand::Key { team, name, scope, expires_in_days, api, rate_limit, common } => {
            let app = open_for_admin(&common).await?;
            let team = find_team(&app, &team).await?;
            let limits = KeyLimits {
                expires_at: expires_in_days.map(|days| app.clock.now() + TimeDelta::days(days.into())),
                apis: (!api.is_empty()).then_some(api),
                rate_limit,
            };
            let new = NewApiKey { name, scopes: scopes(&scope)?, limits, belongs_to_team: true };
            let made = api_keys::create_limited_key_of(&app, team, None, new).await?;
            let object = json!({ "id": made.key.id, "key": made.secret });
            print_made(common.json, &object, &made.secret)?;
        }
        AdminCommand::Adapter { team, kind, url, from, name, default, common } => {
            let app = open_for_admin(&common).await?;
            let team = find_team(&app, &team).await?;
            let new = NewAdapter { name, kind, url, from_address: from.unwrap_or_default(), is_default: default };
            let made = adapters::create_adapter_of(&app, team, new).await?;
            print_made(common.json, &json!(made), &format!("Added adapter {} ({}).", made.name, made.endpoint))?;
        }
        AdminCommand::Audit { team, expect, common } => {
            let app = open_for_admin(&common).await?;
            return verify_audit(&app, team.as_deref(), &expect, common.json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the audit logs and says of each what was found. The exit status is 1 when one is not what was written, or lacks
/// a line that it had.
async fn verify_audit(
    app: &App,
    team: Option<&str>,
    expected: &[(String, String)],
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let only = match team {
        Some(slug) => Some(find_team(app, slug).await?),
        None => None,
    };
    let (mut is_right, mut objects) = (true, Vec::new());
    let logs = audit::verify_logs(app, only).await?;
    for log in &logs {
        let name = log.slug.clone().unwrap_or_else(|| log.team.to_string());
        let object = match &log.verdict {
            AuditVerdict::Intact { entries, head } => {
                if !as_json {
                    print_line(format_args!("{name}: {entries} lines, intact, head {head}"))?;
                }
                json!({ "team": name, "id": log.team, "intact": true, "lines": entries, "head": head })
            }
            AuditVerdict::Broken { sequence } => {
                is_right = false;
                if !as_json {
                    print_line(format_args!("{name}: broken, line {sequence} is missing or was changed"))?;
                }
                json!({ "team": name, "id": log.team, "intact": false, "firstBrokenLine": sequence })
            }
        };
        objects.push(object);
    }
    let mut missing = Vec::new();
    for (name, hash) in expected {
        let is_it = |log: &&CheckedLog| log.slug.as_deref() == Some(name.as_str()) || log.team.to_string() == *name;
        let found = match logs.iter().find(is_it) {
            Some(log) => audit::find_hash(app, log.team, hash).await?,
            None => None,
        };
        if found.is_none() {
            is_right = false;
            missing.push(json!({ "team": name, "hash": hash }));
            if !as_json {
                print_line(format_args!("{name}: no line has the hash {hash}: lines were cut off or written anew"))?;
            }
        }
    }
    if as_json {
        print_line(json!({ "intact": is_right, "teams": objects, "missing": missing }))?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `TEAM=HASH`
fn parse_expected(text: &str) -> Result<(String, String), String> {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_once('=') {
        Some((team, hash)) if !team.is_empty() && is_hash(hash) => Ok((team.to_owned(), hash.to_owned())),
        _ => Err("write TEAM=HASH, the hash in 64 hexadecimal digits".to_owned()),
    }
}

fn print_made(as_json: bool, object: &serde_json::Value, line: &str) -> Result<(), Failure> {
    if as_json { print_line(object) } else { print_line(line) }
}

fn password() -> Result<String, Failure> {
    if let Ok(password) = std::env::var("SENDLOG_PASSWORD") {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        return Err("set SENDLOG_PASSWORD, or run this in a terminal to be asked for the password".into());
    }
    Ok(rpassword::prompt_password("Password: ")?)
}

fn scopes(names: &[String]) -> Result<PermissionSet, Failure> {
    if names.iter().any(|name| name == "*") {
        return Ok(PermissionSet::all());
    }
    let parse = |name: &String| {
        name.parse::<Permission>().map_err(|_| {
            let known: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
            Failure(format!("unknown scope {name:?}: use '*' or any of {}", known.join(", ")))
        })
    };
    names.iter().map(parse).collect()
}

async fn find_team(app: &App, slug: &str) -> Result<TeamId, Failure> {
    let team = app.store.find_team_by_slug(slug).await?;
    team.map(|team| team.id).ok_or_else(|| Failure(format!("there is no team {slug:?}")))
}

fn check_slug(slug: &str) -> Result<(), Failure> {
    if teams::slug_of(slug) == slug {
        return Ok(());
    }
    Err(Failure(format!("{slug:?} is no team slug: use lower-case letters, digits and hyphens")))
}

async fn open_for_admin(args: &AdminArgs) -> Result<App, Failure> {
    // The server's own settings are not known here: its limit on requests bounds no key, and it looks itself at where it
    // connects to.
    let config =
        Config { rate_limit: u32::MAX, allow_private_adapters: true, ..Config::at(([127, 0, 0, 1], 3000).into()) };
    open(&args.database, config).await
}

async fn open(database: &DatabaseArgs, config: Config) -> Result<App, Failure> {
    let store = Store::open(&database.database_url).await?;
    let secret_key = secret_key(database)?;
    Ok(App::new(store, Clock::system(), config, secret_key))
}

fn secret_key(database: &DatabaseArgs) -> Result<SecretKey, Failure> {
    if let Some(text) = &database.secret_key {
        return text.parse().map_err(|_| Failure("--secret-key must be 64 hexadecimal digits".to_owned()));
    }
    let Some(path) = database.database_url.strip_prefix("sqlite://") else {
        return Err("with PostgreSQL, set --secret-key or SENDLOG_SECRET_KEY to 64 hexadecimal digits, the same for \
                    every node (openssl rand -hex 32 makes some)"
            .into());
    };
    let path = PathBuf::from(path.split('?').next().unwrap_or(path)).with_extension("key");
    SecretKey::load_or_create(&path).map_err(|cause| Failure(format!("cannot keep {}: {cause}", path.display())))
}

/// The sockets of the web server: the main one, and those of dialects.
struct Listeners {
    main: TcpListener,
    dialects: Vec<(Api, TcpListener)>,
}

async fn listen(config: &Config) -> Result<Listeners, Failure> {
    let bind = async |addr: SocketAddr| {
        let listener = TcpListener::bind(addr).await;
        listener.map_err(|cause| Failure(format!("cannot listen at {addr}: {cause}")))
    };
    let main = bind(config.addr).await?;
    let mut dialects = Vec::new();
    for (dialect, addr) in &config.dialect_addrs {
        dialects.push((*dialect, bind(*addr).await?));
    }
    Ok(Listeners { main, dialects })
}

/// Runs the halves that the settings ask for, until a signal ends them.
async fn run(app: App, listeners: Listeners) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        info!("stopping");
        let _ = stop.send(true);
    });
    let only = app.config.only;
    if only != Some(Half::Worker) {
        let app = app.clone();
        // Asked early, so that a wrong setting is in the log at the start. The server serves without an answer.
        tokio::spawn(async move { accounts::openid::look_for_provider(&app).await });
    }
    let worker = async {
        if only != Some(Half::Web) {
            let worker = Worker::new(
                app.store.clone(),
                app.clock.clone(),
                Arc::clone(&app.secret_key),
                WorkerSettings::of(&app.config),
            );
            worker.with_waker(Arc::clone(&app.outbox_waker)).run(stopped.clone()).await;
        }
    };
    let web = async {
        if only == Some(Half::Worker) {
            drop(listeners);
            return Ok(());
        }
        web::serve(app.clone(), listeners.main, listeners.dialects, stopped.clone()).await
    };
    let (result, ()) = tokio::join!(web, worker);
    app.store.close().await;
    Ok(result?)
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
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
