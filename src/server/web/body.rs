//! Reads a request's body, the one place where that is done: once it is known who asks, up to a limit, no slower than a
//! bad line, and only while all bodies together hold no more than the server has room for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::connections::Conduct;
use crate::domain::error::AppError;
use crate::server::bounds::BodyRoom;

/// What somebody may send who has not said who they are, in bytes: a form.
pub const ANONYMOUS_BODY_BYTES: usize = 16 * 1024;

/// Up to here a body is small. Small ones never wait for large ones.
const SMALL_BYTES: usize = 64 * 1024;
/// How long a body waits for room.
const ROOM_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing may arrive.
const GAP: Duration = Duration::from_secs(10);
/// How long a body may take, beside what its length takes at [PACE].
const GRACE: Duration = Duration::from_secs(15);
/// The slowest line, in bytes a second.
const PACE: u64 = 32 * 1024;
/// The most that is read and thrown away of a body that is too large, in bytes.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);
/// How long nothing may arrive of it.
const DRAINED_GAP: Duration = Duration::from_secs(1);
/// How long a request may take once its body is there.
const HANDLING: Duration = Duration::from_secs(60);

/// A body that has been read. It takes up room until it is dropped.
#[derive(Debug, Default)]
pub struct HeldBody {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Whether the request has no body.
pub fn is_absent(body: &Body) -> bool {
    body.is_end_stream()
}

/// Reads a body of at most `limit` bytes. [AppError::TooLarge] above that, [AppError::Unavailable] when there is no room
/// for it, [AppError::Validation] when it does not arrive.
pub async fn read(room: &BodyRoom, parts: &Parts, mut body: Body, limit: usize) -> Result<HeldBody, AppError> {
    if is_absent(&body) {
        return Ok(HeldBody::default());
    }
    let too_large = || AppError::TooLarge { limit_bytes: limit as u64 };
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let drains = limit > ANONYMOUS_BODY_BYTES;
    if let Some(length) = length.filter(|length| *length > limit) {
        if drains && length <= DRAINED_BYTES {
            drain(body).await;
        }
        return Err(too_large());
    }
    let reading = parts.extensions.get::<Arc<Conduct>>().map(|conduct| conduct.read_body());
    let mut reserved = length.unwrap_or(SMALL_BYTES.min(limit));
    let mut held = reserve(room, reserved).await?;
    let began = Instant::now();
    let mut bytes: Vec<u8> = Vec::new();
    let broken = || AppError::invalid("The request body did not arrive whole");
    while let Some(frame) = timeout(GAP, body.frame()).await.map_err(|_| broken())? {
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else { continue };
        let total = bytes.len() + data.len();
        if total > limit {
            if drains {
                drop((held, bytes));
                drain(body).await;
            }
            return Err(too_large());
        }
        if total > reserved {
            // A body that did not tell its length.
            reserved = limit;
            held = reserve(room, reserved).await?;
        }
        bytes.extend_from_slice(&data);
        if began.elapsed() > GRACE + Duration::from_secs(bytes.len() as u64 / PACE) {
            return Err(broken());
        }
    }
    drop(reading);
    Ok(HeldBody { bytes: bytes.into(), _room: Some(held) })
}

/// Reads what is left of a body that is too large, and keeps nothing of it: most clients read no answer before they have
/// sent everything, and would see a broken connection in its place.
async fn drain(mut body: Body) {
    let all = async {
        let mut left = DRAINED_BYTES;
        while let Ok(Some(Ok(frame))) = timeout(DRAINED_GAP, body.frame()).await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    };
    // Whoever takes longer sees the connection close.
    let _ = timeout(DRAINED_WITHIN, all).await;
}

async fn reserve(room: &BodyRoom, bytes: usize) -> Result<OwnedSemaphorePermit, AppError> {
    let part = if bytes <= SMALL_BYTES { &room.small } else { &room.large };
    let wanted = u32::try_from(bytes.div_ceil(1024).max(1)).map_err(|_| AppError::Unavailable)?;
    let waiting = timeout(ROOM_WITHIN, Arc::clone(part).acquire_many_owned(wanted)).await;
    waiting.ok().and_then(Result::ok).ok_or(AppError::Unavailable)
}

/// What a handler answers, unless it takes too long: [AppError::Unavailable].
pub async fn in_time<T>(handled: impl Future<Output = T>) -> Result<T, AppError> {
    timeout(HANDLING, handled).await.map_err(|_| AppError::Unavailable)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::server::bounds::{LARGE_ROOM_KIB, SMALL_ROOM_KIB};

    fn parts(length: Option<usize>) -> Parts {
        let request = Request::builder();
        let request = match length {
            Some(length) => request.header(header::CONTENT_LENGTH, length),
            None => request,
        };
        request.body(()).unwrap().into_parts().0
    }

    fn silent() -> Body {
        Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let room = BodyRoom::default();
        let read_text = async |text: &str, limit| read(&room, &parts(None), Body::from(text.to_owned()), limit).await;
        assert_eq!(read_text("hello", 5).await.unwrap().bytes, "hello");
        assert_eq!(read_text("hello", 4).await.unwrap_err(), AppError::TooLarge { limit_bytes: 4 });
        let declared = read(&room, &parts(Some(9)), silent(), 8).await;
        assert_eq!(declared.unwrap_err(), AppError::TooLarge { limit_bytes: 8 }, "nothing was read");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_read_to_its_end_by_those_who_are_known() {
        let (room, limit) = (BodyRoom::default(), ANONYMOUS_BODY_BYTES + 1);
        for declared in [Some(limit + 2), None] {
            let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let counted = Arc::clone(&sent);
            let chunks = stream::iter([limit, 1, 1]).map(move |size| {
                counted.fetch_add(size, std::sync::atomic::Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from(vec![1; size]))
            });
            let refused = read(&room, &parts(declared), Body::from_stream(chunks), limit).await;
            assert_eq!(refused.unwrap_err(), AppError::TooLarge { limit_bytes: limit as u64 });
            assert_eq!(sent.load(std::sync::atomic::Ordering::Relaxed), limit + 2);
        }
    }

    #[tokio::test]
    async fn a_body_that_stops_arriving_is_given_up() {
        let room = BodyRoom::default();
        let error = read(&room, &parts(Some(100)), silent(), 1000).await.unwrap_err();
        assert_eq!(error, AppError::invalid("The request body did not arrive whole"));
        assert_eq!(room.small.available_permits(), SMALL_ROOM_KIB, "its room is given back");
    }

    #[tokio::test]
    async fn large_bodies_find_no_room_and_small_ones_do() {
        let room = BodyRoom::default();
        let (limit, large) = (64 * 1024 * 1024, 40 * 1024 * 1024);
        let held = read(&room, &parts(Some(large)), Body::from(vec![1; large]), limit).await.unwrap();
        let second = read(&room, &parts(Some(large)), silent(), limit).await;
        assert_eq!(second.unwrap_err(), AppError::Unavailable);
        assert!(read(&room, &parts(Some(5)), Body::from("hello"), limit).await.is_ok());
        drop(held);
        assert_eq!(room.large.available_permits(), LARGE_ROOM_KIB);
    }
}
