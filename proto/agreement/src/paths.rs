//! Paths on a host.

/// Folder of an agent's state, unless the agent is started with another one.
pub const STATE: &str = "/var/lib/landfast";

/// Folder of an agent's key and certificate, unless the agent is started with another one.
pub const IDENTITY: &str = "/etc/landfast";

/// Name of the folder of all stacks, in the state folder.
pub const STACKS: &str = "stacks";

/// Name of the folder that has a stack's files, in the folder of the stack.
pub const LIVE: &str = "live";

/// Returns the folder that has a stack's files on a host whose agent uses the default state folder.
#[must_use]
pub fn live_folder(stack: &str) -> String {
    format!("{STATE}/{STACKS}/{stack}/{LIVE}")
}

#[cfg(test)]
mod tests {
    use super::live_folder;

    #[test]
    fn the_vector_holds() {
        assert_eq!(live_folder("data"), "/var/lib/landfast/stacks/data/live");
    }
}
