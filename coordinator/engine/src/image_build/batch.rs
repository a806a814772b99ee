//! Runs the builds of an operation in parallel, in the order of [`Schedule`]. Each build's output has its image's name
//! as prefix, and all failures are reported together.

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

/// Builds all images. When one build fails, running builds are cancelled, like Docker Compose does.
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
    let mut cancelled = Vec::new();
    loop {
        for at in schedule.begin() {
            let (job, is_alone, stop) = (&jobs[at], jobs.len() == 1, &stop);
            running.push(async move { (at, job.run(builder, is_alone, stop, listener).await) });
        }
        let Some((at, ended)) = running.next().await else { break };
        schedule.end(at, matches!(ended, Ok(Outcome::Built)));
        match ended {
            Ok(Outcome::Built) => {}
            Ok(Outcome::Cancelled) => cancelled.push(at),
            Err(error) => {
                stop.cancel();
                failed.insert(at, error);
            }
        }
    }
    cancelled.extend(schedule.waiting());
    if !cancelled.is_empty() {
        let images = cancelled.iter().map(|at| jobs[*at].one.build.image.clone()).collect();
        listener.report(Event::BuildsAbandoned { images });
    }
    combine_failures(failed.into_iter().map(|(at, error)| (&jobs[at].one.build, error)))
}

struct Job {
    one: Prepared,
    request: Request,
}

/// The outcome of a build that did not fail.
enum Outcome {
    Built,
    Cancelled,
}

/// Creates the requests. All mistakes are reported before the first build starts.
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
    ) -> Result<Outcome, BuildError> {
        let image = &self.one.build.image;
        let output = Output { build: (!is_alone).then(|| image.clone()), listener };
        listener.report(Event::BuildStarted { image: image.clone() });
        // Cancel safe: dropping a build closes its connections, which stops it at the builder. The first failure is
        // reported.
        let built = tokio::select! {
            biased;
            built = self.solve(builder, &output) => built.map(|()| Outcome::Built),
            () = stop.cancelled() => Ok(Outcome::Cancelled),
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
            solve::solve(&builder.address, &request, self.one.folder_inputs(&request, builder), output).await?;
        }
        solve::solve(&builder.address, &self.request, self.one.inputs(&self.request, builder), output).await
    }
}

/// A build of an image that contains a folder. Builders without support for additional contexts copy from such an
/// image.
fn folder_image(image: &str, folder: &Path) -> Build {
    Build {
        image: image.to_owned(),
        context: folder.to_owned(),
        dockerfile: Dockerfile::Inline(FOLDER_IMAGE.to_owned()),
        ..Build::default()
    }
}

/// Combines the failures of all builds. Each failed build becomes a mistake at its `build:` key; if no builder is
/// available, only one error is returned.
fn combine_failures<'a>(failed: impl Iterator<Item = (&'a Build, BuildError)>) -> Result<(), BuildError> {
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

/// Reports the output of a build.
pub(super) struct Output<'a> {
    /// Reference of the image; `None` if the operation builds no other image.
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
    fn all_failures_are_reported_in_order() {
        let (a, b, c) = (build("a"), build("b"), build("c"));
        let lost = BuildError::Engine { problem: "it is gone".to_owned() };
        let failed = [(&a, failure("one")), (&b, lost), (&c, failure("three"))];
        let Err(BuildError::Mistakes(Diagnostics(mistakes))) = combine_failures(failed.into_iter()) else {
            panic!("they are mistakes")
        };
        let messages: Vec<_> = mistakes.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages.len(), 3);
        assert!(
            messages[0].starts_with("image a could not") && messages[0].ends_with("\n  step [1/1] RUN x\n  one"),
            "{messages:?}"
        );
        assert!(messages[1].starts_with("image c could not"), "{messages:?}");
        assert!(messages[2].ends_with(": the engine cannot build images: it is gone"), "{messages:?}");
    }

    #[test]
    fn an_unavailable_engine_is_reported_once() {
        let (a, b) = (build("a"), build("b"));
        let lost = || BuildError::Engine { problem: "it is gone".to_owned() };
        let result = combine_failures([(&a, lost()), (&b, lost())].into_iter());
        assert!(matches!(result, Err(BuildError::Engine { .. })));
        assert!(combine_failures([].into_iter()).is_ok());
    }
}
