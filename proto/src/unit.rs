//! Contents of units: how they travel, what identifies them, and how the complete state of a host is made of them.

use std::collections::BTreeMap;

use prost::Message;

use crate::v1::{Fabric, HostBase, HostState, Instance, Network, Removal, StackState, Tree, Volume, unit};

/// Identity of a unit among those of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitKey {
    /// The networks of the fleet.
    Base,
    /// What connects the hosts.
    Fabric,
    /// The state or the removal of this stack.
    Stack(String),
}

/// Contents of a unit.
#[derive(Clone, PartialEq)]
pub enum Contents {
    /// State of a stack.
    Stack(StackState),
    /// Removal of a stack.
    Removal(Removal),
    /// Networks of the fleet.
    Base(HostBase),
    /// What connects the hosts.
    Fabric(Fabric),
}

/// Names the unit only, because the files in it may be secret.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contents({:?})", self.key())
    }
}

/// Why the contents of a unit cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// The bytes are not a message.
    #[error("it cannot be decoded")]
    Unreadable(#[from] prost::DecodeError),
    /// The message has fields that this program does not know. They would be lost.
    #[error("it has fields that this version does not know: update the agent with `landfast host add --upgrade`")]
    Unknown,
    /// There are no contents, or only a change of contents.
    #[error("it has no contents")]
    Empty,
}

impl Contents {
    /// Decodes contents. Unknown fields are refused, because decoding would drop them silently (F53).
    ///
    /// # Errors
    /// The bytes are not a message of this version.
    pub fn decode(contents: &unit::Contents) -> Result<Self, Unusable> {
        match contents {
            unit::Contents::Stack(bytes) => strict(bytes).map(Self::Stack),
            unit::Contents::Removal(bytes) => strict(bytes).map(Self::Removal),
            unit::Contents::Base(bytes) => strict(bytes).map(Self::Base),
            unit::Contents::Fabric(bytes) => strict(bytes).map(Self::Fabric),
            unit::Contents::FabricDelta(_) => Err(Unusable::Empty),
        }
    }

    /// Encodes the contents.
    pub fn encode(&self) -> unit::Contents {
        match self {
            Self::Stack(message) => unit::Contents::Stack(message.encode_to_vec()),
            Self::Removal(message) => unit::Contents::Removal(message.encode_to_vec()),
            Self::Base(message) => unit::Contents::Base(message.encode_to_vec()),
            Self::Fabric(message) => unit::Contents::Fabric(message.encode_to_vec()),
        }
    }

    /// Identity of the unit.
    pub fn key(&self) -> UnitKey {
        match self {
            Self::Stack(StackState { stack, .. }) | Self::Removal(Removal { stack, .. }) => {
                UnitKey::Stack(stack.clone())
            }
            Self::Base(_) => UnitKey::Base,
            Self::Fabric(_) => UnitKey::Fabric,
        }
    }

    /// BLAKE3 digest of the kind and of the encoded contents, in lower-case hexadecimal. Maps are encoded in key order,
    /// so equal contents have equal digests.
    pub fn digest(&self) -> String {
        let (kind, bytes) = match self.encode() {
            unit::Contents::Stack(bytes) => (b's', bytes),
            unit::Contents::Removal(bytes) => (b'r', bytes),
            unit::Contents::Base(bytes) => (b'b', bytes),
            unit::Contents::Fabric(bytes) => (b'f', bytes),
            unit::Contents::FabricDelta(_) => (b'd', Vec::new()),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]).update(&bytes);
        hasher.finalize().to_hex().to_string()
    }
}

/// Decodes a message and refuses one that has fields which are lost.
fn strict<M: Message + Default>(bytes: &[u8]) -> Result<M, Unusable> {
    let message = M::decode(bytes)?;
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(Unusable::Unknown) }
}

/// Splits the complete state of a host into the contents of its units: the base, and one unit for each stack. A stack of which
/// only volumes are left is a removal. The fabric is not part of the result, because it belongs to the fleet.
pub fn split(state: HostState) -> Vec<Contents> {
    let mut base = HostBase::default();
    let mut stacks: BTreeMap<String, StackState> = BTreeMap::new();
    let mut stack_of = |name: &str, add: &dyn Fn(&mut StackState)| {
        add(stacks
            .entry(name.to_owned())
            .or_insert_with(|| StackState { stack: name.to_owned(), ..StackState::default() }));
    };
    for mut network in state.networks {
        if network.stack.is_empty() {
            network.overlay.iter_mut().for_each(|overlay| overlay.neighbours.clear());
            base.networks.push(network);
        } else {
            stack_of(&network.stack.clone(), &|state| state.networks.push(network.clone()));
        }
    }
    for volume in state.volumes {
        stack_of(&volume.stack, &|state| state.volumes.push(volume.clone()));
    }
    for Tree { stack, manifest } in state.trees {
        stack_of(&stack, &|state| state.manifest.clone_from(&manifest));
    }
    for instance in state.instances {
        stack_of(&instance.stack, &|state| state.instances.push(instance.clone()));
    }
    let stacks = stacks.into_values().map(|state| {
        let is_gone = state.manifest.is_empty() && state.networks.is_empty() && state.instances.is_empty();
        let StackState { stack, volumes, .. } = state.clone();
        if is_gone { Contents::Removal(Removal { stack, volumes }) } else { Contents::Stack(state) }
    });
    [Contents::Base(base)].into_iter().chain(stacks).collect()
}

