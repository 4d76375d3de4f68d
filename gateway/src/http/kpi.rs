//! `GET /api/kpi`: the scorecard, for those who run or dispatch.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use suara_proto::ErrorCode;
use suara_proto::message::Right;
use utoipa::ToSchema;

use super::api::{Api, Bearer, NoStore, Problem, Read};
use crate::kpi::{Pairs, Row};

/// Who may look whatever its channels are.
const ROLE: &str = "admin";

/// The KPIs of TS 22.179 as both ends of bursts saw them.
#[derive(Serialize, ToSchema)]
pub(super) struct Scorecard {
    /// Since the gateway's start.
    seconds: u64,
    /// Which of several nodes it is that counted; the others count for themselves.
    node: String,
    /// Listeners' reports that were put together with their talker's.
    joined: u64,
    /// Listeners' reports without their talker's: of bursts of other nodes, of patched channels, and of clients that report nothing.
    alone: u64,
    /// One for each KPI and pair of transports that was seen.
    rows: Vec<Row>,
}

/// The four KPIs
///
/// For admins, dispatchers and services.
#[utoipa::path(get, path = "/api/kpi", tag = "gateway", security(("bearer" = [])),
    responses((status = 200, description = "The scorecard", body = Scorecard), Read))]
pub(super) async fn kpi(
    State(api): State<Arc<Api>>,
    who: Bearer,
) -> Result<(NoStore, Json<Scorecard>), Problem> {
    if !may_look(&who) {
        return Err(Problem::new(ErrorCode::Forbidden, "for admins, dispatchers and services"));
    }
    let core = &api.core;
    let seconds = core.clock.now().as_millis() / 1000;
    let Pairs { joined, alone } = core.kpis.pairs(core.clock.micros(std::time::Instant::now()));
    let (node, rows) = (core.node.to_string(), core.kpis.rows());
    Ok((NoStore, Json(Scorecard { seconds, node, joined, alone, rows })))
}

fn may_look(who: &Bearer) -> bool {
    who.is_service() || &*who.0.role == ROLE || who.0.channels.anywhere(Right::Dispatch)
}
