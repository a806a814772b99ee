//! `build:`: images are built once, on one engine, and copied to the hosts that need them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output};
use serde_json::Value;

use crate::fixtures::{containers, demo, ids, text};

const COMPOSE: &str = r#"
services:
  web:
    build:
      context: ./web
      target: final
      args:
        GREETING: ${GREETING:-hello}
      secrets: [token]
      additional_contexts:
        shared: ../shared
        tool: service:tool
      labels:
        who: scenario
      tags: ["demo-web:extra"]
    deploy:
      mode: global
    networks: [infra_net]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]
      interval: 500ms
      retries: 20
  tool:
    build:
      context: ./tool
      dockerfile_inline: |
        FROM landfast/small:1
        COPY tool.txt /tool.txt
    networks: [infra_net]
  other:
    image: landfast/small:1
    networks: [infra_net]
networks:
  infra_net:
    name: infra_net
secrets:
  token:
    environment: BUILD_TOKEN
"#;

/// A Dockerfile with two stages. It shifts the letters of the secret by one, which shows its use without revealing it.
const DOCKERFILE: &str = r#"# The argument before the first FROM is visible to FROM only.
ARG BASE=landfast/small:1
FROM ${BASE} AS maker
ARG GREETING
RUN --mount=type=secret,id=token mkdir /out && echo "$GREETING" >/out/index.html && \
    tr 'a-y' 'b-z' </run/secrets/token >/out/proof.txt

FROM ${BASE} AS final
COPY --from=maker /out/ /www/
COPY --from=shared note.txt /www/note.txt
COPY --from=tool /tool.txt /www/tool.txt
COPY . /www/all/

FROM final AS never
RUN false
"#;

/// A step that prints the secret and fails.
const FAILING: &str = "RUN --mount=type=secret,id=token echo about to fail with $(cat /run/secrets/token) && exit 7";

const TOKEN: &str = "swordfish-swordfish";
const SHIFTED: &str = "txpsegjti-txpsegjti";

fn fleet(lab: &Lab) -> Result<Fleet<'_>> {
    let fleet = demo(lab, COMPOSE, "env = \"dev\"\n")?;
    fleet.write("demo/.env.dev", "")?;
    fleet.write("demo/web/Dockerfile", DOCKERFILE)?;
    fleet.write("demo/web/.dockerignore", "# not these\nskipped\n*.log\n!kept.log\n")?;
    fleet.write("demo/web/page.txt", "first\n")?;
    fleet.write("demo/web/skipped/large.txt", "no\n")?;
    fleet.write("demo/web/a.log", "no\n")?;
    fleet.write("demo/web/kept.log", "yes\n")?;
    fleet.write("demo/web/.env.prod", "SECRET=of-another-environment\n")?;
    std::os::unix::fs::symlink("page.txt", fleet.path("demo/web/link.txt"))?;
    fleet.write("demo/tool/tool.txt", "a tool\n")?;
    fleet.write("shared/note.txt", "a note\n")?;
    fleet.install_agents()?;
    Ok(fleet)
}

/// The engine that builds: a host's engine, used as the engine of the coordinator's machine or as the host's own.
struct Site<'lab> {
    builder: &'lab Host,
    is_local: bool,
}

impl Site<'_> {
    fn landfast(&self, fleet: &Fleet<'_>, arguments: &[&str]) -> Result<Output> {
        let engine = self.is_local.then_some(self.builder);
        fleet.landfast_in(engine, &[("BUILD_TOKEN", TOKEN)], arguments)
    }
}

/// Reads a file of the web server on a host.
fn page(host: &Host, path: &str) -> Result<String> {
    let containers = containers(host, "demo", "web")?;
    let (id, _) = containers.first().with_context(|| format!("no web on {}", host.name()))?;
    Ok(host.exec(id, &["cat", &format!("/www/{path}")])?.succeeds()?.stdout)
}

/// Returns the number of entries in a host's build cache.
fn build_cache(host: &Host) -> Result<usize> {
    Ok(host.api().get("/system/df")?["BuildCache"].as_array().map_or(0, Vec::len))
}

