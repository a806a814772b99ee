//! Decides which instances wait for others on other hosts after the agent has started, and what to ask those hosts.
//!
//! While a coordinator deploys, it starts instances in order on all hosts. After a reboot nobody does, so the agent asks the
//! hosts of the instances that its own ones depend on. An instance waits as long as the other host answers that the condition
//! does not hold. A host that does not answer is waited for [`SILENCE`], and one that cannot say is not waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::desired::{Condition, Desired, InstanceName};
use crate::observed::Observed;
use crate::plan::{Reached, Seen, Unmet, Waiting, reached};

/// Time for which an instance waits for a host that does not answer, in milliseconds.
pub const SILENCE: u64 = 60_000;
/// Greatest number of instances in one question.
pub const NAMES_AT_ONCE: usize = 256;
/// Greatest delay before the next question, in milliseconds.
const LONGEST_WAIT: u64 = 5_000;

/// How a host answered a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the instances do. Those that are not there are not managed by the host.
    Known(BTreeMap<InstanceName, Seen>),
    /// The host answered without saying it: its agent is older than the question, for example.
    Unsaid,
    /// The host did not answer.
    Silent,
}

/// Instances that start with the agent, and what is known of those that they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Instances that were assigned when the agent started, and that have not run since.
    starting: BTreeSet<InstanceName>,
    asked: BTreeMap<InstanceName, Asked>,
    next: Option<u64>,
}

/// What is known of an instance on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    host: Ipv4Addr,
    /// What the host answered last; `None` before the first answer.
    found: Option<Found>,
    /// Since when the host has not answered.
    silent_since: u64,
    is_asking: bool,
    count: u32,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Seen(Seen),
    /// Nothing is known, and asking again does not help.
    Nothing,
}

impl Asked {
    fn new(host: Ipv4Addr, now: u64) -> Self {
        Self { host, found: None, silent_since: now, is_asking: false, count: 0, next: now }
    }
}

impl Dependencies {
    /// State of an agent that has just started, with the units that it kept.
    pub fn new(desired: &Desired) -> Self {
        Self { starting: desired.instances.keys().map(|it| it.instance.clone()).collect(), ..Self::default() }
    }

    /// Leaves the instances of a stack to the coordinator that has assigned it again.
    pub fn leave(&mut self, is_assigned: impl Fn(&str) -> bool) {
        self.starting.retain(|name| !is_assigned(&name.stack));
    }

    /// Forgets the instances that run.
    pub fn observe(&mut self, observed: &Observed) {
        for container in observed.containers.values().filter(|container| container.state.is_up()) {
            self.starting.remove(&container.instance);
        }
    }

    /// Returns the instances that must wait, each with the first reason.
    pub fn waits(&self, desired: &Desired, now: u64) -> BTreeMap<InstanceName, Waiting> {
        let waits = self.starting.iter().filter_map(|name| {
            let reasons = on_other_hosts(desired, name).filter_map(|it| self.reason(it, now));
            // What was given up cannot change while the rest is waited for.
            let waiting = reasons.max_by_key(|waiting| waiting.hopeless)?;
            Some((name.clone(), waiting))
        });
        waits.collect()
    }

    fn reason(&self, (other, condition, host): (&InstanceName, Condition, Ipv4Addr), now: u64) -> Option<Waiting> {
        let asked = self.asked.get(other).filter(|asked| asked.host == host);
        let is_waited_for = asked.is_none_or(|asked| now < asked.silent_since + SILENCE);
        let (what, hopeless) = match asked.and_then(|asked| asked.found) {
            Some(Found::Nothing) => return None,
            Some(Found::Seen(seen)) => match reached(&[seen], condition, false) {
                // An answer that is too old counts as none.
                Reached::No(unmet) if is_waited_for => (unmet.words(), unmet == Unmet::Failed),
                Reached::Yes | Reached::AfterStart | Reached::No(_) => return None,
            },
            None if is_waited_for => ("is not known to be ready, because that host has not answered", false),
            None => return None,
        };
        Some(Waiting { reason: format!("waits for {other} on the host {host}, which {what}"), hopeless })
    }

