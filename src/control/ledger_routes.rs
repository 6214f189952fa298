//! The ledger on the socket: what is in it, why, and what a person wants done about it.

use std::future::Future;
use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::desk::{Complaint, DeskError, Fault, Seat};
use super::known::Known;
use super::ledger::{
    self, BackupAnswer, BackupRequest, CheckAnswer, DeadRequest, ExportEnd, ExportLine, ForgetRequest,
    ForgetSinkRequest, SalvageAnswer, SalvageRequest, SinksAnswer, WhyAnswer,
};
use super::server::{Control, complain, read};
use super::stage::{Parts, Stage};
use crate::measurement::UtcMicros;
use crate::outbox::{EntryId, ExportQuery, Exporter, ForgetOptions, Forgetting, Section, SinkName};
use crate::upload;
use crate::wire::bridge::Stream;

/// A day, µs: what is looked at unless told otherwise.
const DAY_US: i64 = 86_400 * 1_000_000;
/// Entries of a list unless told otherwise.
const LIMIT: u32 = 20;

/// The routes.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/v1/why", get(why))
        .route("/v1/outbox", get(list))
        .route("/v1/outbox/show", get(show))
        .route("/v1/outbox/check", get(check))
        .route("/v1/outbox/salvage", post(salvage))
        .route("/v1/outbox/backup", post(backup))
        .route("/v1/outbox/retry", post(retry))
        .route("/v1/outbox/drop", post(drop_dead))
        .route("/v1/outbox/sinks", get(sinks))
        .route("/v1/outbox/forget-sink", post(forget_sink))
        .route("/v1/forget", post(forget))
        .route("/v1/export", get(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyQuery {
    since: Option<UtcMicros>,
    watch: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    what: Section,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    id: EntryId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportRequest {
    watch: Option<String>,
    stream: Option<Stream>,
    from: Option<UtcMicros>,
    to: Option<UtcMicros>,
}

async fn why(State(control): State<Control>, query: Query<WhyQuery>) -> Response {
    let Query(WhyQuery { since, watch }) = query;
    answer(async {
        let parts = control.parts()?;
        let known = parts.known().await?;
        let since = since.unwrap_or_else(|| UtcMicros(parts.outbox.clock().now().0 - DAY_US));
        WhyAnswer::gather(&parts.outbox, &known, since, watch.as_deref(), parts.sinks()).await
    })
    .await
}

async fn list(State(control): State<Control>, query: Query<ListQuery>) -> Response {
    let limit = query.limit.unwrap_or(LIMIT);
    answer(async { Ok(control.parts()?.outbox.entries(query.what, limit).await?) }).await
}

async fn show(State(control): State<Control>, query: Query<ShowQuery>) -> Response {
    let id = query.id;
    answer(async { control.parts()?.outbox.entry(id).await?.ok_or(DeskError::NoEntry(id)) }).await
}

async fn check(State(control): State<Control>) -> Response {
    answer(async { Ok(CheckAnswer { problems: control.parts()?.outbox.quick_check().await? }) }).await
}

async fn salvage(State(control): State<Control>, body: Bytes) -> Response {
    match read::<SalvageRequest>(&body) {
        Ok(SalvageRequest { file }) => {
            answer(async {
                let parts = control.parts()?;
                let answer = SalvageAnswer::gather(&parts.outbox, file.as_deref()).await?;
                parts.arrivals.notify_one();
                Ok(answer)
            })
            .await
        }
        Err(refused) => complain(&refused),
    }
}

async fn backup(State(control): State<Control>, body: Bytes) -> Response {
    match read::<BackupRequest>(&body) {
        Ok(BackupRequest { file }) if file.is_absolute() => {
            answer(async {
                let bytes = control.parts()?.outbox.backup(&file).await?;
                Ok(BackupAnswer { file, bytes })
            })
            .await
        }
        Ok(_) => complain(&Complaint {
            fault: Fault::Request,
            message: "the path of a backup must be whole, from / on".to_owned(),
        }),
        Err(refused) => complain(&refused),
    }
}

async fn retry(State(control): State<Control>, body: Bytes) -> Response {
    let DeadRequest { ids, all } = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    answer(async {
        let parts = control.parts()?;
        let resolved =
            if all { parts.outbox.retry_all_dead().await? } else { parts.outbox.retry_dead(ids).await? };
        parts.arrivals.notify_one();
        Ok(resolved)
    })
    .await
}

async fn drop_dead(State(control): State<Control>, body: Bytes) -> Response {
    match read(&body) {
        Ok(DeadRequest { ids, all: false }) => {
            answer(async { Ok(control.parts()?.outbox.drop_dead(ids).await?) }).await
        }
        Ok(_) => complain(&Complaint {
            fault: Fault::Request,
            message: "dead letters are dropped by name only".to_owned(),
        }),
        Err(refused) => complain(&refused),
    }
}

async fn sinks(State(control): State<Control>) -> Response {
    answer(async {
        let parts = control.parts()?;
        Ok(SinksAnswer::gather(&parts.outbox, &parts.configured()).await?)
    })
    .await
}

async fn forget_sink(State(control): State<Control>, body: Bytes) -> Response {
    let ForgetSinkRequest { sink } = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    answer(async {
        let parts = control.parts()?;
        ledger::forget_sink(&parts.outbox, &parts.configured(), sink).await
    })
    .await
}

async fn forget(State(control): State<Control>, body: Bytes) -> Response {
    let ForgetRequest { watch, even_unsent, and_refetch } = match read(&body) {
        Ok(request) => request,
        Err(refused) => return complain(&refused),
    };
    answer(async {
        let parts = control.parts()?;
        let known = parts.known().await?;
        let device = known.device(&watch)?;
        let is_it = |seat: &&Seat| known.address(device) == Some(&seat.address);
        let linked = parts.seats.borrow().iter().find(is_it).filter(|seat| seat.has_link()).cloned();
        if let Some(seat) = linked {
            return Err(DeskError::Connected(seat.address));
        }
        let options = ForgetOptions { even_unsent, and_refetch };
        match parts.outbox.forget(device, parts.sinks(), options).await? {
            Forgetting::Done(forgotten) => Ok(forgotten),
            Forgetting::Unsent { samples, sink } => Err(DeskError::Unsent { watch, samples, sink }),
        }
    })
    .await
}

async fn export(State(control): State<Control>, query: Query<ExportRequest>) -> Response {
    let Query(ExportRequest { watch, stream, from, to }) = query;
    let begun = async {
        let parts = control.parts()?;
        let device = match watch {
            Some(watch) => Some(parts.known().await?.device(&watch)?),
            None => None,
        };
        let query = ExportQuery { device, stream, from, to, received_since: None };
        Ok::<_, DeskError>(parts.outbox.export(query).await?)
    };
    match begun.await {
        Ok(exporter) => ([(header::CONTENT_TYPE, "application/x-ndjson")], lines(exporter)).into_response(),
        Err(error) => complain(&error.complaint()),
    }
}

/// A page at a time, as fast as the client reads.
fn lines(exporter: Exporter) -> Body {
    let begin = Some((exporter, ExportEnd::default()));
    Body::from_stream(futures_util::stream::unfold(begin, |walk| async move {
        let (mut exporter, mut end) = walk?;
        let told = async {
            let mut text = Vec::new();
            let page = match exporter.next_page().await {
                Ok(page) => page,
                Err(error) => {
                    line(&mut text, &DeskError::from(error).complaint())?;
                    return Ok((text, true));
                }
            };
            let Some(page) = page else {
                line(&mut text, &ExportLine::End { end })?;
                return Ok((text, true));
            };
            end.rows += page.rows.len() as u64;
            end.unreadable += page.unreadable;
            for row in page.rows {
                line(&mut text, &ExportLine::Row(row))?;
            }
            Ok((text, false))
        };
        match told.await {
            Ok((text, is_last)) => Some((Ok(Bytes::from(text)), (!is_last).then_some((exporter, end)))),
            Err(error) => Some((Err::<Bytes, io::Error>(error), None)),
        }
    }))
}

/// Adds an object and ends the line.
pub(super) fn line(text: &mut Vec<u8>, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *text, object)?;
    text.push(b'\n');
    Ok(())
}

pub(super) async fn answer<T: Serialize>(answer: impl Future<Output = Result<T, DeskError>>) -> Response {
    match answer.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => complain(&error.complaint()),
    }
}

impl Control {
    /// What there is, once everything runs.
    pub(super) fn parts(&self) -> Result<Arc<Parts>, DeskError> {
        match &*self.stage.borrow() {
            Stage::Running(parts) => Ok(Arc::clone(parts)),
            Stage::Starting | Stage::Stopping => Err(DeskError::Stopping),
        }
    }
}

impl Parts {
    /// Who is who.
    pub(super) async fn known(&self) -> Result<Known, DeskError> {
        let called: Vec<_> =
            self.seats.borrow().iter().map(|seat| (seat.address.clone(), seat.name.clone())).collect();
        Ok(Known::gather(&self.outbox, called).await?)
    }

    /// Those who are configured.
    fn configured(&self) -> Vec<SinkName> {
        self.sinks.iter().map(|sink| sink.name.clone()).collect()
    }

    /// Those who are sent to.
    pub(super) fn sinks(&self) -> Vec<SinkName> {
        let mut all = self.configured();
        if all.is_empty() {
            all.push(upload::nowatch());
        }
        all
    }
}
