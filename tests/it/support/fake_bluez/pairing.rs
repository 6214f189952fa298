//! Pairing, and the agents that are asked for it.

use std::collections::{BTreeMap, VecDeque};

use zbus::{Connection, ObjectPath};

use super::air::{Io, Wearer};
use super::device::{Keys, Operation};
use super::machine::{Event, Key, Machine};
use super::outgoing::{AGENT, Call, DEVICE, Refusal, object_path};

/// Who answers for people.
#[derive(Clone, Debug)]
pub struct Agent {
    pub client: String,
    pub path: String,
    pub capability: String,
}

/// Registered agents by client. Who has none is asked by the last in the line of defaults; the first one to register is
/// in it unasked.
#[derive(Default)]
pub struct Agents {
    registered: BTreeMap<String, Agent>,
    defaults: Vec<String>,
}

/// What came of asking an agent.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It agreed; with digits, if it was asked for some.
    Yes(Option<u32>),
    /// It did not.
    No,
    /// It called the pairing off.
    Canceled,
    /// Nobody said anything until the time was over.
    Silence,
}

/// How the two convince each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    JustWorks,
    /// The watch shows digits, which are typed here.
    EnterHere,
    /// Digits are shown here and typed into the watch.
    EnterThere,
    Compare,
}

/// A pairing under way.
pub struct Pairing {
    number: u64,
    agent: Agent,
    method: Method,
    /// The digits are shown; the watch waits for them.
    shown: bool,
    call: Option<Call>,
    /// Reads that need it.
    parked: VecDeque<Operation>,
}

impl Machine {
    /// `Pair`, over a link that is up.
    pub fn pair(&mut self, key: &Key, call: &Call) -> Result<(), Refusal> {
        let client = call.header().sender().map(ToString::to_string).unwrap_or_default();
        let agent = self.agents.of(&client);
        let agent = agent.ok_or_else(|| Refusal::bluez("AuthenticationFailed", "Authentication Failed"))?;
        self.begin_pairing(key, agent, Some(call.clone()), VecDeque::new());
        Ok(())
    }

    /// A read needs an encrypted link. Without an agent, or with one that refuses, it waits for ever.
    pub fn pair_for(&mut self, key: &Key, operation: Operation) {
        let Operation::Read { call, .. } = &operation else { return };
        let client = call.header().sender().map(ToString::to_string).unwrap_or_default();
        let Some(device) = self.device(key) else { return };
        if let Some(pairing) = &mut device.pairing {
            pairing.parked.push_back(operation);
        } else if let Some(agent) = self.agents.of(&client) {
            self.begin_pairing(key, agent, None, [operation].into());
        }
    }

    fn begin_pairing(&mut self, key: &Key, agent: Agent, call: Option<Call>, parked: VecDeque<Operation>) {
        let number = self.number();
        let limit = self.timing.pairing;
        let Some(connection) = self.bluetoothd.clone() else { return };
        let Some(watch) = self.watches.get(&key.peer) else { return };
        let (method, passkey) = (method(watch.wearer.io, &agent.capability), watch.wearer.passkey);
        let Some(device) = self.device(key) else { return };
        let question = (agent.clone(), object_path(&device.path), method, passkey);
        // Who says "pair" has agreed to what would be the only question.
        let asks = call.is_none() || method != Method::JustWorks;
        device.pairing = Some(Pairing { number, agent, method, shown: false, call, parked });
        self.after(limit, Event::AgentSaid(key.clone(), number, Answer::Silence));
        let key = key.clone();
        self.later.spawn(async move {
            let (agent, device, method, passkey) = question;
            let answered = async {
                if asks {
                    ask(&connection, &agent, &device, method, passkey).await
                } else {
                    Answer::Yes(None)
                }
            };
            Event::AgentSaid(key, number, answered.await)
        });
    }

    /// The agent has answered: so does the watch.
    pub fn agent_said(&mut self, key: &Key, number: u64, answer: Answer) {
        let Some(pairing) = self.device(key).and_then(|device| device.pairing.as_mut()) else { return };
        if pairing.number != number {
            return;
        }
        let refusal = match answer {
            Answer::Yes(None) if pairing.method == Method::EnterThere => {
                pairing.shown = true;
                return self.watch_was_typed_into(key);
            }
            Answer::Yes(digits) => {
                let method = pairing.method;
                let watch = self.watches.get(&key.peer);
                if watch.is_some_and(|watch| watch.wearer.agrees(method, digits)) {
                    return self.paired(key);
                }
                Refusal::bluez("AuthenticationFailed", "Authentication Failed")
            }
            Answer::No => Refusal::bluez("AuthenticationFailed", "Authentication Failed"),
            Answer::Canceled => Refusal::bluez("AuthenticationCanceled", "Authentication Canceled"),
            Answer::Silence => Refusal::bluez("AuthenticationTimeout", "Authentication Timeout"),
        };
        self.call_off_pairing(key, &refusal);
    }

    /// Digits stand on our side and, perhaps, have been typed into the watch.
    pub fn watch_was_typed_into(&mut self, key: &Key) {
        let shown = self.device(key).and_then(|device| device.pairing.as_ref()).is_some_and(|it| it.shown);
        let Some(watch) = self.watches.get_mut(&key.peer).filter(|_| shown) else { return };
        let Some(typed) = watch.wearer.typed.take() else { return };
        if typed == watch.wearer.passkey {
            self.paired(key);
        } else {
            let failed = Refusal::bluez("AuthenticationFailed", "Authentication Failed");
            self.call_off_pairing(key, &failed);
        }
    }

