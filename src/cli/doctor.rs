//! `sendlog doctor`

use std::path::PathBuf;
use std::process::ExitCode;

use sendlog::server::App;
use sendlog::server::clock::Clock;
use sendlog::server::config::{Config, DatabaseArgs};
use sendlog::server::services::doctor::{self, Verdict};
use sendlog::server::store::Store;

use super::{Failure, print_line, secret_key_if_there};

/// Says of each thing that Sendlog needs whether it is there, with what to do. The exit status is 1 when something is wrong.
/// Give it the settings that the server runs with.
pub async fn doctor(database: DatabaseArgs, config: Config) -> Result<ExitCode, Failure> {
    let Some(key) = secret_key_if_there(&database)? else {
        return Err("there is no secret key: set the one that the server runs with".into());
    };
    let Some(store) = Store::open_for_checks(&database.database_url).await? else {
        return Err("the tables are not of this version of Sendlog: sendlog migrate brings them up to date".into());
    };
    let file = database.database_url.strip_prefix("sqlite://");
    let file = file.map(|path| PathBuf::from(path.split('?').next().unwrap_or(path)));
    let mut config = config;
    config.settle_base_url();
    let app = App::new(store, Clock::system(), config, key);
    let (mut is_well, mut printed) = (true, Ok(()));
    doctor::examine(&app, file.as_deref(), |finding| {
        let verdict = match finding.verdict {
            Verdict::Well => "ok   ",
            Verdict::Doubtful => "warn ",
            Verdict::Wrong => "WRONG",
        };
        is_well &= finding.verdict != Verdict::Wrong;
        if printed.is_ok() {
            printed = print_line(format_args!("{verdict} {}: {}", finding.about, finding.words));
        }
    })
    .await?;
    app.store.close().await;
    printed?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