    /// Returns the questions to ask now, by host. `waiting` are the instances that would start if they did not wait.
    pub fn questions<'a>(
        &mut self,
        desired: &Desired,
        waiting: impl Iterator<Item = &'a InstanceName>,
        now: u64,
    ) -> BTreeMap<Ipv4Addr, Vec<InstanceName>> {
        let mut questions: BTreeMap<Ipv4Addr, Vec<InstanceName>> = BTreeMap::new();
        self.next = None;
        for name in waiting.filter(|name| self.starting.contains(*name)) {
            for (other, _, host) in on_other_hosts(desired, name) {
                let asked = self.asked.entry(other.clone()).or_insert_with(|| Asked::new(host, now));
                if asked.host != host {
                    *asked = Asked::new(host, now);
                }
                if !asked.is_asking && asked.next <= now {
                    asked.is_asking = true;
                    questions.entry(host).or_default().push(other.clone());
                }
                let end = Some(asked.silent_since + SILENCE).filter(|end| *end > now);
                let again = (!asked.is_asking).then_some(asked.next);
                self.next = self.next.into_iter().chain(end).chain(again).min();
            }
        }
        questions
    }

    /// Records the answer of a host to a question.
    pub fn answered(&mut self, host: Ipv4Addr, names: &[InstanceName], answer: &Answer, now: u64) {
        for name in names {
            let Some(asked) = self.asked.get_mut(name).filter(|asked| asked.host == host) else { continue };
            asked.is_asking = false;
            asked.next = now + (1_000 << asked.count.min(3)).min(LONGEST_WAIT);
            asked.count += 1;
            match answer {
                Answer::Known(seen) => {
                    asked.found = Some(seen.get(name).map_or(Found::Nothing, |seen| Found::Seen(*seen)));
                    asked.silent_since = now;
                }
                Answer::Unsaid => (asked.found, asked.silent_since) = (Some(Found::Nothing), now),
                Answer::Silent => {}
            }
        }
    }

    /// Asks nothing until there are questions again.
    pub fn pause(&mut self) {
        self.next = None;
    }

    /// Time at which there is something to do again without an answer.
    pub fn next(&self) -> Option<u64> {
        self.next
    }
}

