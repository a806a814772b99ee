//! Which engine builds: this machine's, else one host's, and never each host's.

use super::request::FURTHER_CONTEXTS;

/// The oldest API with a builder that knows secrets: Docker 18.09.
const BUILDKIT: (u32, u32) = (1, 39);

/// A host whose engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub host: &'a str,
    /// The version of its engine's API.
    pub api: (u32, u32),
    /// In bytes.
    pub free: u64,
}

/// Where images are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder<'a> {
    /// On this machine.
    Here,
    /// On this host.
    Host(&'a str),
}

/// This machine's engine, if it can; else, of the hosts that can, one whose builder knows all there is to know, with the most
/// room; the first by name of equal ones.
pub fn builder<'a>(here: Option<(u32, u32)>, hosts: &[Candidate<'a>]) -> Option<Builder<'a>> {
    if here.is_some_and(|api| api >= BUILDKIT) {
        return Some(Builder::Here);
    }
    let able = hosts.iter().filter(|candidate| candidate.api >= BUILDKIT);
    let best = able.min_by_key(|one| (one.api < FURTHER_CONTEXTS, std::cmp::Reverse(one.free), one.host));
    best.map(|best| Builder::Host(best.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: (u32, u32) = (1, 41);
    const NEW: (u32, u32) = (1, 51);

    fn host(host: &str, api: (u32, u32), free: u64) -> Candidate<'_> {
        Candidate { host, api, free }
    }

    #[test]
    fn this_machine_builds_if_it_can() {
        let hosts = [host("alpha", NEW, 9)];
        assert_eq!(builder(Some(OLD), &hosts), Some(Builder::Here));
        assert_eq!(builder(Some((1, 30)), &hosts), Some(Builder::Host("alpha")));
        assert_eq!(builder(None, &[]), None);
    }

    #[test]
    fn of_the_hosts_the_newer_builder_with_the_most_room_is_taken() {
        let hosts = [host("beta", OLD, 99), host("gamma", NEW, 5), host("delta", NEW, 7), host("alpha", NEW, 7)];
        assert_eq!(builder(None, &hosts), Some(Builder::Host("alpha")));
        assert_eq!(builder(None, &hosts[..1]), Some(Builder::Host("beta")));
        assert_eq!(builder(None, &[host("alpha", (1, 24), 9)]), None, "it has no such builder");
    }
}
