//! `sendlog doctor`: what of this machine, its settings and what it reaches keeps Sendlog from working, and what to do. It
//! changes nothing and sends nothing.

mod adapters;
mod machine;
mod names;

use crate::domain::error::AppError;
use crate::server::App;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Well,
    /// It works, and will not for long, or not for all.
    Doubtful,
    Wrong,
}

/// What was looked at, and what was seen, with what to do where it is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub about: &'static str,
    pub verdict: Verdict,
    pub words: String,
}

impl Finding {
    fn well(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Well, words: words.into() }
    }

    fn doubtful(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Doubtful, words: words.into() }
    }

    fn wrong(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Wrong, words: words.into() }
    }
}

/// Looks at everything, one thing after the other, and tells of each as soon as it is known. `database_file` is SQLite's.
pub async fn examine(
    app: &App,
    database_file: Option<&std::path::Path>,
    mut each: impl FnMut(Finding),
) -> Result<(), AppError> {
    machine::settings(app).into_iter().for_each(&mut each);
    machine::file_handles().into_iter().for_each(&mut each);
    if let Some(file) = database_file {
        machine::files(file).into_iter().for_each(&mut each);
    }
    machine::database(app).await?.into_iter().for_each(&mut each);
    machine::clock(app).await?.into_iter().for_each(&mut each);
    names::public_address(app).await.into_iter().for_each(&mut each);
    names::https_certificate(app).into_iter().for_each(&mut each);
    names::smtp_certificate(app).into_iter().for_each(&mut each);
    adapters::examine(app).await?.into_iter().for_each(&mut each);
    Ok(())
}
