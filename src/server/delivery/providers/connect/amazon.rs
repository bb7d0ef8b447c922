//! Has Amazon SES tell a webhook, through a topic of SNS that is the webhook's own. Every step can be made again: what is there
//! stays, and is set as it should be.
//! Sources: Amazon SNS API, "CreateTopic", "SetTopicAttributes", "Subscribe", "Common errors"; Amazon SNS Developer Guide,
//! "Example cases for access control"; Amazon SES API v2, "GetConfigurationSet", "CreateConfigurationSet",
//! "CreateConfigurationSetEventDestination", "UpdateConfigurationSetEventDestination".

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::{Value, json};

use crate::server::delivery::http::{HttpRoute, HttpSender};
use crate::server::delivery::providers::amazon::{Unsigned, signed, sns, without_request};
use crate::server::delivery::providers::answer::shorten;
use crate::server::delivery::providers::{Account, Answer, segment, url, without_addresses};

/// The setting of an adapter that names its configuration set.
pub const CONFIGURATION_SET: &str = "configurationSet";

/// What SES calls the events that are asked for: all there are.
const EVENTS: [&str; 10] = [
    "SEND",
    "REJECT",
    "BOUNCE",
    "COMPLAINT",
    "DELIVERY",
    "OPEN",
    "CLICK",
    "RENDERING_FAILURE",
    "DELIVERY_DELAY",
    "SUBSCRIPTION",
];

/// The longest answer of SNS that is looked at, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// An account at Amazon, and what stands there for one webhook.
pub struct AmazonAccount<'a> {
    sender: &'a HttpSender,
    account: Account<'a>,
    /// What the topic and the event destination are called, and the configuration set where there is none yet.
    name: String,
    now: DateTime<Utc>,
}

impl<'a> AmazonAccount<'a> {
    /// The account of an adapter, for the webhook with this id.
    pub fn new(sender: &'a HttpSender, route: &'a HttpRoute, webhook: &str, now: DateTime<Utc>) -> Self {
        let account = Account::of(&route.endpoint, &route.secret);
        Self { sender, account, name: format!("sendlog-{webhook}"), now }
    }

    /// The configuration set that the adapter names.
    pub fn named_set(&self) -> Option<&str> {
        self.account.option(CONFIGURATION_SET)
    }

    /// The configuration set by which the adapter sends from now on.
    pub fn configuration_set(&self) -> &str {
        self.named_set().unwrap_or(&self.name)
    }

    /// Makes the topic and has SES publish every event to it; gives the topic's ARN. An error is a sentence in Amazon's words.
    pub async fn publish(&self) -> Result<String, String> {
        let made = self.sns("CreateTopic", &[("Name", &self.name)]).await?;
        let topic = element(&made, "TopicArn").ok_or("The provider's answer has no TopicArn")?;
        let policy = policy(&topic, self.configuration_set())?;
        for (name, value) in [("SignatureVersion", "2"), ("Policy", &policy)] {
            let set = [("TopicArn", topic.as_str()), ("AttributeName", name), ("AttributeValue", value)];
            self.sns("SetTopicAttributes", &set).await?;
        }
        self.make_set().await?;
        self.make_destination(&topic).await?;
        Ok(topic)
    }

    /// Has the topic post to `hook`, which is asked at once whether it wants that.
    pub async fn subscribe(&self, topic: &str, hook: &str) -> Result<(), String> {
        let protocol = if hook.starts_with("https://") { "https" } else { "http" };
        let what = [("TopicArn", topic), ("Protocol", protocol), ("Endpoint", hook)];
        self.sns("Subscribe", &what).await.map(|_| ())
    }

    /// Makes the configuration set where there is none.
    async fn make_set(&self) -> Result<(), String> {
        let set = self.configuration_set();
        let path = format!("/v2/email/configuration-sets/{}", segment(set)?);
        match self.ses(Method::GET, &path, None).await {
            Ok(()) => return Ok(()),
            Err(refused) if refused.status == 404 => {}
            Err(refused) => return Err(refused.words),
        }
        let body = json!({ "ConfigurationSetName": set });
        match self.ses(Method::POST, "/v2/email/configuration-sets", Some(body)).await {
            Err(refused) if !refused.is_there_already() => Err(refused.words),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn make_destination(&self, topic: &str) -> Result<(), String> {
        let path = format!("/v2/email/configuration-sets/{}/event-destinations", segment(self.configuration_set())?);
        let destination =
            json!({ "Enabled": true, "MatchingEventTypes": EVENTS, "SnsDestination": { "TopicArn": topic } });
        let body = json!({ "EventDestinationName": self.name, "EventDestination": destination });
        match self.ses(Method::POST, &path, Some(body)).await {
            Ok(()) => Ok(()),
            Err(refused) if refused.is_there_already() => {
                let path = format!("{path}/{}", segment(&self.name)?);
                let body = json!({ "EventDestination": destination });
                self.ses(Method::PUT, &path, Some(body)).await.map_err(|refused| refused.words)
            }
            Err(refused) => Err(refused.words),
        }
    }

    async fn ses(&self, method: Method, path: &str, body: Option<Value>) -> Result<(), Refused> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let url = url(self.account.base, path).map_err(Refused::of)?;
        let request = Unsigned { service: "ses", method, url, content_type: "application/json", body };
        self.exchange(request).await.map(|_| ())
    }

    /// What SNS answers to an action.
    async fn sns(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let asked = [("Action", action), ("Version", "2010-03-31")];
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).extend_pairs(parameters).finish();
        let request = Unsigned {
            service: "sns",
            method: Method::POST,
            url: sns(self.account.base),
            content_type: "application/x-www-form-urlencoded",
            body: form.into_bytes(),
        };
        self.exchange(request).await.map_err(|refused| refused.words)
    }

