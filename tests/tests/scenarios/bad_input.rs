//! Mistakes in the input. Each message names the place and the next step, and no change is left half-done.

use std::fs;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Lab, Output};

use crate::fixtures::{compose, demo, running_demo, service, toml};

/// Returns a compose file with one service that has these additional lines.
fn web(more: &str) -> String {
    compose(&[service("web", "1", more)])
}

/// Runs a command and checks that it fails without a crash and prints all of these texts.
fn refuses(fleet: &Fleet<'_>, arguments: &[&str], parts: &[&str]) -> Result<Output> {
    let output = fleet.landfast(arguments)?;
    ensure!(output.code == 1 || output.code == 2, "it should exit 1 or 2: {output}");
    for part in parts {
        ensure!(output.stderr.contains(part), "it should say {part:?}: {output}");
    }
    ensure!(!output.stderr.contains("panicked"), "it crashed: {output}");
    Ok(output)
}

/// Checks that no host has containers or volumes.
fn nothing_was_made(lab: &Lab) -> Result<()> {
    for host in lab.hosts() {
        assert_eq!(host.docker(&["ps", "-aq"])?.text(), "", "{} has containers", host.name());
        assert_eq!(host.docker(&["volume", "ls", "-q"])?.text(), "", "{} has volumes", host.name());
    }
    Ok(())
}

#[test]
fn mistakes_in_landfast_toml_name_line_and_column() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = demo(&lab, &web(""), "")?;
    let good = toml(&lab, "");
    let cases: [(&str, String, &[&str]); 8] = [
        ("not TOML", good.clone() + "\nthis is no TOML\n", &["landfast.toml:", "TOML"]),
        ("an unknown key", good.clone() + "colour = \"blue\"\n", &["landfast.toml:", "colour"]),
        ("an unknown table", good.clone() + "\n[nets.x]\n", &["landfast.toml:", "nets"]),
        (
            "overlapping ranges",
            good.clone() + "\n[networks.other]\nsubnet = \"172.19.64.0/18\"\n",
            &["landfast.toml:", "172.19.64.0/18", "172.19.0.0/16"],
        ),
        (
            "gateways outside the subnet",
            good.replace("172.19.255.0/24", "172.20.0.0/24"),
            &["landfast.toml:", "172.20.0.0/24"],
        ),
        ("an unknown host", good.clone() + "\n[stacks.demo.place]\nweb = \"delta\"\n", &["landfast.toml:", "delta"]),
        ("no address", good.clone() + "\n[hosts.delta]\nlabels = {}\n", &["landfast.toml:", "delta", "address"]),
        ("a wrong type", good.replace("name = \"demo\"", "name = 7"), &["landfast.toml:", "name"]),
    ];
    for (what, text, parts) in cases {
        fleet.write("landfast.toml", &text)?;
        refuses(&fleet, &["plan"], parts).map_err(|error| error.context(what))?;
    }
    nothing_was_made(&lab)
}

#[test]
fn mistakes_in_compose_files_name_file_and_line() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = running_demo(&lab, &web(""), "")?;
    let cycle = compose(&[
        service("a", "1", "    depends_on: [b]\n"),
        service("b", "1", "    depends_on: [c]\n"),
        service("c", "1", "    depends_on: [a]\n"),
    ]);
    let secret = web("    secrets: [key]\n") + "secrets:\n  key:\n    file: ./nowhere.txt\n";
    let cases: [(&str, String, &[&str]); 9] = [
        ("a YAML error", "services:\n  web:\n   image: [\n".to_owned(), &["compose.yaml:"]),
        ("a duplicate key", "services:\n  web: {image: a}\n  web: {image: b}\n".to_owned(), &["compose.yaml:3"]),
        (
            "a required variable",
            web("    command: [\"${X:?why it is needed}\"]\n"),
            &["compose.yaml:", "X", "why it is needed"],
        ),
        ("a dependency cycle", cycle, &["compose.yaml:", "a -> b -> c -> a"]),
        ("a missing env file", web("    env_file: [missing.env]\n"), &["missing.env"]),
        ("a missing secret", secret, &["nowhere.txt"]),
        ("an undeclared secret", web("    secrets: [nobody]\n"), &["nobody"]),
        ("an unknown key", web("    imagge: x\n"), &["compose.yaml:", "imagge"]),
        ("an unknown dependency", web("    depends_on: [ghost]\n"), &["ghost"]),
    ];
    none_of_these_goes_up(&lab, &fleet, &cases)
}

#[test]
fn an_environment_without_a_file_is_reported() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = demo(&lab, &web(""), "env = \"staging\"\n")?;
    refuses(&fleet, &["plan"], &[".env.staging"])?;
    nothing_was_made(&lab)
}

