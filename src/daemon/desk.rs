//! The task that has the radio for whatever people ask of it, and the watchers.
//!
//! One job at a time; words in between. While a job is about a watch of ours, its watcher is at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::crew::{Crew, Kit};
use super::pairing::{Answered, Conversation, answers};
use super::plan::Plan;
use super::probe;
use crate::control::{self, DeskError, DeskRequest, Done, Fault, News, Probe, Unheard, Word, find};
use crate::measurement::UtcMicros;
use crate::outbox::{Hold, Outbox, OutboxError};
use crate::radio::{Central, PeerAddress, RadioError, Sighting};

/// Serves the desk. Its requests, its watchers and what is under way outlive a restart of its loop.
pub struct Desk<C> {
    kit: Kit<C>,
    crew: Crew<C>,
    requests: mpsc::Receiver<DeskRequest>,
    under_way: Option<UnderWay>,
    /// Never more than one.
    jobs: JoinSet<Result<Outcome, DeskError>>,
    question_numbers: Arc<AtomicU64>,
}

/// The job that runs.
struct UnderWay {
    plan: Plan,
    news: mpsc::Sender<News>,
    answers: mpsc::Sender<Answered>,
    _errand: OwnedSemaphorePermit,
}

/// What came of a job.
enum Outcome {
    Heard(Vec<Sighting>),
    Probed(Probe),
    Paired,
    /// A repair found that no bond was there and none is needed.
    Unbound,
    Unpaired {
        bond: bool,
    },
    /// Nobody listens any more.
    Abandoned,
}

impl<C: Central> Desk<C> {
    /// A desk where nothing is under way.
    pub fn new(kit: Kit<C>, crew: Crew<C>, requests: mpsc::Receiver<DeskRequest>) -> Self {
        let question_numbers = Arc::new(AtomicU64::new(1));
        Self { kit, crew, requests, under_way: None, jobs: JoinSet::new(), question_numbers }
    }

