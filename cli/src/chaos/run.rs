//! One run, from the first lead to the last question.

use super::cast::{self, Kind, Role, Wave};
use super::collect;
use super::customer::Customer;
use super::facts::{Facts, Lead, Left, Outage, Ring};
use super::rooms;
use super::stream::CallStream;
use super::tenant::{FLOW, QUIET_FLOW, RINGING_FLOW, Tenant};
use super::world::World;
use crate::demo::Persona;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A customer tries for so long.
const PATIENCE: Duration = Duration::from_secs(600);
/// Everything should have come to rest by then.
const QUIET_WITHIN: Duration = Duration::from_secs(300);
/// A node searches for leftovers when it starts.
const TIDY_WITHIN: Duration = Duration::from_secs(60);
/// How long LiveKit may list a room in which a server that was killed had people: they are found
/// out within 34 s, and a room is left empty for a minute.
const EMPTY_WITHIN: Duration = Duration::from_secs(120);
/// Longer than the dialers leave a silent reader its entries.
const LEFT_WITHIN: Duration = Duration::from_secs(60);
/// How long the phones of the question about slots ring, at most; longer from try to try.
const RINGS: [Duration; 3] = [Duration::from_secs(8), Duration::from_secs(20), Duration::from_secs(60)];

/// What a run goes on.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) tenant: Tenant,
    pub(super) customer: Customer,
    pub(super) lab: String,
    pub(super) slots: usize,
    pub(super) leads: Vec<Lead>,
    pub(super) outage: Outage,
}

/// Leads on their way.
pub(super) type Posting = JoinSet<Lead>;

impl Run {
    /// Puts the personas behind their phones and those on the list who must be there.
    pub(super) async fn prepare(&self, roles: &[Role]) -> Result<()> {
        for role in roles {
            // A phone that nobody answers gives up by itself: its caller may have died.
            let ring_ms = (role.persona == Persona::NoAnswer).then_some(20_000_u64);
            self.phone(&role.number, role.persona, ring_ms).await?;
        }
        self.tenant.list(numbers(roles, Kind::Listed)).await
    }

    async fn phone(&self, number: &str, persona: Persona, ring_ms: Option<u64>) -> Result<()> {
        let url = format!("http://{}/lab/phones/{}", self.lab, number.replace('+', "%2B"));
        let mut phone = json!({ "persona": persona.name() });
        if let Some(ring_ms) = ring_ms {
            phone["ring_ms"] = ring_ms.into();
        }
        let answer = reqwest::Client::new().put(url).json(&phone).send().await?;
        answer.error_for_status().context("the lab refused the phone")?;
        Ok(())
    }

    /// Posts the leads, each at its time.
    pub(super) fn post(&self, roles: &[Role]) -> Posting {
        let mut posting = JoinSet::new();
        for role in roles.iter().cloned() {
            let customer = self.customer.clone();
            let flow =
                if matches!(role.kind, Kind::Quiet | Kind::ListedWhileHeld) { QUIET_FLOW } else { FLOW };
            posting.spawn(async move {
                tokio::time::sleep(Duration::from_millis(role.at_ms)).await;
                customer.post(&role, flow, PATIENCE).await
            });
        }
        posting
    }

    /// Waits for the customer's requests.
    pub(super) async fn answered(&mut self, posting: Posting) {
        self.leads.extend(posting.join_all().await);
    }

    /// Ends what is held: some by the do-not-call list, some by their owner.
    pub(super) async fn release_held(&mut self) -> Result<()> {
        let listed = self.leads.iter().filter(|lead| lead.kind == Kind::ListedWhileHeld);
        self.tenant.list(listed.map(|lead| lead.number.clone()).collect()).await?;
        collect::hurry(self.tenant.db(), true).await?;
        for lead in self.leads.iter_mut().filter(|lead| lead.kind == Kind::Quiet) {
            if let Some((id, _)) = &lead.accepted {
                lead.canceled = self.customer.cancel(id).await;
            }
        }
        Ok(())
    }

