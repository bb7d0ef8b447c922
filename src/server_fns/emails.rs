//! The log: its pages, a message, and sending it again.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::channel::Channel;
use crate::domain::email::{Accepted, ArrivedLater, Customer, EmailDetail, EmailSummary};
use crate::domain::error::AppError;
use crate::domain::failure::Reasons;
use crate::domain::filter::StatusSet;
use crate::domain::first_steps::FirstSteps;
use crate::domain::hold::Hold;
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::list_view::ListView;
use crate::domain::page::{Page, Total};
use crate::domain::period::{Period, PeriodChoice};
use crate::domain::search::Qualifier;
use crate::domain::stats::Overview;
use crate::domain::webhook::ToldWebhook;

/// Rows on a page of the log.
pub const PAGE_SIZE: i64 = 50;

/// What ids in a search are called, as they are written there: of adapters, API keys, templates and groups of failures.
pub type ConditionNames = Vec<(String, String)>;

/// A search near one that finds nothing, or little.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NearSearch {
    pub search: String,
    /// How much it finds.
    pub total: Total,
    /// Whether that is in all time: in the list's own period it finds nothing either.
    pub is_in_all_time: bool,
}

/// What the log page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogView {
    pub period: Period,
    pub overview: Overview,
    /// Why the problems of the list are problems; `None` where it has none.
    pub reasons: Option<Reasons>,
    pub page: Page<EmailSummary>,
    /// The rows that a search found by their metadata or variables, which no row shows.
    pub found_by_contents: Vec<EmailId>,
    /// A word for what the page's rows say, which changes when they do.
    pub rows: String,
    /// How many messages the list would have in all time, where it has none, or few for a search.
    pub in_all_time: Option<Total>,
    /// Searches near this one that find something, where this one finds nothing; where it finds something, the same words
    /// as what they may name.
    pub near: Vec<NearSearch>,
    /// Where a search by provider or tag finds nothing, values of these that recent messages have.
    pub instead: Vec<(Qualifier, Vec<String>)>,
    /// Templates to filter by: the newest ones, and the chosen one.
    pub templates: Vec<(TemplateId, String)>,
    pub names: ConditionNames,
    /// How the viewer wants the list to look.
    pub look: ListView,
    /// Whether messages of the list were sent, and none of the team ever got a report of what became of it.
    pub lacks_reports: bool,
    /// How far a team has come that has no message at all, in any period.
    pub first_steps: Option<FirstSteps>,
    pub public_url: String,
}

