//! T1 and T6 with a running agent: which callers it accepts, and what they may call.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use landfast_certs::{Authority, Identity, Role, Validity};
use landfast_proto::v1::{self, METHODS, least_role};
use landfast_tests::lab::{Fleet, Host, Lab, Output};

use crate::fixtures::{compose, running_demo, service};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Calls a method with an empty message and the certificate in this folder.
fn call(lab: &Lab, host: &Host, method: &str, identity: Option<&Path>) -> Result<Output> {
    let mut curl = lab.lan().command("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--insecure",
        "--http2",
        "--tlsv1.3",
        "--max-time",
        "3",
        "--dump-header",
        "-",
    ]);
    curl.args(["--header", "content-type: application/grpc", "--header", "te: trailers", "--data-binary", "@-"]);
    if let Some(folder) = identity {
        curl.arg("--cert").arg(folder.join("cert.pem")).arg("--key").arg(folder.join("key.pem"));
    }
    curl.arg(format!("https://{}:7219{method}", host.address()));
    // A gRPC frame of an uncompressed, empty message.
    Output::with_input(&mut curl, &[0; 5])
}

/// Returns whether the agent answered with HTTP at all.
fn was_accepted(output: &Output) -> bool {
    output.stdout.contains("HTTP/")
}

/// Returns whether the answer is PERMISSION_DENIED or UNAUTHENTICATED.
fn was_denied(output: &Output) -> bool {
    let denied = |line: &str| matches!(line.trim(), "grpc-status: 7" | "grpc-status: 16");
    output.stdout.lines().any(denied)
}

/// Issues a certificate of this authority into a folder and returns the folder.
fn issue(lab: &Lab, authority: &Authority, name: &str, identity: &Identity, validity: Validity) -> Result<PathBuf> {
    let folder = lab.folder().join(name);
    authority.issue(identity, validity)?.save(&folder)?;
    Ok(folder)
}

fn authority_of(fleet: &Fleet<'_>) -> Result<Authority> {
    Ok(Authority::load(&fleet.path(".landfast/authority"))?)
}

fn started<'lab>(lab: &'lab Lab) -> Result<Fleet<'lab>> {
    running_demo(lab, &compose(&[service("web", "1", "")]), "")
}

#[test]
fn t01_a_caller_without_a_certificate_of_the_authority_is_refused_before_any_call() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = started(&lab)?;
    let authority = authority_of(&fleet)?;
    let now = SystemTime::now();
    let anna = Identity::operator(authority.fleet(), "anna", Role::Admin)?;
    let describe = "/landfast.v1.Agent/Describe";

    let good = issue(&lab, &authority, "good", &anna, Validity::standard(now))?;
    ensure!(was_accepted(&call(&lab, alpha, describe, Some(&good))?), "a valid certificate was refused");

    let mut plain = lab.lan().command("curl");
    plain.args(["--silent", "--http2-prior-knowledge", "--max-time", "3", "--include"]);
    plain.arg(format!("http://{}:7219{describe}", alpha.address()));
    let stranger = Authority::create(authority.fleet(), now)?;
    let expired = Validity { not_before: now - 3 * DAY, not_after: now - 2 * DAY };
    let attempts = [
        ("plain text", Output::of(&mut plain)?),
        ("no certificate", call(&lab, alpha, describe, None)?),
        (
            "a certificate of another authority",
            call(&lab, alpha, describe, Some(&issue(&lab, &stranger, "stranger", &anna, Validity::standard(now))?))?,
        ),
        (
            "an expired certificate",
            call(&lab, alpha, describe, Some(&issue(&lab, &authority, "expired", &anna, expired)?))?,
        ),
    ];
    for (what, output) in attempts {
        ensure!(!was_accepted(&output) && output.code != 0, "{what} was accepted: {output}");
    }
    Ok(())
}

#[test]
fn t01_an_agent_without_an_identity_does_not_start() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    fs::copy(landfast_tests::lab::agent_binary()?, alpha.path("/usr/local/bin/landfast-agent"))?;
    let words = ["--state", "/var/lib/landfast", "--listen", "10.77.0.11:7219", "--docker", "unix:///run/docker.sock"];
    for identity in ["/etc/nowhere", "/root"] {
        let run = ["timeout", "10", "landfast-agent", "run", "--identity", identity];
        let output = alpha.run(&[&run[..], &words[..]].concat())?;
        ensure!(output.code != 0 && output.code != 124, "it should refuse at once: {output}");
        ensure!(output.stderr.contains(identity), "it should name the folder: {output}");
    }
    Ok(())
}

#[test]
fn t06_each_method_answers_its_least_role_and_refuses_lower_roles() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = started(&lab)?;
    let authority = authority_of(&fleet)?;
    let name = authority.fleet();
    let callers = [
        (Identity::agent(name, "beta")?, v1::Role::Peer),
        (Identity::operator(name, "vera", Role::Viewer)?, v1::Role::Viewer),
        (Identity::operator(name, "dan", Role::Deployer)?, v1::Role::Deployer),
        (Identity::operator(name, "anna", Role::Admin)?, v1::Role::Admin),
    ];
    ensure!(!METHODS.is_empty(), "the table of methods is generated from the protocol");
    for (identity, role) in &callers {
        let folder = issue(&lab, &authority, identity.name(), identity, Validity::standard(SystemTime::now()))?;
        for method in METHODS {
            let least = least_role(method).expect("the build fails for a method without a role");
            // The role of agents is apart from the others.
            let allowed = match least {
                v1::Role::Peer => *role == v1::Role::Peer,
                _ => *role != v1::Role::Peer && *role as i32 >= least as i32,
            };
            let output = call(&lab, alpha, method, Some(&folder))?;
            // The agent may also close the connection of a caller that may call nothing.
            let served = was_accepted(&output) && !was_denied(&output);
            ensure!(served == allowed, "{identity} at {method}, allowed {allowed}: {output}");
        }
        let unknown = call(&lab, alpha, "/landfast.v1.Agent/Exec", Some(&folder))?;
        let served = unknown.stdout.lines().any(|line| line.trim() == "grpc-status: 0");
        ensure!(!served, "an unknown method was served: {unknown}");
    }
    Ok(())
}

#[test]
fn t06_an_identity_of_another_fleet_may_call_nothing() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = started(&lab)?;
    let authority = authority_of(&fleet)?;
    // Signed by this fleet's authority, but for another fleet.
    let foreign = Identity::operator("elsewhere", "anna", Role::Admin)?;
    let folder = lab.folder().join("foreign");
    let Ok(credentials) = authority.issue(&foreign, Validity::standard(SystemTime::now())) else {
        return Ok(());
    };
    credentials.save(&folder)?;
    let output = call(&lab, alpha, "/landfast.v1.Agent/Describe", Some(&folder))?;
    ensure!(!was_accepted(&output) || was_denied(&output), "it was served: {output}");
    Ok(())
}
