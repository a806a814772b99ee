//! Images that change under their name: built for another processor, or moved in their registry.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Host, Lab, wait_until};

use crate::fixtures::{ids, plan, running_container, running_demo, text};

const APP: &str = "127.0.0.1:5000/team/app:1";
const REGISTRY: &str = "version: 0.1
storage: {filesystem: {rootdirectory: /run/registry}}
http: {addr: 127.0.0.1:5000}
";

fn web(image: &str, more: &str) -> String {
    format!("services:\n  web:\n    image: {image}\n    entrypoint: [sleep, \"100000\"]\n    init: true\n{more}")
}

/// Runs on an engine of each version and image store.
#[test]
fn an_image_for_another_processor_is_refused_and_the_old_container_runs_on() -> Result<()> {
    let lab = Lab::of(3)?;
    let hosts = [lab.host("alpha")?, lab.host("gamma")?];
    let place = |host: &str| format!("[stacks.demo.place]\n\"*\" = \"{host}\"\n");
    let fleet = running_demo(&lab, &web("landfast/moved:1", ""), "")?;
    let toml = fleet.read("landfast.toml")?;
    let archive = archive_for_arm(hosts[0])?;
    for host in hosts {
        fleet.write("landfast.toml", &(toml.clone() + &place(host.name())))?;
        host.docker(&["tag", "landfast/small:1", "landfast/moved:1"])?.succeeds()?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        let before = ids(&fleet)?;

        std::fs::write(host.path("/run/arm.tar"), &archive)?;
        host.docker(&["load", "-i", "/run/arm.tar"])?.succeeds()?;
        for verb in [&["plan"][..], &["up", "--yes"]] {
            let refused = fleet.landfast(verb)?.exits(1)?;
            let name = host.name();
            for part in ["compose.yaml:3:", &format!("landfast/moved:1 is for linux/arm64, and {name} is linux/amd64")]
            {
                ensure!(refused.stderr.contains(part), "{name}: it should say {part}: {refused}");
            }
        }
        assert_eq!(ids(&fleet)?, before, "{}: nothing was stopped", host.name());
        fleet.write("demo/compose.yaml", &web("landfast/moved:1", "    platform: linux/arm64\n"))?;
        let planned = fleet.landfast(&["plan"])?.exits(3)?;
        ensure!(
            planned.stdout.contains("only if it emulates that processor"),
            "an explicit platform should be planned with a warning: {planned}"
        );
        fleet.write("demo/compose.yaml", &web("landfast/moved:1", "    platform: linux/s390x\n"))?;
        let refused = fleet.landfast(&["plan"])?.exits(1)?;
        ensure!(
            refused.stderr.contains("is for linux/arm64, not for linux/s390x"),
            "it should name both platforms: {refused}"
        );
        fleet.write("demo/compose.yaml", &web("landfast/moved:1", ""))?;
        running_container(host, "demo", "web")?;
        fleet.landfast(&["down", "--yes"])?.succeeds()?;
        host.remove_image("landfast/moved:1")?;
    }
    Ok(())
}

/// Returns a `docker save` archive of `landfast/small:1` under another name that claims to be for arm64.
fn archive_for_arm(host: &Host) -> Result<Vec<u8>> {
    host.sh("mkdir /run/arm && cd /run/arm && docker save landfast/small:1 | tar -x && rm -f repositories && \
         sed -i 's/\"architecture\":\"amd64\"/\"architecture\":\"arm64\"/' *.json && \
         sed -i 's,landfast/small:1,landfast/moved:1,' manifest.json && tar -cf /run/made.tar *")?;
    Ok(std::fs::read(host.path("/run/made.tar"))?)
}

#[test]
fn pull_policy_decides_whether_the_registry_is_asked() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &web(APP, "    pull_policy: always\n"), "")?;
    serve(alpha)?;
    push(alpha, "landfast/small:1")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(image_of(alpha)?, image(alpha, "landfast/small:1")?);

    push(alpha, "landfast/small:2")?;
    let before = ids(&fleet)?;
    let planned = fleet.landfast(&["plan"])?.succeeds()?;
    let asks = format!("ask a registry: {APP} (pull_policy of demo/web: always)");
    ensure!(planned.stdout.contains(&asks), "the plan should announce the request and pull nothing: {planned}");
    let up = fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let short = |id: &str| id.get(..19).unwrap_or_default().to_owned();
    let (old, new) = (image(alpha, "landfast/small:1")?, image(alpha, "landfast/small:2")?);
    ensure!(
        up.stderr.contains(&format!("image {APP} changes from {} to {}", short(&old), short(&new))),
        "it should name both ids: {up}"
    );
    assert_ne!(ids(&fleet)?, before);
    assert_eq!(image_of(alpha)?, new, "the registry's current image should run");

    alpha.sh("kill $(cat /run/registry.pid)")?;
    let before = ids(&fleet)?;
    let up = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in [&format!("image {APP} cannot be pulled; no host was changed"), "127.0.0.1:5000", "--pull missing"] {
        ensure!(up.stderr.contains(part), "it should say {part}: {up}");
    }
    fleet.landfast(&["up", "--yes", "--pull", "missing"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &web(APP, "    pull_policy: never\n"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(plan(&fleet)?.len(), 0);
    assert_eq!(ids(&fleet)?, before, "`never` should ask no registry and change nothing");
    fleet.write("demo/compose.yaml", &web("127.0.0.1:5000/team/none:1", "    pull_policy: never\n"))?;
    let refused = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in
        ["the image 127.0.0.1:5000/team/none:1 was not found on any host or on this machine", "alpha and this machine"]
    {
        ensure!(refused.stderr.contains(part), "it should say {part}: {refused}");
    }
    assert_eq!(ids(&fleet)?, before);
    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    // Engines keep their images between labs.
    alpha.remove_image(APP)
}

/// Starts a registry that only the host's engine can reach.
fn serve(host: &Host) -> Result<()> {
    std::fs::write(host.path("/run/registry.yml"), REGISTRY)?;
    let serve = "echo $$ >/run/registry.pid; exec docker-registry serve /run/registry.yml";
    host.sh(&format!("setsid --fork sh -c '{serve}' >/run/registry.log 2>&1 </dev/null"))?;
    wait_until("the registry listens", Duration::from_secs(30), || {
        Ok(host.run(&["sh", "-c", "ss -Htln sport = :5000 | grep -q 5000"])?.code == 0)
    })
}

/// Moves the tag in the registry. The engine keeps its own image of that tag, if it has one.
fn push(host: &Host, image: &str) -> Result<()> {
    let script = format!(
        "docker tag {APP} kept:1 2>/dev/null; docker tag {image} {APP} && docker push {APP} && \
         if docker tag kept:1 {APP} 2>/dev/null; then docker image rm kept:1; else docker image rm {APP}; fi"
    );
    host.sh(&script).map(drop)
}

/// Returns the id of an image.
fn image(host: &Host, reference: &str) -> Result<String> {
    let api = host.api().get(&format!("/images/{reference}/json"))?;
    text(&api, "Id").map(str::to_owned)
}

/// Returns the id of the image of the only container.
fn image_of(host: &Host) -> Result<String> {
    let container = host.api().get(&format!("/containers/{}/json", running_container(host, "demo", "web")?))?;
    text(&container, "Image").map(str::to_owned)
}
