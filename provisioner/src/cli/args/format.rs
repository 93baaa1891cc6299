//! `--output`: a format by its word, or `jsonpath=TEMPLATE`.

use super::Output;
use crate::cli::jsonpath::Template;
use clap::{
    Arg, Command, ValueEnum,
    builder::{PossibleValue, TypedValueParser},
    error::Error,
};
use std::ffi::OsStr;

/// A format, and the template of `jsonpath`.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Format {
    /// Which one.
    pub(in crate::cli) output: Output,
    /// There with [`Output::JsonPath`] only.
    pub(in crate::cli) template: Option<Template>,
}

impl From<Output> for Format {
    fn from(output: Output) -> Self {
        Self { output, template: None }
    }
}

/// Reads it.
fn read(text: &str) -> Result<Format, String> {
    if let Some(template) = text.strip_prefix("jsonpath=") {
        let template = Some(Template::read(template)?);
        return Ok(Format { output: Output::JsonPath, template });
    }
    if text == "jsonpath" {
        return Err(
            "the template is missing: write jsonpath={.name}, or of a list jsonpath={.items[*].name}"
                .to_owned(),
        );
    }
    Output::from_str(text, false)
        .map(Format::from)
        .map_err(|_| "use table, wide, json, yaml, name or jsonpath=TEMPLATE".to_owned())
}

/// Reads it for clap, and tells shells which words there are.
#[derive(Debug, Clone)]
pub(super) struct FormatReader;

impl TypedValueParser for FormatReader {
    type Value = Format;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Format, Error> {
        let read: fn(&str) -> Result<Format, String> = read;
        TypedValueParser::parse_ref(&read, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = Output::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        Some(Box::new(
            words.chain([PossibleValue::new("jsonpath=TEMPLATE")
                .help("What a template of JSONPath takes out of it: jsonpath={.items[*].name}")]),
        ))
    }
}