    async fn exchange(&self, request: Unsigned) -> Result<String, Refused> {
        let request = signed(&self.account, request, self.now).map_err(Refused::of)?;
        let host = url::Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = host.ok_or_else(|| Refused::of("The address of SES is no web address".to_owned()))?;
        let make = |client: &reqwest::Client| {
            client.request(request.method, request.url).headers(request.headers).body(request.body)
        };
        let answer = self.sender.exchange(&host, make).await;
        let answer = answer.map_err(|none| Refused::of(none.reason))?;
        let text = String::from_utf8_lossy(answer.body.get(..MAX_ANSWER).unwrap_or(&answer.body)).into_owned();
        if answer.status.is_success() {
            return Ok(text);
        }
        let read = Answer::new(answer.status.as_u16(), &answer.headers, &answer.body, &[]);
        let words = read.text("/message").or_else(|| read.text("/Message")).or_else(|| element(&text, "Message"));
        let kind = answer.headers.get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let kind = kind.or_else(|| read.text("/__type")).or_else(|| element(&text, "Code")).unwrap_or_default();
        let words = words.as_deref().map(without_request).map(without_addresses);
        let words = words.filter(|words| !words.is_empty()).unwrap_or_else(|| shorten(&kind));
        Err(Refused { status: read.status, words: shorten(&read.reply(Some(&words))), kind })
    }
}

/// Why Amazon did not do something.
struct Refused {
    /// 0 where there was no answer.
    status: u16,
    /// Amazon's name for it.
    kind: String,
    words: String,
}

impl Refused {
    fn of(words: String) -> Self {
        Self { status: 0, kind: String::new(), words }
    }

    fn is_there_already(&self) -> bool {
        self.kind.contains("AlreadyExists")
    }
}

/// Lets SES publish to the topic what happens to messages of the configuration set, and nobody else.
fn policy(topic: &str, set: &str) -> Result<String, String> {
    let parts: Vec<&str> = topic.split(':').collect();
    let ["arn", partition, "sns", region, account, _] = parts[..] else {
        return Err("The provider's TopicArn is none".to_owned());
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "sendlog",
            "Effect": "Allow",
            "Principal": { "Service": "ses.amazonaws.com" },
            "Action": "sns:Publish",
            "Resource": topic,
            "Condition": { "StringEquals": {
                "AWS:SourceAccount": account,
                "AWS:SourceArn": format!("arn:{partition}:ses:{region}:{account}:configuration-set/{set}"),
            } },
        }],
    });
    Ok(policy.to_string())
}

/// The text of the first element of this name, in the XML of SNS.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&").trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sns_says_is_read() {
        let xml = "<R><Error><Code>AuthorizationError</Code><Message>User: a &amp; b is &lt;not&gt; allowed</Message></Error></R>";
        assert_eq!(element(xml, "Message").as_deref(), Some("User: a & b is <not> allowed"));
        assert_eq!(element(xml, "Code").as_deref(), Some("AuthorizationError"));
        for none in ["<TopicArn></TopicArn>", "<TopicArn>a", "", "</TopicArn><TopicArn>"] {
            assert_eq!(element(none, "TopicArn"), None, "{none}");
        }
    }

    #[test]
    fn the_policy_is_about_the_topics_own_account() {
        let policy = policy("arn:aws-cn:sns:cn-north-1:123456789012:sendlog-x", "events").unwrap();
        let policy: Value = serde_json::from_str(&policy).unwrap();
        let when = &policy["Statement"][0]["Condition"]["StringEquals"];
        assert_eq!(when["AWS:SourceAccount"], "123456789012");
        assert_eq!(when["AWS:SourceArn"], "arn:aws-cn:ses:cn-north-1:123456789012:configuration-set/events");
        assert!(super::policy("arn:aws:sqs:a:b:c", "events").is_err());
    }
}
