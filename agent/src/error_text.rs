//! Text of errors for the log and for answers to the coordinator.

use std::error::Error;

use anyhow::Chain;

/// Returns the message of an error with those of its causes, in one line. A cause that the message already contains is
/// left out, because the errors of the container engine's client repeat their causes.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let messages = Chain::new(error).map(ToString::to_string);
    let joined = messages.reduce(|text, cause| if text.contains(&cause) { text } else { format!("{text}: {cause}") });
    joined.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn causes_follow_the_message_unless_it_contains_them() {
        let cause = || io::Error::other("no such file");
        assert_eq!(in_one_line(&Outer("cannot read", cause())), "cannot read: no such file");
        assert_eq!(in_one_line(&Outer("cannot read: no such file", cause())), "cannot read: no such file");
    }
}
