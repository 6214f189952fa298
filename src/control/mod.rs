//! The only way in from outside: HTTP and JSON on a Unix socket.
//!
//! ```text
//! GET  /v1/status        what every part is doing             -> Status
//! GET  /v1/events        the same, a line whenever it changes -> Status, one JSON object a line
//! POST /v1/sync          a session now: {watch?}, without it with every watch -> Asked
//!
//! POST /v1/scan          {seconds?}                 -> News, one JSON object a line; whoever hangs up calls it off
//! POST /v1/probe         {watch}                    -> News
//! POST /v1/pair          {address, seconds?, name?} -> News; questions come as prompts
//! POST /v1/repair        {watch, seconds?}          -> News
//! POST /v1/unpair        {watch}                    -> News
//! POST /v1/pair/answer   {id, passkey} or {id, yes}
//! POST /v1/hold          {watch, seconds?}          keep off the watch
//! POST /v1/release       {watch}                    no longer
//!
//! GET  /v1/why           ?since&watch               what is missing or late, and why -> WhyAnswer
//! GET  /v1/outbox        ?what&limit                a part of the ledger: dead, gaps, batches, receipts, quarantine -> Entries
//! GET  /v1/outbox/show   ?id                        one entry of it -> Entry
//! GET  /v1/outbox/check                             whether the database is sound -> CheckAnswer
//! POST /v1/outbox/salvage {file?}                   fetch what a damaged database, or a file, has -> SalvageAnswer
//! POST /v1/outbox/backup {file}                     copy the outbox -> BackupAnswer
//! POST /v1/outbox/retry  {ids} or {all}             send dead letters again -> Resolved
//! POST /v1/outbox/drop   {ids}                      leave dead letters at that -> Resolved
//! GET  /v1/outbox/sinks                             who keeps what -> SinksAnswer
//! POST /v1/outbox/forget-sink {sink}                give up on one that is no longer configured -> SinkEnd
//! POST /v1/verify        {from?, to?, repair?}      compare with the cloud -> VerifyLine, one JSON object a line
//! POST /v1/forget        {watch, even_unsent?, and_refetch?} -> Forgotten
//!
//! PUT  /v1/firmware      the bytes of a file        keep it for an update -> FirmwareAnswer
//! POST /v1/update        {watch, file?, version?, again?, allow_downgrade?, dry_run?} -> UpdateAnswer
//! GET  /v1/update        ?watch                     updates under way and the latest -> UpdatesAnswer
//! POST /v1/update/cancel {watch}                    -> the update that was called off
//!
//! GET  /v1/export        ?watch&stream&from&to      every sample -> ExportLine, one JSON object a line
//! ```
//!
//! A watch is named by its name or its address. What is refused is answered with `{fault, message}`. The socket answers in every stage of
//! the daemon, each request on a connection of its own, and never tells a secret; measured values it tells in an export only. `curl --unix-socket` will do, and
//! the command line uses [`Client`].

mod client;
mod desk;
mod known;
mod ledger;
mod ledger_routes;
mod listener;
mod radio_routes;
mod server;
mod stage;
mod status;
mod update_routes;
mod updates;
mod verify_route;

pub use client::{Client, ControlError};
pub use desk::{
    Complaint, DeskError, DeskRequest, Done, Fault, Heard, Here, Job, News, PairingAnswer, Probe,
    ProbedCharacteristic, ProbedService, Question, RadioDesk, Seat, Unheard, Word, abilities_in_words, find,
    news,
};
pub use known::Known;
pub use ledger::{
    BackupAnswer, BackupRequest, CheckAnswer, DeadRequest, ExportEnd, ExportLine, ForgetRequest,
    ForgetSinkRequest, SalvageAnswer, SalvageRequest, SinkKeeps, SinksAnswer, VerifyLine, VerifyRequest,
    WhyAnswer, forget_sink,
};
pub use server::{bind, serve};
pub use stage::{CloudView, Parts, RadioView, SinkView, Stage};
pub use status::{Asked, CloudStatus, DaemonStatus, FailingLoop, RadioStatus, SinkStatus, StageName, Status};
pub use updates::{
    CheckRow, FirmwareAnswer, UpdateAnswer, UpdateAsk, UpdateRequest, UpdateStatus, UpdatesAnswer,
    UpdatesView,
};
