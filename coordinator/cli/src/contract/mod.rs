//! JSON that `--format json` prints. It is a contract: keys may be added, none may change.
//!
//! `coordinator/cli/contract.schema.json` is its JSON Schema, generated from these types. A test compares it:
//! `LANDFAST_SCHEMA=overwrite cargo test -p landfast contract` writes it anew.

mod check;
mod deploy;
mod environments;
mod hosts;
mod plan;
mod status;

pub(crate) use check::{CheckReport, Exception, ExplainedRule, Finding, ListedRule, Place};
pub(crate) use deploy::{LogLine, Outcome, Recovered, Release};
pub(crate) use environments::{ActiveEnvironment, ListedEnvironment, MissingName, StackEnvironments};
pub(crate) use hosts::{AddedHost, Certificate, ListedHost};
pub(crate) use plan::Plan;
pub(crate) use status::{Instance, Status};

#[cfg(test)]
mod tests {
    use schemars::{SchemaGenerator, generate::SchemaSettings};
    use serde_json::{Value, json};

    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contract.schema.json");

    /// The schema of what each verb prints.
    fn schema() -> Value {
        let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
        let verbs = json!({
            "cert show": generator.subschema_for::<Certificate>(),
            "check": generator.subschema_for::<CheckReport>(),
            "check --explain": generator.subschema_for::<Vec<ExplainedRule>>(),
            "check --list": generator.subschema_for::<Vec<ListedRule>>(),
            "env ls": generator.subschema_for::<Vec<StackEnvironments>>(),
            "recover": generator.subschema_for::<Recovered>(),
            "history": generator.subschema_for::<Vec<Release>>(),
            "host add": generator.subschema_for::<AddedHost>(),
            "host ls": generator.subschema_for::<Vec<ListedHost>>(),
            "logs": generator.subschema_for::<LogLine>(),
            "plan": generator.subschema_for::<Plan>(),
            "ps": generator.subschema_for::<Vec<Instance>>(),
            "status": generator.subschema_for::<Status>(),
            "up, down, sync, rollback": generator.subschema_for::<Outcome>(),
        });
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Output of landfast with --format json",
            "description": "One property for each verb. `logs` prints one such object a line.",
            "type": "object",
            "properties": verbs,
            "$defs": generator.take_definitions(true),
        })
    }

    #[test]
    fn the_schema_file_is_that_of_the_types() {
        let generated = format!("{:#}\n", schema());
        if std::env::var_os("LANDFAST_SCHEMA").is_some_and(|value| value == "overwrite") {
            std::fs::write(FILE, &generated).expect("the schema is written");
        }
        let written = std::fs::read_to_string(FILE).expect("the schema is there");
        let command = "LANDFAST_SCHEMA=overwrite cargo test -p landfast contract";
        assert!(written == generated, "contract.schema.json is not that of the types: {command}");
    }
}
