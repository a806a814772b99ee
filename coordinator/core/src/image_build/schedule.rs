//! Schedule of parallel builds: each build starts after the builds that it uses, and none starts after a failure.
use std::collections::BTreeSet;

use super::{Build, Context, dockerfile};

/// Maximum number of parallel builds. A builder also runs the steps of each build in parallel.
const MAX_PARALLEL: usize = 4;

/// Progress of builds, by their index in the order of selection.
#[derive(Debug, Clone)]
pub struct Schedule {
    builds: Vec<ScheduledBuild>,
    has_failed: bool,
}

#[derive(Debug, Clone)]
struct ScheduledBuild {
    /// Indexes of the builds that it uses.
    after: BTreeSet<usize>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
    Done,
}

impl Schedule {
    /// Creates a schedule from builds and their instructions. A build uses another one if its additional contexts or its
    /// instructions name the image of that build.
    pub fn of<'a>(builds: impl IntoIterator<Item = (&'a Build, &'a str)>) -> Self {
        let builds: Vec<_> = builds.into_iter().collect();
        let after = |at: usize, (build, text): &(&Build, &str)| {
            let taken = taken(build, text);
            let makes_one = |other: &Build| {
                std::iter::once(&other.image).chain(&other.tags).any(|name| taken.contains(&with_tag(name)))
            };
            let others = builds.iter().enumerate().filter(|(other, _)| *other != at);
            others.filter(|(_, (other, _))| makes_one(other)).map(|(other, _)| other).collect()
        };
        let scheduled = |(at, build)| ScheduledBuild { after: after(at, build), stage: Stage::Waiting };
        Self { builds: builds.iter().enumerate().map(scheduled).collect(), has_failed: false }
    }

    /// Returns the builds to start now.
    pub fn begin(&mut self) -> Vec<usize> {
        if self.has_failed {
            return Vec::new();
        }
        let room = MAX_PARALLEL.saturating_sub(self.count(Stage::Running));
        let mut begun: Vec<_> = self.waiting().filter(|at| self.is_ready(*at)).take(room).collect();
        if begun.is_empty() && self.count(Stage::Running) == 0 {
            // The builds wait for each other. Their instructions may refer to older versions of these images.
            begun.extend(self.waiting().next());
        }
        for at in &begun {
            self.builds[*at].stage = Stage::Running;
        }
        begun
    }

    /// Records that a build has ended.
    pub fn end(&mut self, at: usize, is_built: bool) {
        self.has_failed |= !is_built;
        if let Some(build) = self.builds.get_mut(at) {
            build.stage = Stage::Done;
        }
    }

    /// Returns the builds that have not started.
    pub fn waiting(&self) -> impl Iterator<Item = usize> {
        self.builds.iter().enumerate().filter(|(_, build)| build.stage == Stage::Waiting).map(|(at, _)| at)
    }

    fn is_ready(&self, at: usize) -> bool {
        self.builds[at].after.iter().all(|other| self.builds[*other].stage == Stage::Done)
    }

    fn count(&self, stage: Stage) -> usize {
        self.builds.iter().filter(|build| build.stage == stage).count()
    }
}

/// Returns the images that a build may use, each with its tag.
fn taken(build: &Build, text: &str) -> BTreeSet<String> {
    let contexts = build.contexts.values().filter_map(|context| match context {
        Context::Image(image) => Some(image.clone()),
        Context::Folder(_) => None,
    });
    contexts.chain(dockerfile::images(text, &build.args)).map(|name| with_tag(&name)).collect()
}

fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || name.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(image: &str) -> Build {
        Build { image: image.to_owned(), ..Build::default() }
    }

    fn schedule(builds: &[(&str, &str)]) -> Schedule {
        let builds: Vec<_> = builds.iter().map(|(image, text)| (build(image), *text)).collect();
        Schedule::of(builds.iter().map(|(build, text)| (build, *text)))
    }

    /// Builds that start in each round, if all running builds end before the next round.
    fn rounds(mut schedule: Schedule) -> Vec<Vec<usize>> {
        let mut rounds = Vec::new();
        loop {
            let begun = schedule.begin();
            if begun.is_empty() {
                return rounds;
            }
            begun.iter().for_each(|at| schedule.end(*at, true));
            rounds.push(begun);
        }
    }

    #[test]
    fn independent_builds_run_in_parallel_up_to_the_limit() {
        let mut schedule = schedule(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")]);
        assert_eq!(schedule.begin(), [0, 1, 2, 3]);
        assert_eq!(schedule.begin(), [0; 0]);
        schedule.end(2, true);
        assert_eq!(schedule.begin(), [4], "one build ended, so one starts");
        assert_eq!(schedule.waiting().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_build_waits_for_the_images_that_its_instructions_name() {
        for text in [
            "FROM base",
            "FROM base:latest AS x",
            "from --platform=linux/amd64 base as x",
            "ARG BASE=base\nFROM ${BASE}",
            "ARG BASE=\"base\"\nFROM $BASE:latest",
            "FROM x\nCOPY --link --from=base /a /b",
            "FROM x\nRUN --mount=type=bind,from=base,target=/x true",
        ] {
            assert_eq!(rounds(schedule(&[("app", text), ("base", "")])), [vec![1], vec![0]], "{text}");
        }
        for text in ["FROM base:2", "# FROM base", "FROM x AS base2", "FROM x\nRUN echo base"] {
            assert_eq!(rounds(schedule(&[("app", text), ("base", "")])), [vec![0, 1]], "{text}");
        }
    }

    #[test]
    fn a_build_waits_for_its_contexts_by_every_name_of_an_image() {
        let context = ("tool".to_owned(), Context::Image("tool".to_owned()));
        let app = Build { contexts: [context].into(), ..build("app") };
        let tool = Build { tags: vec!["tool:latest".to_owned()], ..build("made:1") };
        let argument = ("BASE".to_owned(), "app".to_owned());
        let last = Build { args: [argument].into(), ..build("last") };
        let texts = [&app, &tool, &last].into_iter().zip(["FROM x", "FROM x", "ARG BASE=x\nFROM $BASE"]);
        assert_eq!(rounds(Schedule::of(texts)), [[1], [0], [2]]);
    }

    #[test]
    fn builds_that_wait_for_each_other_run_one_after_another() {
        assert_eq!(
            rounds(schedule(&[("a", "FROM b"), ("b", "FROM a"), ("self", "FROM self")])),
            [vec![2], vec![0], vec![1]]
        );
    }

    #[test]
    fn no_build_starts_after_a_failure() {
        let mut schedule = schedule(&[("a", ""), ("b", ""), ("c", "FROM a")]);
        assert_eq!(schedule.begin(), [0, 1]);
        schedule.end(0, false);
        assert_eq!(schedule.begin(), [0; 0]);
        schedule.end(1, true);
        assert_eq!((schedule.begin(), schedule.waiting().collect()), (vec![], vec![2]));
    }
}
