//! `config --variables`: prints the variables that the compose files use, as a table unless `--format` is given.

use std::collections::BTreeMap;

use landfast_compose::{Variable, yaml_text};
use serde_json::{Map, Value};

use crate::arguments::Format;
use crate::output::escape;

pub(super) fn text(variables: &BTreeMap<String, Variable>, format: Option<Format>) -> String {
    match format {
        Some(Format::Yaml) => wider(&yaml_text(&fields(variables, str::to_lowercase))),
        Some(Format::Json) => format!("{}\n", wider(&format!("{:#}\n", fields(variables, str::to_owned)))),
        _ => table(variables),
    }
}

/// Returns the variables with the field names that `docker compose` uses.
fn fields(variables: &BTreeMap<String, Variable>, case: impl Fn(&str) -> String) -> Value {
    let fields = |(name, variable): (&String, &Variable)| {
        let fields = [
            ("Name", Value::from(name.as_str())),
            ("DefaultValue", Value::from(variable.default.as_str())),
            ("PresenceValue", Value::from(variable.alternative.as_str())),
            ("Required", Value::from(variable.required)),
        ];
        let fields: Map<_, _> = fields.into_iter().map(|(field, value)| (case(field), value)).collect();
        (name.clone(), Value::Object(fields))
    };
    variables.iter().map(fields).collect()
}

/// Indents each level by four spaces instead of two.
fn wider(text: &str) -> String {
    let line = |line: &str| format!("{:indent$}{line}\n", "", indent = line.len() - line.trim_start_matches(' ').len());
    text.lines().map(line).collect()
}

fn table(variables: &BTreeMap<String, Variable>) -> String {
    let head = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned);
    let row = |(name, variable): (&String, &Variable)| {
        let values = [name, &variable.required.to_string(), &variable.default, &variable.alternative];
        values.map(|value| escape::line(value).into_owned())
    };
    let rows: Vec<_> = std::iter::once(head).chain(variables.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count() + 3).max().unwrap_or(0).max(20);
    let [one, two, three] = [0, 1, 2].map(width);
    let line = |[name, required, default, alternative]: &[String; 4]| {
        format!("{name:one$}{required:two$}{default:three$}{alternative}\n")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> BTreeMap<String, Variable> {
        let tag = Variable { default: "1".to_owned(), ..Variable::default() };
        let long = Variable { required: true, alternative: "x\ny".to_owned(), ..Variable::default() };
        BTreeMap::from([("TAG".to_owned(), tag), ("A_NAME_OF_SEVERAL_WORDS".to_owned(), long)])
    }

    #[test]
    fn a_variable_has_a_line_of_the_table() {
        let expected = "\
NAME                      REQUIRED            DEFAULT VALUE       ALTERNATE VALUE
A_NAME_OF_SEVERAL_WORDS   true                                    x\\u{a}y
TAG                       false               1                   \n";
        assert_eq!(text(&variables(), None), expected);
    }

    #[test]
    fn programs_get_every_field() {
        let only_tag = BTreeMap::from_iter(variables().into_iter().filter(|(name, _)| name == "TAG"));
        let yaml = "TAG:\n    name: TAG\n    defaultvalue: \"1\"\n    presencevalue: \"\"\n    required: false\n";
        assert_eq!(text(&only_tag, Some(Format::Yaml)), yaml);
        let json = "{\n    \"TAG\": {\n        \"Name\": \"TAG\",\n        \"DefaultValue\": \"1\",\n        \
                    \"PresenceValue\": \"\",\n        \"Required\": false\n    }\n}\n\n";
        assert_eq!(text(&only_tag, Some(Format::Json)), json);
    }
}
