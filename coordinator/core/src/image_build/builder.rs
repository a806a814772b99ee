//! Choice of the engine that builds all images: this machine's, or else that of one host.

use super::request::FURTHER_CONTEXTS;

/// Oldest API version whose builder supports secrets: Docker 18.09.
const BUILDKIT: (u32, u32) = (1, 39);

/// A host with a reachable engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Name of the host.
    pub host: &'a str,
    /// Version of its engine's API.
    pub api: (u32, u32),
    /// Free space in bytes.
    pub free: u64,
}

/// Machine that builds the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder<'a> {
    /// This machine.
    Here,
    /// The host with this name.
    Host(&'a str),
}

/// Chooses this machine if its engine can build. Otherwise chooses a host that can build: preferably one whose builder supports
/// additional contexts, then the one with the most free space, then the first by name.
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
    fn this_machine_builds_if_its_engine_can() {
        let hosts = [host("alpha", NEW, 9)];
        assert_eq!(builder(Some(OLD), &hosts), Some(Builder::Here));
        assert_eq!(builder(Some((1, 30)), &hosts), Some(Builder::Host("alpha")));
        assert_eq!(builder(None, &[]), None);
    }

    #[test]
    fn a_host_with_a_newer_builder_and_then_the_most_space_is_chosen() {
        let hosts = [host("beta", OLD, 99), host("gamma", NEW, 5), host("delta", NEW, 7), host("alpha", NEW, 7)];
        assert_eq!(builder(None, &hosts), Some(Builder::Host("alpha")));
        assert_eq!(builder(None, &hosts[..1]), Some(Builder::Host("beta")));
        assert_eq!(builder(None, &[host("alpha", (1, 24), 9)]), None, "it has no such builder");
    }
}
