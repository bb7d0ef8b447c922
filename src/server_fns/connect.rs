//! What a program needs to know to send through Sendlog.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::api_key::NewKey;
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::first_steps::FirstSteps;

/// What the page for connecting programs shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectView {
    pub public_url: String,
    pub sendwithus: Place,
    pub resend: Place,
    pub jetemail: Place,
    pub notificationapi: Place,
    /// The key that was just made on this page.
    pub key: Option<NewKey>,
    pub draft: Draft,
    /// How far the team has come; `None` once it needs no first steps, or for who may not see its messages.
    pub first_steps: Option<FirstSteps>,
}

/// Where a dialect is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its path on the main address, `/resend`.
    pub prefix: String,
    /// Its own address, without a path, where the server has one for it: `http://127.0.0.1:3101`.
    pub own_url: Option<String>,
}

/// The addresses that programs are pointed to, and the key that was just made for them.
#[server]
pub async fn load_connect() -> Result<ConnectView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{api::Api, context, services::first_steps};
    let viewer = context::viewer().await?;
    viewer.require_two_factor()?;
    let app = context::app();
    let first_steps = match viewer.may(Permission::LogsView) {
        true => first_steps::first_steps(&app, &viewer).await?,
        false => None,
    };
    let place = |dialect: Api| Place { prefix: dialect.prefix().to_owned(), own_url: app.config.own_url(dialect) };
    Ok(ConnectView {
        public_url: app.config.public_url(),
        sendwithus: place(Api::Sendwithus),
        resend: place(Api::Resend),
        jetemail: place(Api::Jetemail),
        notificationapi: place(Api::Notificationapi),
        key: context::new_key(),
        draft: super::draft::load_draft("api_key".to_owned()).await?,
        first_steps,
    })
}
