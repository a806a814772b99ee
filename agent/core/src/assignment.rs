//! Decides whether an offered host state may replace the one that is held. Epoch and generation only grow, so two
//! coordinators cannot interleave, and a message that arrives late or twice does no harm.

use thiserror::Error;

/// Identity of a host state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Name of the fleet that the state is for.
    pub fleet: String,
    /// Name of the host that the state is for.
    pub host: String,
    /// Epoch of the coordinator that sends the state. It grows with every coordinator that takes over.
    pub epoch: u64,
    /// Generation of the state. It grows with every change.
    pub generation: u64,
    /// Digest of the whole contents of the state.
    pub contents: String,
}

/// Decision about an offered host state that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The offered state replaces the one that is held.
    Take,
    /// The offered state is the one that is held.
    Same,
}

/// Reason to refuse an offered host state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The state is for another host or another fleet.
    #[error(
        "this is host {our_host} of fleet {our_fleet}, and the state is for host {their_host} of fleet {their_fleet}"
    )]
    OtherHost {
        /// Name of this agent's fleet.
        our_fleet: String,
        /// Name of this agent's host.
        our_host: String,
        /// Name of the fleet that the state is for.
        their_fleet: String,
        /// Name of the host that the state is for.
        their_host: String,
    },
    /// The state comes from a coordinator that another one has replaced.
    #[error(
        "epoch {offered} is older than {held}, which this host holds, because another coordinator has taken over: read the hosts again and make a new plan"
    )]
    OldEpoch {
        /// Epoch of the offered state.
        offered: u64,
        /// Epoch of the state that is held.
        held: u64,
    },
    /// The state is older than the one that is held.
    #[error(
        "generation {offered} is not newer than {held}, which this host holds: read the hosts again and make a new plan"
    )]
    OldGeneration {
        /// Generation of the offered state.
        offered: u64,
        /// Generation of the state that is held.
        held: u64,
    },
    /// The state has the numbers of the one that is held, and other contents.
    #[error(
        "this host holds generation {generation} of epoch {epoch} with other contents: read the hosts again and make a new plan"
    )]
    OtherContents {
        /// Epoch of both states.
        epoch: u64,
        /// Generation of both states.
        generation: u64,
    },
}

/// Decides about `offered` for the host `host` of `fleet`, which holds `held`.
pub fn judge(fleet: &str, host: &str, held: Option<&Stamp>, offered: &Stamp) -> Result<Verdict, Refused> {
    if offered.fleet != fleet || offered.host != host {
        return Err(Refused::OtherHost {
            our_fleet: fleet.to_owned(),
            our_host: host.to_owned(),
            their_fleet: offered.fleet.clone(),
            their_host: offered.host.clone(),
        });
    }
    let Some(held) = held else { return Ok(Verdict::Take) };
    if offered.epoch < held.epoch {
        return Err(Refused::OldEpoch { offered: offered.epoch, held: held.epoch });
    }
    if offered.generation > held.generation {
        return Ok(Verdict::Take);
    }
    if offered.epoch == held.epoch && offered.generation == held.generation {
        return if offered.contents == held.contents {
            Ok(Verdict::Same)
        } else {
            Err(Refused::OtherContents { epoch: held.epoch, generation: held.generation })
        };
    }
    Err(Refused::OldGeneration { offered: offered.generation, held: held.generation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(epoch: u64, generation: u64, contents: &str) -> Stamp {
        let (fleet, host) = ("home".to_owned(), "alpha".to_owned());
        Stamp { fleet, host, epoch, generation, contents: contents.to_owned() }
    }

    fn judged(offered: &Stamp) -> Result<Verdict, Refused> {
        judge("home", "alpha", Some(&stamp(3, 7, "a")), offered)
    }

    #[test]
    fn the_first_state_is_taken_whatever_its_numbers() {
        assert_eq!(judge("home", "alpha", None, &stamp(0, 0, "a")), Ok(Verdict::Take));
    }

    #[test]
    fn a_newer_generation_is_taken_in_the_same_and_in_a_newer_epoch() {
        assert_eq!(judged(&stamp(3, 8, "b")), Ok(Verdict::Take));
        assert_eq!(judged(&stamp(4, 8, "a")), Ok(Verdict::Take));
    }

    #[test]
    fn the_same_state_again_is_nothing_new() {
        assert_eq!(judged(&stamp(3, 7, "a")), Ok(Verdict::Same));
    }

    #[test]
    fn an_older_epoch_is_refused_even_with_a_newer_generation() {
        assert_eq!(judged(&stamp(2, 9, "b")), Err(Refused::OldEpoch { offered: 2, held: 3 }));
    }

    #[test]
    fn a_generation_never_goes_back_nor_stays_in_a_newer_epoch() {
        assert_eq!(judged(&stamp(3, 6, "b")), Err(Refused::OldGeneration { offered: 6, held: 7 }));
        assert_eq!(judged(&stamp(4, 7, "a")), Err(Refused::OldGeneration { offered: 7, held: 7 }));
    }

    #[test]
    fn the_same_numbers_with_other_contents_are_refused() {
        assert_eq!(judged(&stamp(3, 7, "b")), Err(Refused::OtherContents { epoch: 3, generation: 7 }));
    }

    #[test]
    fn another_hosts_state_is_refused_naming_both() {
        let refused = judge("home", "beta", None, &stamp(1, 1, "a")).expect_err("not ours");
        assert_eq!(
            refused.to_string(),
            "this is host beta of fleet home, and the state is for host alpha of fleet home"
        );
    }
}