    /// Waits until nothing rings, talks or waits to be delivered, or patience is over: the checks
    /// then say what does.
    pub(super) async fn quiet(&self, hurry: bool) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < QUIET_WITHIN {
            if self.is_quiet().await? {
                return Ok(());
            }
            if hurry {
                collect::hurry(self.tenant.db(), false).await?;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn is_quiet(&self) -> Result<bool> {
        let (calls, deliveries) = collect::busy(self.tenant.db()).await?;
        Ok(calls == 0 && deliveries == 0 && collect::rings(&self.lab).await?.iter().all(Ring::is_over))
    }

    /// As many leads as there are slots: do as many phones ring at once? Who is slow gets another
    /// chance, with phones that ring for longer; a slot that is lost never comes back.
    pub(super) async fn ask_for_slots(&mut self, spare: &[String]) -> Result<usize> {
        let mut most = 0;
        for (ring, numbers) in RINGS.iter().zip(spare.chunks(self.slots)) {
            most = most.max(self.ring_at_once(*ring, numbers).await?);
            self.quiet(true).await?;
            if most >= self.slots {
                break;
            }
        }
        Ok(most)
    }

    async fn ring_at_once(&mut self, ring: Duration, numbers: &[String]) -> Result<usize> {
        let mut posting = JoinSet::new();
        for number in numbers {
            self.phone(number, Persona::NoAnswer, Some(u64::try_from(ring.as_millis())?)).await?;
            let (customer, role) = (self.customer.clone(), ringing(number));
            posting.spawn(async move { customer.post(&role, RINGING_FLOW, PATIENCE).await });
        }
        let (begun, mut most) = (Instant::now(), 0);
        while begun.elapsed() < ring && most < numbers.len() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let rings = collect::rings(&self.lab).await?;
            most = most
                .max(rings.iter().filter(|ring| !ring.is_over() && numbers.contains(&ring.number)).count());
        }
        self.leads.extend(posting.join_all().await);
        Ok(most)
    }

    /// Everything that was seen, with what is left after all is stopped.
    pub(super) async fn facts(mut self, ringing: usize) -> Result<(Facts, World)> {
        let stored = collect::stored(self.tenant.db()).await?;
        let (rings, arrivals) = (collect::rings(&self.lab).await?, self.world.receiver.arrivals());
        let unacknowledged = self.unacknowledged().await?;
        let rooms = self.rooms().await?;
        self.world.stop_nodes().await?;
        let files = self.days_later().await?;
        let left = Left {
            unfinished_files: files.unfinished,
            unnamed_recordings: files.unnamed,
            missing_recordings: files.missing,
            nodes: collect::nodes(self.tenant.db()).await?,
            fallen: self.world.fallen.clone(),
            unacknowledged,
            rooms,
            ..Left::default()
        };
        let slots = (ringing, self.slots);
        let outage = self.outage;
        Ok((Facts { leads: self.leads, rings, arrivals, stored, left, slots, outage }, self.world))
    }
}

impl Run {
    /// Leads that are held to their end when everything runs again.
    pub(super) async fn afterwards(&mut self, seed: u64, numbers: &[String]) -> Result<()> {
        let roles = cast::cast(seed, Wave::Afterwards, numbers, 1_000);
        self.prepare(&roles).await?;
        let posting = self.post(&roles);
        self.answered(posting).await;
        self.quiet(true).await
    }

    /// What is left in the stream although its readers count as dead.
    async fn unacknowledged(&self) -> Result<Vec<String>> {
        let (stack, begun) = (&self.world.stack, Instant::now());
        let mut stream = CallStream::open(&stack.redis_url, stack.options().region).await?;
        loop {
            let left = stream.unacknowledged().await?;
            if left.is_empty() || begun.elapsed() > LEFT_WITHIN {
                return Ok(left.into_iter().map(|(id, reader)| format!("{id} of {reader}")).collect());
            }
            stream.age(&left).await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The rooms that LiveKit still has when nobody calls any more.
    async fn rooms(&self) -> Result<Vec<String>> {
        let Some(livekit) = self.world.stack.livekit() else { return Ok(Vec::new()) };
        let begun = Instant::now();
        loop {
            let left = rooms::all(livekit).await?;
            if left.is_empty() || begun.elapsed() > EMPTY_WITHIN {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What is left of recordings after a node has searched for leftovers that are days old.
    async fn days_later(&mut self) -> Result<collect::Recordings> {
        let folder = self.world.stack.recordings.clone();
        collect::age(&folder)?;
        self.world.start_node().await?;
        let (db, begun) = (self.tenant.db(), Instant::now());
        let mut found = collect::recordings(db, &folder).await?;
        while !found.is_tidy() && begun.elapsed() < TIDY_WITHIN {
            tokio::time::sleep(Duration::from_millis(300)).await;
            found = collect::recordings(db, &folder).await?;
        }
        self.world.stop_nodes().await?;
        Ok(found)
    }
}

fn numbers(roles: &[Role], kind: Kind) -> Vec<String> {
    roles.iter().filter(|role| role.kind == kind).map(|role| role.number.clone()).collect()
}

fn ringing(number: &str) -> Role {
    let (number, persona, kind) = (number.to_owned(), Persona::NoAnswer, Kind::Callable);
    Role { at_ms: 0, number, persona, kind, wave: Wave::Chaos, repeats: false }
}
