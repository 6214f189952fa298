//! An MQTT broker, and Home Assistant behind it.
//!
//! A parcel becomes one message with all its readings, one with the newest (retained), and, the first time, one that tells Home
//! Assistant what there is. It is delivered when the broker has acknowledged each of them.

mod link;
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rumqttc::{AsyncClient, PublishNoticeError, PublishOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::NO_HTTP;
use crate::config::MqttConfig;
use crate::measurement::UnixSeconds;
use crate::outbox::Receipt;
use crate::upload::receiver::{Failure, Parcel, Receiver, Verdict};
use link::{Link, Session};
use messages::{Message, Place, Topics};

/// How long the broker may take to acknowledge a parcel: a megabyte over a poor mobile connection.
const DELIVERY: Duration = Duration::from_mins(1);

/// A broker.
pub struct Mqtt {
    topics: Topics,
    link: Link,
    /// What Home Assistant has been told of through which session.
    announced: BTreeSet<(u64, Place)>,
    /// The second that each state shows: a parcel that comes out of turn must not turn it back.
    newest: BTreeMap<Place, UnixSeconds>,
}

impl Mqtt {
    /// The broker that `config` names; nothing is sent yet. `id` is what this outbox is called.
    pub fn new(config: &MqttConfig, id: Uuid) -> Self {
        let topics = Topics::new(config);
        let link = Link::new(config.clone(), topics.status(), id);
        Self { topics, link, announced: BTreeSet::new(), newest: BTreeMap::new() }
    }

    /// The messages that a parcel becomes.
    fn messages(&self, parcel: &Parcel, session: u64) -> Vec<Message> {
        let place = Place::of(parcel);
        let mut messages = vec![self.topics.history(parcel)];
        let shown = self.newest.get(&place);
        let newest = parcel.table.readings.last();
        if let Some(newest) = newest.filter(|newest| shown.is_none_or(|shown| *shown <= newest.at)) {
            messages.push(self.topics.state(&place, newest));
        }
        if !self.announced.contains(&(session, place)) {
            messages.extend(self.topics.discovery(&place));
        }
        messages
    }

    /// Remembers what a parcel that was delivered has told.
    fn told(&mut self, parcel: &Parcel, session: u64) {
        let place = Place::of(parcel);
        self.announced.retain(|(of, _)| *of == session);
        self.announced.insert((session, place));
        if let Some(last) = parcel.table.readings.last() {
            let shown = self.newest.entry(place).or_insert(last.at);
            *shown = last.at.max(*shown);
        }
    }
}

impl Receiver for Mqtt {
    async fn admits(&mut self) -> Result<(), Failure> {
        self.link.session().await.map(|_| ())
    }

    async fn deliver(&mut self, parcel: &Parcel) -> Result<Receipt, Failure> {
        let Session { number, client, max_bytes } = self.link.session().await?;
        let messages = self.messages(parcel, number);
        let largest = messages.iter().map(Message::bytes).max().unwrap_or_default();
        if largest > max_bytes {
            let detail = format!("a message of {largest} bytes; the broker takes no more than {max_bytes}");
            return Err(Failure::new(Verdict::TooLarge, detail));
        }
        let bytes = messages.iter().map(|message| message.payload.len() as u64).sum();
        let body = messages.iter().map(|message| message.topic.as_str()).collect::<Vec<_>>().join(" ");
        match timeout(DELIVERY, publish(&client, messages)).await {
            Ok(Ok(())) => {
                self.told(parcel, number);
                Ok(Receipt { status: NO_HTTP, body, bytes })
            }
            Ok(Err(failure)) => Err(self.link.trouble().unwrap_or(failure)),
            Err(_) => {
                let detail = format!(
                    "the broker at {} has not acknowledged everything within {} s",
                    self.link.place(),
                    DELIVERY.as_secs()
                );
                Err(Failure::new(Verdict::Later, detail))
            }
        }
    }
}

/// Publishes, and waits until each message is acknowledged.
async fn publish(client: &AsyncClient, messages: Vec<Message>) -> Result<(), Failure> {
    let mut notices = Vec::with_capacity(messages.len());
    for Message { topic, payload, retained } in messages {
        let options = PublishOptions::at_least_once().retain(retained);
        let notice = client.publish_tracked(topic.clone(), payload, options).await;
        notices.push((topic, notice.map_err(|error| Failure::new(Verdict::Later, error))?));
    }
    for (topic, notice) in notices {
        notice.wait_completion_async().await.map_err(|error| unacknowledged(&topic, &error))?;
    }
    Ok(())
}

/// What it means that a message was not acknowledged as taken.
fn unacknowledged(topic: &str, error: &PublishNoticeError) -> Failure {
    use rumqttc::PubAckReason::{NotAuthorized, PayloadFormatInvalid, TopicNameInvalid};
    match error {
        PublishNoticeError::V5PubAck(NotAuthorized) => {
            let detail =
                format!("the broker does not let sink.mqtt.username publish to {topic}; allow it there");
            Failure::new(Verdict::Misdirected, detail)
        }
        PublishNoticeError::V5PubAck(TopicNameInvalid) | PublishNoticeError::RetainNotSupported => {
            let detail = format!("the broker does not take {topic} ({error}); check sink.mqtt.topic");
            Failure::new(Verdict::Misdirected, detail)
        }
        PublishNoticeError::V5PubAck(PayloadFormatInvalid) => {
            Failure::new(Verdict::Rejected, format!("the broker refuses what was sent to {topic}"))
        }
        _ => Failure::new(
            Verdict::Later,
            format!("the connection broke before the broker had acknowledged {topic} ({error})"),
        ),
    }
}
