//! The builds of a run: side by side as [`Schedule`] says, what each says under its name, all that failed told together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};
use landfast_compose::{Diagnostic, Diagnostics};
use landfast_core::image_build::{self, Build, Dockerfile, Request, Schedule};
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Listener, Warning};

use super::prepare::{FOLDER_IMAGE, Prepared};
use super::{BuildError, Builder, solve};

/// Builds all of them. When one fails, those that are under way are given up, as the reference does.
pub async fn build(builder: &Builder, prepared: Vec<Prepared>, listener: &Arc<dyn Listener>) -> Result<(), BuildError> {
    let jobs = jobs(builder, prepared)?;
    for Job { request, .. } in &jobs {
        let warnings = request.warnings.iter().cloned().map(Warning::BuildKeyIgnored);
        warnings.for_each(|warning| listener.report(Event::Warning(warning)));
    }
    let mut schedule = Schedule::of(jobs.iter().map(|job| (&job.one.build, job.one.instructions())));
    let stop = CancellationToken::new();
    let mut running = FuturesUnordered::new();
    let mut failed = BTreeMap::new();
    let mut given_up = Vec::new();
    loop {
        for at in schedule.begin() {
            let (job, is_alone, stop) = (&jobs[at], jobs.len() == 1, &stop);
            running.push(async move { (at, job.run(builder, is_alone, stop, listener).await) });
        }
        let Some((at, ended)) = running.next().await else { break };
        schedule.end(at, matches!(ended, Ok(Ended::Built)));
        match ended {
            Ok(Ended::Built) => {}
            Ok(Ended::GivenUp) => given_up.push(at),
            Err(error) => {
                stop.cancel();
                failed.insert(at, error);
            }
        }
    }
    given_up.extend(schedule.waiting());
    if !given_up.is_empty() {
        let images = given_up.iter().map(|at| jobs[*at].one.build.image.clone()).collect();
        listener.report(Event::BuildsAbandoned { images });
    }
    told_together(failed.into_iter().map(|(at, error)| (&jobs[at].one.build, error)))
}

struct Job {
    one: Prepared,
    request: Request,
}

/// How a build ended that did not fail.
enum Ended {
    Built,
    GivenUp,
}

