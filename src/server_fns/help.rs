//! The documents that come with the program.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::document::Block;
use crate::domain::error::AppError;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Help {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// The document of this name. For everybody who is logged in.
#[server]
pub async fn load_help(topic: String) -> Result<Help, AppError> {
    crate::server::context::viewer().await?.require_two_factor()?;
    let markdown = crate::server::help::find_document(&topic).ok_or_else(|| AppError::not_found("Help"))?;
    let (title, blocks) = crate::domain::document::read_document(markdown);
    Ok(Help { title, blocks })
}
