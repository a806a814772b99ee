//! The help and the output of every verb, as golden files: a change of wording is reviewed as a diff.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use landfast::verbs::Arguments;

use crate::commands::web;
use crate::fleet::Fleet;

/// Columns for which help texts are wrapped.
const WIDTH: usize = 100;

#[test]
fn help_of_every_verb() {
    let mut command = Arguments::command().term_width(WIDTH);
    command.build();
    let mut texts = Vec::new();
    collect_help("landfast", &mut command, &mut texts);
    assert!(texts.len() > 16, "every verb has a help text: {}", texts.len());
    for (name, text) in texts {
        insta::assert_snapshot!(format!("help-{name}"), text);
    }
}

fn collect_help(path: &str, command: &mut clap::Command, texts: &mut Vec<(String, String)>) {
    texts.push((path.replace(' ', "-"), command.render_long_help().to_string()));
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        collect_help(&format!("{path} {}", verb.get_name()), verb, texts);
    }
}

/// Runs commands in a fleet and records what each prints.
struct Transcript<'a> {
    fleet: &'a Fleet,
    text: String,
}

impl<'a> Transcript<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        Self { fleet, text: String::new() }
    }

    async fn run(&mut self, line: &str) {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = self.fleet.landfast(&arguments).await;
        writeln!(self.text, "$ landfast {line}").expect("a string");
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            for text in without_times(&self.fleet.stable(bytes)).lines() {
                writeln!(self.text, "{name}| {text}").expect("a string");
            }
        }
        writeln!(self.text, "exit code {}\n", output.status.code().expect("an exit code")).expect("a string");
    }
}

/// Replaces timestamps, which differ from run to run.
fn without_times(text: &str) -> String {
    let word = |word: &str| {
        let is_time = word.trim_end_matches([',', ')']).parse::<jiff::Timestamp>().is_ok();
        if is_time { "TIME".to_owned() } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_deployment_from_plan_to_down() {
    let fleet = web().await;
    let mut transcript = Transcript::of(&fleet);
    for line in [
        "host ls",
        "check",
        "check --list",
        "check --explain LF012",
        "plan",
        "up",
        "up --yes",
        "plan",
        "up --yes",
        "status",
        "ps",
        "logs",
        "history",
    ] {
        transcript.run(line).await;
    }
    fleet.write("web/compose.yaml", &crate::commands::COMPOSE.replace("image: app:1", "image: app:2"));
    transcript.run("plan").await;
    fleet.image("app:2", "app2");
    for line in [
        "plan --verbose",
        "--quiet up --yes",
        "sync",
        "rollback web",
        "rollback web --yes",
        "history",
        "build",
        "cert show",
        "down",
        "down --yes",
        "down -v --yes",
        "status",
    ] {
        transcript.run(line).await;
    }
    insta::assert_snapshot!(transcript.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_environments_and_of_the_loader() {
    let fleet = web().await;
    fleet.write("web/.env.dev", "COLOUR=blue\n");
    fleet.write("web/.env.test", "COLOUR=red\nSIZE=1\n");
    fleet.write("web/.env.example", "COLOUR=\nSIZE=\n");
    let mut transcript = Transcript::of(&fleet);
    for line in [
        "env ls",
        "env use dev",
        "env ls",
        "env use nowhere",
        "plan",
        "config --stack web",
        "config --stack web --services",
        "config --stack web --variables",
        "config --stack nowhere",
    ] {
        transcript.run(line).await;
    }
    insta::assert_snapshot!(transcript.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_mistakes() {
    let fleet = web().await;
    let mut transcript = Transcript::of(&fleet);
    for line in [
        "up nowhere --yes",
        "down nowhere --yes",
        "sync web",
        "rollback web",
        "logs nowhere",
        "ps nowhere",
        "history nowhere",
        "plan --format yaml",
        "check --explain LF999",
        "host add alpha 192.0.2.1 --ssh root@",
        "host add Bad_Name 192.0.2.1 --ssh root@",
        "cert issue",
        "init again",
        "frobnicate",
        "--fleet /nonexistent plan",
    ] {
        transcript.run(line).await;
    }
    fleet.host("alpha").with(|state| state.exits.insert("web/app.1".to_owned(), 7));
    transcript.run("up --yes").await;
    transcript.run("status").await;
    fleet.write("web/compose.yaml", "services:\n  app:\n    imge: app:1\n  other: {image: ''}\n");
    transcript.run("plan").await;
    fleet.write("landfast.toml", "[fleet]\nname = \"home\"\nwidth = 1\n");
    transcript.run("plan").await;
    insta::assert_snapshot!(transcript.text);
}