    /// Serves until cancelled.
    pub async fn run(&mut self, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(ended) = self.jobs.join_next() => self.finish(ended).await,
                Some(request) = self.requests.recv() => match request {
                    DeskRequest::Job(job, reply) => self.begin(&job, reply).await,
                    DeskRequest::Word(Word::Answer { id, answer }, reply) => self.answer(Answered { id, answer, reply }),
                    DeskRequest::Word(word, reply) => {
                        // Whoever asked may have hung up.
                        let _ = reply.send(self.obey(word).await);
                    }
                },
            }
        }
        self.jobs.shutdown().await;
        if let Some(under_way) = self.under_way.take() {
            let _ = under_way.news.try_send(News::Failed(DeskError::Stopping.complaint()));
        }
    }

    async fn begin(
        &mut self,
        job: &control::Job,
        reply: oneshot::Sender<Result<mpsc::Receiver<News>, DeskError>>,
    ) {
        let planned = match &self.under_way {
            Some(under_way) => Err(DeskError::Busy(under_way.plan.to_string())),
            None => Plan::new(job, &self.crew.seats().borrow()),
        };
        let busy = |_| DeskError::Busy("a watch's update".to_owned());
        let errand = Arc::clone(&self.kit.errand);
        let begun = planned.and_then(|plan| Ok((plan, errand.try_acquire_owned().map_err(busy)?)));
        let (plan, errand, (news, told)) = match begun {
            Ok((plan, errand)) => (plan, errand, control::news()),
            Err(error) => return drop(reply.send(Err(error))),
        };
        // There is room for the first.
        let _ = news.try_send(News::Started);
        if reply.send(Ok(told)).is_err() {
            return;
        }
        tracing::info!(%plan, "Begun on somebody's request.");
        if let Some(peer) = plan.peer() {
            self.crew.pause(peer).await;
        }
        let (sender, receiver) = answers();
        let job = carry_out(self.kit.clone(), plan.clone(), news.clone(), receiver, &self.question_numbers);
        let listened_to = news.clone();
        self.jobs.spawn(async move {
            tokio::select! {
                biased;
                outcome = job => outcome,
                () = listened_to.closed() => Ok(Outcome::Abandoned),
            }
        });
        self.under_way = Some(UnderWay { plan, news, answers: sender, _errand: errand });
    }

    fn answer(&self, answered: Answered) {
        let refused = match &self.under_way {
            Some(under_way) => under_way.answers.try_send(answered).err(),
            None => Some(mpsc::error::TrySendError::Closed(answered)),
        };
        if let Some(refused) = refused {
            let Answered { id, reply, .. } = refused.into_inner();
            let _ = reply.send(Err(DeskError::NoQuestion(id)));
        }
    }

    async fn obey(&mut self, word: Word) -> Result<Done, DeskError> {
        let (watch, hold) = match word {
            Word::Hold { watch, time } => (watch, time.map_or(Hold::UntilReleased, |time| self.until(time))),
            Word::Release { watch } => (watch, Hold::Free),
            Word::Answer { id, .. } => return Err(DeskError::NoQuestion(id)),
        };
        let (address, watch) = {
            let seats = self.crew.seats();
            let seats = seats.borrow();
            let seat = find(&seats, &watch)?;
            (seat.address.clone(), seat.label().to_owned())
        };
        if let Some(under_way) = &self.under_way
            && under_way.plan.peer() == Some(&address)
        {
            return Err(DeskError::Busy(under_way.plan.to_string()));
        }
        let changed = self.crew.hold(&address) != hold;
        if changed {
            self.set_hold(&address, hold).await?;
        }
        Ok(Done { watch, changed })
    }

    /// Writes it down first: a daemon that dies now must not take the watch from the phone when it comes back.
    async fn set_hold(&mut self, address: &PeerAddress, hold: Hold) -> Result<(), DeskError> {
        self.kit.outbox.set_hold(address, hold).await?;
        tracing::info!(watch = %address, ?hold, "Hold or release.");
        self.crew.set_hold(address, hold);
        Ok(())
    }

    fn until(&self, time: Duration) -> Hold {
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2);
        Hold::Until(UtcMicros(self.kit.clock.now().0.saturating_add(time).min(i64::MAX - 1)))
    }

    async fn finish(&mut self, ended: Result<Result<Outcome, DeskError>, JoinError>) {
        let Some(UnderWay { plan, news, .. }) = self.under_way.take() else { return };
        let outcome = ended.unwrap_or_else(|panicked| Err(DeskError::Broken(panicked.to_string())));
        let last = match outcome {
            Ok(outcome) => self.conclude(&plan, outcome).await,
            Err(error) => Err(error),
        };
        if let Some(peer) = plan.peer() {
            self.crew.resume(peer);
        }
        let last = last.unwrap_or_else(|error| Some(News::Failed(error.complaint())));
        match &last {
            None => tracing::info!(%plan, "Called off, as nobody listens any more."),
            Some(News::Failed(complaint)) if complaint.fault == Fault::Internal => {
                tracing::error!(%plan, %complaint, "Failed.");
            }
            Some(News::Failed(complaint)) => tracing::info!(%plan, %complaint, "Failed."),
            Some(_) => tracing::info!(%plan, "Done."),
        }
        if let Some(last) = last {
            // A client that has not read so far does not want to know.
            let _ = news.try_send(last);
        }
    }

    /// Remembers what came of a job, and what there is to tell of it.
    async fn conclude(&mut self, plan: &Plan, outcome: Outcome) -> Result<Option<News>, DeskError> {
        Ok(Some(match (outcome, plan) {
            (Outcome::Heard(heard), _) => self.heard(heard),
            (Outcome::Probed(probe), _) => News::Probed(probe),
            (Outcome::Paired, Plan::Pair { peer, name, .. } | Plan::Repair { peer, name, .. }) => {
                self.paired(peer, name.clone()).await?
            }
            (Outcome::Unbound, Plan::Repair { peer, .. }) => {
                News::Unbound { address: peer.clone(), name: self.crew.name(peer) }
            }
            (Outcome::Unpaired { bond }, Plan::Unpair { peer }) => self.unpaired(peer, bond).await?,
            (Outcome::Paired | Outcome::Unbound | Outcome::Unpaired { .. } | Outcome::Abandoned, _) => {
                return Ok(None);
            }
        }))
    }

    fn heard(&self, heard: Vec<Sighting>) -> News {
        let seats = self.crew.seats();
        let seats = seats.borrow();
        let unheard = seats
            .iter()
            .filter(|seat| !heard.iter().any(|sighting| sighting.address == seat.address))
            .map(|seat| Unheard {
                address: seat.address.clone(),
                name: seat.name.clone(),
                connected: seat.has_link(),
            });
        let unheard = unheard.collect();
        let devices = heard.into_iter().map(|sighting| control::Heard {
            here: self.crew.here(&sighting.address, sighting.bonded),
            sighting,
        });
        News::Heard { devices: devices.collect(), unheard }
    }

    /// From now on the watch is looked after, whatever was said of it before.
    async fn paired(&mut self, peer: &PeerAddress, name: Option<String>) -> Result<News, DeskError> {
        self.kit.outbox.set_paired(peer, Some(self.kit.clock.now()), name.clone()).await?;
        if self.crew.hold(peer) != Hold::Free {
            self.set_hold(peer, Hold::Free).await?;
        }
        self.crew.take_on(peer, name);
        Ok(News::Paired { address: peer.clone(), name: self.crew.name(peer) })
    }

    async fn unpaired(&mut self, peer: &PeerAddress, bond: bool) -> Result<News, DeskError> {
        let outbox = &self.kit.outbox;
        outbox.set_paired(peer, None, None).await?;
        outbox.unbind_peer(peer).await?;
        let name = self.crew.name(peer);
        let configured = self.crew.dismiss(peer).await;
        if !configured {
            self.kit.outbox.set_hold(peer, Hold::Free).await?;
        }
        Ok(News::Unpaired { address: peer.clone(), name, bond, configured })
    }
}

