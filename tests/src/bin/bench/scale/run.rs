//! The measurements for one number of hosts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::child::Child;
use super::coordinator::{Cost, Request};
use super::counters::Traffic;
use super::fleet::{self, Fleet, INSTANCES};
use super::{AGENTS, COORDINATOR, Sample, agents};

pub(crate) const CHANGE_BYTES: &str = "change bytes";
pub(crate) const CHANGE_JOURNAL: &str = "change journal bytes";
pub(crate) const CHANGE_CPU: &str = "change cpu";
pub(crate) const PER_HOST_BYTES: &str = "per host bytes";
pub(crate) const RESIDENT_PER_HOST: &str = "resident per host";
pub(crate) const RESIDENT: &str = "resident";
pub(crate) const SURVEY: &str = "survey";
pub(crate) const ROLLOUT: &str = "rollout 1000 instances";
pub(crate) const ROLLOUT_LINEARITY: &str = "rollout 1000 to 500";
pub(crate) const ALLOCATE: &str = "allocate 60000 addresses";

/// Number of addresses that are allocated.
const ADDRESSES: u32 = 60_000;
/// Hosts whose instances a rollout replaces: 1,000 instances.
const ROLLED: usize = 1_000 / INSTANCES;
/// Time limit for one measurement, such as one survey or one rollout.
const LIMIT: Duration = Duration::from_secs(120);
/// Time limit for the first deployment of all hosts, which is not a figure.
const DEPLOY_LIMIT: Duration = Duration::from_secs(600);

/// The measurements of a fleet.
pub(crate) struct Run {
    hosts: usize,
    runs: usize,
    /// What has been measured.
    pub(crate) sample: Sample,
}

/// A coordinator beside the agents.
struct Pair<'c> {
    agents: &'c mut Child,
    coordinator: Child,
}

impl Run {
    /// Prepares to measure a fleet of this many hosts, each figure this many times.
    pub(crate) fn new(hosts: usize, runs: usize) -> Self {
        Self { hosts, runs, sample: Sample::new() }
    }

    /// Measures everything, until a measurement fails or exceeds its time limit.
    pub(crate) fn measure(&mut self) -> Result<()> {
        eprintln!("{} hosts: starting the agents", self.hosts);
        let fleet = Fleet::write(self.hosts)?;
        let authority = fleet.authority().display().to_string();
        let mut agents = Child::start(&[AGENTS, &authority, &self.hosts.to_string()])?;
        // The first answer comes when all agents are ready.
        let ready = agents.ask::<Traffic>(&agents::Request::Traffic { closed: true }, Instant::now() + LIMIT);
        ready.context("starting the agents")?;
        self.deploy(&fleet, &mut agents).context("first deployment")?;
        self.surveys_and_changes(&fleet, &mut agents)?;
        self.rollouts(&fleet, &mut agents)
    }