/// A page of the log with its cards, chart and filters. A search for an id alone leads on to its message. Needs `logs:view`.
#[server]
pub async fn load_logs(
    choice: PeriodChoice,
    statuses: StatusSet,
    template_id: Option<TemplateId>,
    channel: Option<Channel>,
    q: Option<String>,
    page: i64,
    seen: Option<DateTime<Utc>>,
) -> Result<LogView, AppError> {
    use crate::domain::address::logs::LogQuery;
    use crate::domain::{filter::EmailFilter, filter::TimeRange, page::PageRequest, search::Search};
    use crate::server::{
        context,
        context::FlashKind,
        services::{
            condition_names, emails, failures, first_steps, live, overview, period, reasons as why, search,
            suggestions, templates,
        },
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let resolved = emails::resolve_period(&app, &viewer, &choice).await?;
    let searched = Search::parse(&q.unwrap_or_default())?;
    if !context::is_prefetch()
        && let Some(id) = search::find_named(&app, &viewer, &searched).await?
    {
        crate::server::context::redirect(&format!("/logs/{id}"));
    }
    let base = EmailFilter { template_id, channel, ..EmailFilter::default() };
    let filter_in = async |range: TimeRange, statuses: StatusSet| {
        search::filter_of(&app, &viewer, &searched, EmailFilter { range, statuses, ..base.clone() }).await
    };
    let asked_for = filter_in(resolved.range, statuses).await?;
    let zone = period::time_zone(viewer.time_zone());
    let period = resolved.cut_to(asked_for.range, |range| period::label_of(range, zone));
    if choice.is_local() || searched.has_times() {
        // Said by instants, the address means the same rows to everybody.
        let (period, search) = (PeriodChoice::exactly(period.range), searched.clone().without_times());
        crate::server::context::redirect(
            &LogQuery { period, statuses, template_id, channel, search, page, seen }.to_url(),
        );
    }
    let range = TimeRange { to: [period.range.to, seen].into_iter().flatten().min(), ..period.range };
    let filter = EmailFilter { range, ..asked_for };
    let mut page = emails::list_emails(&app, &viewer, &filter, PageRequest { page, page_size: PAGE_SIZE }).await?;
    failures::add_remarks(&app, &viewer, &mut page.items).await?;
    let reasons = why::list_reasons(&app, &viewer, &filter).await?;
    // Who searches for something and finds one page of it, takes that for all there is.
    let is_one_page = !searched.is_empty() && page.total.count() <= PAGE_SIZE;
    let is_narrow = page.total.count() == 0 || is_one_page;
    let in_all_time = if is_narrow && period.range != TimeRange::default() {
        let anything = PageRequest { page: 1, page_size: 1 };
        let filter = filter_in(TimeRange::default(), statuses).await?;
        Some(emails::list_emails(&app, &viewer, &filter, anything).await?.total)
    } else {
        None
    };
    let is_nowhere = page.total.count() == 0 && in_all_time.is_none_or(|total| total.count() == 0);
    if let Some(reading) = searched.read_otherwise().filter(|_| is_nowhere && !context::is_prefetch()) {
        let filter =
            search::filter_of(&app, &viewer, &reading, EmailFilter { range, statuses, ..base.clone() }).await?;
        let anything = PageRequest { page: 1, page_size: 1 };
        if emails::list_emails(&app, &viewer, &filter, anything).await?.total.count() > 0 {
            context::flash(FlashKind::Success, search::words_of_reading(&searched, &reading));
            let query = LogQuery { statuses, template_id, channel, search: reading, ..LogQuery::default() };
            crate::server::context::redirect(&LogQuery { period: choice.clone(), ..query }.to_url());
        }
    }
    let names = match page.total.count() <= PAGE_SIZE {
        true => suggestions::read_as_names(&app, &viewer, &searched).await?,
        false => Vec::new(),
    };
    let others: Vec<Search> = match page.total.count() {
        0 => searched.nearby(),
        1..=PAGE_SIZE => searched.read_otherwise().into_iter().collect(),
        _ => searched.as_code().into_iter().collect(),
    };
    let mut near = Vec::new();
    // Where all time has nothing for the search itself, it is all time that something near must be in.
    let is_in_all_time = page.total.count() == 0 && in_all_time == Some(Total::Exact(0));
    let near_range = if is_in_all_time { TimeRange::default() } else { range };
    for search in names.into_iter().chain(others) {
        let base = EmailFilter { range: near_range, statuses, ..base.clone() };
        let filter = search::filter_of(&app, &viewer, &search, base).await?;
        let anything = PageRequest { page: 1, page_size: 1 };
        let total = emails::list_emails(&app, &viewer, &filter, anything).await?.total;
        if total.count() > 0 {
            near.push(NearSearch { search: search.to_string(), total, is_in_all_time });
        }
    }
    let instead = match page.total.count() {
        0 => suggestions::list_instead(&app, &viewer, &searched).await?,
        _ => Vec::new(),
    };
    let overview = overview::load_overview(&app, &viewer, &period, &filter).await?;
    let is_first_run = overview.stats.total == 0 && in_all_time.is_none_or(|total| total.count() == 0) && {
        let anything = PageRequest { page: 1, page_size: 1 };
        emails::list_emails(&app, &viewer, &EmailFilter::default(), anything).await?.items.is_empty()
    };
    let lacks_reports = overview.stats.lacks_reports() && emails::lacks_reports(&app, &viewer).await?;
    let templates = templates::list_choices(&app, &viewer, template_id).await?;
    let names = condition_names::names_of(&app, &viewer, &searched, reasons.as_ref()).await?;
    let first_steps = if is_first_run { first_steps::first_steps(&app, &viewer).await? } else { None };
    Ok(LogView {
        period,
        overview,
        reasons,
        found_by_contents: emails::found_by_contents(&viewer, &filter, &page.items),
        rows: live::state_of(&page.items),
        page,
        in_all_time,
        near,
        instead,
        templates,
        names,
        look: context::list_view(),
        lacks_reports,
        first_steps,
        public_url: app.config.public_url(),
    })
}

/// What stands around the list of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogFrame {
    pub period: Period,
    /// Templates to filter by: the newest ones, and the chosen one.
    pub templates: Vec<(TemplateId, String)>,
    pub names: ConditionNames,
}

