//! Everything about a person as a file: JSON Lines, read and sent a piece at a time, so that its length costs no memory.

use serde_json::json;

use super::{hash_of, open, require_look, shown_hash};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::domain::person::Person;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::services::audit;
use crate::server::store::persons::Place;

/// A file that has been noted in the audit log and can be read piece by piece.
pub struct PersonExport {
    app: App,
    team: TeamId,
    person: Person,
    address: String,
    stage: Stage,
}

enum Stage {
    Head,
    Rows(Place),
    End,
}

/// Begins the file. Needs `privacy:export`. The audit log has it before anything is given out, without the address.
pub async fn start(app: &App, viewer: &Viewer, sealed: &str) -> Result<PersonExport, AppError> {
    require_look(viewer)?;
    let (address, person) = open(app, viewer, sealed)?;
    let hash = hash_of(app, viewer.team, &person);
    let said = json!({ "person": shown_hash(&hash) });
    let event = audit::by(app, viewer, AuditAction::PersonExported).about(viewer.team, "A person").made(said);
    app.store.append_audit_event(viewer.team, &event).await?;
    Ok(PersonExport { app: app.clone(), team: viewer.team, person, address, stage: Stage::Head })
}

impl PersonExport {
    /// The next piece; `None` after the last. A piece of a long walk that found nothing is an empty line, which keeps the
    /// connection.
    pub async fn next_piece(&mut self) -> Result<Option<String>, AppError> {
        match &self.stage {
            Stage::End => Ok(None),
            Stage::Head => {
                let head = self.head().await?;
                self.stage = Stage::Rows(Place::default());
                Ok(Some(head))
            }
            Stage::Rows(place) => {
                let page = self.app.store.read_person(self.team, &self.person, place).await?;
                self.stage = page.next.map_or(Stage::End, Stage::Rows);
                let lines: String = page.lines.iter().map(|line| format!("{line}\n")).collect();
                Ok(Some(if lines.is_empty() { "\n".to_owned() } else { lines }))
            }
        }
    }

    async fn head(&self) -> Result<String, AppError> {
        let about = json!({
            "kind": "about", "address": self.address, "team": self.team.to_string(), "at": self.app.clock.now(),
        });
        let member = self.app.store.find_member_named(self.team, &self.person).await?;
        let member = member.map(|(name, email)| json!({ "kind": "member", "name": name, "email": email }));
        let lines = [Some(about), member];
        Ok(lines.into_iter().flatten().map(|line| format!("{line}\n")).collect())
    }
}
