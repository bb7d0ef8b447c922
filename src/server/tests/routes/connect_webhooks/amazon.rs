//! Amazon SES is asked to tell a webhook, by a stand-in for SES and SNS that checks signatures and knows what it was told.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::{IntoResponse, Response};
use ring::hmac;
use sha2::{Digest, Sha256};

use super::*;
use crate::server::App;
use crate::server::services::provider_webhooks::find_posted_to;

const ACCOUNT: &str = "123456789012";
const USER: &str = "AKIDFINCH";
const SECRET: &str = "hush";

/// What stands at Amazon.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cloud {
    /// Attributes of topics.
    topics: BTreeMap<String, BTreeMap<String, String>>,
    sets: BTreeSet<String>,
    /// Bodies by configuration set and name.
    destinations: BTreeMap<(String, String), Value>,
    /// Topic and address, and whether the webhook took posts of a topic when it was made.
    subscriptions: BTreeMap<(String, String), bool>,
}

/// The stand-in: where it is, what it keeps, what it was asked, and what its user may not do.
#[derive(Clone)]
struct Amazon {
    host: String,
    cloud: Arc<Mutex<Cloud>>,
    asked: Arc<Mutex<Vec<String>>>,
    forbidden: &'static str,
    app: App,
}

impl Amazon {
    async fn start(app: &TestApp, forbidden: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let amazon = Self {
            host: listener.local_addr().unwrap().to_string(),
            cloud: Arc::default(),
            asked: Arc::default(),
            forbidden,
            app: app.app.clone(),
        };
        let answering = amazon.clone();
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let amazon = answering.clone();
            async move { amazon.answer(&method, &uri, &headers, &body).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        amazon
    }

    fn cloud(&self) -> Cloud {
        self.cloud.lock().unwrap().clone()
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let service = if uri.path() == "/" { "sns" } else { "ses" };
        let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let of = |name: &str| form.get(name).cloned().unwrap_or_default();
        let what = if service == "sns" { of("Action") } else { format!("{method} {}", uri.path()) };
        self.asked.lock().unwrap().push(what.clone());
        if !is_signed(method, uri, headers, body, service) {
            let words = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key.\n\nThe Canonical String for this request should have been\n'POST\n/'";
            return refuse(service, 403, "SignatureDoesNotMatch", words);
        }
        if !self.forbidden.is_empty() && what.contains(self.forbidden) {
            let words = format!("User: arn:aws:iam::{ACCOUNT}:user/finch is not authorized to perform: {what}");
            return refuse(service, 403, "AccessDenied", &words);
        }
        if service == "ses" { self.ses(method, uri.path(), body) } else { self.sns(&what, of).await }
    }

    async fn sns(&self, action: &str, of: impl Fn(&str) -> String) -> Response {
        assert_eq!(of("Version"), "2010-03-31");
        let topic = of("TopicArn");
        if action == "CreateTopic" {
            let topic = format!("arn:aws:sns:us-east-1:{ACCOUNT}:{}", of("Name"));
            self.cloud.lock().unwrap().topics.entry(topic.clone()).or_default();
            return done(action, &format!("<TopicArn>{topic}</TopicArn>"));
        }
        if !self.cloud.lock().unwrap().topics.contains_key(&topic) {
            return refuse("sns", 404, "NotFound", "Topic does not exist");
        }
        match action {
            "SetTopicAttributes" => {
                let mut cloud = self.cloud.lock().unwrap();
                cloud.topics.get_mut(&topic).unwrap().insert(of("AttributeName"), of("AttributeValue"));
                done(action, "")
            }
            "Subscribe" => {
                let endpoint = of("Endpoint");
                assert!(endpoint.starts_with(&format!("{}://", of("Protocol"))));
                let token = endpoint.rsplit('/').next().unwrap();
                let takes =
                    find_posted_to(&self.app, "ses", token).await.unwrap().secret.lines().any(|line| line == topic);
                self.cloud.lock().unwrap().subscriptions.entry((topic, endpoint)).or_insert(takes);
                done(action, "<SubscriptionArn>pending confirmation</SubscriptionArn>")
            }
            _ => refuse("sns", 400, "InvalidAction", "The action is not valid for this endpoint."),
        }
    }

    fn ses(&self, method: &Method, path: &str, body: &Bytes) -> Response {
        let mut cloud = self.cloud.lock().unwrap();
        let parts: Vec<&str> = path.strip_prefix("/v2/email/configuration-sets").unwrap().split('/').skip(1).collect();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let there = || refuse("ses", 400, "AlreadyExistsException", "It exists already.");
        match (method.as_str(), &parts[..]) {
            ("GET", [set]) if cloud.sets.contains(*set) => {
                json!({"ConfigurationSetName": set}).to_string().into_response()
            }
            ("POST", []) if cloud.sets.contains(&text("/ConfigurationSetName")) => there(),
            ("POST", []) => {
                cloud.sets.insert(text("/ConfigurationSetName"));
                "{}".into_response()
            }
            ("POST" | "PUT", [set, "event-destinations", name @ ..]) if cloud.sets.contains(*set) => {
                let key = (
                    (*set).to_owned(),
                    name.first().map_or_else(|| text("/EventDestinationName"), |name| (*name).to_owned()),
                );
                let topic = text("/EventDestination/SnsDestination/TopicArn");
                let policy =
                    cloud.topics.get(&topic).and_then(|topic| topic.get("Policy")).cloned().unwrap_or_default();
                if !policy.contains(&format!("arn:aws:ses:us-east-1:{ACCOUNT}:configuration-set/{set}\"")) {
                    return refuse("ses", 400, "BadRequestException", "Could not publish to the SNS topic.");
                }
                match (method == Method::PUT, cloud.destinations.contains_key(&key)) {
                    (false, true) => there(),
                    (true, false) => refuse("ses", 404, "NotFoundException", "No such event destination."),
                    (_, _) => {
                        cloud.destinations.insert(key, body["EventDestination"].clone());
                        "{}".into_response()
                    }
                }
            }
            _ => refuse("ses", 404, "NotFoundException", "Configuration set does not exist."),
        }
    }
}

fn done(action: &str, result: &str) -> Response {
    let space = "http://sns.amazonaws.com/doc/2010-03-31/";
    format!("<{action}Response xmlns=\"{space}\"><{action}Result>{result}</{action}Result></{action}Response>")
        .into_response()
}

fn refuse(service: &str, status: u16, kind: &'static str, words: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    match service {
        "sns" => {
            let xml = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{kind}</Code><Message>{words}</Message></Error></ErrorResponse>"
            );
            (status, xml).into_response()
        }
        _ => (status, [("x-amzn-errortype", kind)], json!({"message": words}).to_string()).into_response(),
    }
}

