//! Choosing rows of the log. The boxes belong to a form that stands below the table and leads to `/resends/new`, and by another button to `/logs/cancel`; with
//! JavaScript the bar in it follows what is chosen: `components::behaviour`.

use leptos::prelude::*;

use crate::components::ask::WhomToAsk;
use crate::components::field::HiddenFields;
use crate::components::icon::{Glyph, Icon};
use crate::components::markup::Markup;
use crate::components::number::grouped_total;
use crate::domain::address::logs::LogQuery;
use crate::domain::address::resends::NewResendQuery;
use crate::domain::email::{EmailSummary, RecipientKind, Remark};
use crate::domain::masking::masks_addresses;
use crate::domain::mount::mounted;
use crate::domain::page::Total;
use crate::domain::permission::Permission;
use crate::domain::resend::ResendRule;
use crate::domain::viewer::Viewer;

/// The form that the boxes belong to.
const FORM: &str = "choose";

/// What the viewer may do with chosen rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    resend: bool,
    copy: bool,
    export: bool,
    cancel: bool,
}

impl Choices {
    /// Those of the viewer of the page that is being rendered.
    pub fn of_viewer() -> Self {
        use_context::<Viewer>().map_or(Self::default(), |viewer| Self {
            resend: viewer.may(Permission::LogsResend),
            copy: !masks_addresses(&viewer),
            export: viewer.may(Permission::LogsExport),
            cancel: viewer.may(Permission::EmailsSend),
        })
    }

    /// Whether there is anything.
    pub const fn any(self) -> bool {
        self.resend || self.copy || self.export || self.cancel
    }
}

/// The head of the column: a box for all rows of the page, which needs JavaScript.
#[component]
pub fn ChooseHead() -> impl IntoView {
    view! {
        <th role="columnheader" scope="col" class="choose">
            <span class="visually-hidden">"Choose"</span>
            <input type="checkbox" class="needs-script" data-choose="head" aria-label="Choose all on this page" autocomplete="off"/>
        </th>
    }
}

/// The box of a row.
pub fn push_choose_cell(html: &mut Markup, row: &EmailSummary, choices: Choices, rule: ResendRule) {
    let to = row.recipients.iter().filter(|recipient| recipient.kind == RecipientKind::To);
    let addresses: Vec<&str> = to.map(|recipient| recipient.address.as_str()).collect();
    html.html(r#"<td role="cell" class="choose"><input type="checkbox" name="ids""#);
    html.attribute("value", &row.id.to_string()).attribute("form", FORM);
    html.html(r#" aria-label="Choose the message to "#).text(addresses.first().copied().unwrap_or("nobody")).html("\"");
    if choices.copy {
        html.attribute("data-addresses", &addresses.join("\n"));
    }
    html.flag("data-scheduled", matches!(row.remark, Some(Remark::Scheduled(_))));
    html.flag("data-resendable", rule.obstacle_of(row.status).is_none());
    html.html(r#" autocomplete="off"></td>"#);
}

/// What can be done with the chosen rows, and with all that match.
#[component]
pub fn Selection(
    query: LogQuery,
    on_page: i64,
    total: Total,
    /// Whether a message on the page waits for its time.
    has_scheduled: bool,
) -> impl IntoView {
    let choices = Choices::of_viewer();
    let lacks = match (choices.resend, choices.export) {
        (true, true) => None,
        (true, false) => Some("Your role cannot export messages. "),
        (false, true) => Some("Your role cannot resend messages. "),
        (false, false) => Some("Your role cannot resend or export messages. "),
    };
    choices.any().then(|| {
        let all = (total.count() > on_page).then(|| grouped_total(total));
        let list = use_context::<Viewer>().map(|viewer| format!("{} {}", viewer.team, query.to_list()));
        view! {
            <form id=FORM class="selection" method="get" action=mounted("/resends/new") data-list=list>
                // The pages that ask lead back to this list.
                <HiddenFields fields=query.kept("")/>
                // What a key says of a row.
                <p class="row-told" id="row-told" role="status"></p>
                <div class="selection-bar" role="group" aria-label="Chosen messages" data-count="0">
                    <span class="selection-count needs-script" role="status" data-all=all.clone()></span>
                    <button type="button" class="button quiet needs-script narrow-only" data-choose="page">"All on this page"</button>
                    {all.clone().map(|all| view! {
                        <button type="button" class="button quiet needs-script" data-choose="match" hidden>
                            {format!("Choose all {all} that match")}
                        </button>
                    })}
                    {choices.resend.then(|| view! { <ResendChosen query=query.clone() all/> })}
                    {lacks.map(|words| view! { <p class="hint">{words} <WhomToAsk/></p> })}
                    // With scripts the style sheet shows it while a chosen row waits for its time.
                    {(choices.cancel && has_scheduled).then(|| view! {
                        <button class="button danger cancel-chosen" formaction=mounted("/logs/cancel") data-chosen>"Cancel scheduled …"</button>
                    })}
                    {choices.copy.then(|| view! {
                        <button type="button" class="button needs-script" data-choose="copy" data-chosen>
                            <span aria-live="polite">"Copy addresses"</span>
                        </button>
                    })}
                    {choices.export.then(|| view! {
                        <button class="button" formaction=mounted("/logs/export") data-chosen data-download>"Export chosen"</button>
                        <a class="button needs-script" download="" href=mounted(query.to_export_url("csv")) data-all-chosen hidden>"Export all"</a>
                    })}
                    <button type="button" class="button quiet needs-script" data-choose="none">"Clear"</button>
                </div>
            </form>
        }
    })
}

/// The ways to the page that resends what is chosen, or all that match.
#[component]
fn ResendChosen(query: LogQuery, all: Option<String>) -> impl IntoView {
    let resend_all = NewResendQuery { log: query.with_page(1), ..NewResendQuery::default() }.to_url();
    let plain = all.map(|all| {
        view! { <a class="button without-script" href=mounted(resend_all.clone())>{format!("Resend all {all} that match …")}</a> }
    });
    view! {
        {plain}
        // The style sheet takes its colour while no chosen row can be resent.
        <button class="button primary resend-chosen" data-chosen><Icon glyph=Glyph::Resend/>"Resend chosen …"</button>
        <a class="button primary needs-script" href=mounted(resend_all) data-all-chosen hidden>
            <Icon glyph=Glyph::Resend/>
            "Resend all …"
        </a>
    }
}
