//! Volumes of the engine.

use std::collections::{BTreeMap, HashMap};

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};
use landfast_agent_core::observed::Volume;

use super::{Engine, EngineError, LONG, Labels, SHORT};
use crate::wire;

/// All volumes that the engine could list.
#[derive(Debug)]
pub(crate) struct ListedVolumes {
    /// Volumes by name.
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Why volumes of some drivers may be missing; `None` if none are. A driver that does not answer leaves its volumes out.
    pub(crate) incomplete: Option<String>,
}

impl Engine {
    /// Lists all volumes.
    pub(crate) async fn list_volumes(&self, fleet: &str) -> Result<ListedVolumes, EngineError> {
        let found = self.within(SHORT, self.client()?.list_volumes(None::<ListVolumesOptions>)).await?;
        let ours = |labels: &HashMap<String, String>| labels.get(Labels::FLEET).is_some_and(|label| label == fleet);
        let volumes = found.volumes.unwrap_or_default().into_iter().map(|volume| {
            let ours = ours(&volume.labels);
            (volume.name, Volume { ours, driver: volume.driver, options: volume.options.into_iter().collect() })
        });
        let warnings = found.warnings.filter(|warnings| !warnings.is_empty());
        Ok(ListedVolumes { volumes: volumes.collect(), incomplete: warnings.map(|warnings| warnings.join("; ")) })
    }

    pub(crate) async fn create_volume(&self, volume: &wire::Volume, fleet: &str) -> Result<(), EngineError> {
        let part = (volume.stack.as_str(), volume.project.as_str(), volume.key.as_str());
        let request = VolumeCreateRequest {
            name: Some(volume.name.clone()),
            driver: (!volume.driver.is_empty()).then(|| volume.driver.clone()),
            driver_opts: Some(volume.options.clone().into_iter().collect()),
            labels: Some(Labels::of_part("volume", part, &volume.labels, fleet)),
            ..VolumeCreateRequest::default()
        };
        self.within(LONG, self.client()?.create_volume(request)).await.map(drop)
    }

    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveVolumeOptions { force: false };
        match self.within(LONG, self.client()?.remove_volume(name, Some(options))).await {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer,
        }
    }
}