/// Whether a request has the user's signature, for this service and region. Source: AWS Signature Version 4.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8], service: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let part = |name: &str| {
        let (_, rest) = text("authorization").split_once(&format!("{name}=")).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().to_owned()
    };
    let (credential, names, at) = (part("Credential"), part("SignedHeaders"), text("x-amz-date"));
    let date = at.get(..8).unwrap_or_default();
    let scope = format!("{date}/us-east-1/{service}/aws4_request");
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", text(name).trim())).collect();
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let canonical = format!("{method}\n{}\n\n{lines}\n{names}\n{}", uri.path(), hash(body));
    let signed = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hash(canonical.as_bytes()));
    let by =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, text| by(&key, text));
    credential == format!("{USER}/{scope}") && hex::encode(by(&key, &signed)) == part("Signature")
}

/// An adapter and a webhook, and a click on the button that connects them.
struct Stage {
    admin: Client,
    page_of: String,
    webhook: WebhookId,
    adapter: String,
    address: String,
}

impl Stage {
    async fn new(app: &TestApp, url: &str) -> Self {
        let owner = app.viewer(Role::Owner).await;
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::AmazonSes, "").await.unwrap();
        let adapter = app.add_adapter_of(AdapterKind::AmazonSes, url, &webhook.id.to_string()).await.id.to_string();
        let address = provider_webhooks::address_of(&app.app, &owner, &webhook).await.unwrap();
        let page_of = format!("/settings/provider-webhooks/{}", webhook.id);
        Self { admin: app.sign_in(Role::Admin).await, page_of, webhook: webhook.id, adapter, address }
    }

    async fn click(&self) -> String {
        let id = self.webhook.to_string();
        let fields = [("id", id.as_str()), ("adapter", self.adapter.as_str())];
        page_after_on(&self.admin, &self.page_of, "connect_provider_webhook", &fields).await
    }

    /// The topics whose posts are taken.
    async fn topics(&self, app: &TestApp) -> String {
        find_posted_to(&app.app, "ses", self.address.rsplit('/').next().unwrap()).await.unwrap().secret
    }

    async fn form(&self) -> String {
        self.admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={}", self.adapter)).await.text
    }
}

async fn adapter_changes(app: &TestApp) -> usize {
    let filter = AuditFilter { actions: vec![AuditAction::AdapterUpdated], ..AuditFilter::default() };
    app.store().list_audit_entries(app.team, &filter, None, 9).await.unwrap().len()
}