fn layers(host: &Host, image: &str) -> Result<Value> {
    Ok(host.api().get(&format!("/images/{image}/json"))?["RootFS"]["Layers"].clone())
}

fn prune_build_caches(lab: &Lab) -> Result<()> {
    lab.hosts().try_for_each(|host| host.docker(&["builder", "prune", "-af"])?.succeeds().map(drop))
}

#[test]
fn images_are_built_once_on_a_local_old_engine() -> Result<()> {
    full_scenario("alpha", true)
}

#[test]
fn images_are_built_once_on_a_local_new_engine() -> Result<()> {
    full_scenario("gamma", true)
}

/// Without a local engine, Landfast selects the host with the newest builder.
#[test]
fn images_are_built_once_on_a_host_without_a_local_engine() -> Result<()> {
    full_scenario("gamma", false)
}

fn full_scenario(builder: &str, is_local: bool) -> Result<()> {
    let lab = Lab::of(3)?;
    prune_build_caches(&lab)?;
    let fleet = fleet(&lab)?;
    let site = Site { builder: lab.host(builder)?, is_local };

    let plan = site.landfast(&fleet, &["plan"])?.exits(3)?;
    let said = plan.stdout.lines().find(|line| line.starts_with("build images: demo-web from ./web (5 files, "));
    let place = if is_local { ")" } else { ") on gamma" };
    ensure!(said.is_some_and(|line| line.ends_with(place)), "the plan should say what is built, and where: {plan}");
    ensure!(
        plan.stdout.find("demo-tool from ./tool") < plan.stdout.find("demo-web from ./web"),
        "the plan should list the images in order: {plan}"
    );
    ensure!(plan.stdout.contains(".env.prod is not sent"), "the plan should name the file that is not sent: {plan}");
    assert_eq!(build_cache(site.builder)?, 0, "a plan builds nothing");

    let up = site.landfast(&fleet, &["up", "--yes"])?.succeeds()?;
    ensure!(!up.stderr.contains(TOKEN), "the secret is in the output: {up}");
    built_as_asked(&lab, site.builder)?;
    built_once(&lab, site.builder, &up)?;
    edited_and_built_again(&lab, &fleet, &site)?;
    a_failing_build_changes_nothing(&lab, &fleet, &site)
}

fn built_as_asked(lab: &Lab, builder: &Host) -> Result<()> {
    for host in lab.hosts() {
        let expected = [
            ("index.html", "hello\n"),
            ("proof.txt", SHIFTED),
            ("note.txt", "a note\n"),
            ("tool.txt", "a tool\n"),
            ("all/page.txt", "first\n"),
            ("all/link.txt", "first\n"),
            ("all/kept.log", "yes\n"),
        ];
        for (path, contents) in expected {
            assert_eq!(page(host, path)?, contents, "{path} on {}", host.name());
        }
        for path in ["all/a.log", "all/skipped", "all/.env.prod"] {
            ensure!(page(host, path).is_err(), "{path} is in the image");
        }
        assert_eq!(layers(host, "demo-web")?, layers(builder, "demo-web")?, "the same image on {}", host.name());
    }
    let image = builder.api().get("/images/demo-web:extra/json")?;
    let labels = &image["Config"]["Labels"];
    assert_eq!(text(labels, "who")?, "scenario");
    assert_eq!(text(labels, "com.docker.compose.service")?, "web");
    let history = builder.docker(&["history", "--no-trunc", "demo-web"])?.succeeds()?.stdout;
    ensure!(!history.contains(TOKEN) && !image.to_string().contains(TOKEN), "the secret is in the image: {history}");
    let unpacked = "mkdir -p /run/saved && docker save demo-web | tar -xC /run/saved && \
                    for file in $(find /run/saved -type f); do (zcat -f $file || cat $file) 2>/dev/null; done";
    let found = builder.run(&[
        "sh",
        "-c",
        &format!("{unpacked} | grep -ac {SHIFTED}; {unpacked} | grep -ac {TOKEN}; rm -r /run/saved"),
    ])?;
    assert_eq!(found.stdout, "1\n0\n", "the proof is in a layer and the secret is in none");
    Ok(())
}

