//! `sendlog admin …`: makes users, keys and adapters, and checks the audit log.

mod verify_audit;

use std::io::IsTerminal;
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use sendlog::domain::adapter::AdapterKind;
use sendlog::domain::api_key::{KeyApi, KeyLimits};
use sendlog::domain::permission::{Permission, PermissionSet};
use sendlog::domain::team::{Role, slug_of};
use sendlog::server::App;
use sendlog::server::config::{Config, DatabaseArgs};
use sendlog::server::services::adapters::{GivenAddress, NewAdapter};
use sendlog::server::services::api_keys::NewApiKey;
use sendlog::server::services::{accounts, adapters, api_keys, teams};
use serde_json::json;

use self::verify_audit::{parse_expected, verify_audit};
use super::{Failure, find_team, open, print_line};

#[derive(Subcommand)]
pub enum AdminCommand {
    /// Make an account and add it to a team, which is made when it does not exist
    ///
    /// The password is read from SENDLOG_PASSWORD, or asked for.
    #[command(name = "create-user")]
    User {
        /// The account's address
        #[arg(long)]
        email: String,
        /// The person's name
        #[arg(long)]
        name: String,
        /// The team's slug
        #[arg(long)]
        team: String,
        /// owner, admin, member or viewer
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Make an API key and print its secret
    #[command(name = "create-key")]
    Key {
        /// The team's slug
        #[arg(long)]
        team: String,
        /// The key's name
        #[arg(long)]
        name: String,
        /// A permission, such as emails:send; repeat it, or give '*' for all
        #[arg(long, required = true)]
        scope: Vec<String>,
        /// After how many days it ends by itself; never when absent
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=1826))]
        expires_in_days: Option<u32>,
        /// An API that takes it: sendlog, resend, sendwithus, jetemail or notificationapi; repeat it; all when absent
        #[arg(long)]
        api: Vec<KeyApi>,
        /// How many requests it may make in a second; the server's limit when absent
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        rate_limit: Option<u32>,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Add an adapter: a mail server, a provider, or an address that other channels' messages are posted to
    #[command(name = "create-adapter")]
    Adapter {
        /// The team's slug
        #[arg(long)]
        team: String,
        /// What it speaks: smtp, http for the channels other than email, or the name of a provider: sendgrid, postmark, mailgun, ses,
        /// resend, brevo, mailjet, sparkpost, jetemail, twilio, vonage
        #[arg(long = "type")]
        kind: AdapterKind,
        /// Where it connects to: smtp://user:password@mail.example.com:587, https://token@example.com/messages, or a provider's API
        /// with its key: https://key@api.sendgrid.com
        #[arg(long)]
        url: String,
        /// The sender of messages that name none: "Finch <receipts@finch.example>"; http needs none
        #[arg(long, required_if_eq("kind", "smtp"))]
        from: Option<String>,
        /// Its name; the host when absent
        #[arg(long, default_value = "")]
        name: String,
        /// Send by it whatever names no adapter
        #[arg(long)]
        default: bool,
        #[command(flatten)]
        common: AdminArgs,
    },
    /// Check that no line of the audit logs was changed or removed
    ///
    /// Ends with status 1 when one was. The hash of a team's last line, kept elsewhere, shows later that no line was cut
    /// off the end.
    #[command(name = "verify-audit")]
    Audit {
        /// The slug of the only team to check; all when absent
        #[arg(long)]
        team: Option<String>,
        /// A hash that was printed before and must still be in the log: TEAM=HASH, the team by slug or id; can be repeated
        #[arg(long, value_name = "TEAM=HASH", value_parser = parse_expected)]
        expect: Vec<(String, String)>,
        #[command(flatten)]
        common: AdminArgs,
    },
}

#[derive(Args)]
pub struct AdminArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Carries one out.
pub async fn admin(command: AdminCommand) -> Result<ExitCode, Failure> {
    match command {
        AdminCommand::User { email, name, team, role, common } => {
            let app = open_for_admin(&common).await?;
            let password = password()?;
            check_slug(&team)?;
            let user = accounts::create_user(&app, &email, &name, password, None).await?;
            let team = match app.store.find_team_by_slug(&team).await? {
                Some(team) => team,
                None => teams::create_team_of(&app, &team, None).await?,
            };
            accounts::add_member(&app, team.id, user, role).await?;
            let object = json!({ "id": user, "email": email, "team": team.slug, "role": role });
            print_made(common.json, &object, &format!("Made {email} {} of {}.", role, team.name))?;
        }
        AdminCommand::Key { team, name, scope, expires_in_days, api, rate_limit, common } => {
            let app = open_for_admin(&common).await?;
            let team = find_team(&app, &team).await?;
            let limits = KeyLimits {
                expires_at: expires_in_days.map(|days| app.clock.now() + TimeDelta::days(days.into())),
                apis: (!api.is_empty()).then_some(api),
                rate_limit,
            };
            let new = NewApiKey { name, scopes: scopes(&scope)?, limits, belongs_to_team: true };
            let made = api_keys::create_limited_key_of(&app, team, None, new).await?;
            let object = json!({ "id": made.key.id, "key": made.secret });
            print_made(common.json, &object, &made.secret)?;
        }
        AdminCommand::Adapter { team, kind, url, from, name, default, common } => {
            let app = open_for_admin(&common).await?;
            let team = find_team(&app, &team).await?;
            let address = GivenAddress::Url(url);
            let new = NewAdapter { name, kind, address, from_address: from.unwrap_or_default(), is_default: default };
            let made = adapters::create_adapter_of(&app, team, new).await?;
            print_made(common.json, &json!(made), &format!("Added adapter {} ({}).", made.name, made.endpoint))?;
        }
        AdminCommand::Audit { team, expect, common } => {
            let app = open_for_admin(&common).await?;
            return verify_audit(&app, team.as_deref(), &expect, common.json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_made(as_json: bool, object: &serde_json::Value, line: &str) -> Result<(), Failure> {
    if as_json { print_line(object) } else { print_line(line) }
}

fn password() -> Result<String, Failure> {
    if let Ok(password) = std::env::var("SENDLOG_PASSWORD") {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        return Err("set SENDLOG_PASSWORD, or run this in a terminal to be asked for the password".into());
    }
    Ok(rpassword::prompt_password("Password: ")?)
}

fn scopes(names: &[String]) -> Result<PermissionSet, Failure> {
    if names.iter().any(|name| name == "*") {
        return Ok(PermissionSet::all());
    }
    let parse = |name: &String| {
        name.parse::<Permission>().map_err(|_| {
            let known: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
            Failure(format!("unknown scope {name:?}: use '*' or any of {}", known.join(", ")))
        })
    };
    names.iter().map(parse).collect()
}

fn check_slug(slug: &str) -> Result<(), Failure> {
    if slug_of(slug) == slug {
        return Ok(());
    }
    Err(Failure(format!("{slug:?} is no team slug: use lower-case letters, digits and hyphens")))
}

async fn open_for_admin(args: &AdminArgs) -> Result<App, Failure> {
    // The server's own settings are not known here: its limit on requests bounds no key, and it looks itself at where it
    // connects to.
    let config =
        Config { rate_limit: u32::MAX, allow_private_adapters: true, ..Config::at(([127, 0, 0, 1], 3000).into()) };
    open(&args.database, config).await
}