on_both_databases! {
    async fn amazon_tells_a_webhook_after_one_click_and_after_two(app: TestApp) {
        let amazon = Amazon::start(&app, "").await;
        let stage = Stage::new(&app, &format!("http://{USER}:{SECRET}@{}", amazon.host)).await;
        let page = stage.click().await;
        assert!(page.contains("Amazon SES posts here from now on.") && !page.contains("needs its secret"), "{page}");
        let name = format!("sendlog-{}", stage.webhook);
        let topic = format!("arn:aws:sns:us-east-1:{ACCOUNT}:{name}");
        let cloud = amazon.cloud();
        assert_eq!(cloud.topics[&topic]["SignatureVersion"], "2");
        let policy: Value = serde_json::from_str(&cloud.topics[&topic]["Policy"]).unwrap();
        assert_eq!(policy["Statement"][0]["Principal"], json!({"Service": "ses.amazonaws.com"}));
        assert_eq!(policy["Statement"][0]["Resource"], topic.as_str());
        let destination = &cloud.destinations[&(name.clone(), name.clone())];
        assert_eq!((&destination["Enabled"], &destination["SnsDestination"]["TopicArn"]), (&json!(true), &json!(topic)));
        assert!(destination["MatchingEventTypes"].as_array().unwrap().contains(&json!("BOUNCE")));
        assert_eq!(cloud.subscriptions.iter().collect::<Vec<_>>(), [(&(topic.clone(), stage.address.clone()), &true)]);
        assert_eq!(stage.topics(&app).await, topic);
        assert!(stage.form().await.contains(&format!("value=\"{name}\"")), "it sends by the configuration set");
        let sets = "/v2/email/configuration-sets";
        let asked = [
            "CreateTopic", "SetTopicAttributes", "SetTopicAttributes", &format!("GET {sets}/{name}"), &format!("POST {sets}"),
            &format!("POST {sets}/{name}/event-destinations"), "Subscribe",
        ];
        assert_eq!(amazon.asked(), asked);

        assert_eq!(adapter_changes(&app).await, 1);
        assert!(stage.click().await.contains("Amazon SES posts here from now on."));
        assert_eq!((amazon.cloud(), stage.topics(&app).await, adapter_changes(&app).await), (cloud, topic, 1));
        assert!(amazon.asked().contains(&format!("PUT {sets}/{name}/event-destinations/{name}")));
    }

    async fn the_adapters_own_configuration_set_and_the_topics_before_stay(app: TestApp) {
        let amazon = Amazon::start(&app, "").await;
        amazon.cloud.lock().unwrap().sets.insert("finch".to_owned());
        let stage = Stage::new(&app, &format!("http://{USER}:{SECRET}@{}?configurationSet=finch", amazon.host)).await;
        let (owner, before) = (app.viewer(Role::Owner).await, "arn:aws:sns:eu-west-1:123456789012:finch");
        provider_webhooks::update_webhook(&app.app, &owner, stage.webhook, "Amazon", before).await.unwrap();
        let page = stage.click().await;
        assert!(page.contains("Amazon SES posts here from now on."), "{page}");
        let topic = format!("arn:aws:sns:us-east-1:{ACCOUNT}:sendlog-{}", stage.webhook);
        assert_eq!(stage.topics(&app).await, format!("{before}\n{topic}"));
        let cloud = amazon.cloud();
        assert_eq!(cloud.sets.into_iter().collect::<Vec<_>>(), ["finch"]);
        assert_eq!(cloud.destinations.keys().map(|(set, _)| set.as_str()).collect::<Vec<_>>(), ["finch"]);
        assert_eq!(adapter_changes(&app).await, 0);
    }

    async fn a_key_that_is_wrong_or_may_not_leaves_the_webhook_as_it_was(app: TestApp) {
        for (user, secret, forbidden, words) in [
            (USER, "wrong", "", "Amazon SES did not set it up: 403 Forbidden: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key."),
            ("AKIDOTHER", SECRET, "", "403 Forbidden: The request signature we calculated"),
            (USER, SECRET, "CreateTopic", "is not authorized to perform: CreateTopic"),
            (USER, SECRET, "event-destinations", "is not authorized to perform: POST /v2/email/configuration-sets/"),
        ] {
            let amazon = Amazon::start(&app, forbidden).await;
            let stage = Stage::new(&app, &format!("http://{user}:{secret}@{}", amazon.host)).await;
            let page = stage.click().await;
            assert!(page.contains(words) && page.contains("needs its secret"), "{words}: {page}");
            assert!(!page.contains("Canonical"), "{page}");
            assert_eq!((amazon.cloud().subscriptions.len(), stage.topics(&app).await.as_str()), (0, ""));
            assert_eq!(adapter_changes(&app).await, 0);
        }
    }
}
