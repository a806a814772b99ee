//! Which files of a folder are the project's when none are named.

/// The main file's names, the first one found is taken.
const MAIN: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The names of what goes on top of it, the first one found is taken.
const OVERRIDE: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// Of the names in a folder, those of the project's files in their order; empty when the folder is no project's, and
/// its parent may be.
pub fn files<'a>(names: &'a [String]) -> Vec<&'a str> {
    let first = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().find(|other| other == name));
    let Some(main) = first(&MAIN) else { return Vec::new() };
    [Some(main), first(&OVERRIDE)].into_iter().flatten().map(String::as_str).collect::<Vec<&'a str>>()
}

/// The files that `COMPOSE_FILE` names, separated by `COMPOSE_PATH_SEPARATOR` or a colon.
pub fn named<'a>(compose_file: &'a str, separator: Option<&str>) -> Vec<&'a str> {
    compose_file.split(separator.filter(|separator| !separator.is_empty()).unwrap_or(":")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_wins_and_one_override_goes_on_top() {
        let names = ["docker-compose.yml", "compose.yml", "compose.override.yml", "docker-compose.override.yml"];
        assert_eq!(files(&names.map(str::to_owned)), ["compose.yml", "compose.override.yml"]);
        assert!(files(&["compose.override.yml".to_owned()]).is_empty());
    }

    #[test]
    fn the_variable_names_several_files() {
        assert_eq!(named("a.yml:b.yml", None), ["a.yml", "b.yml"]);
        assert_eq!(named("a.yml,b.yml", Some(",")), ["a.yml", "b.yml"]);
    }
}
