//! Accepting together what comes at the same time: what waits while one transaction runs is accepted by the next, so that
//! many share one wait for the disk, and statements insert the rows of many. Whoever waits hears of the end after the commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::instrument;

use super::accept::{NewIdempotencyKey, claim_key, first_attempt};
use crate::domain::api_request::KeptAnswer;
use crate::domain::email::NewEmail;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::Store;
use crate::server::store::bodies::Packed;
use crate::server::store::bulk::{Folded, insert_folded, rollups_of, tell_of_new};
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::Waiting;
use crate::server::telemetry::metrics;

/// As many messages share a transaction, at most; one request's messages are never parted.
const MOST: usize = 100;
/// What is longer than this does not keep others waiting.
const LONG_BYTES: usize = 256 * 1024;

/// What waits to be accepted.
#[derive(Debug, Default)]
pub(in crate::server::store) struct Accepting(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    requests: VecDeque<Request>,
    /// Whether a task takes from it.
    is_served: bool,
}

/// The messages of one request.
#[derive(Debug)]
struct Request {
    team_id: TeamId,
    emails: Vec<NewEmail>,
    bodies: Vec<Option<Packed>>,
    waiting: Vec<Waiting>,
    idempotency: Option<NewIdempotencyKey>,
    answer: oneshot::Sender<Answer>,
}

/// What the first request with the same key was answered, where there was one.
type Answer = Result<Option<KeptAnswer>, AppError>;

impl Accepting {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request; whether nobody serves the line.
    fn join(&self, request: Request) -> bool {
        let mut line = self.line();
        line.requests.push_back(request);
        !std::mem::replace(&mut line.is_served, true)
    }

    /// The next requests, one at least; none when the line is empty, which nobody serves from then on.
    fn take(&self) -> Vec<Request> {
        let mut line = self.line();
        let (mut taken, mut messages) = (Vec::new(), 0);
        while let Some(next) = line.requests.front() {
            messages += next.emails.len();
            if messages > MOST && !taken.is_empty() {
                break;
            }
            taken.extend(line.requests.pop_front());
        }
        line.is_served = !taken.is_empty();
        taken
    }
}

/// Serves the line. Where that ends before the line is empty, those who wait hear of it, and the next one serves it.
struct Serving {
    store: Store,
    is_over: bool,
}

impl Serving {
    async fn run(mut self) {
        loop {
            let requests = self.store.accepting.take();
            if requests.is_empty() {
                self.is_over = true;
                return;
            }
            self.store.accept(requests).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.is_over {
            *self.store.accepting.line() = Line::default();
        }
    }
}

impl Store {
    /// Accepts the messages of one request, all or none, as [Store::insert_emails] does, together with what others want
    /// accepted at the same time. They are accepted even where the caller does not wait for it.
    #[instrument(level = "debug", name = "accept", skip_all, fields(team.id = %team_id, messages = emails.len()))]
    pub async fn accept_emails(
        &self,
        team_id: TeamId,
        emails: Vec<NewEmail>,
        idempotency: Option<NewIdempotencyKey>,
    ) -> Answer {
        let bodies = self.pack_bodies(team_id, &emails.iter().collect::<Vec<_>>()).await?;
        let waiting = emails.iter().map(first_attempt).collect();
        let (answer, answered) = oneshot::channel();
        let request = Request { team_id, emails, bodies, waiting, idempotency, answer };
        if request.is_long() {
            self.accept_one(request).await;
        } else if self.accepting.join(request) {
            tokio::spawn(Serving { store: self.clone(), is_over: false }.run());
        }
        answered.await.unwrap_or(Err(AppError::Internal))
    }

    async fn accept(&self, requests: Vec<Request>) {
        match self.accept_all(&requests).await {
            Ok(answers) => requests.into_iter().zip(answers).for_each(|(request, answer)| request.tell(answer)),
            // The database's fault, whoever asks, or that of the only one.
            Err(error) if requests.len() == 1 || matches!(error, AppError::Unavailable | AppError::TooSlow) => {
                requests.into_iter().for_each(|request| request.tell(Err(error.clone())));
            }
            // One of them is to blame.
            Err(_) => {
                for request in requests {
                    self.accept_one(request).await;
                }
            }
        }
    }

    async fn accept_one(&self, request: Request) {
        let answer = self.accept_all(std::slice::from_ref(&request)).await;
        request.tell(answer.and_then(|mut answers| answers.pop().unwrap_or(Err(AppError::Internal))));
    }

    /// Accepts requests in one transaction; what each is answered, in their order.
    async fn accept_all(&self, requests: &[Request]) -> Result<Vec<Answer>, AppError> {
        let mut tx = self.begin().await?;
        let mut answers: Vec<Answer> = requests.iter().map(|_| Ok(None)).collect();
        // Keys in one order, so that two programs never wait for each other in a ring.
        let mut keys: Vec<(usize, &NewIdempotencyKey)> =
            (0..).zip(requests).filter_map(|(place, request)| Some((place, request.idempotency.as_ref()?))).collect();
        keys.sort_by_key(|(place, key)| (requests[*place].team_id, &key.endpoint, &key.key_hash));
        for (place, key) in keys {
            let request = &requests[place];
            let ids: Vec<EmailId> = request.emails.iter().map(|new| new.id).collect();
            if let Some(first) = claim_key(&mut tx, request.team_id, key, &ids).await? {
                answers[place] = first.answer_to(&key.request_hash).map(Some);
            }
        }
        let mut teams: BTreeMap<TeamId, Vec<Folded<'_>>> = BTreeMap::new();
        for (request, answer) in requests.iter().zip(&answers) {
            if matches!(answer, Ok(None)) {
                teams.entry(request.team_id).or_default().extend(request.folded());
            }
        }
        for (team_id, folded) in &mut teams {
            folded.sort_unstable_by_key(|row| row.email.id);
            insert_folded(&mut tx, *team_id, folded).await?;
            tell_of_new(&mut tx, *team_id, folded).await?;
        }
        for (team_id, folded) in &teams {
            rollups_of(folded).apply(&mut tx, *team_id).await?;
        }
        tx.commit().await?;
        metrics::count_accepted(requests.len(), teams.values().map(Vec::len).sum());
        Ok(answers)
    }
}

impl Request {
    fn is_long(&self) -> bool {
        let bodies = self.bodies.iter().flatten().map(|body| body.bytes.len());
        let attachments = self.emails.iter().flat_map(|new| &new.attachments).map(|file| file.content.len());
        self.emails.len() > MOST || bodies.chain(attachments).sum::<usize>() > LONG_BYTES
    }

    fn folded(&self) -> impl Iterator<Item = Folded<'_>> {
        let rows = self.emails.iter().zip(&self.bodies).zip(&self.waiting);
        rows.map(|((new, body), waiting)| Folded::new(new, body.as_ref(), &EmailFacts::default(), Some(waiting)))
    }

    fn tell(self, answer: Answer) {
        // Who has left hears nothing.
        let _ = self.answer.send(answer);
    }
}
