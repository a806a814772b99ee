//! `landfast plan`: shows what `up` would change, and why. It changes nothing.

use std::collections::BTreeSet;

use indicatif::BinaryBytes;

use crate::contract;
use crate::output::{self, count, escape, words};
use landfast_engine::images::Need;
use landfast_engine::operation::{MissingImages, Operation, Proposal, Up};

use crate::arguments::{Absent, Pull, StackArguments};
use crate::{CliError, Context, Exit};

#[derive(Debug, clap::Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub stacks: StackArguments,
    /// Plan to recreate every instance, even if nothing changed
    #[arg(long)]
    pub force_recreate: bool,
    /// Plan to build images, even if they exist
    #[arg(long)]
    pub build: bool,
    /// Set when to ask registries for images
    #[arg(long, value_enum, value_name = "WHEN", default_value = "policy")]
    pub pull: Pull,
    #[command(flatten)]
    pub absent: Absent,
}

pub(super) async fn run(context: &Context, args: PlanArguments) -> Result<Exit, CliError> {
    let json = context.json()?;
    let mut engine = args.stacks.engine(context)?;
    args.absent.apply(&mut engine);
    let store = context.store_to_read(&engine)?;
    let operation = Operation::Up(Up {
        stacks: args.stacks.stacks,
        force_recreate: args.force_recreate,
        build: args.build,
        pull: args.pull.imposed(),
        now: jiff::Timestamp::now(),
        missing_images: MissingImages::Warn,
    });
    let proposal = engine.propose(&*store, operation).await?;
    let printed = if json {
        output::json(&contract::Plan::from(&proposal))
    } else {
        output::print(&text(&proposal, context.global.verbose))
    };
    printed?;
    Ok(if proposal.plan.is_empty() { Exit::Done } else { Exit::PlanNotEmpty })
}

/// Formats the plan with the files and images to transfer. Images are listed one by one only if `verbose` is set.
pub(super) fn text(proposal: &Proposal, verbose: bool) -> String {
    let builds =
        proposal.builds.iter().map(|build| format!("build images: {}\n", escape::line(&words::planned_build(build))));
    let pulls =
        proposal.pulls.iter().map(|pull| format!("ask a registry: {}\n", escape::line(&words::planned_pull(pull))));
    let mut text = builds.chain(pulls).collect::<String>();
    text.push_str(escape::lines(&proposal.plan.to_string()).trim_end());
    for (host, bundle, missing) in &proposal.files {
        let (files, bytes) = (count(missing.blobs.len(), "file"), BinaryBytes(missing.bytes()));
        text.push_str(&format!("\nto transfer: {files} of {} to {host}, {bytes}", bundle.stack));
    }
    if verbose {
        proposal.needs.iter().for_each(|need| text.push_str(&format!("\nto transfer: {}", image(need))));
    } else if !proposal.needs.is_empty() {
        text.push_str(&format!("\nto transfer: {}", images(&proposal.needs)));
    }
    text.push('\n');
    text
}

/// Formats one image to transfer.
fn image(need: &Need) -> String {
    let size = if need.size > 0 { format!(", {}", BinaryBytes(need.size)) } else { String::new() };
    let from = need.origins.first().map_or_else(|| "an unknown source".to_owned(), ToString::to_string);
    format!("image {} to {} from {from}{size}", escape::line(&need.reference), need.host)
}

/// Summarises the images to transfer: `12 images to 3 hosts, 1.4 GiB`. Each image counts once, its bytes once per host.
fn images(needs: &[Need]) -> String {
    let distinct = |of: fn(&Need) -> &String| needs.iter().map(of).collect::<BTreeSet<_>>().len();
    let (images, hosts) = (distinct(|need| &need.reference), distinct(|need| &need.host));
    let size = match (needs.iter().map(|need| need.size).sum(), needs.iter().all(|need| need.size > 0)) {
        (0, _) => String::new(),
        (known, true) => format!(", {}", BinaryBytes(known)),
        (known, false) => format!(", at least {}", BinaryBytes(known)),
    };
    format!("{} to {}{size}", count(images, "image"), count(hosts, "host"))
}

#[cfg(test)]
mod tests {
    use super::{image, images};
    use landfast_engine::images::{Need, Origin};

    fn need(host: &str, reference: &str, size: u64, origin: Origin) -> Need {
        let (host, reference) = (host.to_owned(), reference.to_owned());
        Need { host, reference, fingerprint: String::new(), size, origins: vec![origin] }
    }

    #[test]
    fn images_are_counted_and_each_is_a_line_only_on_request() {
        let mut needs = vec![
            need("alpha", "app:1", 1 << 30, Origin::Here),
            need("beta", "app:1", 1 << 30, Origin::Here),
            need("beta", "redis:7", 1 << 29, Origin::Registry),
        ];
        assert_eq!(images(&needs), "2 images to 2 hosts, 2.50 GiB");
        assert_eq!(image(&needs[2]), "image redis:7 to beta from a registry, 512.00 MiB");
        needs.push(need("beta", "web", 0, Origin::Build));
        assert_eq!(images(&needs), "3 images to 2 hosts, at least 2.50 GiB");
        assert_eq!(image(&needs[3]), "image web to beta from its build");
        assert_eq!(images(&needs[3..]), "1 image to 1 host");
    }
}
