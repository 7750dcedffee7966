//! One resource of the API, shown: its JSON for programs, its fields for people.

use serde_json::Value;

use super::{
    client::Answer,
    connection::ConnectionArgs,
    error::CliError,
    output::Output,
    printable::printable_lines,
    table::{self, Column, Table},
};
use crate::domain::json_text;

/// Shows an answer: unchanged with `--json`, else these of its fields.
pub fn show(connection: &ConnectionArgs, answer: &Answer, columns: &[Column]) -> Result<(), CliError> {
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    table::write_fields(output, columns, &answer.value()?)
}

/// Confirms a change whose answer has no body; programs have the exit code.
pub fn confirm(connection: &ConnectionArgs, done: impl std::fmt::Display) -> Result<(), CliError> {
    if connection.json { Ok(()) } else { Output::stdout().line(done) }
}

/// Writes a payload under a heading, laid out for reading, its tokens as they were sent.
pub fn write_json(output: Output, heading: &str, json: &str) -> Result<(), CliError> {
    table::write_heading(output, heading)?;
    output.line(printable_lines(&json_text::pretty(json)))
}

/// Writes the items of a resource's list under a heading, unless there are none.
pub fn write_items(
    output: Output,
    heading: &str,
    items: Option<&Value>,
    columns: &'static [Column],
) -> Result<(), CliError> {
    match items.and_then(Value::as_array) {
        Some(items) if !items.is_empty() => {
            table::write_heading(output, heading)?;
            Table::new(columns).write(output, items)
        }
        _ => Ok(()),
    }
}
