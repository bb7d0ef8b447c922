//! The numbers of messages in SQLite's index. The index keeps the steps between the messages of a piece: those between ids are
//! six bytes long, those between numbers one or two. The numbers of a team are in the order of its messages' ids, so that the
//! index gives the newest first. New messages get the next numbers, those of before that are put in afterwards the next
//! below; where a message comes out of order there is mostly a number left between those of its neighbours, and where
//! there is none it is late: see [LATE].

use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::engine::{Sql, Transaction};

/// Between two numbers that are given in turn, so that some are left.
const STRIDE: i64 = 16;
/// The first number, with room below it.
const FIRST: i64 = 1 << 30;
/// From here on numbers are in no order.
pub(super) const LATE: i64 = 1 << 45;

const INSERT_IDS: &str = "INSERT INTO search_ids (number, email_id) ";
const INSERT_NUMBERS: &str = "INSERT INTO search_numbers (team_id, email_id, number) ";
const INSERT_LATE: &str = "INSERT INTO search_late (team_id, email_id, number) ";

/// The oldest and the newest message of a team that have a number in order, the lowest and the highest such number of all, and the
/// highest number.
const FIND_ENDS: &str = "SELECT
    (SELECT email_id FROM search_numbers WHERE team_id = $1 ORDER BY email_id LIMIT 1),
    (SELECT email_id FROM search_numbers WHERE team_id = $1 ORDER BY email_id DESC LIMIT 1),
    (SELECT number FROM search_ids ORDER BY number LIMIT 1),
    (SELECT number FROM search_ids WHERE number < $2 ORDER BY number DESC LIMIT 1),
    (SELECT number FROM search_ids ORDER BY number DESC LIMIT 1)";

/// The number of the next message of the team after `$2`, and the highest below that of anybody.
const FIND_ROOM: &str = "SELECT n.number,
    (SELECT i.number FROM search_ids i WHERE i.number < n.number ORDER BY i.number DESC LIMIT 1)
FROM search_numbers n WHERE n.team_id = $1 AND n.email_id > $2 ORDER BY n.email_id LIMIT 1";

/// Gives messages their numbers, which they keep until [forget_numbers]. They are new to the index, and in the order of their ids,
/// as the numbers are then, but for those of late ones.
pub(super) async fn number_emails(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[EmailId],
) -> Result<Vec<i64>, AppError> {
    type Ends = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let (oldest, newest, lowest, highest, last): Ends =
        tx.query(FIND_ENDS).bind(team_id).bind(LATE).fetch_one().await?;
    let below = ids.iter().filter(|id| oldest.is_some_and(|oldest| id.0 < oldest)).count();
    let first = lowest.unwrap_or(FIRST).min(FIRST) - STRIDE * below as i64;
    let (mut next, mut late) = (highest.unwrap_or(FIRST).max(FIRST), last.unwrap_or(LATE).max(LATE));
    let mut numbers = Vec::with_capacity(ids.len());
    let (mut in_order, mut too_late) = (Vec::with_capacity(ids.len()), Vec::new());
    for (place, id) in (0..).zip(ids) {
        let number = if (place as usize) < below && first > 0 {
            first + STRIDE * place
        } else if newest.is_none_or(|newest| id.0 > newest) {
            next += STRIDE;
            next
        } else if let Some(between) = find_room(tx, team_id, *id).await? {
            // The next one's neighbour may be this one.
            insert_numbers(tx, team_id, INSERT_NUMBERS, &[(*id, between)]).await?;
            numbers.push(between);
            continue;
        } else {
            late += 1;
            too_late.push((*id, late));
            numbers.push(late);
            continue;
        };
        in_order.push((*id, number));
        numbers.push(number);
    }
    insert_numbers(tx, team_id, INSERT_NUMBERS, &in_order).await?;
    insert_numbers(tx, team_id, INSERT_LATE, &too_late).await?;
    Ok(numbers)
}

/// The numbers of these messages, of those that have one.
pub(super) async fn find_numbers(
    tx: &mut Transaction,
    team_id: TeamId,
    ids: &[i64],
) -> Result<Vec<(EmailId, i64)>, AppError> {
    let mut sql = Sql::new(tx.engine(), "SELECT email_id, number FROM search_numbers WHERE team_id = ");
    sql.push_bind(team_id).push(" AND email_id IN (").push_list(ids);
    sql.push(") UNION ALL SELECT email_id, number FROM search_late WHERE team_id = ").push_bind(team_id);
    sql.push(" AND email_id IN (").push_list(ids).push(")").keep(ids.len() == 1);
    tx.query(sql).fetch_all().await
}

/// Takes the numbers of messages that are no longer in the index.
pub(super) async fn forget_numbers(tx: &mut Transaction, team_id: TeamId, ids: &[i64]) -> Result<(), AppError> {
    let numbers: Vec<i64> = find_numbers(tx, team_id, ids).await?.into_iter().map(|(_, number)| number).collect();
    let mut forget = Sql::new(tx.engine(), "DELETE FROM search_ids WHERE number IN (");
    forget.push_list(&numbers).push(")").keep(false);
    tx.query(forget).execute().await?;
    for delete in ["DELETE FROM search_numbers WHERE team_id = ", "DELETE FROM search_late WHERE team_id = "] {
        let mut sql = Sql::new(tx.engine(), delete);
        sql.push_bind(team_id).push(" AND email_id IN (").push_list(ids).push(")").keep(false);
        tx.query(sql).execute().await?;
    }
    Ok(())
}

/// A number between those of a message's neighbours, where one is left.
async fn find_room(tx: &mut Transaction, team_id: TeamId, id: EmailId) -> Result<Option<i64>, AppError> {
    let room: Option<(i64, Option<i64>)> = tx.query(FIND_ROOM).bind(team_id).bind(id).fetch_optional().await?;
    let Some((after, before)) = room else { return Ok(None) };
    let between = before.map_or(after - STRIDE, |before| before + (after - before) / 2);
    let has_room = between > 0 && between < after && before.is_none_or(|before| before < between);
    Ok(has_room.then_some(between))
}

async fn insert_numbers(
    tx: &mut Transaction,
    team_id: TeamId,
    into: &'static str,
    rows: &[(EmailId, i64)],
) -> Result<(), AppError> {
    tx.insert_rows(INSERT_IDS, rows, |values, (id, number)| {
        values.bind(*number).bind(*id);
    })
    .await?;
    tx.insert_rows(into, rows, |values, (id, number)| {
        values.bind(team_id).bind(*id).bind(*number);
    })
    .await
}
