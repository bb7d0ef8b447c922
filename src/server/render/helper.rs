//! Rendering where it can do no harm. The engine's fuel bounds a template's steps, not the memory that a step takes, so that
//! templates that are not plain ([super::plain]) are rendered by helpers: this same program, started once more, with a
//! bound on its memory and on its time. What a template does to its helper is an answer about the template; the server
//! lives on. Called by the services that save templates and that send by them.
//!
//! A helper reads two lines a text, the [Order] and the variables, and answers with one, the [Answer], until its input ends.

use std::io::{BufRead, Write};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tracing::error;

use super::plain::is_plain;
use super::{
    Failure, OUTPUT_CAP_BYTES, Part, RenderedTemplate, Undefined, checked_subject, checked_texts, checked_variables,
    names_in, parse_part, render_part, try_part,
};
use crate::domain::error::AppError;
use crate::domain::template::TemplateSource;

/// The argument that makes this program a helper.
pub const HELPER_ARGUMENT: &str = "render-templates";

/// Helpers that work at once, and plain texts that are rendered here at once.
const TURNS: usize = 2;
/// How long a text waits for its turn.
const WAIT: Duration = Duration::from_secs(20);
/// How long a helper may take for a text, on a busy machine too.
const WALL_LIMIT: Duration = Duration::from_secs(5);
/// How much of a core a helper may take for a text: at least so much, at most a second more.
#[cfg(unix)]
const CPU_SECONDS: u64 = 1;
#[cfg(unix)]
const MEMORY_BYTES: u64 = 128 * 1024 * 1024;
/// How many texts a helper renders before another takes its place.
const TASKS: u32 = 10_000;
/// What a helper says when it is ready. It may say other things before.
const READY: &str = "sendlog renders";
/// The steps of the engine that a plain text may take here; with more it goes to a helper.
const PLAIN_STEPS: u64 = 100_000;

/// What a helper is to do with a text.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    task: Task,
    part: Part,
    source: String,
    undefined: Undefined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Task {
    Render,
    Parse,
    Names,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Text(String),
    Names(Vec<String>),
    Refused(String),
}

/// Makes templates into messages, off the threads that serve requests.
pub struct Renderer {
    here: Arc<Semaphore>,
    turns: Semaphore,
    idle: Mutex<Vec<Helper>>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self { here: Arc::new(Semaphore::new(TURNS)), turns: Semaphore::new(TURNS), idle: Mutex::default() }
    }
}

impl Renderer {
    /// Puts `variables`, a JSON object, into a template. Values are escaped in the HTML and nowhere else. An
    /// [AppError::InvalidTemplate] names the variable that is missing or null and the text that uses it; it is also the
    /// answer to a subject of several lines and to a template that takes too much time or memory.
    pub async fn render_template(
        &self,
        source: &TemplateSource,
        variables: &Value,
        undefined: Undefined,
    ) -> Result<RenderedTemplate, AppError> {
        checked_variables(variables)?;
        checked_texts(source)?;
        let variables = Arc::new(variables.clone());
        let subject = self.render(Part::Subject, &source.subject, &variables, undefined).await?;
        let mut rendered = RenderedTemplate { subject: checked_subject(&subject)?, html: None, text: None };
        if let Some(html) = &source.html {
            rendered.html = Some(self.render(Part::Html, html, &variables, undefined).await?);
        }
        if let Some(text) = &source.text {
            rendered.text = Some(self.render(Part::Text, text, &variables, undefined).await?);
        }
        Ok(rendered)
    }

    /// The subject alone.
    pub async fn render_subject(
        &self,
        subject: &str,
        variables: &Value,
        undefined: Undefined,
    ) -> Result<String, AppError> {
        let source = TemplateSource { subject: subject.to_owned(), html: None, text: None };
        Ok(self.render_template(&source, variables, undefined).await?.subject)
    }

    /// Passes only a template that can be saved: all its texts parse, it has a subject, and HTML or text.
    pub async fn check_template(&self, source: &TemplateSource) -> Result<(), AppError> {
        super::check_completeness(source)?;
        checked_texts(source)?;
        for (part, text) in source.parts() {
            if is_plain(text) {
                parse_part(part, text)?;
            } else {
                self.ask(Task::Parse, part, text, &Value::Null, Undefined::Refused).await?;
            }
        }
        Ok(())
    }

