//! Which builds go side by side: so many at a time, each after those that it takes from, and none is begun after one has failed.
use std::collections::BTreeSet;

use super::{Build, Context, dockerfile};

/// Builds at a time. A builder does the steps of each side by side as well.
const AT_ONCE: usize = 4;

/// Builds on their way, by their place in the order in which they were chosen.
#[derive(Debug, Clone)]
pub struct Schedule {
    builds: Vec<ScheduledBuild>,
    has_failed: bool,
}

#[derive(Debug, Clone)]
struct ScheduledBuild {
    /// Those that it takes from.
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
    /// Of builds and their instructions. One takes from another when its further contexts or its instructions name the other's
    /// image.
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
        let standing = |(at, build)| ScheduledBuild { after: after(at, build), stage: Stage::Waiting };
        Self { builds: builds.iter().enumerate().map(standing).collect(), has_failed: false }
    }

    /// Those that begin now.
    pub fn begin(&mut self) -> Vec<usize> {
        if self.has_failed {
            return Vec::new();
        }
        let room = AT_ONCE.saturating_sub(self.count(Stage::Running));
        let mut begun: Vec<_> = self.waiting().filter(|at| self.is_ready(*at)).take(room).collect();
        if begun.is_empty() && self.count(Stage::Running) == 0 {
            // Each waits for another: instructions may name an image of which an older one is meant.
            begun.extend(self.waiting().next());
        }
        for at in &begun {
            self.builds[*at].stage = Stage::Running;
        }
        begun
    }

    /// One has ended.
    pub fn end(&mut self, at: usize, is_built: bool) {
        self.has_failed |= !is_built;
        if let Some(build) = self.builds.get_mut(at) {
            build.stage = Stage::Done;
        }
    }

    /// Those that were never begun.
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

/// The images that a build may take from, each with its tag.
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

    /// What begins, round after round, when all that runs ends before the next.
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
    fn independent_builds_go_side_by_side_so_many_at_a_time() {
        let mut schedule = schedule(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")]);
        assert_eq!(schedule.begin(), [0, 1, 2, 3]);
        assert_eq!(schedule.begin(), [0; 0]);
        schedule.end(2, true);
        assert_eq!(schedule.begin(), [4], "one ended, one begins");
        assert_eq!(schedule.waiting().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_build_waits_for_those_whose_image_its_instructions_name() {
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
    fn a_build_waits_for_its_contexts_and_knows_images_by_every_name() {
        let context = ("tool".to_owned(), Context::Image("tool".to_owned()));
        let app = Build { contexts: [context].into(), ..build("app") };
        let tool = Build { tags: vec!["tool:latest".to_owned()], ..build("made:1") };
        let argument = ("BASE".to_owned(), "app".to_owned());
        let last = Build { args: [argument].into(), ..build("last") };
        let texts = [&app, &tool, &last].into_iter().zip(["FROM x", "FROM x", "ARG BASE=x\nFROM $BASE"]);
        assert_eq!(rounds(Schedule::of(texts)), [[1], [0], [2]]);
    }

    #[test]
    fn builds_that_wait_for_each_other_go_one_after_another() {
        assert_eq!(
            rounds(schedule(&[("a", "FROM b"), ("b", "FROM a"), ("self", "FROM self")])),
            [vec![2], vec![0], vec![1]]
        );
    }

    #[test]
    fn after_a_failure_nothing_is_begun() {
        let mut schedule = schedule(&[("a", ""), ("b", ""), ("c", "FROM a")]);
        assert_eq!(schedule.begin(), [0, 1]);
        schedule.end(0, false);
        assert_eq!(schedule.begin(), [0; 0]);
        schedule.end(1, true);
        assert_eq!((schedule.begin(), schedule.waiting().collect()), (vec![], vec![2]));
    }
}
