//! Faults on purpose: what stands between a watch and a real cloud, switched on for the demo and for tests.
//!
//! The layer sits outside everything, as a broken proxy would. What it does is drawn from a seeded generator, or queued one
//! by one, and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::body::drain;
use super::refusal::error_body;
use crate::clock::Clock;

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 500 in the API's shape; nothing was done.
    ServerError,
    /// 503 with `Retry-After` and a proxy's HTML; nothing was done.
    Unavailable,
    /// 429 with `Retry-After` in the API's shape; nothing was done.
    TooManyRequests,
    /// 200 with a log-in page, as a hotel's network answers; nothing was done.
    CaptivePortal,
    /// The request was carried out, but a proxy answers 502.
    AnswerLost,
    /// The request was carried out, but the connection breaks within the answer.
    AnswerCut,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::ServerError,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::CaptivePortal,
        Self::AnswerLost,
        Self::AnswerCut,
    ];
}

/// How often what happens.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// The probability of each fault, 0 to 1; together at most 1.
    pub odds: Vec<(Fault, f64)>,
    /// Only requests whose path ends with this meet faults; all, where there is none.
    pub only: Option<String>,
    /// What `Retry-After` says.
    pub retry_after: Duration,
}

/// The switch of the faults; clones steer the same layer.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    state: Mutex<FaultState>,
    injected: [AtomicU64; Fault::ALL.len()],
}

struct FaultState {
    rng: fastrand::Rng,
    plan: FaultPlan,
    queue: VecDeque<Fault>,
}

impl Faults {
    /// No faults yet; the draws will follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let state = FaultState {
            rng: fastrand::Rng::with_seed(seed),
            plan: FaultPlan::default(),
            queue: VecDeque::new(),
        };
        Self(Arc::new(Inner { state: Mutex::new(state), injected: Default::default() }))
    }

    /// From now on this happens. The default plan switches faults off.
    pub fn set(&self, plan: FaultPlan) {
        self.with_state(|state| state.plan = plan);
    }

    /// The next requests that the plan's `only` lets through meet these, in this order, whatever the odds.
    pub fn queue(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with_state(|state| state.queue.extend(faults));
    }

    /// How often this fault was injected.
    pub fn injected(&self, fault: Fault) -> u64 {
        self.0.injected[fault as usize].load(Ordering::Relaxed)
    }

    /// How many faults were injected.
    pub fn total(&self) -> u64 {
        Fault::ALL.into_iter().map(|fault| self.injected(fault)).sum()
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut FaultState) -> T) -> T {
        // The state is whole after every step, so a panic elsewhere spoils nothing.
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What happens to a request, and what `Retry-After` would say.
    fn draw(&self, path: &str) -> Option<(Fault, Duration)> {
        let drawn = self.with_state(|state| {
            if state.plan.only.as_ref().is_some_and(|only| !path.ends_with(only.as_str())) {
                return None;
            }
            let fault = state.queue.pop_front().or_else(|| {
                let mut roll = state.rng.f64();
                state.plan.odds.iter().find_map(|&(fault, odds)| {
                    roll -= odds;
                    (roll < 0.0).then_some(fault)
                })
            })?;
            Some((fault, state.plan.retry_after))
        });
        if let Some((fault, _)) = drawn {
            self.0.injected[fault as usize].fetch_add(1, Ordering::Relaxed);
        }
        drawn
    }
}

/// The layer.
pub(super) async fn inject(
    State((faults, clock)): State<(Faults, Clock)>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let Some((fault, retry_after)) = faults.draw(&path) else { return next.run(request).await };
    tracing::debug!(?fault, path, "injecting a fault");
    if !matches!(fault, Fault::AnswerLost | Fault::AnswerCut) {
        drain(request.into_body()).await;
        return answer(fault, retry_after, clock, &path);
    }
    let carried_out = next.run(request).await;
    if fault == Fault::AnswerCut { cut(carried_out) } else { answer(fault, retry_after, clock, &path) }
}

fn answer(fault: Fault, retry_after: Duration, clock: Clock, path: &str) -> Response {
    let json = |status: StatusCode, message: &str| {
        let body = error_body(clock, path, status, vec![message.to_owned()]);
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let page = |status, title: &str| (status, Html(format!("<html><h1>{title}</h1></html>"))).into_response();
    let mut response = match fault {
        Fault::ServerError => json(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        Fault::TooManyRequests => json(StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Fault::Unavailable => page(StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable"),
        Fault::CaptivePortal => page(StatusCode::OK, "Welcome! Please log in to the guest network"),
        Fault::AnswerLost | Fault::AnswerCut => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
    };
    if matches!(fault, Fault::Unavailable | Fault::TooManyRequests) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
    }
    response
}

/// The same head, with a body that breaks before its first byte; hyper then closes the connection.
fn cut(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = futures_util::stream::iter([Err::<Vec<u8>, _>(broken)]);
    Response::from_parts(parts, Body::from_stream(body))
}