    /// Deploys all stacks, in at most 20 runs of 1,000 instances or more.
    fn deploy(&self, fleet: &Fleet, agents: &mut Child) -> Result<()> {
        let (began, deadline) = (Instant::now(), Instant::now() + DEPLOY_LIMIT);
        let mut pair = Pair::start(fleet, agents)?;
        let numbers: Vec<usize> = (0..self.hosts).collect();
        for part in numbers.chunks(ROLLED.max(self.hosts / 20)) {
            let (proposed, done) = pair.up(part, deadline)?;
            let traffic = pair.traffic(false)?;
            eprintln!(
                "{} hosts: deployed {} stacks: plan {:.2} s, rollout {:.2} s, {:.2} s of CPU, {} KiB in the journal, {} KiB on \
                 the wire, peak {:.0} MiB",
                self.hosts,
                part.len(),
                proposed.time,
                done.time,
                proposed.cpu + done.cpu,
                done.journal >> 10,
                traffic.wire >> 10,
                done.resident / 1024.0
            );
            pair.close()?;
        }
        eprintln!("{} hosts: first deployment took {:.1} s", self.hosts, began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Measures surveys, and changes of one service on one host, in one process, whose memory is measured too.
    fn surveys_and_changes(&mut self, fleet: &Fleet, agents: &mut Child) -> Result<()> {
        let mut pair = Pair::start(fleet, agents)?;
        pair.traffic(true)?;
        for run in 0..self.runs {
            let survey = pair.cost(&Request::Survey, LIMIT).context("survey")?;
            let traffic = pair.traffic(true)?;
            ensure!(traffic.hosts == self.hosts, "the survey reached {} hosts", traffic.hosts);
            self.add(SURVEY, survey.time);
            self.add(PER_HOST_BYTES, traffic.wire as f64 / self.hosts as f64);
            eprintln!("{} hosts: survey {:.3} s, {:.3} s of CPU", self.hosts, survey.time, survey.cpu);
            self.change(fleet, &mut pair, run, survey).context("change of one service")?;
        }
        let resident = pair.cost(&Request::Close, LIMIT)?.resident;
        self.add(RESIDENT_PER_HOST, resident / self.hosts as f64);
        self.add(RESIDENT, resident / 1024.0);
        Ok(())
    }

    /// Measures a change of one service on the first host.
    fn change(&mut self, fleet: &Fleet, pair: &mut Pair<'_>, run: usize, survey: Cost) -> Result<()> {
        let setting = format!("change-{run:03}");
        fleet.declare(0, |service| if service == 0 { setting.as_str() } else { "first" })?;
        let proposed = pair.propose(&[0], LIMIT)?;
        let planning = pair.traffic(false)?;
        let done = pair.cost(&Request::CarryOut, LIMIT)?;
        let carrying_out = pair.traffic(false)?;
        pair.close()?;
        ensure!(done.steps > 0 && done.steps < INSTANCES, "{} steps for a change of one service", done.steps);
        // Everything but the survey and the fabric. A survey reads the fabric from one host.
        let is_survey = |method: &str| matches!(method, "describe" | "held_fabric");
        let asked = planning.calls.iter().filter(|(method, _)| !is_survey(method));
        let asked: u64 = asked.map(|(_, calls)| calls.bytes).sum();
        let bytes = asked + carrying_out.wire.saturating_sub(carrying_out.fabric);
        let journal = (proposed.journal + done.journal).saturating_sub(survey.journal);
        let cpu = (proposed.cpu + done.cpu - survey.cpu).max(0.0);
        self.add(CHANGE_BYTES, bytes as f64);
        self.add(CHANGE_JOURNAL, journal as f64);
        self.add(CHANGE_CPU, cpu);
        let calls = carrying_out.calls.iter().map(|(name, it)| format!("{name} {} ({} B)", it.count, it.bytes));
        eprintln!(
            "{} hosts: change of one service: {bytes} B on the wire of {} hosts, {} B of the fabric, {journal} B in the \
             journal; plan {:.3} s and {:.3} s of CPU, rollout {:.3} s and {:.3} s of CPU; calls: {}",
            self.hosts,
            carrying_out.hosts,
            carrying_out.fabric,
            proposed.time,
            proposed.cpu,
            done.time,
            done.cpu,
            calls.collect::<Vec<_>>().join(", ")
        );
        Ok(())
    }

    /// Measures rollouts that replace 1,000 instances, and as many that replace half of them.
    fn rollouts(&mut self, fleet: &Fleet, agents: &mut Child) -> Result<()> {
        let mut pair = Pair::start(fleet, agents)?;
        let rolled: Vec<usize> = (0..self.hosts.min(ROLLED)).collect();
        for run in 0..self.runs {
            let mut times = Vec::new();
            for (part, kind) in [(&rolled[..], "all"), (&rolled[..rolled.len().div_ceil(2)], "half")] {
                let setting = format!("rolled-{kind}-{run}");
                part.iter().try_for_each(|number| fleet.declare(*number, |_| &setting))?;
                let (_, done) = pair.up(part, Instant::now() + LIMIT).context("rollout")?;
                pair.close()?;
                let count = part.len() * INSTANCES;
                ensure!(done.steps >= count, "{} steps for a change of {count} instances", done.steps);
                eprintln!(
                    "{} hosts: rollout of {count} instances: {:.3} s, {:.3} s of CPU, {} KiB in the journal",
                    self.hosts,
                    done.time,
                    done.cpu,
                    done.journal >> 10
                );
                times.push(done.time);
            }
            self.add(ROLLOUT, times[0]);
            self.add(ROLLOUT_LINEARITY, times[0] / times[1]);
        }
        Ok(())
    }

    fn add(&mut self, figure: &'static str, value: f64) {
        self.sample.entry(figure).or_default().push(value);
    }
}

/// Measures the allocation of addresses, in seconds.
pub(crate) fn allocation(runs: usize) -> Result<Vec<f64>> {
    let mut coordinator = Child::start(&[COORDINATOR, "."])?;
    let one = |_| Ok(coordinator.ask::<Cost>(&Request::Allocate(ADDRESSES), Instant::now() + LIMIT)?.time);
    (0..runs).map(one).collect()
}

impl<'c> Pair<'c> {
    fn start(fleet: &Fleet, agents: &'c mut Child) -> Result<Self> {
        let coordinator = Child::start(&[COORDINATOR, &fleet.path().display().to_string()])?;
        Ok(Self { agents, coordinator })
    }

    fn cost(&mut self, request: &Request, limit: Duration) -> Result<Cost> {
        self.coordinator.ask(request, Instant::now() + limit)
    }

    /// Traffic since the last call.
    fn traffic(&mut self, closed: bool) -> Result<Traffic> {
        self.agents.ask(&agents::Request::Traffic { closed }, Instant::now() + LIMIT)
    }

    fn propose(&mut self, numbers: &[usize], limit: Duration) -> Result<Cost> {
        let stacks = numbers.iter().map(|number| fleet::stack(*number)).collect();
        self.cost(&Request::Propose(stacks), limit)
    }

    /// Makes a proposal for the stacks of these hosts and carries it out. The connections stay open.
    fn up(&mut self, numbers: &[usize], deadline: Instant) -> Result<(Cost, Cost)> {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let proposed = self.propose(numbers, left(deadline))?;
        Ok((proposed, self.cost(&Request::CarryOut, left(deadline))?))
    }

    /// Closes the connections, and forgets the traffic until then.
    fn close(&mut self) -> Result<()> {
        self.cost(&Request::Close, LIMIT)?;
        self.traffic(true).map(drop)
    }
}
