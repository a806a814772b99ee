//! Keys at the top of a Compose file.
use super::resources::{CONFIG, MODEL, NETWORK, SECRET, VOLUME};
use super::service::SERVICE;
use super::{DOCUMENTATION_ONLY, NO_MODELS, TEXT_OR_NAMES, object, plain};
use crate::forms::short;
use crate::schema::Keys::{Any as AnyKey, Names};
use crate::schema::Presence::Always;
use crate::schema::Shape::{List, Map, Nullable, Object as Mapping, Short, Text};
use crate::schema::{Object, Shape, Unique, key};

/// The shape of a file.
pub(crate) static PROJECT_SHAPE: Shape = Mapping(&PROJECT);

/// The keys at the top of a file.
pub(crate) static PROJECT: Object = object(&[
    key("version", Text).note(DOCUMENTATION_ONLY),
    key("include", List(&Short(&[Text, Mapping(&INCLUDE)]), Unique::No)),
    key("name", Text).note("`project` of the stack in `landfast.toml` overrides it"),
    key("services", Map(Names, &Mapping(&SERVICE))).presence(Always),
    key("networks", Map(Names, &Nullable(&Mapping(&NETWORK)))).long(short::external),
    key("volumes", Map(Names, &Nullable(&Mapping(&VOLUME)))).long(short::external),
    key("secrets", Map(Names, &Mapping(&SECRET))).long(short::external),
    key("configs", Map(Names, &Mapping(&CONFIG))).long(short::external),
    key("models", Map(AnyKey, &Mapping(&MODEL))).refused(NO_MODELS),
]);

static INCLUDE: Object =
    plain(&[], &[key("path", TEXT_OR_NAMES), key("env_file", TEXT_OR_NAMES), key("project_directory", Text)]);
