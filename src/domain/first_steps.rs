//! How far a team has come on the way to its first message, and to hearing what became of it.

use serde::{Deserialize, Serialize};

use super::ids::TemplateId;

/// A step, and what it came to. What the viewer may not see is done without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub is_done: bool,
    pub name: Option<String>,
    /// Where that is to be seen.
    pub url: Option<String>,
}

/// The steps of a team that begins, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSteps {
    pub adapter: Step,
    pub key: Step,
    /// Not every system that sends needs one.
    pub template: Step,
    pub template_id: Option<TemplateId>,
    pub message: Step,
    /// A report of what became of a message.
    pub report: Step,
}

impl FirstSteps {
    /// Whether all is done that has to be.
    pub fn are_done(&self) -> bool {
        [&self.adapter, &self.key, &self.message, &self.report].iter().all(|step| step.is_done)
    }
}