/// Joins the contents of units, apart from the fabric, to the state of a host, which is otherwise `frame`. Each list is sorted
/// by name, and incarnations by their number.
pub fn join(frame: HostState, contents: impl IntoIterator<Item = Contents>) -> HostState {
    let mut state = frame;
    for contents in contents {
        match contents {
            Contents::Base(base) => state.networks.extend(base.networks),
            Contents::Fabric(_) => {}
            Contents::Removal(removal) => state.volumes.extend(removal.volumes),
            Contents::Stack(StackState { stack, manifest, networks, volumes, instances }) => {
                if !manifest.is_empty() {
                    state.trees.push(Tree { stack, manifest });
                }
                state.networks.extend(networks);
                state.volumes.extend(volumes);
                state.instances.extend(instances);
            }
        }
    }
    state.networks.sort_by(|a: &Network, b| a.name.cmp(&b.name));
    state.volumes.sort_by(|a: &Volume, b| a.name.cmp(&b.name));
    state.trees.sort_by(|a: &Tree, b| a.stack.cmp(&b.stack));
    state.instances.sort_by(|a, b| key(a).cmp(&key(b)));
    state
}

fn key(instance: &Instance) -> (&str, &str, u32, u64) {
    (&instance.stack, &instance.service, instance.index, instance.incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Neighbour, Overlay};

    fn network(name: &str, stack: &str, overlay: Option<Overlay>) -> Network {
        Network { name: name.to_owned(), stack: stack.to_owned(), overlay, ..Network::default() }
    }

    fn state() -> HostState {
        let overlay = Overlay { local: "10.0.0.1".to_owned(), ..Overlay::default() };
        let volume =
            |name: &str, stack: &str| Volume { name: name.to_owned(), stack: stack.to_owned(), ..Volume::default() };
        let instance = |stack: &str| Instance {
            stack: stack.to_owned(),
            service: "app".to_owned(),
            index: 1,
            ..Instance::default()
        };
        HostState {
            fleet: "home".to_owned(),
            host: "alpha".to_owned(),
            epoch: 2,
            generation: 7,
            networks: vec![network("data_default", "data", None), network("infra_net", "", Some(overlay))],
            volumes: vec![volume("data_files", "data"), volume("old_files", "old")],
            trees: vec![Tree { stack: "data".to_owned(), manifest: "m".to_owned() }],
            instances: vec![instance("data"), instance("web")],
            names: Vec::new(),
        }
    }

    fn frame() -> HostState {
        HostState { networks: vec![], volumes: vec![], trees: vec![], instances: vec![], names: vec![], ..state() }
    }

    #[test]
    fn a_state_is_split_by_stack_and_joined_again() {
        let mut old = state();
        if let Some(overlay) = &mut old.networks[1].overlay {
            overlay.neighbours.push(Neighbour { address: "172.19.0.5".to_owned(), ..Neighbour::default() });
        }
        let units = split(old);
        let keys: Vec<UnitKey> = units.iter().map(Contents::key).collect();
        let stack = |name: &str| UnitKey::Stack(name.to_owned());
        assert_eq!(keys, [UnitKey::Base, stack("data"), stack("old"), stack("web")]);
        assert!(matches!(&units[2], Contents::Removal(removal) if removal.volumes.len() == 1));
        let Contents::Base(base) = &units[0] else { panic!("{units:?}") };
        assert!(base.networks[0].overlay.as_ref().is_some_and(|overlay| overlay.neighbours.is_empty()));
        assert_eq!(join(frame(), units), state());
    }

    #[test]
    fn incarnations_are_joined_in_the_order_of_their_numbers() {
        let one = state().instances[0].clone();
        let instances = [3, 1, 2].map(|incarnation| Instance { incarnation, ..one.clone() }).to_vec();
        let joined = join(frame(), split(HostState { instances, ..frame() }));
        assert_eq!(joined.instances.iter().map(|it| it.incarnation).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_change_of_one_stack_changes_the_digest_of_one_unit() {
        let digests = |state| split(state).iter().map(|it| (it.key(), it.digest())).collect::<BTreeMap<_, _>>();
        let mut other = state();
        other.instances[0].digest = "other".to_owned();
        let (before, after) = (digests(state()), digests(other));
        let changed: Vec<_> =
            before.iter().filter(|(key, digest)| after[key] != **digest).map(|(key, _)| key).collect();
        assert_eq!(changed, [&UnitKey::Stack("data".to_owned())]);
    }

    #[test]
    fn f53_contents_with_unknown_fields_are_refused() {
        let stack = Contents::Stack(StackState { stack: "data".to_owned(), ..StackState::default() });
        let unit::Contents::Stack(mut bytes) = stack.encode() else { panic!("a stack") };
        assert_eq!(Contents::decode(&unit::Contents::Stack(bytes.clone())), Ok(stack));
        bytes.extend([0xf8, 0x3f, 1]); // Field 1023, a number.
        assert_eq!(Contents::decode(&unit::Contents::Stack(bytes)), Err(Unusable::Unknown));
        assert!(matches!(Contents::decode(&unit::Contents::Stack(vec![7])), Err(Unusable::Unreadable(_))));
    }
}
