//! Decides when a host asks the others whether it has missed a change of the fabric, how many of them, and how long its
//! instances wait for the answers.
//!
//! A coordinator gives a change of addresses to a majority of the hosts. So a host knows the newest change once it has heard
//! from so many that together with itself they are a majority: any two majorities have a host in common. In a small fleet all
//! others are asked, because `--without` allows changes that fewer hosts know.

use std::net::Ipv4Addr;

use crate::elsewhere::Elsewhere;

/// Time for which instances wait while no other host has answered, in milliseconds. Hosts that lost power together start at
/// about the same time.
pub const PATIENCE: u64 = 10_000;
/// Number of other hosts of which all are asked.
const SMALL: usize = 8;
/// Greatest delay before the next question, in milliseconds.
const LONGEST_WAIT: u64 = 60_000;

/// A question to other hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// LAN addresses of the hosts in the order in which they are asked. Each host begins with the one after itself, so that
    /// hosts that start together do not all ask the same ones first.
    pub hosts: Vec<Ipv4Addr>,
    /// Number of answers after which no further host is asked.
    pub enough: usize,
}

/// How far a host that has started has caught up with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatchUp {
    /// Whether there may be more to learn.
    is_open: bool,
    is_asking: bool,
    /// Whether instances wait.
    is_holding: bool,
    /// Whether any host has ever answered.
    is_answered: bool,
    /// Number of hosts that were asked last.
    asked: usize,
    /// Number of questions without enough answers.
    count: u32,
    next: u64,
}

impl CatchUp {
    /// State of a host that has just started, at time 0, with what it knew before.
    pub fn new(known: &Elsewhere) -> Self {
        let has_others = !known.hosts.is_empty();
        Self { is_open: has_others, is_holding: has_others, ..Self::default() }
    }

    /// Returns the question to ask now, if there is one.
    pub fn question(&mut self, known: &Elsewhere, now: u64) -> Option<Question> {
        if known.hosts.is_empty() {
            // The other hosts have left the fleet.
            (self.is_open, self.is_holding) = (false, false);
        }
        if now >= PATIENCE {
            self.is_holding = false;
        }
        if !self.is_open || self.is_asking || now < self.next {
            return None;
        }
        self.is_asking = true;
        let after = |host: &&Ipv4Addr| known.own.is_some_and(|own| **host > own);
        let (later, earlier): (Vec<Ipv4Addr>, Vec<Ipv4Addr>) = known.hosts.iter().partition(after);
        let hosts: Vec<Ipv4Addr> = later.into_iter().chain(earlier).collect();
        self.asked = hosts.len();
        let enough = majority_with_this(hosts.len()).max(SMALL);
        Some(Question { hosts, enough })
    }

    /// Records how many of the hosts answered that were asked.
    pub fn answered(&mut self, answered: usize, now: u64) {
        self.is_asking = false;
        if answered > 0 {
            (self.is_answered, self.is_holding) = (true, false);
        }
        self.is_open = answered < majority_with_this(self.asked);
        self.next = now + (1_000 << self.count.min(6)).min(LONGEST_WAIT);
        self.count += 1;
    }

    /// Whether instances have to wait, because it is not known yet whether their addresses have moved.
    pub fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Number of hosts that were asked, if none of them answered and instances were started nevertheless.
    pub fn unanswered(&self) -> Option<usize> {
        (self.is_open && !self.is_answered && !self.is_holding && self.asked > 0).then_some(self.asked)
    }

    /// Time at which there is something to do again without an answer.
    pub fn next(&self) -> Option<u64> {
        let question = (self.is_open && !self.is_asking).then_some(self.next);
        let held = self.is_holding.then_some(PATIENCE);
        question.into_iter().chain(held).min()
    }
}

/// Number of other hosts that are a majority together with this one.
fn majority_with_this(others: usize) -> usize {
    others.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0000 + number)
    }

    /// What host 2 knows of a fleet of so many hosts.
    fn fleet(hosts: u32) -> Elsewhere {
        let hosts = (1..=hosts).filter(|number| *number != 2).map(host).collect();
        Elsewhere { own: Some(host(2)), hosts, ..Elsewhere::default() }
    }

    #[test]
    fn a_host_without_others_asks_nobody_and_reports_nothing() {
        let known = Elsewhere { own: Some(host(2)), ..Elsewhere::default() };
        let mut catch_up = CatchUp::new(&known);
        assert_eq!(catch_up.question(&known, 0), None);
        assert_eq!((catch_up.is_holding(), catch_up.unanswered(), catch_up.next()), (false, None, None));
    }

    #[test]
    fn a_host_asks_the_others_from_the_next_one_on_and_waits_for_one_answer() {
        let known = fleet(4);
        let mut catch_up = CatchUp::new(&known);
        let question = catch_up.question(&known, 0).expect("at once");
        assert_eq!((question.hosts, question.enough), (vec![host(3), host(4), host(1)], 8));
        assert!(catch_up.is_holding());
        assert_eq!(catch_up.question(&known, 1), None, "it is asking already");
        assert_eq!(catch_up.next(), Some(PATIENCE));
        catch_up.answered(2, 5);
        assert!(!catch_up.is_holding());
        assert_eq!((catch_up.next(), catch_up.unanswered()), (None, None));
        assert_eq!(catch_up.question(&known, 100_000), None, "two others are a majority of four with this one");
    }

    #[test]
    fn a_large_fleet_is_not_asked_beyond_a_majority() {
        let mut catch_up = CatchUp::new(&fleet(1_000));
        assert_eq!(catch_up.question(&fleet(1_000), 0).map(|it| (it.hosts.len(), it.enough)), Some((999, 500)));
    }

    #[test]
    fn without_answers_instances_start_late_and_it_asks_again_with_growing_waits_until_one_comes() {
        let known = fleet(3);
        let mut catch_up = CatchUp::new(&known);
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..8 {
            assert!(catch_up.question(&known, now).is_some(), "at {now}");
            catch_up.answered(0, now);
            assert_eq!(catch_up.is_holding(), now < PATIENCE, "at {now}");
            assert_eq!(catch_up.unanswered().is_some(), now >= PATIENCE, "at {now}");
            let next = if now < PATIENCE { now + (1_000 << waits.len()) } else { catch_up.next().expect("it goes on") };
            waits.push(next - now);
            now = next;
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(catch_up.unanswered(), Some(2));
        assert!(catch_up.question(&known, now).is_some());
        catch_up.answered(1, now);
        assert_eq!((catch_up.unanswered(), catch_up.next()), (None, None));
    }

    #[test]
    fn few_answers_let_instances_start_and_it_goes_on_asking() {
        let known = fleet(6);
        let mut catch_up = CatchUp::new(&known);
        assert!(catch_up.question(&known, 0).is_some());
        catch_up.answered(2, 10);
        assert_eq!((catch_up.is_holding(), catch_up.unanswered(), catch_up.next()), (false, None, Some(1_010)));
    }

    #[test]
    fn hosts_that_leave_the_fleet_are_not_waited_for() {
        let mut catch_up = CatchUp::new(&fleet(3));
        assert!(catch_up.question(&fleet(3), 0).is_some());
        catch_up.answered(0, 0);
        assert_eq!(catch_up.question(&fleet(0), 20_000), None);
        assert_eq!((catch_up.is_holding(), catch_up.unanswered(), catch_up.next()), (false, None, None));
    }
}
