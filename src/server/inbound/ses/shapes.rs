//! The shapes of SES's events, as far as Sendlog reads them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::server::inbound::reading::{self, Flag, Text, Texts};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    pub event_type: Text,
    pub notification_type: Text,
    #[serde(deserialize_with = "reading::lenient")]
    pub mail: Mail,
    #[serde(deserialize_with = "reading::lenient")]
    pub delivery: Delivery,
    #[serde(deserialize_with = "reading::lenient")]
    pub bounce: Bounce,
    #[serde(deserialize_with = "reading::lenient")]
    pub complaint: Complaint,
    #[serde(deserialize_with = "reading::lenient")]
    pub delivery_delay: DeliveryDelay,
    #[serde(deserialize_with = "reading::lenient")]
    pub reject: Reject,
    #[serde(deserialize_with = "reading::lenient")]
    pub failure: Failure,
    #[serde(deserialize_with = "reading::lenient")]
    pub open: Visit,
    #[serde(deserialize_with = "reading::lenient")]
    pub click: Visit,
    #[serde(deserialize_with = "reading::lenient")]
    pub subscription: Subscription,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mail {
    pub timestamp: Text,
    pub message_id: Text,
    pub source: Text,
    pub destination: Texts,
    #[serde(deserialize_with = "reading::lenient_list")]
    pub headers: Vec<Header>,
    #[serde(deserialize_with = "reading::lenient")]
    pub common_headers: CommonHeaders,
    #[serde(deserialize_with = "reading::lenient")]
    pub tags: BTreeMap<String, Texts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Header {
    pub name: Text,
    pub value: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CommonHeaders {
    pub from: Texts,
    pub subject: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recipient {
    pub email_address: Text,
    pub status: Text,
    pub diagnostic_code: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Delivery {
    pub timestamp: Text,
    pub recipients: Texts,
    pub smtp_response: Text,
    pub remote_mta_ip: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bounce {
    pub bounce_type: Text,
    pub bounce_sub_type: Text,
    #[serde(deserialize_with = "reading::lenient_list")]
    pub bounced_recipients: Vec<Recipient>,
    pub timestamp: Text,
    pub feedback_id: Text,
    pub remote_mta_ip: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Complaint {
    #[serde(deserialize_with = "reading::lenient_list")]
    pub complained_recipients: Vec<Recipient>,
    pub complaint_sub_type: Text,
    pub complaint_feedback_type: Text,
    pub timestamp: Text,
    pub feedback_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryDelay {
    pub timestamp: Text,
    pub delay_type: Text,
    #[serde(deserialize_with = "reading::lenient_list")]
    pub delayed_recipients: Vec<Recipient>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Reject {
    pub reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failure {
    pub error_message: Text,
}

/// An open or a click.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Visit {
    pub timestamp: Text,
    pub ip_address: Text,
    pub user_agent: Text,
    pub link: Text,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subscription {
    pub timestamp: Text,
    pub contact_list: Text,
    #[serde(deserialize_with = "reading::lenient")]
    pub new_topic_preferences: Preferences,
    #[serde(deserialize_with = "reading::lenient")]
    pub old_topic_preferences: Preferences,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferences {
    pub unsubscribe_all: Flag,
    #[serde(deserialize_with = "reading::lenient_list")]
    pub topic_subscription_status: Vec<TopicStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatus {
    pub topic_name: Text,
    pub subscription_status: Text,
}
