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
    /// Where messages come in by SMTP, if they do.
    pub smtp: Option<SmtpPlace>,
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

/// Where messages come in by SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpPlace {
    pub host: String,
    pub port: u16,
    pub encryption: SmtpEncryption,
}

/// How a connection by SMTP is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmtpEncryption {
    /// Not at all: programs on the server's own machine send so.
    Never,
    /// Once the client asks for it, by STARTTLS.
    StartTls,
    /// From the first byte.
    Tls,
}

/// The addresses that programs are pointed to, and the key that was just made for them.
#[server]
pub async fn load_connect() -> Result<ConnectView, AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{api::Api, config::Config, context, services::first_steps};
    /// Where programs are pointed to: the address with STARTTLS where there is one.
    fn smtp_place(config: &Config) -> Option<SmtpPlace> {
        let smtp = &config.smtp;
        let start = if smtp.smtp_tls_cert.is_some() { SmtpEncryption::StartTls } else { SmtpEncryption::Never };
        let plain = smtp.smtp_addr.map(|addr| (addr, start));
        let (addr, encryption) = plain.or_else(|| smtp.smtps_addr.map(|addr| (addr, SmtpEncryption::Tls)))?;
        let has_name = smtp.smtp_host_name.is_some() || addr.ip().is_unspecified();
        let host = if has_name { config.smtp_host_name() } else { addr.ip().to_string() };
        Some(SmtpPlace { host, port: addr.port(), encryption })
    }
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
        smtp: smtp_place(&app.config),
        key: context::new_key(),
        draft: super::draft::load_draft("api_key".to_owned()).await?,
        first_steps,
    })
}
