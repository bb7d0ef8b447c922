//! A program or a browser, and what it is answered.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use serde_json::Value;
use tower::ServiceExt;

use crate::server::listen::Peer;

/// A program or a browser that talks to the server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) router: Router,
    pub(crate) headers: HeaderMap,
    pub(crate) address: SocketAddr,
}

impl Client {
    /// The same with one more header.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(name, value.parse().unwrap());
        client
    }

    /// The same with the cookies that an answer sets, in the place of its own of the same names.
    pub(crate) fn with_cookies_of(&self, answer: &Answer) -> Self {
        let own = self.headers.get("cookie").map(|cookies| cookies.to_str().unwrap()).unwrap_or_default();
        let mut kept: Vec<&str> = own.split("; ").filter(|pair| !pair.is_empty()).collect();
        for cookie in answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()) {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let name = pair.split_once('=').unwrap().0;
            kept.retain(|other| other.split_once('=').is_none_or(|(other, _)| other != name));
            if !attributes.contains("Max-Age=0") {
                kept.push(pair);
            }
        }
        self.with("cookie", &kept.join("; "))
    }

    /// The same at another network address.
    pub(crate) fn at_address(&self, last: u8) -> Self {
        Self { address: SocketAddr::from(([192, 0, 2, last], 4711)), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Sends a request; a body is labelled as JSON unless the client carries another label.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        self.send_bytes(method, path, body.map(String::into_bytes)).await
    }

    /// Sends a request with a body that need not be text.
    pub(crate) async fn send_bytes(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() && !self.headers.contains_key(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(Peer::from(self.address));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text))
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        let mut json = self.json();
        assert!((200..300).contains(&self.status) && json["success"] == true, "{} {}", self.status, self.text);
        json["data"].take()
    }

    /// The text of one field of the data.
    #[track_caller]
    pub(crate) fn text_of(&self, field: &str) -> String {
        self.data()[field].as_str().unwrap_or_else(|| panic!("no text {field}: {}", self.text)).to_owned()
    }

    /// Passes only this error; gives its details.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str, message: &str) -> Value {
        let json = self.json();
        let (found_code, found) =
            (json["error"]["code"].as_str(), json["error"]["message"].as_str().unwrap_or_default());
        let matches = self.status == status && json["success"] == false && found_code == Some(code) && found == message;
        assert!(matches, "expected {status} {code} “{message}”, found {} {}", self.status, self.text);
        json["error"]["details"].clone()
    }

    /// Passes only an error about this parameter.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, field: &str) {
        let json = self.json();
        let error = &json["error"];
        assert!(
            self.status == 400 && error["code"] == "VALIDATION_ERROR" && error["details"]["field"] == field,
            "expected an error about {field}, found {} {}",
            self.status,
            self.text
        );
    }
}
