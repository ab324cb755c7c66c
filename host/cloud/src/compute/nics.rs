//! What a request for network cards of a server that is there does at once: it looks whether they fit, and takes or makes their ports.

use std::collections::HashSet;

use skyloom_model::{Caller, Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::networks::{self, PortNetwork};
use skyloom_store::quotas::Quota;
use skyloom_store::servers::Brief;

use super::Compute;
use super::actions::Wish;
use super::create::{self, MAX_NICS, PlannedNic, Slot};

/// Behind every place that a card may have had in the request that made its server: those are never given again, because faces go by
/// them.
const FIRST_LATER: u32 = MAX_NICS as u32;

/// A network card that a server is to be given.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// Of the port that is there, or of the one that is made.
    pub port_id: String,
    wanted: wit::NicRequest,
}

impl Card {
    fn new(wanted: wit::NicRequest) -> Self {
        Self { port_id: wanted.port_id.clone().unwrap_or_else(new_id), wanted }
    }

    /// It may be on whichever network the project has.
    fn names_nothing(&self) -> bool {
        let wit::NicRequest { port_id, network_id, subnet_id, address, security_groups } = &self.wanted;
        [port_id, network_id, subnet_id, address].into_iter().all(Option::is_none) && security_groups.is_none()
    }
}

impl Compute {
    pub(super) async fn give_nics(
        &self,
        context: &CallContext,
        id: String,
        nics: Vec<wit::NicRequest>,
        dry_run: bool,
    ) -> Result<wit::NicsAttached> {
        bounded("nics", nics.len())?;
        create::check_groups(&nics)?;
        let cards: Vec<Card> = nics.into_iter().map(Card::new).collect();
        let port_ids = cards.iter().map(|card| card.port_id.clone()).collect();
        let operation_id = self.ask(context, vec![id], &Wish::of_nics(cards, dry_run), false, true).await?;
        Ok(wit::NicsAttached { port_ids: if dry_run { Vec::new() } else { port_ids }, operation_id })
    }

    pub(super) async fn take_nics(&self, context: &CallContext, id: String, port_ids: Vec<String>) -> Result<String> {
        bounded("port-ids", port_ids.len())?;
        let mut seen = HashSet::new();
        if let Some(twice) = port_ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(Error::invalid("port-ids", format!("The port {twice} stands twice.")));
        }
        self.ask(context, vec![id], &Wish::of_own_nics(port_ids), false, true).await
    }

    /// The server has the cards with the operation. A port that isn't wanted any more goes with it, should it fail.
    pub(super) async fn begin_nics(
        &self,
        tx: &mut Conn,
        caller: &Caller,
        server: &Brief,
        cards: &[Card],
        now: Timestamp,
    ) -> Result<()> {
        let places = networks::places_of_device(tx, &server.id).await?;
        if places.len() + cards.len() > MAX_NICS {
            let message = format!("The server {} would have more than {MAX_NICS} network cards.", server.id);
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("nics"));
        }
        let choice = match cards {
            [only] if only.names_nothing() => wit::NetworkChoice::Automatic,
            _ => wit::NetworkChoice::Nics(cards.iter().map(|card| card.wanted.clone()).collect()),
        };
        // An operator gives a server only what its project has.
        let planned = create::planned_nics(tx, caller, &server.project_id, &choice).await?;
        let first = places.iter().map(|(_, position)| position + 1).max().unwrap_or(0).max(FIRST_LATER);
        for ((position, card), nic) in (first..).zip(cards).zip(&planned) {
            let Brief { project_id, id: server_id, zone, .. } = server;
            let slot = Slot { project_id, server_id, zone, position, now };
            plug_in(tx, card, nic, &slot).await?;
        }
        // What is there was counted when it was made.
        let made = planned.iter().filter(|nic| nic.port_id.is_none()).count();
        self.quotas.check_quota_made(tx, &server.project_id, &[(Quota::Ports, made as u64)]).await
    }
}

fn bounded(field: &str, count: usize) -> Result<()> {
    if (1..=MAX_NICS).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("Name 1 to {MAX_NICS} network cards.")))
}

async fn plug_in(tx: &mut Conn, card: &Card, nic: &PlannedNic, slot: &Slot<'_>) -> Result<()> {
    if let Some(port_id) = &nic.port_id {
        return slot.take(tx, port_id).await;
    }
    let groups = match &nic.groups {
        Some(groups) => Some(create::groups_of(tx, slot.project_id, groups, slot.now).await?),
        None => None,
    };
    let network = PortNetwork::load(tx, &nic.network_id).await?;
    create::card(tx, &network, nic, (card.port_id.clone(), groups), slot).await
}

/// `not-found`: the server has no card with one of the ports.
pub(super) async fn require_own(tx: &mut Conn, server: &Brief, ports: &[String]) -> Result<()> {
    let places = networks::places_of_device(tx, &server.id).await?;
    match ports.iter().find(|id| !places.iter().any(|(own, _)| own == *id)) {
        Some(id) => Err(Error::not_found("port", id).with_field("port-ids")),
        None => Ok(()),
    }
}