    /// The names of the variables that a template uses, in order; those of a text that does not parse are left out.
    pub async fn used_variables(&self, source: &TemplateSource) -> Vec<String> {
        let mut names = Vec::new();
        for (part, text) in source.parts() {
            if is_plain(text) {
                names.extend(names_in(part, text));
            } else if let Ok(Answer::Names(used)) =
                self.ask(Task::Names, part, text, &Value::Null, Undefined::Refused).await
            {
                names.extend(used);
            }
        }
        names.sort();
        names.dedup();
        names
    }

    async fn render(
        &self,
        part: Part,
        source: &str,
        variables: &Arc<Value>,
        undefined: Undefined,
    ) -> Result<String, AppError> {
        if is_plain(source)
            && let Some(rendered) = self.render_here(part, source, variables, undefined).await?
        {
            return Ok(rendered);
        }
        match self.ask(Task::Render, part, source, variables, undefined).await? {
            Answer::Text(text) => Ok(text),
            Answer::Names(_) | Answer::Refused(_) => Err(AppError::Internal),
        }
    }

    /// Renders a plain text on a thread that may block; `None` when it takes too many steps for that.
    async fn render_here(
        &self,
        part: Part,
        source: &str,
        variables: &Arc<Value>,
        undefined: Undefined,
    ) -> Result<Option<String>, AppError> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.here).acquire_owned()).await;
        let turn = turn.map_err(|_| AppError::Unavailable)?.map_err(|_| AppError::Unavailable)?;
        let (source, variables) = (source.to_owned(), Arc::clone(variables));
        let rendered = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            try_part(part, &source, &variables, undefined, PLAIN_STEPS)
        });
        match rendered.await.map_err(|_| AppError::Internal)? {
            Ok(text) => Ok(Some(text)),
            Err(Failure::Steps) => Ok(None),
            Err(Failure::Because(error)) => Err(error),
        }
    }

    async fn ask(
        &self,
        task: Task,
        part: Part,
        source: &str,
        variables: &Value,
        undefined: Undefined,
    ) -> Result<Answer, AppError> {
        let order = Order { task, part, source: source.to_owned(), undefined };
        let mut lines = serde_json::to_string(&order).map_err(|_| AppError::Internal)?;
        lines.push('\n');
        lines.push_str(&serde_json::to_string(variables).map_err(|_| AppError::Internal)?);
        lines.push('\n');
        let turn = tokio::time::timeout(WAIT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| AppError::Unavailable)?.map_err(|_| AppError::Unavailable)?;
        let mut helper = match self.take_idle() {
            Some(helper) => helper,
            None => Helper::start().await?,
        };
        // One that died while it waited takes nothing.
        let mut sent = helper.send(&lines).await;
        if sent.is_err() {
            helper = Helper::start().await?;
            sent = helper.send(&lines).await;
        }
        let answer = match sent {
            Ok(()) => tokio::time::timeout(WALL_LIMIT, helper.answer()).await.ok().flatten(),
            Err(_) => None,
        };
        // A helper that gave no answer is ended by being dropped.
        let Some(answer) = answer else { return Err(takes_too_much(part)) };
        helper.tasks += 1;
        if helper.tasks < TASKS {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(helper);
        }
        match answer {
            Answer::Refused(why) => Err(AppError::InvalidTemplate { part, message: why }),
            answer @ (Answer::Text(_) | Answer::Names(_)) => Ok(answer),
        }
    }

    fn take_idle(&self) -> Option<Helper> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

fn takes_too_much(part: Part) -> AppError {
    let message = format!("{} takes too much memory or time with these values", part.label());
    AppError::InvalidTemplate { part, message }
}

/// A process that renders.
struct Helper {
    /// It ends with its value.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    tasks: u32,
}

impl Helper {
    async fn start() -> Result<Self, AppError> {
        let started =
            Self::spawn().await.map_err(|cause| error!(%cause, "could not start a helper to render templates"));
        started.map_err(|()| AppError::Unavailable)
    }

