//! F60 and F63: what an agent has lost of one stack affects no other stack, and removes nothing.

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab};

use crate::fixtures::{compose, ids, running_demo, service, status};

/// Stack that is deployed beside `demo`.
const SIDE: &str = "\n[stacks.side]\npath = \"side\"\n";

/// Creates a fleet with the stacks `demo` and `side` on one host, and deploys both.
fn two_stacks(lab: &Lab) -> Result<Fleet<'_>> {
    let mounted = |name: &str| compose(&[service(name, "1", "    volumes: [\"./conf:/conf:ro\"]\n")]);
    let fleet = running_demo(lab, &mounted("web"), SIDE)?;
    fleet.write("side/compose.yaml", &mounted("app"))?;
    for stack in ["demo", "side"] {
        fleet.write(&format!("{stack}/conf"), &format!("{stack}\n"))?;
    }
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    Ok(fleet)
}

/// Returns the problems that `status` reports about unmanaged containers.
fn unmanaged(fleet: &Fleet<'_>) -> Result<Vec<String>> {
    let status = status(fleet)?;
    let hosts = status["hosts"].as_array().context("the status has no hosts")?;
    let problems = hosts.iter().flat_map(|host| host["problems"].as_array().into_iter().flatten());
    let problems = problems.filter_map(|problem| problem.as_str()).filter(|problem| problem.contains("unmanaged"));
    Ok(problems.map(str::to_owned).collect())
}

/// Runs a script while the agent does not run.
fn while_down(host: &Host, script: &str) -> Result<()> {
    host.kill_agent()?;
    host.sh(script)?.succeeds()?;
    host.start_agent()
}

#[test]
fn f60_a_stack_whose_state_is_damaged_or_lost_stays_and_is_taken_over_without_a_restart() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = two_stacks(&lab)?;
    let before = ids(&fleet)?;

    while_down(alpha, "truncate -s 40 /var/lib/landfast/units/stack-demo")?;
    let problems = unmanaged(&fleet)?;
    ensure!(problems.len() == 1 && problems[0].contains("landfast up demo"), "{problems:?}");
    fleet.write("side/conf", "2\n")?;
    fleet.landfast(&["up", "side", "--yes"])?.succeeds()?;
    let after = ids(&fleet)?;
    assert_eq!(after["demo/web.1"], before["demo/web.1"], "the unmanaged stack is left alone");
    ensure!(after["side/app.1"] != before["side/app.1"], "the other stack is updated");

    fleet.landfast(&["up", "demo", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?, after, "what is as declared is taken over as it is");
    assert_eq!(unmanaged(&fleet)?, Vec::<String>::new());

    while_down(alpha, "rm -r /var/lib/landfast/units")?;
    assert_eq!(unmanaged(&fleet)?.len(), 2);
    assert_eq!(ids(&fleet)?, after, "an agent without a state removes nothing");
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?, after);
    let plan = fleet.landfast(&["plan"])?;
    ensure!(plan.code == 0, "the second plan is empty: {plan}");

    // The lab started the agent, so `host add` does not know its process.
    alpha.kill_agent()?;
    fleet.upgrade(alpha)?.succeeds()?;
    assert_eq!(ids(&fleet)?, after, "containers keep running while the agent is installed again");
    Ok(())
}

#[test]
fn f63_a_stack_whose_blobs_are_lost_does_not_hold_up_another() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = two_stacks(&lab)?;
    let before = ids(&fleet)?;
    alpha.sh("grep -rlx demo /var/lib/landfast/blobs | xargs rm")?.succeeds()?;

    fleet.write("side/conf", "2\n")?;
    fleet.landfast(&["up", "side", "--yes"])?.succeeds()?;
    let after = ids(&fleet)?;
    assert_eq!(after["demo/web.1"], before["demo/web.1"]);
    ensure!(after["side/app.1"] != before["side/app.1"], "the other stack is updated");
    fleet.landfast(&["down", "demo", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?.keys().collect::<Vec<_>>(), ["side/app.1"]);
    Ok(())
}
