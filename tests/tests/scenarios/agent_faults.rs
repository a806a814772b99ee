//! F1 to F4 and F33: the agent is killed at the worst moments, or its disk is full. Afterwards the state converges and
//! nothing exists twice.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, catch, wait_until};

use crate::fixtures::{LONG, compose, containers, ids, plan, running_container, running_demo, service};

/// Returns a compose file with a service that mounts the stack's `files`.
fn with_files() -> String {
    compose(&[service("web", "1", "    volumes: [\"./files:/files:ro\"]\n")])
}

/// Writes files that do not compress: each begins with its version, followed by pseudo-random bytes.
fn write_files(fleet: &Fleet<'_>, version: &str, count: usize, size: usize) -> Result<()> {
    let folder = fleet.path("demo/files");
    fs::create_dir_all(&folder)?;
    for number in 0..count {
        let mut seed = blend(version.len() as u64 * 7919 + version.as_bytes()[1] as u64 * 104_729 + number as u64);
        let mut contents = format!("{version}\n").into_bytes();
        while contents.len() < size {
            seed = blend(seed);
            contents.extend_from_slice(&seed.to_le_bytes());
        }
        fs::write(folder.join(format!("{number:04}")), contents)?;
    }
    Ok(())
}

fn blend(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 27)
}

/// Returns the versions of the files in the live tree.
fn live_versions(host: &Host) -> Result<Vec<String>> {
    let script = "cd /var/lib/landfast/stacks/demo/live/files && for file in *; do head -n 1 $file; done | sort -u";
    Ok(host.sh(script)?.stdout.lines().map(str::to_owned).collect())
}

/// Returns the number of blobs that the host's agent keeps: `blobs/<two digits>/<digest>`.
fn blobs(host: &Host) -> usize {
    let folders = fs::read_dir(host.path("/var/lib/landfast/blobs")).into_iter().flatten().flatten();
    let kept = folders.filter(|folder| folder.file_name().len() == 2);
    kept.map(|folder| fs::read_dir(folder.path()).into_iter().flatten().count()).sum()
}

/// Returns the number of files to transfer from the output: 12 for "to transfer: 12 files of demo to alpha, …".
fn files_to_bring(output: &Output) -> Result<usize> {
    let line = output.stderr.lines().chain(output.stdout.lines()).find(|line| line.contains("files of demo to"));
    let number = line.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok()));
    number.with_context(|| format!("it should say how many files it brings: {output}"))
}

#[test]
fn f01_an_agent_killed_during_a_sync_keeps_the_old_bundle_and_the_received_files() -> Result<()> {
    const COUNT: usize = 100;
    const SIZE: usize = 4 << 20;
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_files(), "")?;
    write_files(&fleet, "v1", COUNT, SIZE)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;

    write_files(&fleet, "v2", COUNT, SIZE)?;
    let before = blobs(alpha);
    let up = fleet.start(&["up", "--yes"])?;
    catch("some blobs have arrived and others have not", LONG, || Ok(blobs(alpha) > before + 5))?;
    alpha.kill_agent()?;
    ensure!(up.ends(LONG)?.code != 0, "up succeeded although its agent was killed");
    assert_eq!(live_versions(alpha)?, ["v1"], "the old bundle is live");

    alpha.start_agent()?;
    assert_eq!(live_versions(alpha)?, ["v1"], "the old bundle is still live");
    let again = fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let brought = files_to_bring(&again)?;
    ensure!(brought < COUNT, "all {brought} files were sent again, although some had arrived");
    assert_eq!(live_versions(alpha)?, ["v2"]);
    println!("{} of {COUNT} files had arrived before the kill and were not sent again", COUNT - brought);
    running_container(alpha, "demo", "web").map(drop)
}