    async fn spawn() -> std::io::Result<Self> {
        // The running program, also after its file was replaced by a newer one.
        let own = std::path::PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe()? };
        let mut child = Command::new(program)
            .args(ARGUMENTS)
            // It knows nothing: no password, no key.
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("no pipes"));
        };
        let mut helper = Self { _child: child, input, output: BufReader::new(output), tasks: 0 };
        let ready = tokio::time::timeout(WAIT, async {
            while !helper.read_line().await?.contains(READY) {}
            Ok::<_, std::io::Error>(())
        });
        ready.await??;
        Ok(helper)
    }

    async fn send(&mut self, lines: &str) -> std::io::Result<()> {
        let writing = async {
            self.input.write_all(lines.as_bytes()).await?;
            self.input.flush().await
        };
        tokio::time::timeout(WALL_LIMIT, writing).await?
    }

    async fn answer(&mut self) -> Option<Answer> {
        serde_json::from_str(&self.read_line().await.ok()?).ok()
    }

    async fn read_line(&mut self) -> std::io::Result<String> {
        // JSON writes a letter with at most six.
        let limit_bytes = 7 * OUTPUT_CAP_BYTES as u64;
        let mut line = String::new();
        let read = (&mut self.output).take(limit_bytes).read_line(&mut line).await?;
        if read == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(line) }
    }
}

#[cfg(not(test))]
const ARGUMENTS: [&str; 1] = [HELPER_ARGUMENT];
#[cfg(not(test))]
const ENVIRONMENT: [(&str, &str); 0] = [];
/// The tests' program cannot be told to render by an argument: one of its tests does it.
#[cfg(test)]
const ARGUMENTS: [&str; 4] = [
    "--exact",
    "server::render::helper::tests::serves_when_it_is_started_as_a_helper",
    "--nocapture",
    "--test-threads=1",
];
#[cfg(test)]
const ENVIRONMENT: [(&str, &str); 1] = [("SENDLOG_TEST_RENDERS", "1")];

/// Renders what standard input asks for until it ends. It never returns from a text that takes too much.
pub fn serve_as_helper() -> ExitCode {
    limit_memory();
    let mut output = std::io::stdout().lock();
    if output.write_all(format!("\n{READY}\n").as_bytes()).and_then(|()| output.flush()).is_err() {
        return ExitCode::FAILURE;
    }
    let mut lines = std::io::stdin().lock().lines();
    while let (Some(Ok(order)), Some(Ok(variables))) = (lines.next(), lines.next()) {
        limit_time();
        let Some(answer) = carry_out(&order, &variables) else { return ExitCode::FAILURE };
        let Ok(mut line) = serde_json::to_vec(&answer) else { return ExitCode::FAILURE };
        line.push(b'\n');
        if output.write_all(&line).and_then(|()| output.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn carry_out(order: &str, variables: &str) -> Option<Answer> {
    let Order { task, part, source, undefined } = serde_json::from_str(order).ok()?;
    let variables: Value = serde_json::from_str(variables).ok()?;
    let done = match task {
        Task::Render => render_part(part, &source, &variables, undefined).map(Answer::Text),
        Task::Parse => parse_part(part, &source).map(|()| Answer::Text(String::new())),
        Task::Names => Ok(Answer::Names(names_in(part, &source))),
    };
    match done {
        Ok(answer) => Some(answer),
        Err(error @ AppError::InvalidTemplate { .. }) => Some(Answer::Refused(error.to_string())),
        Err(_) => None,
    }
}

#[cfg(unix)]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let only = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    // Where the system does not know a limit, time still ends what a template does.
    let _ = setrlimit(Resource::Core, only(0));
    let _ = setrlimit(Resource::Data, only(MEMORY_BYTES));
    // Those who wait for a page go first.
    let _ = rustix::process::nice(5);
}

#[cfg(unix)]
fn limit_time() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default();
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(used + CPU_SECONDS + 1), maximum: None });
}

#[cfg(not(unix))]
fn limit_memory() {}

#[cfg(not(unix))]
fn limit_time() {}

#[cfg(test)]
mod tests;