/// What stands around the list of the log, where the list itself cannot be read. Needs `logs:view`.
#[server]
pub async fn load_log_frame(
    choice: PeriodChoice,
    template_id: Option<TemplateId>,
    #[server(default)] q: String,
) -> Result<LogFrame, AppError> {
    use crate::domain::search::Search;
    use crate::server::{
        context,
        services::{condition_names, emails, templates},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let names = condition_names::names_of(&app, &viewer, &Search::parse(&q)?, None).await?;
    let period = emails::resolve_period(&app, &viewer, &choice).await?;
    Ok(LogFrame { period, templates: templates::list_choices(&app, &viewer, template_id).await?, names })
}

/// What the page of a message shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageView {
    pub detail: EmailDetail,
    /// What else went to the same customer.
    pub customer: Option<Customer>,
    /// The list that the viewer comes from.
    pub list: Option<ListPlace>,
    /// What webhooks were told of it, for those who may view webhooks.
    pub told_webhooks: Vec<ToldWebhook>,
    /// The legal holds that keep it.
    pub holds: Vec<Hold>,
    /// Whether it was sent, and no message of the team ever got a report of what became of it.
    pub lacks_reports: bool,
    pub public_url: String,
}

/// A message's place in a list of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListPlace {
    /// The list, as the query of its address.
    pub query: String,
    /// The row that the viewer comes from: the message itself, or the one that was resent as it.
    pub row: EmailId,
    pub newer: Option<EmailId>,
    pub older: Option<EmailId>,
}

impl ListPlace {
    /// The list as the parameter `list` of another page. Never empty: a parameter without a value counts as absent.
    pub fn to_list(&self) -> String {
        if self.query.is_empty() { "?".to_owned() } else { self.query.clone() }
    }
}

/// Everything about a message, and its place in the list that its address names or that the browser comes from. `row` is
/// the row of that list which stands for it, where that is another one. Needs `logs:view`.
#[server]
pub async fn load_email(
    id: EmailId,
    #[server(default)] list: Option<String>,
    #[server(default)] row: Option<EmailId>,
) -> Result<MessageView, AppError> {
    use crate::domain::address::logs::LogQuery;
    use crate::domain::email::EmailStatus;
    use crate::server::{
        context,
        services::{customer, emails, holds, search, webhooks},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let detail = emails::find_email(&app, &viewer, id).await?;
    let told_webhooks = webhooks::list_told_webhooks(&app, &viewer, detail.email.id).await?;
    let holds = holds::list_holds_of(&app, &viewer, detail.email.id).await?;
    let customer = customer::find_customer(&app, &viewer, detail.email.id).await?;
    let place_in = async |query: String| {
        // A list that cannot be read, or is too slow now, is no reason to withhold the message.
        let filter = search::filter_at(&app, &viewer, &LogQuery::parse(&query).ok()?).await.ok()?;
        let row = row.unwrap_or(id);
        let (newer, older) = emails::find_neighbours(&app, &viewer, &filter, row).await.ok()?;
        Some(ListPlace { query, row, newer, older })
    };
    let list = match list.or_else(|| context::came_from("/logs")) {
        Some(query) => place_in(query).await,
        None => None,
    };
    let lacks_reports = detail.email.status == EmailStatus::Sent && emails::lacks_reports(&app, &viewer).await?;
    let public_url = app.config.public_url();
    Ok(MessageView { detail, customer, list, told_webhooks, holds, lacks_reports, public_url })
}

/// What the page says that asks before messages are canceled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CancelView {
    /// Those that wait for their time.
    pub waiting: Vec<EmailId>,
    /// How many more were chosen.
    pub others: usize,
    /// The query of the list that they were chosen in.
    pub list: String,
}

/// Which of the messages that a query string chooses can be canceled. Needs `logs:view` and `emails:send`.
#[server]
pub async fn load_cancel(#[server(default)] address: String) -> Result<CancelView, AppError> {
    use crate::domain::address::resends::chosen_ids;
    use crate::server::{context, services::cancel};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let chosen = chosen_ids(&address)?;
    let waiting = cancel::list_scheduled(&app, &viewer, &chosen).await?;
    let list = context::came_from("/logs").unwrap_or_default();
    Ok(CancelView { others: chosen.len().saturating_sub(waiting.len()), waiting, list })
}