#[test]
fn f02_an_agent_killed_during_the_renames_never_leaves_a_mixed_tree() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_files(), "")?;
    write_files(&fleet, "v1", 1500, 64)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;

    for version in ["v2", "v3", "v4"] {
        write_files(&fleet, version, 1500, 64)?;
        let up = fleet.start(&["up", "--yes"])?;
        let first = alpha.path("/var/lib/landfast/stacks/demo/live/files/0000");
        // The first file is new, and the last may still be old: the tree is mixed, unless the agent is very fast.
        catch("the first file is renamed", LONG, || {
            Ok(fs::read(&first).is_ok_and(|contents| contents.starts_with(version.as_bytes())))
        })?;
        alpha.kill_agent()?;
        drop(up);
        let between = live_versions(alpha)?;
        alpha.start_agent()?;
        wait_until("all files of the tree have one version again", LONG, || Ok(live_versions(alpha)?.len() == 1))?;
        println!("the tree had {between:?} after the kill and has {:?} after the restart", live_versions(alpha)?);
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        assert_eq!(live_versions(alpha)?, [version]);
    }
    assert_eq!(plan(&fleet)?.len(), 0);
    Ok(())
}

#[test]
fn f03_an_agent_killed_between_create_and_start_adopts_its_container() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let names: Vec<String> = (1..=6).map(|number| format!("web-{number}")).collect();
    let services: Vec<String> = names.iter().map(|name| service(name, "1", "")).collect();
    let fleet = running_demo(&lab, &compose(&services), "")?;

    let up = fleet.start(&["up", "--yes"])?;
    let created = || {
        let listed = alpha.api().get("/containers/json?all=1&filters=%7B%22status%22%3A%5B%22created%22%5D%7D")?;
        Ok(listed.as_array().is_some_and(|all| !all.is_empty()))
    };
    catch("a container is created and not started", LONG, created)?;
    alpha.kill_agent()?;
    drop(up);
    alpha.start_agent()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    for name in &names {
        running_container(alpha, "demo", name)?;
    }
    let all = alpha.docker(&["ps", "-aq"])?.succeeds()?;
    assert_eq!(all.stdout.lines().count(), names.len(), "no orphan is left: {all}");
    assert_eq!(plan(&fleet)?.len(), 0);
    Ok(())
}

#[test]
fn f04_services_keep_answering_while_an_idle_agent_is_killed_and_started_again() -> Result<()> {
    let lab = Lab::of(2)?;
    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    let services = [service("here", "1", "    hostname: here\n"), service("there", "1", "    hostname: there\n")];
    let place = "[stacks.demo.place]\nhere = \"alpha\"\nthere = \"beta\"\n";
    let fleet = running_demo(&lab, &compose(&services), place)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;
    let asker = running_container(beta, "demo", "there")?;
    let answers = || Ok(beta.exec(&asker, &["wget", "-q", "-O", "-", "http://here:8080/"])?.code == 0);
    wait_until("here answers to there", Duration::from_secs(20), answers)?;

    alpha.kill_agent()?;
    ensure!(answers()?, "the service does not answer while its agent is gone");
    let running = containers(alpha, "demo", "here")?;
    ensure!(running.iter().all(|(_, state)| state == "running"), "{running:?}");
    alpha.start_agent()?;
    ensure!(answers()?, "the service does not answer after its agent is back");
    wait_until("the host is ready again", LONG, || Ok(plan(&fleet)?.is_empty()))?;
    assert_eq!(ids(&fleet)?, before);
    Ok(())
}

#[test]
fn f33_a_full_disk_fails_the_sync_and_keeps_the_live_tree() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    alpha.limit_state("48m")?;
    let fleet = running_demo(&lab, &with_files(), "")?;
    write_files(&fleet, "v1", 4, 1 << 20)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;

    write_files(&fleet, "v2", 80, 1 << 20)?;
    let full = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    ensure!(full.stderr.contains("alpha"), "it should name the host: {full}");
    assert_eq!(live_versions(alpha)?, ["v1"], "the live tree was left alone");
    assert_eq!(ids(&fleet)?, before, "the container was left alone");

    fs::remove_dir_all(fleet.path("demo/files"))?;
    write_files(&fleet, "v3", 4, 1 << 20)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(live_versions(alpha)?, ["v3"]);
    Ok(())
}
