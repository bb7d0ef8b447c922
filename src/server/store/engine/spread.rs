//! Spreads the tables of a PostgreSQL database that has Citus over its nodes: rows of a team are together on one of them, and
//! what all teams' rows refer to is on each. [super::open] does it once the tables are up to date.
//!
//! Source: the documentation of Citus 14, "Citus Utility Functions".

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, FromRow, query_as, query_scalar};
use tracing::info;

/// On every node: accounts, who is in which team with which rights, and what is found by a secret before its team is known.
const ON_EVERY_NODE: [&str; 12] = [
    "teams",
    "users",
    "memberships",
    "roles",
    "role_permissions",
    "invites",
    "api_keys",
    "provider_webhooks",
    "recovery_codes",
    "password_resets",
    "openid_accounts",
    "drafts",
];

/// On the node that programs talk to: nothing of a team's.
const ON_ONE_NODE: [&str; 5] = ["_sqlx_migrations", "copy_state", "rate_limits", "sessions", "settings"];

/// Whether the database has Citus.
pub(super) async fn has_citus(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    query_scalar("SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')").fetch_one(connection).await
}

/// A foreign key, which Citus takes back once both its tables are spread.
#[derive(FromRow)]
struct ForeignKey {
    of: String,
    name: String,
    definition: String,
}

/// Spreads the tables that are not spread yet, all or none; nothing without Citus.
pub(in super::super) async fn spread_tables(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if !has_citus(connection).await? {
        return Ok(());
    }
    let tables: Vec<String> = query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND c.oid NOT IN (SELECT logicalrelid::oid FROM pg_dist_partition)
         ORDER BY c.relname",
    )
    .fetch_all(&mut *connection)
    .await?;
    let (on_every_node, of_teams): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .filter(|name| !ON_ONE_NODE.contains(&name.as_str()))
        .partition(|name| ON_EVERY_NODE.contains(&name.as_str()));
    if on_every_node.is_empty() && of_teams.is_empty() {
        return Ok(());
    }
    // The triggers of a team's tables write rows of the same team, which are on the same node.
    connection
        .execute(
            "SELECT run_command_on_all_nodes(format('ALTER ROLE %I IN DATABASE %I SET citus.enable_unsafe_triggers = on',
                 current_user, current_database()), give_warning_for_connection_errors := false)",
        )
        .await?;
    connection.execute("SET citus.enable_unsafe_triggers = on").await?;
    let mut tx = connection.begin().await?;
    tx.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'").await?;
    tx.execute("SET LOCAL client_min_messages = 'warning'").await?;
    let names: Vec<&str> = on_every_node.iter().chain(&of_teams).map(String::as_str).collect();
    let keys: Vec<ForeignKey> = query_as(
        "SELECT conrelid::regclass::text AS of, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition
         FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
             AND (conrelid::regclass::text = ANY($1) OR confrelid::regclass::text = ANY($1))
         ORDER BY conrelid, conname",
    )
    .bind(&names)
    .fetch_all(&mut *tx)
    .await?;
    for ForeignKey { of, name, .. } in &keys {
        tx.execute(AssertSqlSafe(format!("ALTER TABLE {of} DROP CONSTRAINT {name}"))).await?;
    }
    for name in &on_every_node {
        tx.execute(AssertSqlSafe(format!("SELECT create_reference_table('{name}')"))).await?;
    }
    let mut of_teams = of_teams;
    // The others are kept with it.
    of_teams.sort_by_key(|name| name != "emails");
    for name in &of_teams {
        let beside = if name == "emails" { "default" } else { "emails" };
        let spread = format!("SELECT create_distributed_table('{name}', 'team_id', colocate_with => '{beside}')");
        tx.execute(AssertSqlSafe(spread)).await?;
    }
    for ForeignKey { of, name, definition } in &keys {
        tx.execute(AssertSqlSafe(format!("ALTER TABLE {of} ADD CONSTRAINT {name} {definition}"))).await?;
    }
    tx.commit().await?;
    info!(of_teams = of_teams.len(), on_every_node = on_every_node.len(), "tables are spread over the nodes");
    Ok(())
}
