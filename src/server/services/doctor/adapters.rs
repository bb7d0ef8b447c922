//! The adapters of every team: whether their log-ins can be read, and whether their servers let them in.

use super::Finding;
use super::names::certificate;
use crate::domain::adapter::{Adapter, AdapterKind, Lane};
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::server::App;
use crate::server::delivery::endpoint::SmtpEndpoint;
use crate::server::delivery::http_endpoint::HttpEndpoint;
use crate::server::delivery::smtp::{SmtpRoute, SmtpSender, SmtpSettings, Tls};
use crate::server::services::adapters::log_in_of;

const ABOUT: &str = "adapter";

/// Every adapter of every team.
pub(super) async fn examine(app: &App) -> Result<Vec<Finding>, AppError> {
    let sender = SmtpSender::new(SmtpSettings { outbound: app.config.outbound(), ..SmtpSettings::default() });
    let mut findings = Vec::new();
    for (team, slug) in app.store.list_all_teams().await? {
        let adapters = app.store.list_adapters(team).await?;
        for lane in Lane::ALL {
            for adapter in app.store.list_adapter_order(team, lane).await? {
                let Some(down) = adapter.down else { continue };
                let since = down.since.format("%Y-%m-%d %H:%M UTC");
                let words = format!("{slug}, {}: left alone since {since}: {}", adapter.name, down.reason);
                findings.push(Finding::doubtful(ABOUT, words));
            }
        }
        if adapters.is_empty() {
            findings.push(Finding::doubtful(ABOUT, format!("{slug} has none: its messages wait until one is made")));
        }
        for adapter in adapters {
            let finding = examine_one(app, &sender, team, &adapter).await;
            findings.push(Finding { words: format!("{slug}, {}: {}", adapter.name, finding.words), ..finding });
        }
    }
    Ok(findings)
}

async fn examine_one(app: &App, sender: &SmtpSender, team: TeamId, adapter: &Adapter) -> Finding {
    let Ok(log_in) = log_in_of(app, team, adapter).await else {
        return Finding::wrong(
            ABOUT,
            "its log-in was sealed with another secret key: set the key of that time, or type the log-in again",
        );
    };
    if adapter.kind == AdapterKind::Smtp {
        let (Ok(endpoint), Some(secret)) = (adapter.endpoint.parse::<SmtpEndpoint>(), log_in) else {
            return Finding::wrong(ABOUT, "its address cannot be read: type it again");
        };
        let route = SmtpRoute { adapter_id: adapter.id, endpoint, secret, bounce_address: None };
        return match sender.check(&route).await {
            Ok(()) => Finding::well(ABOUT, "its server lets it in"),
            Err(AppError::Adapter(reason)) => Finding::wrong(ABOUT, reason),
            Err(error) => Finding::wrong(ABOUT, error.to_string()),
        };
    }
    let Ok(endpoint) = adapter.endpoint.parse::<HttpEndpoint>() else {
        return Finding::wrong(ABOUT, "its address cannot be read: type it again");
    };
    let Some((host, port)) = endpoint.encrypted_host() else {
        return Finding::well(ABOUT, "its log-in can be read");
    };
    match Tls::default().certificate_until(app.config.outbound(), &host, port).await {
        Ok(until) => certificate(ABOUT, &host, until, app.clock.now()),
        Err(cause) => Finding::wrong(ABOUT, format!("{host}, port {port}, is not reached: {cause}")),
    }
}