    fn paired(&mut self, key: &Key) {
        let Some(adapter) = self.adapters.get(&key.adapter).map(|adapter| adapter.address.clone()) else {
            return;
        };
        let Some(device) = self.device(key) else { return };
        let Some(pairing) = device.pairing.take() else { return };
        device.paired = true;
        let path = device.path.clone();
        if let Some(watch) = self.watches.get_mut(&key.peer) {
            watch.bonds.insert(adapter.clone());
        }
        self.bonds.insert((adapter, key.peer.clone()));
        self.out.changed(&path, DEVICE, [("Bonded", true.into()), ("Paired", true.into())]);
        if let Some(call) = &pairing.call {
            self.out.reply(call, &());
        }
        self.encrypted(key, pairing.parked);
    }

    /// A pairing fails, if one is under way.
    pub fn call_off_pairing(&mut self, key: &Key, refusal: &Refusal) -> bool {
        let pairing = self.device(key).and_then(|device| device.pairing.take());
        let Some(pairing) = pairing else { return false };
        if let Some(call) = &pairing.call {
            self.out.refuse(call, refusal);
        }
        if let Some(link) =
            self.device(key).and_then(|device| device.link()).filter(|_| pairing.call.is_none())
        {
            link.keys = Keys::Refused;
            link.operations.extend(pairing.parked);
        }
        self.out.tell(&pairing.agent.client, &pairing.agent.path, AGENT, "Cancel");
        true
    }

    /// A call to the agent manager.
    pub fn agent_manager_call(&mut self, member: &str, client: String, call: &Call) -> Result<(), Refusal> {
        let body = call.body();
        let unreadable = |_| Refusal::bluez("InvalidArguments", "Invalid arguments in method call");
        let registered = self.agents.registered.contains_key(&client);
        match member {
            "RegisterAgent" if registered => return Err(Refusal::bluez("AlreadyExists", "Already Exists")),
            "RegisterAgent" => {
                let (path, capability): (ObjectPath<'_>, &str) = body.deserialize().map_err(unreadable)?;
                let capability = if capability.is_empty() { "KeyboardDisplay" } else { capability };
                let (path, capability) = (path.to_string(), capability.to_owned());
                if self.agents.defaults.is_empty() {
                    self.agents.defaults.push(client.clone());
                }
                self.agents.registered.insert(client.clone(), Agent { client, path, capability });
            }
            _ if !registered => return Err(Refusal::bluez("DoesNotExist", "Does Not Exist")),
            "RequestDefaultAgent" => {
                self.agents.defaults.retain(|other| *other != client);
                self.agents.defaults.push(client);
            }
            "UnregisterAgent" => self.agents.leave(&client),
            _ => return Err(Refusal::unknown(call)),
        }
        self.out.reply(call, &());
        Ok(())
    }
}

impl Agents {
    /// Who is asked when this client pairs.
    fn of(&self, client: &str) -> Option<Agent> {
        let own = self.registered.get(client);
        own.or_else(|| self.registered.get(self.defaults.last()?)).cloned()
    }

    /// A client has no agent any more.
    pub fn leave(&mut self, client: &str) {
        self.registered.remove(client);
        self.defaults.retain(|other| other != client);
    }
}

impl Wearer {
    /// What the watch and whoever wears it make of the host's side.
    fn agrees(&self, method: Method, digits: Option<u32>) -> bool {
        match method {
            Method::JustWorks => true,
            Method::EnterHere => digits == Some(self.passkey),
            Method::EnterThere => false,
            Method::Compare => self.accepts,
        }
    }
}

/// What two sides with these abilities agree on (Core, Vol 3, Part H, 2.3.5.1, with Secure Connections).
fn method(watch: Io, agent: &str) -> Method {
    let (types, shows) =
        (agent.starts_with("Keyboard"), agent.starts_with("Display") || agent.ends_with("Display"));
    match watch {
        Io::YesNo if agent == "DisplayYesNo" || agent == "KeyboardDisplay" => Method::Compare,
        Io::Display | Io::YesNo if types => Method::EnterHere,
        Io::Keyboard if shows => Method::EnterThere,
        _ => Method::JustWorks,
    }
}

async fn ask(
    connection: &Connection,
    agent: &Agent,
    device: &ObjectPath<'static>,
    method: Method,
    passkey: u32,
) -> Answer {
    let (client, path) = (Some(agent.client.as_str()), agent.path.as_str());
    let asked = match method {
        Method::JustWorks => {
            connection.call_method(client, path, Some(AGENT), "RequestAuthorization", &(device,)).await
        }
        Method::EnterHere => {
            connection.call_method(client, path, Some(AGENT), "RequestPasskey", &(device,)).await
        }
        Method::EnterThere => {
            let shown = (device, passkey, 0_u16);
            connection.call_method(client, path, Some(AGENT), "DisplayPasskey", &shown).await
        }
        Method::Compare => {
            let shown = (device, passkey);
            connection.call_method(client, path, Some(AGENT), "RequestConfirmation", &shown).await
        }
    };
    match asked {
        Ok(reply) => Answer::Yes(reply.body().deserialize::<u32>().ok()),
        Err(zbus::Error::MethodError(name, ..)) if name.as_str() == "org.bluez.Error.Canceled" => {
            Answer::Canceled
        }
        Err(_) => Answer::No,
    }
}