/// Cancels messages that wait for their time, `ids` with commas between them, and goes back to the list of this query. Needs
/// `logs:view` and `emails:send`.
#[server]
pub async fn cancel_chosen(ids: String, #[server(default)] list: String) -> Result<(), AppError> {
    use crate::domain::address::logs::LogQuery;
    use crate::domain::address::resends::read_ids;
    use crate::server::{context, context::FlashKind, services::cancel};
    let chosen = read_ids(&ids)?;
    let canceled = cancel::cancel_scheduled(&context::app(), &context::viewer().await?, &chosen).await?;
    match (canceled, chosen.len().saturating_sub(canceled)) {
        (0, _) => context::flash(FlashKind::Error, "Nothing was canceled: none of them waits for its time any more."),
        (1, 0) => context::flash(FlashKind::Success, "1 message is canceled."),
        (canceled, 0) => context::flash(FlashKind::Success, format!("{canceled} messages are canceled.")),
        (canceled, rest) => {
            let words = format!("{canceled} of {} are canceled. {rest} did not wait any more.", canceled + rest);
            context::flash(FlashKind::Success, words);
        }
    }
    crate::server::context::redirect(&LogQuery::parse(&list).unwrap_or_default().to_url());
    Ok(())
}

/// Remembers in this browser how the list is to look: whether its rows are close, and which columns show, `1` each.
#[server]
pub async fn set_list_view(
    #[server(default)] dense: String,
    #[server(default)] status: String,
    #[server(default)] subject: String,
    #[server(default)] template: String,
) -> Result<(), AppError> {
    use crate::domain::list_view::Column;
    let shown = |column: Column| match column {
        Column::Status => !status.is_empty(),
        Column::Subject => !subject.is_empty(),
        Column::Template => !template.is_empty(),
    };
    let hidden = Column::ALL.into_iter().filter(|column| !shown(*column)).collect();
    crate::server::context::set_list_view(&ListView { is_dense: dense == "1", hidden });
    Ok(())
}

/// What the panel beside the list shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeekView {
    pub detail: EmailDetail,
    /// Looked for where it failed.
    pub arrived_later: Option<ArrivedLater>,
}

/// Everything about a message, for the panel beside the list. Needs `logs:view`.
#[server]
pub async fn load_peek(id: EmailId) -> Result<PeekView, AppError> {
    use crate::server::{
        context,
        services::{customer, emails},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let detail = emails::find_email(&app, &viewer, id).await?;
    let arrived_later = match detail.failure {
        Some(_) => customer::find_arrived_later(&app, &viewer, detail.email.id).await?,
        None => None,
    };
    Ok(PeekView { detail, arrived_later })
}

/// Writes a reason into the audit log and shows the message's contents to this session for a while. Needs `logs:view` and
/// `logs:reveal`.
#[server]
pub async fn reveal_email(id: EmailId, reason: String) -> Result<(), AppError> {
    use crate::server::{context, services::reveal};
    let words = "Your session ended: nothing was revealed, and your reason was not saved. Log in and type it again.";
    let viewer = context::viewer_or_say(words).await?;
    let (app, session) = (context::app(), context::session().await);
    reveal::reveal_email(&app, &viewer, &session, id, &reason).await?;
    crate::server::context::redirect(&format!("/logs/{id}"));
    Ok(())
}

/// Sends a failed or bounced message again and goes on to the new one; where a copy got through already, only when `again`
/// names the newest that did. The new one's page leads back to this `list`, where there is one, at `row`. Needs
/// `logs:resend`.
#[server]
pub async fn resend_email(
    id: EmailId,
    #[server(default)] again: Option<EmailId>,
    #[server(default)] list: Option<String>,
    #[server(default)] row: Option<EmailId>,
) -> Result<Accepted, AppError> {
    use crate::domain::address;
    use crate::server::{context, services::emails};
    let accepted = emails::resend_email(&context::app(), &context::viewer().await?, id, again).await?;
    context::flash(context::FlashKind::Success, "Resent. This is the new message.");
    let list = list.filter(|list| !list.is_empty());
    let way_back = list.map(|list| vec![("list", list), ("row", row.unwrap_or(id).to_string())]);
    crate::server::context::redirect(&address::url(&format!("/logs/{}", accepted.id), way_back.unwrap_or_default()));
    Ok(accepted)
}
