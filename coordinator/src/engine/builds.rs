//! The builds of a run: which are wanted, whether all is there for them, and their results among the images.

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::Diagnostics;
use landfast_core::build::{Anew, Asked, Build, Question, choose};

use crate::build::{self, BuildError, Prepared, prepare};
use crate::images::Images;
use crate::output::count;

use super::source::Source;
use super::{Engine, EngineError, Up};

/// What `landfast build` is asked for, over what the compose files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    pub no_cache: bool,
    pub pull: bool,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
}

/// A build, and the place of its stack among the sources.
pub(super) struct Chosen {
    source: usize,
    build: Build,
}

/// The same with all there is to know before it.
pub(super) struct Ready {
    source: usize,
    prepared: Prepared,
}

impl Engine<'_> {
    /// Builds images of these stacks, those of all services unless some are named. Returns their references.
    pub async fn build_images(
        &self,
        stacks: &[String],
        services: &BTreeSet<String>,
        options: &BuildOptions,
    ) -> Result<Vec<String>, EngineError> {
        let (sources, mut images) = self.read(stacks).await?;
        let asked = if services.is_empty() { Asked::All } else { Asked::Services(services) };
        let mut warnings = Vec::new();
        let mut chosen = choose_all(&images, &sources, &BTreeSet::new(), asked, &mut warnings)?;
        for Chosen { build, .. } in &mut chosen {
            build.pull |= options.pull;
            build.args.extend(options.args.clone());
            if options.no_cache {
                build.anew = Anew::All;
            }
        }
        let ready = self.prepare(chosen, &sources, &mut warnings).await?;
        warnings.iter().for_each(|warning| self.listener.warn(warning));
        let built = ready.iter().map(|one| one.prepared.build.image.clone()).collect();
        let mut sentences = sentences(&ready, &sources);
        self.build(&mut images, ready, &mut sentences).await?;
        Ok(built)
    }

    /// What `up` builds of these sources.
    pub(super) fn choose_builds(
        &self,
        images: &Images,
        sources: &[Source],
        references: &BTreeSet<String>,
        up: Up,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Chosen>, EngineError> {
        let missing = images.resolve(references).unknown;
        let asked = if up.build { Asked::All } else { Asked::Nobody };
        choose_all(images, sources, &missing, asked, warnings)
    }

    /// Looks at everything that the builds name.
    pub(super) async fn prepare(
        &self,
        chosen: Vec<Chosen>,
        sources: &[Source],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Ready>, EngineError> {
        let mut ready = Vec::new();
        let mut mistakes = Vec::new();
        for Chosen { source, build } in chosen {
            let env = sources.get(source).and_then(|source| source.env.clone());
            let looked = tokio::task::spawn_blocking(move || prepare(build, env.as_deref())).await;
            // It can only fail by a panic, which goes on here.
            match looked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
                Ok(prepared) => {
                    warnings.extend(prepared.warnings.iter().map(ToString::to_string));
                    ready.push(Ready { source, prepared });
                }
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() { Ok(ready) } else { Err(EngineError::Mistakes(Diagnostics(mistakes))) }
    }

    /// Builds, and enters what was built among the images. The sentences are said, and gone.
    pub(super) async fn build(
        &self,
        images: &mut Images,
        ready: Vec<Ready>,
        sentences: &mut Vec<String>,
    ) -> Result<(), EngineError> {
        for sentence in sentences.drain(..) {
            self.listener.say(&format!("build images: {sentence}"));
        }
        let built = references(&ready);
        let nowhere = || BuildError::Nowhere { images: built.iter().cloned().collect() };
        let engine = images.engine().cloned().ok_or_else(nowhere)?;
        build::build(&engine, ready.into_iter().map(|one| one.prepared).collect(), self.listener).await?;
        for reference in &built {
            let image = engine.image(reference).await.ok_or_else(nowhere)?;
            images.built(reference, image);
        }
        Ok(())
    }
}

fn choose_all(
    images: &Images,
    sources: &[Source],
    missing: &BTreeSet<String>,
    asked: Asked<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Chosen>, EngineError> {
    let mut chosen = Vec::new();
    let mut mistakes = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let services = source.project.services.values();
        let there =
            services.filter_map(|service| service.image.clone()).filter(|image| images.is_here(image)).collect();
        match choose(&source.project, Question { asked, missing, there: &there }) {
            Ok(builds) => {
                warnings.extend(builds.warnings.iter().map(ToString::to_string));
                chosen.extend(builds.builds.into_iter().map(|build| Chosen { source: at, build }));
            }
            Err(Diagnostics(found)) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(chosen) } else { Err(EngineError::Mistakes(Diagnostics(mistakes))) }
}

/// `data-app from ./app (3 files, 2 KiB)`.
pub(super) fn sentences(ready: &[Ready], sources: &[Source]) -> Vec<String> {
    let sentence = |Ready { source, prepared }: &Ready| {
        let root = sources.get(*source).map(|source| source.root.as_path());
        let what = prepared.sentence(root.unwrap_or_else(|| std::path::Path::new("/")));
        format!("{what} ({}, {})", count(prepared.files, "file"), indicatif::BinaryBytes(prepared.bytes))
    };
    ready.iter().map(sentence).collect()
}

pub(super) fn references(ready: &[Ready]) -> BTreeSet<String> {
    ready.iter().map(|one| one.prepared.build.image.clone()).collect()
}
