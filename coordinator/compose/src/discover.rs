//! Finds the Compose files of a folder.

/// Names of the main file, in the order of preference.
const MAIN: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of the override file, in the order of preference.
const OVERRIDE: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// Returns the main file and the override file among the names of a folder. Empty when there is no main file.
pub fn files<'a>(names: &'a [String]) -> Vec<&'a str> {
    let first = |preferred: &[&str]| preferred.iter().find_map(|name| names.iter().find(|other| other == name));
    let Some(main) = first(&MAIN) else { return Vec::new() };
    [Some(main), first(&OVERRIDE)].into_iter().flatten().map(String::as_str).collect::<Vec<&'a str>>()
}

/// Splits `COMPOSE_FILE` at `COMPOSE_PATH_SEPARATOR`, or at colons.
pub fn named<'a>(compose_file: &'a str, separator: Option<&str>) -> Vec<&'a str> {
    compose_file.split(separator.filter(|separator| !separator.is_empty()).unwrap_or(":")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_main_file_and_override_are_found() {
        let names = ["docker-compose.yml", "compose.yml", "compose.override.yml", "docker-compose.override.yml"];
        assert_eq!(files(&names.map(str::to_owned)), ["compose.yml", "compose.override.yml"]);
        assert!(files(&["compose.override.yml".to_owned()]).is_empty());
    }

    #[test]
    fn the_variable_is_split_at_its_separator() {
        assert_eq!(named("a.yml:b.yml", None), ["a.yml", "b.yml"]);
        assert_eq!(named("a.yml,b.yml", Some(",")), ["a.yml", "b.yml"]);
    }
}