/// All that is wrong is said before the first is built.
fn jobs(builder: &Builder, prepared: Vec<Prepared>) -> Result<Vec<Job>, BuildError> {
    let mut jobs = Vec::new();
    let mut mistakes = Vec::new();
    for one in prepared {
        match image_build::request(&one.build, one.instructions(), builder.api) {
            Ok(request) => jobs.push(Job { one, request }),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(jobs) } else { Err(BuildError::Mistakes(Diagnostics(mistakes))) }
}

impl Job {
    async fn run(
        &self,
        builder: &Builder,
        is_alone: bool,
        stop: &CancellationToken,
        listener: &Arc<dyn Listener>,
    ) -> Result<Ended, BuildError> {
        let image = &self.one.build.image;
        let output = Output { build: (!is_alone).then(|| image.clone()), listener };
        listener.report(Event::BuildStarted { image: image.clone() });
        // Cancel safe: a build that is dropped ends at the builder with its connections. What failed first is told.
        let built = tokio::select! {
            biased;
            built = self.solve(builder, &output) => built.map(|()| Ended::Built),
            () = stop.cancelled() => Ok(Ended::GivenUp),
        };
        for folder in self.request.folder_images.keys() {
            builder.discard(folder, listener).await;
        }
        built
    }

    async fn solve(&self, builder: &Builder, output: &Output<'_>) -> Result<(), BuildError> {
        for (image, folder) in &self.request.folder_images {
            output.folder_started(image);
            let request = image_build::request(&folder_image(image, folder), FOLDER_IMAGE, builder.api)
                .map_err(|mistake| BuildError::Mistakes(mistake.into()))?;
            solve::solve(&builder.door, &request, self.one.offer_folder(&request, builder), output).await?;
        }
        solve::solve(&builder.door, &self.request, self.one.offer(&self.request, builder), output).await
    }
}

/// A folder as an image: what a builder without further contexts can copy from.
fn folder_image(image: &str, folder: &Path) -> Build {
    Build {
        image: image.to_owned(),
        context: folder.to_owned(),
        dockerfile: Dockerfile::Inline(FOLDER_IMAGE.to_owned()),
        ..Build::default()
    }
}

/// A build that failed is a mistake at its `build:`. A builder that is not there at all is one thing to say.
fn told_together<'a>(failed: impl Iterator<Item = (&'a Build, BuildError)>) -> Result<(), BuildError> {
    let (steps, engine): (Vec<_>, Vec<_>) =
        failed.partition(|(_, error)| matches!(error, BuildError::FailedStep(_) | BuildError::Mistakes(_)));
    if steps.is_empty() {
        return engine.into_iter().next().map_or(Ok(()), |(_, error)| Err(error));
    }
    let mut mistakes = Vec::new();
    for (build, error) in steps.into_iter().chain(engine) {
        let problem = match error {
            BuildError::Mistakes(Diagnostics(found)) => {
                mistakes.extend(found);
                continue;
            }
            BuildError::FailedStep(failure) => format!("\n{failure}"),
            error => format!(": {error}"),
        };
        let message = format!("image {} could not be built, nothing was changed on any host{problem}", build.image);
        mistakes.push(Diagnostic {
            location: build.at.clone(),
            path: String::new(),
            message,
            hint: None,
            users: Box::default(),
        });
    }
    Err(BuildError::Mistakes(Diagnostics(mistakes)))
}

/// Reports what a builder writes.
pub(super) struct Output<'a> {
    /// Reference of the image; `None` if no other image is built in the run.
    build: Option<String>,
    listener: &'a Arc<dyn Listener>,
}

impl Output<'_> {
    pub(super) fn line(&self, line: String) {
        self.listener.report(Event::BuildLine { build: self.build.clone(), line });
    }

    fn folder_started(&self, image: &str) {
        self.listener.report(Event::BuildFolderStarted { build: self.build.clone(), image: image.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use landfast_core::image_build::FailedStep;

    use super::super::Failure;
    use super::*;

    fn build(image: &str) -> Build {
        Build { image: image.to_owned(), ..Build::default() }
    }

    fn failure(problem: &str) -> BuildError {
        let failed = FailedStep { step: "[1/1] RUN x".to_owned(), output: Vec::new() };
        BuildError::FailedStep(Failure { failed: Some(failed), problem: problem.to_owned() })
    }

    #[test]
    fn all_that_failed_is_told_in_order() {
        let (a, b, c) = (build("a"), build("b"), build("c"));
        let lost = BuildError::Engine { problem: "it is gone".to_owned() };
        let failed = [(&a, failure("one")), (&b, lost), (&c, failure("three"))];
        let Err(BuildError::Mistakes(Diagnostics(told))) = told_together(failed.into_iter()) else {
            panic!("they are mistakes")
        };
        let told: Vec<_> = told.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(told.len(), 3);
        assert!(
            told[0].starts_with("image a could not") && told[0].ends_with("\n  step [1/1] RUN x\n  one"),
            "{told:?}"
        );
        assert!(told[1].starts_with("image c could not"), "{told:?}");
        assert!(told[2].ends_with(": the engine does not build: it is gone"), "{told:?}");
    }

    #[test]
    fn an_engine_that_is_gone_is_told_once() {
        let (a, b) = (build("a"), build("b"));
        let lost = || BuildError::Engine { problem: "it is gone".to_owned() };
        let told = told_together([(&a, lost()), (&b, lost())].into_iter());
        assert!(matches!(told, Err(BuildError::Engine { .. })));
        assert!(told_together([].into_iter()).is_ok());
    }
}
