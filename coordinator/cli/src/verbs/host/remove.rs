//! `landfast host rm`: removes everything of the fleet from a host, and the host from `landfast.toml`.

use clap::Args;
use landfast_core::fleet::Fleet;
use landfast_engine::folder;
use landfast_engine::operation::{Operation, Proposal};
use toml_edit::DocumentMut;

use crate::arguments::Confirmation;
use crate::atomic_file;
use crate::verbs::up::carry_out;
use crate::{CliError, Context, Exit};

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// Name of the host in the fleet
    #[arg(value_name = "NAME")]
    host: String,
    /// The host never returns: remove it without asking it. What runs on it is not stopped
    #[arg(long)]
    lost: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) async fn run(context: &Context, args: RemoveArguments) -> Result<Exit, CliError> {
    let engine = context.engine(&[])?;
    let file = engine.folder.path.join(folder::FILE);
    // Fails before anything changes if the file needs the host.
    without_host(&read(&file)?, &args.host)?;
    let operation = Operation::RemoveHost { host: args.host.clone(), is_lost: args.lost };
    let question = |proposal: &Proposal| question(proposal, &args.host, args.lost);
    let exit = carry_out(context, engine, operation, &args.confirmation, question).await?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    // Another process may have changed the file meanwhile.
    let text = without_host(&read(&file)?, &args.host)?;
    atomic_file::replace(&file, &text)
        .map_err(|error| CliError::failed(format!("{} cannot be written", file.display()), error))?;
    context.message(&format!("removed {} from {}\n{}\n", args.host, file.display(), advice(&args.host, args.lost)));
    Ok(Exit::Done)
}

fn read(file: &std::path::Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|error| CliError::failed(format!("{} cannot be read", file.display()), error))
}

fn question(proposal: &Proposal, host: &str, is_lost: bool) -> String {
    let removed =
        proposal.plan.steps.iter().filter(|step| step.host == host && step.action.instance().is_some()).count();
    match (is_lost, removed) {
        (true, _) => format!("Remove {host}, give up its addresses, and leave alone whatever still runs on it?"),
        (false, 0) => format!("Remove {host} from the fleet?"),
        (false, _) => format!("Remove these instances and then {host} from the fleet? Its volumes are kept on it."),
    }
}

/// What remains to be done by hand.
fn advice(host: &str, is_lost: bool) -> String {
    if is_lost {
        return format!(
            "if {host} comes back, its containers still use their old addresses, which others may have by then: erase it, or \
             stop its containers, before it is connected to the network again"
        );
    }
    format!("its agent still runs: stop it on {host} with `systemctl disable --now landfast-agent`")
}

/// Returns the text of `landfast.toml` without a host. Everything else is kept as it is written.
fn without_host(text: &str, host: &str) -> Result<String, CliError> {
    let refused = |problem: String, hint: &str| CliError::usage(problem, hint.to_owned());
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| refused(error.to_string(), "correct the file first"))?;
    let hosts = document.get_mut("hosts").and_then(|hosts| hosts.as_table_like_mut());
    if hosts.and_then(|hosts| hosts.remove(host)).is_none() {
        return Err(refused(format!("landfast.toml has no host {host}"), "`landfast host ls` lists the hosts"));
    }
    let shorter = document.to_string();
    match Fleet::parse("landfast.toml", &shorter) {
        Ok(_) => Ok(shorter),
        Err(mistakes) => Err(refused(
            format!("{host} cannot be removed, because landfast.toml still needs it: {mistakes}"),
            "change these places first, and deploy their stacks, so that they leave the host",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[fleet]\nname = \"home\" # ours\n\n[hosts.alpha]\naddress = \"192.168.2.201\"\n\n# the second one\n\
                        [hosts.beta]\naddress = \"192.168.2.202\"\nlabels = { disk = \"ssd\" }\n\n[stacks.data]\n# its place\n\
                        place = { db = \"alpha\" }\n";

    #[test]
    fn a_host_is_removed_and_the_rest_is_kept() {
        let text = without_host(TEXT, "beta").unwrap();
        assert!(!text.contains("beta") && !text.contains("192.168.2.202") && !text.contains("ssd"), "{text}");
        for kept in ["name = \"home\" # ours\n", "[hosts.alpha]\naddress = \"192.168.2.201\"\n", "# its place\n"] {
            assert!(text.contains(kept), "{text}");
        }
    }

    #[test]
    fn a_host_that_is_needed_or_not_there_is_not_removed() {
        let refused = without_host(TEXT, "alpha").unwrap_err().to_string();
        assert!(refused.contains("still needs it") && refused.contains("alpha"), "{refused}");
        let refused = without_host(TEXT, "gamma").unwrap_err().to_string();
        assert!(refused.starts_with("landfast.toml has no host gamma"), "{refused}");
    }
}
