//! Platforms of images and engines, and which images an engine runs. The rules are those of containerd's platform matching, which
//! Docker uses to choose an image.
use std::fmt;

/// Operating system and processor. An empty part is unknown and matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// Creates a platform from the names that engines, images and kernels use: `aarch64` becomes `arm64`.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
        let numbered = variant.starts_with(|first: char| first.is_ascii_digit());
        let variant = if numbered { format!("v{variant}") } else { variant };
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "v8") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            other => other,
        };
        Self { os: os.to_lowercase(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// Parses `platform:` of a service, such as `linux/arm64`, `linux/arm/v7`, `arm64` or `linux`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |part: &&str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(is_name) {
            return None;
        }
        match parts[..] {
            [os @ ("linux" | "windows" | "freebsd" | "darwin")] => Some(Self::new(os, "", "")),
            [architecture] => Some(Self::new("linux", architecture, "")),
            [os, architecture] => Some(Self::new(os, architecture, "")),
            [os, architecture, variant] => Some(Self::new(os, architecture, variant)),
            _ => None,
        }
    }

    /// Whether an engine with this platform runs an image without emulation. A 64-bit processor runs 32-bit programs of its family,
    /// and a newer variant runs those of an older one.
    pub fn runs(&self, image: &Self) -> bool {
        let unknown = |one: &str, other: &str| one.is_empty() || other.is_empty();
        if !unknown(&self.os, &image.os) && self.os != image.os {
            return false;
        }
        match (self.architecture.as_str(), image.architecture.as_str()) {
            (ours, theirs) if unknown(ours, theirs) => true,
            (ours, theirs) if ours == theirs => match (number(&self.variant), number(&image.variant)) {
                (Some(ours), Some(theirs)) => theirs <= ours,
                _ => true,
            },
            ("amd64", "386") | ("arm64", "arm") => true,
            _ => false,
        }
    }

    /// Whether the platform is unknown.
    pub fn is_unknown(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }
}

/// Returns the number of a variant: 7 for `v7`.
fn number(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok()
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.os, &self.architecture, &self.variant];
        let known: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if known.is_empty() { write!(f, "an unknown platform") } else { write!(f, "{}", known.join("/")) }
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    fn platform(text: &str) -> Platform {
        Platform::parse(text).expect("a platform")
    }

    #[test]
    fn a_platform_has_one_normal_form() {
        for (text, printed) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("i386", "linux/386"),
            ("linux", "linux"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), printed, "{text}");
        }
        for text in ["", "/", "linux/", "linux/amd64/v1/x", "linux amd64", "linux/am*64", "/amd64"] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_engine_runs_images_for_its_processor() {
        for (engine, image) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/amd64", "linux/386"),
            ("linux/amd64", "linux/amd64/v3"),
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm64", "linux/arm/v5"),
            ("linux/arm64", "linux/arm/v7"),
            ("linux/arm/v7", "linux/arm/v6"),
            ("linux/arm", "linux/arm/v7"),
            ("linux", "linux/s390x"),
        ] {
            assert!(platform(engine).runs(&platform(image)), "{engine} runs {image}");
        }
        for (engine, image) in [
            ("linux/amd64", "linux/arm64"),
            ("linux/amd64", "linux/arm/v7"),
            ("linux/386", "linux/amd64"),
            ("linux/arm/v7", "linux/arm64"),
            ("linux/arm/v6", "linux/arm/v7"),
            ("linux/amd64", "windows/amd64"),
            ("linux/ppc64", "linux/ppc64le"),
        ] {
            assert!(!platform(engine).runs(&platform(image)), "{engine} does not run {image}");
        }
    }

    #[test]
    fn an_unknown_platform_matches_everything() {
        let unknown = Platform::default();
        assert!(unknown.is_unknown() && !platform("linux").is_unknown());
        assert!(unknown.runs(&platform("linux/arm64")) && platform("linux/amd64").runs(&unknown));
    }
}
