//! Image references: their normal form, and the registry that they name.

/// The familiar form of a reference: without the default registry, with a tag or, like engines list them, with a digest
/// and no tag. `docker.io/library/redis` becomes `redis:latest`, and `redis:7@sha256:ab` becomes `redis@sha256:ab`.
pub fn familiar(reference: &str) -> String {
    let name = reference.strip_prefix("docker.io/").or_else(|| reference.strip_prefix("index.docker.io/"));
    let name = name.unwrap_or(reference);
    let name = name.strip_prefix("library/").unwrap_or(name);
    if let Some((_, digest)) = name.split_once('@') {
        return format!("{}@{digest}", repository(name));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// The repository of a familiar reference: the reference without tag and digest.
pub(super) fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}

/// The registry that a reference names, such as `registry.lan:5000` in `registry.lan:5000/app:1`. Returns `None` for
/// the default registry.
pub fn registry(reference: &str) -> Option<&str> {
    let (first, _) = reference.split_once('/')?;
    let named = first.contains(['.', ':']) || first == "localhost";
    (named && !matches!(first, "docker.io" | "index.docker.io")).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::{familiar, registry, repository};

    #[test]
    fn references_that_engines_treat_as_equal_are_equal() {
        for same in ["redis", "redis:latest", "docker.io/redis", "docker.io/library/redis:latest", "library/redis"] {
            assert_eq!(familiar(same), "redis:latest");
        }
        assert_eq!(familiar("registry.lan:5000/app"), "registry.lan:5000/app:latest");
        for same in ["team/app@sha256:ab", "team/app:7@sha256:ab", "docker.io/team/app:7@sha256:ab"] {
            assert_eq!(familiar(same), "team/app@sha256:ab");
        }
    }

    #[test]
    fn a_repository_has_neither_tag_nor_digest() {
        for name in ["lan:5000/app", "lan:5000/app:1", "lan:5000/app@sha256:ab", "lan:5000/app:1@sha256:ab"] {
            assert_eq!(repository(name), "lan:5000/app");
        }
    }

    #[test]
    fn a_registry_has_a_dot_a_port_or_is_localhost() {
        assert_eq!(registry("registry.lan:5000/app:1"), Some("registry.lan:5000"));
        assert_eq!(registry("localhost/app"), Some("localhost"));
        assert_eq!([registry("redis:7"), registry("team/app"), registry("docker.io/team/app")], [None, None, None]);
    }
}
