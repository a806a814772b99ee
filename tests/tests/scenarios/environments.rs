//! Environments on real hosts: files of the selected environment are deployed, and files of others never leave the
//! machine.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Host, Lab};
use serde_json::Value;

use crate::fixtures::{compose, plan, running_container, running_demo, service};

/// Returns the files beneath the agent's state that contain this word.
fn holding(host: &Host, word: &str) -> Result<Vec<String>> {
    let found = host.sh(&format!("grep -rl -- {word} /var/lib/landfast || true"))?.succeeds()?;
    Ok(found.text().lines().map(str::to_owned).collect())
}

/// Returns the env files that a container sees in the stack's folder, and its variable WHO.
fn seen(host: &Host) -> Result<String> {
    let container = running_container(host, "demo", "web")?;
    let script = "cd /stack && ls -A | grep '^[.]env' | sort | tr '\\n' ' '; echo $WHO";
    Ok(host.exec(&container, &["sh", "-c", script])?.succeeds()?.text().to_owned())
}

#[test]
fn files_of_other_environments_are_on_no_host_in_any_form() -> Result<()> {
    let lab = Lab::of(1)?;
    let web = service("web", "1", "    environment: [\"WHO=${WHO}\"]\n    volumes: [\".:/stack:ro\"]\n");
    let fleet = running_demo(&lab, &compose(&[web]), "env = \"dev\"\n")?;
    let host = lab.host("alpha")?;
    fleet.write("demo/.env.example", "WHO=\n")?;
    for env in ["dev", "test", "local"] {
        fleet.write(&format!("demo/.env.{env}"), &format!("WHO=word-of-{env}\n"))?;
        fleet.write(&format!("demo/deep/er/.env.{env}"), &format!("DEEP=word-of-{env}\n"))?;
    }

    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(seen(host)?, ".env.dev .env.example word-of-dev");
    let dev = holding(host, "word-of-dev")?;
    // The search covers every place where files of the others could be: the live tree and the blobs.
    ensure!(dev.iter().any(|path| path.ends_with("/live/.env.dev")), "{dev:?}");
    ensure!(dev.iter().any(|path| path.ends_with("/live/deep/er/.env.dev")), "{dev:?}");
    ensure!(dev.iter().any(|path| path.contains("/blobs/")), "{dev:?}");
    for other in ["word-of-test", "word-of-local"] {
        assert_eq!(holding(host, other)?, [""; 0], "{other}");
    }

    fleet.landfast(&["env", "use", "test"])?.succeeds()?;
    let listed: Value = fleet.landfast(&["env", "ls", "--format", "json"])?.succeeds()?.json()?;
    assert_eq!(listed[0]["active"]["env"], "test");
    ensure!(
        plan(&fleet)?.iter().any(|step| step["action"] == "recreate"),
        "another environment should recreate the container"
    );
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(seen(host)?, ".env.example .env.test word-of-test");
    assert_eq!(holding(host, "word-of-local")?, [""; 0]);
    let live = holding(host, "word-of-dev")?;
    ensure!(live.iter().all(|path| !path.contains("/live/")), "files of dev are still in the live tree: {live:?}");
    Ok(())
}