/// Does what was asked of the radio.
fn carry_out<C: Central>(
    kit: Kit<C>,
    plan: Plan,
    news: mpsc::Sender<News>,
    answers: mpsc::Receiver<Answered>,
    numbers: &Arc<AtomicU64>,
) -> impl Future<Output = Result<Outcome, DeskError>> + Send + 'static {
    let numbers = Arc::clone(numbers);
    async move {
        let central = &kit.central;
        let asked_before = numbers.load(Ordering::Relaxed);
        let pair = |peer, window| {
            Conversation { peer, window, news, answers, numbers: Arc::clone(&numbers) }.hold(central)
        };
        match plan {
            Plan::Scan { window } => Ok(Outcome::Heard(probe::scan(central, window).await?)),
            Plan::Probe { peer } => Ok(Outcome::Probed(probe::probe(central, &peer).await?)),
            Plan::Pair { peer, window, .. } => Ok(pair(peer, window).await.map(|()| Outcome::Paired)?),
            Plan::Repair { peer, window, wants_bond, .. } => {
                let may_do_without = !forget(central, &peer).await? && !wants_bond;
                let outcome = match pair(peer.clone(), window).await {
                    Ok(()) => Outcome::Paired,
                    Err(error) => {
                        let asked = numbers.load(Ordering::Relaxed) != asked_before;
                        let can_pair = asked || !is_refusal(&error);
                        if can_pair || !may_do_without || !was_used_unpaired(&kit.outbox, &peer).await? {
                            return Err(error.into());
                        }
                        Outcome::Unbound
                    }
                };
                // Only now: who could not be paired is to be known as before.
                kit.outbox.unbind_peer(&peer).await?;
                Ok(outcome)
            }
            Plan::Unpair { peer } => Ok(Outcome::Unpaired { bond: forget(central, &peer).await? }),
        }
    }
}

/// Whether a pairing ended like one with a device, or over a radio, that cannot pair. BlueZ has no better word for it.
const fn is_refusal(error: &RadioError) -> bool {
    matches!(error, RadioError::Unsupported(_) | RadioError::PairingFailed { .. })
}

/// Whether a device has answered there that this daemon never paired with.
async fn was_used_unpaired(outbox: &Outbox, peer: &PeerAddress) -> Result<bool, OutboxError> {
    let peers = outbox.peers().await?;
    Ok(peers.iter().any(|row| row.address == *peer && row.device.is_some() && row.paired.is_none()))
}

/// Removes the bond of this host, if there is one.
async fn forget<C: Central>(central: &C, peer: &PeerAddress) -> Result<bool, RadioError> {
    let forgotten = tokio::time::timeout(crate::radio::CALL_DEADLINE, central.forget(peer)).await;
    forgotten.unwrap_or(Err(RadioError::Timeout("the removal of a bond")))
}
