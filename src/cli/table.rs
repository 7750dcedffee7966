//! The API's resources as tables and field lists for people: aligned, without boxes, so that they are as good in a
//! pipe as on a terminal.

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Width, presets};
use serde_json::Value;

use super::{
    error::CliError,
    output::{Output, Tone},
    printable::printable,
};
use crate::domain::{json_text, time::Timestamp};

/// One column of a table, or one line of a field list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    pointer: &'static str,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Text,
    Seconds,
}

impl Column {
    /// A value that stays in one piece however narrow the terminal: ids, times, codes.
    pub const fn whole(title: &'static str, pointer: &'static str) -> Self {
        Self { title, pointer, form: Form::Whole }
    }

    /// Free text, which may be wrapped.
    pub const fn text(title: &'static str, pointer: &'static str) -> Self {
        Self { title, pointer, form: Form::Text }
    }

    /// A time that the API gives in Unix seconds, shown as the other times are.
    pub const fn seconds(title: &'static str, pointer: &'static str) -> Self {
        Self { title, pointer, form: Form::Seconds }
    }

    /// What this column shows of `resource`.
    fn cell(&self, resource: &Value) -> String {
        let value = resource.pointer(self.pointer);
        match value.and_then(Value::as_i64).filter(|_| self.form == Form::Seconds) {
            Some(seconds) => Timestamp::from_seconds(seconds).to_string(),
            None => value.map_or_else(absent, cell),
        }
    }
}

fn absent() -> String {
    "-".to_owned()
}

/// A JSON value as the text of a cell: absent things are `-`, lists of plain values are separated by commas.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => absent(),
        Value::String(text) if text.is_empty() => absent(),
        Value::String(text) => printable(text).into_owned(),
        Value::Array(items) if items.is_empty() => absent(),
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(",")
        }
        Value::Object(fields) if fields.is_empty() => absent(),
        other => printable(&json_text::compact(&other.to_string())).into_owned(),
    }
}

/// A table that may come in parts (the pages of a long list): later parts keep the columns where they were.
#[derive(Debug)]
pub struct Table {
    columns: &'static [Column],
    widths: Vec<u16>,
    has_header: bool,
}

impl Table {
    pub fn new(columns: &'static [Column]) -> Self {
        Self { columns, widths: vec![0; columns.len()], has_header: false }
    }

    /// Writes these rows; before the first ones the column titles.
    pub fn write(&mut self, output: Output, resources: &[Value]) -> Result<(), CliError> {
        if resources.is_empty() {
            return Ok(());
        }
        output.line(self.lay_out(output, resources))
    }

    fn lay_out(&mut self, output: Output, resources: &[Value]) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING);
        table.set_content_arrangement(if output.is_terminal() {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        if !std::mem::replace(&mut self.has_header, true) {
            table.add_row(self.columns.iter().map(|column| header(output, column.title)));
        }
        for resource in resources {
            table.add_row(self.columns.iter().map(|column| column.cell(resource)));
        }
        let widths = table.column_max_content_widths();
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            let (Some(known), Some(needed)) = (self.widths.get_mut(index), widths.get(index)) else {
                continue;
            };
            *known = (*known).max(*needed);
            let wraps = output.is_terminal() && self.columns.get(index).is_some_and(|column| column.form == Form::Text);
            if !wraps {
                // The padding counts as part of the width.
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(known.saturating_add(2))));
            }
        }
        table.trim_fmt()
    }
}

fn header(output: Output, title: &str) -> Cell {
    let cell = Cell::new(title);
    if output.is_coloured() { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Writes the fields of one resource that it has, a line each, the values under one another.
pub fn write_fields(output: Output, columns: &[Column], resource: &Value) -> Result<(), CliError> {
    for line in fields(columns, resource) {
        output.line(line)?;
    }
    Ok(())
}

fn fields(columns: &[Column], resource: &Value) -> Vec<String> {
    let columns: Vec<_> = columns.iter().filter(|column| resource.pointer(column.pointer).is_some()).collect();
    let width = columns.iter().map(|column| column.title.len()).max().unwrap_or(0);
    columns.iter().map(|column| format!("{:width$}  {}", column.title, column.cell(resource))).collect()
}

/// Writes a heading over what follows.
pub fn write_heading(output: Output, heading: &str) -> Result<(), CliError> {
    output.line(format_args!("\n{}", output.styled(Tone::Heading, heading)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] =
        &[Column::whole("ID", "/id"), Column::whole("CODE", "/code"), Column::text("NOTE", "/note")];

    #[test]
    fn cells_show_plain_values_plainly() {
        assert_eq!(cell(&json!(null)), "-");
        assert_eq!(cell(&json!("")), "-");
        assert_eq!(cell(&json!(["a", 2, true])), "a,2,true");
        assert_eq!(cell(&json!([])), "-");
        assert_eq!(cell(&json!({"a": [1]})), r#"{"a":[1]}"#);
        assert_eq!(cell(&json!("x\u{1b}[0m\n")), "x\\u{1b}[0m\\n");
        let created = Column::seconds("CREATED", "/created");
        assert_eq!(created.cell(&json!({"created": 1_706_140_800})), "2024-01-25T00:00:00.000Z");
    }

    #[test]
    fn columns_stay_in_place_over_the_pages_of_a_list() {
        let mut table = Table::new(COLUMNS);
        let output = Output::piped();
        let first = table.lay_out(output, &[json!({"id": "evt_long", "code": 200, "note": "fine, thank you"})]);
        let second = table.lay_out(output, &[json!({"id": "e", "note": "b"})]);
        assert_eq!(first, "ID        CODE  NOTE\nevt_long  200   fine, thank you");
        assert_eq!(second, "e         -     b");
    }

    #[test]
    fn fields_stand_under_one_another() {
        assert_eq!(fields(COLUMNS, &json!({"id": "x", "code": 1, "note": null})), ["ID    x", "CODE  1", "NOTE  -"]);
        assert_eq!(fields(COLUMNS, &json!({"id": "x"})), ["ID  x"]);
    }
}