fn built_once(lab: &Lab, builder: &Host, up: &Output) -> Result<()> {
    let steps = up.stderr.lines().filter(|line| line.contains("RUN --mount=type=secret") && !line.contains("DONE"));
    assert_eq!(steps.count(), 1, "the step ran once: {up}");
    let building = lab.hosts().filter(|host| build_cache(host).is_ok_and(|kept| kept > 0));
    let building = building.map(Host::name).collect::<Vec<_>>();
    assert_eq!(building, [builder.name()], "no other host built anything");
    Ok(())
}

fn edited_and_built_again(lab: &Lab, fleet: &Fleet<'_>, site: &Site<'_>) -> Result<()> {
    let before = ids(fleet)?;
    fleet.write("demo/web/page.txt", "second\n")?;
    site.landfast(fleet, &["up", "--yes"])?.succeeds()?;
    assert_eq!(ids(fleet)?, before, "an edited context alone changes nothing");

    site.landfast(fleet, &["up", "--yes", "--build"])?.succeeds()?;
    let after = ids(fleet)?;
    let changed = after.iter().filter(|(name, id)| before.get(*name) != Some(*id)).map(|(name, _)| name.as_str());
    assert_eq!(changed.collect::<BTreeSet<_>>(), BTreeSet::from(["demo/web.1", "demo/web.2", "demo/web.3"]));
    for host in lab.hosts() {
        assert_eq!(page(host, "all/page.txt")?, "second\n");
    }
    site.landfast(fleet, &["rollback", "demo", "--yes"])?.succeeds()?;
    for host in lab.hosts() {
        assert_eq!(page(host, "all/page.txt")?, "first\n", "the image of the previous release");
    }
    fleet.write("demo/web/page.txt", "third\n")?;
    let build = site.landfast(fleet, &["build", "web"])?.succeeds()?;
    ensure!(
        build.stderr.contains("CACHED") && build.stderr.contains("built: demo-web"),
        "some steps are cached, and the image is new: {build}"
    );
    site.landfast(fleet, &["up", "--yes"])?.succeeds()?;
    for host in lab.hosts() {
        assert_eq!(page(host, "all/page.txt")?, "third\n", "the last build is used");
    }
    let after = ids(fleet)?;
    site.landfast(fleet, &["up", "--yes", "--build"])?.succeeds()?;
    assert_eq!(ids(fleet)?, after, "an unchanged image changes nothing");
    Ok(())
}

fn a_failing_build_changes_nothing(lab: &Lab, fleet: &Fleet<'_>, site: &Site<'_>) -> Result<()> {
    let before = ids(fleet)?;
    let images = lab.hosts().map(|host| layers(host, "demo-web")).collect::<Result<Vec<_>>>()?;
    fleet.edit("demo/compose.yaml", "target: final", "target: never")?;
    fleet.edit("demo/compose.yaml", "image: landfast/small:1", "image: landfast/small:2")?;
    fleet.edit("demo/web/Dockerfile", "RUN false", FAILING)?;
    let up = site.landfast(fleet, &["up", "--yes", "--build"])?.exits(1)?;
    ensure!(!up.stderr.contains(TOKEN), "the secret that the step prints is in the output: {up}");
    for part in ["compose.yaml:4:", "demo-web", "step [never 1/1]", "    | about to fail with •••", "exit code: 7"]
    {
        ensure!(up.stderr.contains(part), "it should say {part}: {up}");
    }
    assert_eq!(ids(fleet)?, before, "nothing was changed");
    assert_eq!(lab.hosts().map(|host| layers(host, "demo-web")).collect::<Result<Vec<_>>>()?, images);

    std::fs::remove_file(fleet.path("demo/web/Dockerfile"))?;
    let up = site.landfast(fleet, &["up", "--yes", "--build"])?.exits(1)?;
    ensure!(up.stderr.contains("web/Dockerfile: no such file"), "it should name the missing file: {up}");
    assert_eq!(ids(fleet)?, before, "nothing was changed");
    Ok(())
}
