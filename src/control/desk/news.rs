//! What is told of a job: one JSON object a line, the last of which says how it ended.

use serde::{Deserialize, Serialize};

use super::{Complaint, Probe};
use crate::radio::{PeerAddress, Sighting};

/// A line of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// It has begun. Told at once, so that nobody takes a job that takes its time for a daemon that does not answer.
    Started,
    /// A scan is over.
    Heard {
        /// What was heard, the strongest first.
        devices: Vec<Heard>,
        /// The watches that are looked after and were not heard.
        unheard: Vec<Unheard>,
    },
    /// A probe is over.
    Probed(Probe),
    /// A question to whoever pairs.
    Prompt {
        /// Its number; the answer wants it.
        id: u64,
        /// What it is.
        #[serde(flatten)]
        question: Question,
    },
    /// A pairing is over: the watch is looked after from now on.
    Paired {
        /// Which one.
        address: PeerAddress,
        /// What it is called.
        name: Option<String>,
    },
    /// A repair is over, of a device that is used without a bond: whoever answers there next is believed.
    Unbound {
        /// Where.
        address: PeerAddress,
        /// What it is called.
        name: Option<String>,
    },
    /// It is forgotten.
    Unpaired {
        /// Which one.
        address: PeerAddress,
        /// What it is called.
        name: Option<String>,
        /// Whether there was a bond.
        bond: bool,
        /// Whether the configuration has it, so that it is looked after all the same.
        configured: bool,
    },
    /// It came to nothing.
    Failed(Complaint),
}

impl News {
    /// Whether nothing comes after it.
    pub const fn is_last(&self) -> bool {
        !matches!(self, Self::Started | Self::Prompt { .. })
    }
}

/// What is asked while pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// The watch shows six digits; which?
    EnterPasskey,
    /// These six digits are to be typed into the watch; no answer is wanted.
    ShowPasskey {
        /// 0–999,999.
        passkey: u32,
    },
    /// Does the watch show the same six digits?
    CompareNumbers {
        /// 0–999,999.
        passkey: u32,
    },
    /// Is it the right watch?
    Confirm,
}

/// A device that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What it says of itself.
    #[serde(flatten)]
    pub sighting: Sighting,
    /// What it is here.
    pub here: Here,
}

/// What a device is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "known", rename_all = "snake_case")]
pub enum Here {
    /// Nothing.
    Stranger,
    /// This computer has a bond with it, but nowbridge does not look after it.
    Bonded,
    /// nowbridge paired with it and looks after it.
    Paired {
        /// What it is called.
        name: Option<String>,
    },
    /// The configuration has it.
    Configured {
        /// What it is called.
        name: Option<String>,
    },
}

/// A watch that is looked after and was not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// Where it is reached.
    pub address: PeerAddress,
    /// What it is called.
    pub name: Option<String>,
    /// Whether that is because the daemon is connected to it: a watch with a link falls silent.
    pub connected: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Fault;

    #[test]
    fn all_news_survive_the_trip_through_json() {
        let address = PeerAddress("E7:12:0A:00:00:01".to_owned());
        let name = Some("left wrist".to_owned());
        let sighting = Sighting {
            address: address.clone(),
            name: None,
            rssi: Some(-60),
            services: vec![crate::radio::sig(0x180D)],
            appearance: None,
            bonded: true,
        };
        let here = [
            Here::Stranger,
            Here::Bonded,
            Here::Paired { name: name.clone() },
            Here::Configured { name: name.clone() },
        ];
        let devices = here.map(|here| Heard { sighting: sighting.clone(), here }).to_vec();
        let unheard = vec![Unheard { address: address.clone(), name: name.clone(), connected: true }];
        let questions = [
            Question::EnterPasskey,
            Question::ShowPasskey { passkey: 12 },
            Question::CompareNumbers { passkey: 999_999 },
            Question::Confirm,
        ];
        let complaint = Complaint { fault: Fault::Pairing, message: "no".to_owned() };
        let mut all = vec![
            News::Started,
            News::Heard { devices, unheard },
            News::Probed(Probe::example()),
            News::Paired { address: address.clone(), name: name.clone() },
            News::Unbound { address: address.clone(), name: name.clone() },
            News::Unpaired { address, name, bond: true, configured: false },
            News::Failed(complaint),
        ];
        all.extend(questions.map(|question| News::Prompt { id: 7, question }));
        for news in all {
            let json = serde_json::to_string(&news).unwrap();
            assert_eq!(serde_json::from_str::<News>(&json).unwrap(), news, "{json}");
        }
    }

    #[test]
    fn a_prompt_is_one_flat_object() {
        let prompt = News::Prompt { id: 3, question: Question::CompareNumbers { passkey: 42 } };
        let json = r#"{"event":"prompt","id":3,"ask":"compare_numbers","passkey":42}"#;
        assert_eq!(serde_json::to_string(&prompt).unwrap(), json);
    }
}
