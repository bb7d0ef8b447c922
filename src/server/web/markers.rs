//! Takes out of pages the empty comments by which Leptos finds its place again in what an island rendered. Outside of islands
//! nothing looks for them, and a page of the log has four thousand, which browsers would parse and keep.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::Response;
use futures_util::TryStreamExt;

const MARKER: &str = "<!>";
const ISLAND: (&str, &str) = ("<leptos-island", "</leptos-island>");

/// Layer of the pages.
pub(super) async fn remove(response: Response) -> Response {
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page || response.body().is_end_stream() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    // Leptos gives a page's document in one piece, so that nothing stands across two.
    let pieces = body.into_data_stream().map_ok(|piece| match str::from_utf8(&piece) {
        Ok(html) => Bytes::from(without_markers(html)),
        Err(_) => piece,
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

/// The document without markers, but within islands. Text and attributes never hold one: their `<` is escaped.
fn without_markers(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, from_island)) = rest.find(ISLAND.0).map(|place| rest.split_at(place)) {
        kept.extend(before.split(MARKER));
        let end = from_island.find(ISLAND.1).unwrap_or(from_island.len());
        let (island, after) = from_island.split_at(end);
        kept.push_str(island);
        rest = after;
    }
    kept.extend(rest.split(MARKER));
    kept
}

#[cfg(test)]
mod tests {
    use super::without_markers;

    #[test]
    fn markers_go_but_in_islands() {
        assert_eq!(without_markers("<p>4<!></p><!><p>é</p><!>"), "<p>4</p><p>é</p>");
        let island = "<leptos-island data-component=\"A_1\"><!>a<!></leptos-island>";
        assert_eq!(without_markers(&format!("<!>{island}<!>b<!>{island}<!>")), format!("{island}b{island}"));
        assert_eq!(without_markers("<!DOCTYPE html><leptos-island><!>"), "<!DOCTYPE html><leptos-island><!>");
    }
}