/// Checks that each of these compose files is refused with a message that contains its parts, and leaves nothing
/// behind.
fn none_of_these_goes_up(lab: &Lab, fleet: &Fleet<'_>, cases: &[(&str, String, &[&str])]) -> Result<()> {
    for (what, text, parts) in cases {
        fleet.write("demo/compose.yaml", text)?;
        refuses(fleet, &["up", "--yes"], parts).map_err(|error| error.context(what.to_string()))?;
        nothing_was_made(lab).map_err(|error| error.context(what.to_string()))?;
    }
    Ok(())
}

/// Returns a service with a static address.
fn at(address: &str) -> String {
    service("web", "1", "")
        .replace("    networks: [infra_net]\n", &format!("    networks: {{infra_net: {{ipv4_address: {address}}}}}\n"))
}

#[test]
fn addresses_are_checked_over_the_whole_fleet() -> Result<()> {
    let lab = Lab::of(2)?;
    let other = at("172.19.0.9").replace("  web:", "  other:");
    let place = "[stacks.demo.place]\nweb = \"alpha\"\nother = \"beta\"\n";
    let fleet = running_demo(&lab, &web(""), place)?;
    let gateway = "172.19.255.1";
    let cases: [(&str, String, &[&str]); 4] = [
        ("outside the subnet", compose(&[at("172.20.0.9"), other.clone()]), &["172.20.0.9", "172.19.0.0/16"]),
        ("used twice", compose(&[at("172.19.0.9"), other.clone()]), &["172.19.0.9", "web", "other"]),
        ("equal to a gateway", compose(&[at(gateway), other.clone()]), &[gateway, "gateway"]),
        ("an invalid address", compose(&[at("172.19.0.999"), other]), &["172.19.0.999"]),
    ];
    none_of_these_goes_up(&lab, &fleet, &cases)
}

#[test]
fn an_unreachable_host_is_named_and_nothing_starts_on_other_hosts() -> Result<()> {
    let lab = Lab::of(2)?;
    let fleet = running_demo(&lab, &web(""), "")?;
    let beta = lab.host("beta")?;
    beta.disconnect()?;
    let refused = refuses(&fleet, &["up", "--yes"], &["beta", "10.77.0.12"]);
    beta.reconnect()?;
    refused?;
    nothing_was_made(&lab)
}

#[test]
fn a_host_without_an_agent_is_distinguished_from_an_unreachable_host() -> Result<()> {
    let lab = Lab::of(2)?;
    let fleet = running_demo(&lab, &web(""), "")?;
    lab.host("beta")?.kill_agent()?;
    refuses(&fleet, &["plan"], &["beta", "10.77.0.12", "landfast-agent"])?;
    nothing_was_made(&lab)
}

#[test]
fn an_agent_of_another_fleet_is_not_touched() -> Result<()> {
    let lab = Lab::of(1)?;
    let theirs = running_demo(&lab, &web(""), "")?;
    theirs.landfast(&["up", "--yes"])?.succeeds()?;
    let before = crate::fixtures::ids(&theirs)?;
    let ours = lab.empty_fleet("ours")?;
    ours.write("landfast.toml", &toml(&lab, ""))?;
    ours.write("demo/compose.yaml", &web("    environment: {OURS: \"1\"}\n"))?;
    ours.landfast(&["init"])?.succeeds()?;
    refuses(&ours, &["up", "--yes"], &["alpha"])?;
    assert_eq!(crate::fixtures::ids(&theirs)?, before);
    Ok(())
}

#[test]
fn a_missing_fleet_an_unknown_command_and_an_unknown_flag_are_refused() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = lab.empty_fleet("nothing")?;
    refuses(&fleet, &["plan"], &["landfast.toml", "landfast init"])?;
    fleet.landfast(&["deploy-everything"])?.exits(2)?;
    fleet.landfast(&["up", "--no-such-flag"])?.exits(2)?;
    Ok(())
}

#[test]
fn an_unexpected_host_key_stops_joining_before_anything_is_sent() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = demo(&lab, &web(""), "")?;
    fleet.landfast(&["init"])?.succeeds()?;
    // Write the client's public key in place of the host's.
    let public = fs::read_to_string(alpha.client_key().with_extension("pub"))?;
    fs::write(lab.folder().join("known_hosts"), format!("{} {public}", alpha.address()))?;
    let joined = fleet.join(alpha)?.exits(1)?;
    ensure!(joined.stderr.contains("key"), "it should say what is wrong: {joined}");
    ensure!(!alpha.path("/usr/local/bin/landfast-agent").exists(), "the agent was copied to the host");
    ensure!(!alpha.is_running("landfast-agent")?, "the agent runs on the host");
    Ok(())
}