/// Returns the instances on other hosts that an instance depends on, with the condition and the host.
fn on_other_hosts<'a>(
    desired: &'a Desired,
    name: &'a InstanceName,
) -> impl Iterator<Item = (&'a InstanceName, Condition, Ipv4Addr)> {
    let depends_on = desired.incarnations(name).flat_map(|(_, instance)| &instance.depends_on);
    depends_on.flat_map(move |on| {
        let others = desired.elsewhere.instances.iter();
        let others = others.filter(move |(other, _)| other.stack == name.stack && other.service == on.service);
        others.filter(move |(other, _)| *other != name).map(|(other, host)| (other, on.condition, *host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Dependency, Incarnation, Instance};
    use crate::elsewhere::Elsewhere;
    use crate::observed::{Container, Health, State};

    const BETA: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn name(service: &str) -> InstanceName {
        InstanceName::new("demo", service, 1)
    }

    /// A host with `app`, which depends on `db` on beta.
    fn desired(condition: Condition) -> Desired {
        let depends_on = vec![Dependency { service: "db".to_owned(), condition }];
        let instances =
            [(Incarnation { instance: name("app"), number: 0 }, Instance { depends_on, ..Instance::default() })].into();
        let elsewhere = Elsewhere { instances: [(name("db"), BETA)].into(), ..Elsewhere::default() };
        Desired { instances, elsewhere, ..Desired::default() }
    }

    fn seen(state: State, health: Health, exit_code: i32) -> Answer {
        Answer::Known([(name("db"), Seen { state, health, exit_code })].into())
    }

    /// Asks at `now` and records the answer. Returns why `app` waits then.
    fn ask(it: &mut Dependencies, desired: &Desired, now: u64, answer: &Answer) -> Option<Waiting> {
        let questions = it.questions(desired, [name("app")].iter(), now);
        assert_eq!(questions, [(BETA, vec![name("db")])].into(), "at {now}");
        it.answered(BETA, &[name("db")], answer, now);
        it.waits(desired, now).remove(&name("app"))
    }

    fn reason(waiting: Option<&Waiting>) -> &str {
        waiting.map_or("", |waiting| waiting.reason.as_str())
    }

    #[test]
    fn an_instance_waits_until_the_other_host_answers_that_the_condition_holds() {
        let desired = desired(Condition::Healthy);
        let mut it = Dependencies::new(&desired);
        assert_eq!(
            reason(it.waits(&desired, 0).get(&name("app"))),
            "waits for demo/db.1 on the host 10.0.0.2, which is not known to be ready, because that host has not answered"
        );
        let waiting = ask(&mut it, &desired, 0, &seen(State::Running, Health::Starting, 0)).expect("not healthy");
        assert_eq!(waiting.reason, "waits for demo/db.1 on the host 10.0.0.2, which is not healthy yet");
        assert!(!waiting.hopeless);
        assert!(it.questions(&desired, [name("app")].iter(), 999).is_empty(), "it is asked again after a second");
        assert_eq!(it.next(), Some(1_000));
        assert_eq!(ask(&mut it, &desired, 1_000, &seen(State::Running, Health::Healthy, 0)), None);
    }

    #[test]
    fn a_host_that_goes_on_answering_is_waited_for_without_an_end() {
        let desired = desired(Condition::Healthy);
        let mut it = Dependencies::new(&desired);
        for now in (0..10 * SILENCE).step_by(10_000) {
            assert!(ask(&mut it, &desired, now, &seen(State::Running, Health::Unhealthy, 0)).is_some(), "at {now}");
        }
    }

    #[test]
    fn a_host_that_does_not_answer_is_waited_for_a_minute() {
        let desired = desired(Condition::Healthy);
        let mut it = Dependencies::new(&desired);
        for now in (0..SILENCE).step_by(10_000) {
            assert!(ask(&mut it, &desired, now, &Answer::Silent).is_some(), "at {now}");
        }
        assert_eq!(ask(&mut it, &desired, SILENCE, &Answer::Silent), None);
        // The time counts from its last answer.
        let mut it = Dependencies::new(&desired);
        ask(&mut it, &desired, 0, &seen(State::Exited, Health::None, 1));
        ask(&mut it, &desired, 50_000, &seen(State::Exited, Health::None, 1));
        assert!(ask(&mut it, &desired, 100_000, &Answer::Silent).is_some());
        assert_eq!(ask(&mut it, &desired, 110_000, &Answer::Silent), None);
    }

    #[test]
    fn a_host_that_cannot_say_is_not_waited_for() {
        let desired = desired(Condition::Healthy);
        for answer in [Answer::Unsaid, Answer::Known(BTreeMap::new())] {
            assert_eq!(ask(&mut Dependencies::new(&desired), &desired, 0, &answer), None, "{answer:?}");
        }
    }

    #[test]
    fn a_job_that_failed_there_is_hopeless_until_it_has_completed() {
        let desired = desired(Condition::Completed);
        let mut it = Dependencies::new(&desired);
        let waiting = ask(&mut it, &desired, 0, &seen(State::Exited, Health::None, 7)).expect("failed");
        assert!(waiting.hopeless && waiting.reason.ends_with("which ended with a failure"), "{waiting:?}");
        assert_eq!(ask(&mut it, &desired, 1_000, &seen(State::Exited, Health::None, 0)), None);
    }

    #[test]
    fn what_runs_or_was_assigned_again_or_is_here_does_not_wait() {
        let of_start = desired(Condition::Started);
        let mut it = Dependencies::new(&of_start);
        it.leave(|stack| stack == "other");
        assert_eq!(it.waits(&of_start, 0).len(), 1);
        it.leave(|stack| stack == "demo");
        assert_eq!(it.waits(&of_start, 0).len(), 0);

        let mut it = Dependencies::new(&of_start);
        let mut container = Container { instance: name("app"), state: State::Exited, ..Container::default() };
        it.observe(&Observed { containers: [("c".to_owned(), container.clone())].into(), ..Observed::default() });
        assert_eq!(it.waits(&of_start, 0).len(), 1);
        container.state = State::Running;
        it.observe(&Observed { containers: [("c".to_owned(), container)].into(), ..Observed::default() });
        assert_eq!(it.waits(&of_start, 0).len(), 0);
        assert!(it.questions(&of_start, [name("app")].iter(), 0).is_empty());

        let mut here = desired(Condition::Started);
        here.elsewhere.instances.clear();
        assert_eq!(Dependencies::new(&here).waits(&here, 0).len(), 0);
    }

    #[test]
    fn an_instance_that_moves_meanwhile_is_asked_for_at_its_new_host() {
        let mut desired = desired(Condition::Healthy);
        let mut it = Dependencies::new(&desired);
        ask(&mut it, &desired, 0, &seen(State::Running, Health::Healthy, 0));
        let gamma = Ipv4Addr::new(10, 0, 0, 3);
        desired.elsewhere.instances.insert(name("db"), gamma);
        assert_eq!(it.waits(&desired, 1).len(), 1);
        assert_eq!(it.questions(&desired, [name("app")].iter(), 1), [(gamma, vec![name("db")])].into());
        it.answered(BETA, &[name("db")], &seen(State::Running, Health::Healthy, 0), 2);
        assert_eq!(it.waits(&desired, 2).len(), 1, "an answer of the old host does not count");
    }
}
