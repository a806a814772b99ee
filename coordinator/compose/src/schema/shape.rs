//! Which values a shape accepts, and how it is described.
use super::field::{Number, Shape};
use crate::diagnostic::Diagnostic;
use crate::text::node::{Node, Value};

impl Shape {
    /// Whether the shape accepts values of this kind. The contents of the value are not checked.
    pub(crate) fn takes(&self, value: &Value) -> bool {
        use Value::{Bool, Float, Int, List, Map, Null, Text, Time};
        match (self, value) {
            (_, Time(_)) => false,
            (_, Float(number)) if !number.is_finite() => false,
            (Shape::Short(forms), _) => forms.iter().any(|form| form.takes(value)),
            (Shape::Nullable(inner), _) => *value == Null || inner.takes(value),
            (Shape::TextOrNull | Shape::Command, Null) => true,
            (
                Shape::Text
                | Shape::TextOrNull
                | Shape::TextOrFlag
                | Shape::Choice(_)
                | Shape::Form(..)
                | Shape::Flag
                | Shape::Duration
                | Shape::Mode
                | Shape::DeviceCount
                | Shape::Published
                | Shape::Command
                | Shape::Test,
                Text(_),
            ) => true,
            (Shape::TextOrFlag | Shape::Flag | Shape::Truth, Bool(_)) => true,
            (Shape::Mode | Shape::DeviceCount | Shape::Published, Int(_)) => true,
            (Shape::Mode, Float(_)) => true,
            (Shape::Int(number) | Shape::Float(number) | Shape::Size(number), _) => number.takes(value),
            (
                Shape::Texts { .. }
                | Shape::Scalars
                | Shape::Command
                | Shape::Test
                | Shape::Pairs { .. }
                | Shape::Hosts
                | Shape::Ssh
                | Shape::List(..),
                List(_),
            ) => true,
            (
                Shape::Pairs { .. }
                | Shape::Options { .. }
                | Shape::MultiOptions
                | Shape::Hosts
                | Shape::Ssh
                | Shape::Object(_)
                | Shape::Map(..),
                Map(_),
            ) => true,
            _ => false,
        }
    }

    /// The one of several forms that a value has. A shape with one form returns itself.
    pub(crate) fn form_of(&'static self, value: &Value) -> Option<&'static Shape> {
        match self {
            Shape::Short(forms) => forms.iter().find(|form| form.takes(value))?.form_of(value),
            Shape::Nullable(inner) if *value != Value::Null => inner.form_of(value),
            _ => self.takes(value).then_some(self),
        }
    }

    /// The long form of a shape with several forms.
    pub(crate) fn long_form(&'static self) -> &'static Shape {
        match self {
            Shape::Short(forms) => forms.last().map_or(self, Shape::long_form),
            Shape::Nullable(inner) => inner.long_form(),
            _ => self,
        }
    }

    /// Description of the accepted values, for messages.
    pub(crate) fn wants(&self) -> String {
        match self {
            Shape::Text | Shape::TextOrNull | Shape::Choice(_) | Shape::Form(..) => "a string".to_owned(),
            Shape::TextOrFlag => "a string or a boolean".to_owned(),
            Shape::Flag | Shape::Truth => "a boolean".to_owned(),
            Shape::Int(number) | Shape::Float(number) => number.wants("a number"),
            Shape::Size(number) => number.wants("a size such as 512m"),
            Shape::Duration => "a duration such as 1m30s, as a string".to_owned(),
            Shape::Mode => "permission bits such as 0440".to_owned(),
            Shape::DeviceCount => "a number or `all`".to_owned(),
            Shape::Published => "a port".to_owned(),
            Shape::Texts { .. } => "a list of strings".to_owned(),
            Shape::Scalars => "a list of strings or numbers".to_owned(),
            Shape::Command | Shape::Test => "a string or a list of strings".to_owned(),
            Shape::Pairs { .. } => "a mapping or a list of KEY=value".to_owned(),
            Shape::Hosts => "a mapping or a list of name=address".to_owned(),
            Shape::Ssh => "a list of `default` and id=path".to_owned(),
            Shape::Options { .. } | Shape::MultiOptions | Shape::Object(_) | Shape::Map(..) => "a mapping".to_owned(),
            Shape::List(..) => "a list".to_owned(),
            Shape::Nullable(inner) => format!("{} or null", inner.wants()),
            Shape::Short(forms) => forms.iter().map(Shape::wants).collect::<Vec<_>>().join(" or "),
        }
    }

    /// The message for a value of a kind that the shape does not accept.
    pub(crate) fn mismatch(&self, node: &Node, path: &str) -> Diagnostic {
        let message = format!("must be {}, not {}", self.wants(), node.kind());
        let diagnostic = Diagnostic::at(&node.at, message).key(path);
        match &node.value {
            Value::Time(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)
                if self.takes(&Value::Text(String::new())) =>
            {
                diagnostic.hint("write the value in quotes")
            }
            Value::Null => diagnostic.hint("remove the key, or give it a value"),
            _ => diagnostic,
        }
    }
}

impl Number {
    fn takes(&self, value: &Value) -> bool {
        match value {
            Value::Int(_) => self.number,
            Value::Float(number) => self.number && (self.fraction || number.fract() == 0.0),
            Value::Text(_) => self.text,
            _ => false,
        }
    }

    fn wants(&self, what: &str) -> String {
        if self.number { what.to_owned() } else { format!("{what}, as a string") }
    }
}
