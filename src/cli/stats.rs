//! `mythichooks stats`: totals, the queue's depth, and the last minutes.

use serde_json::{Map, Value};

use super::{client::ApiClient, connection::ConnectionArgs, error::CliError, output::Output, table};

/// Shows the server's figures.
pub async fn run(connection: &ConnectionArgs) -> Result<(), CliError> {
    let answer = ApiClient::new(connection)?.get(&["v1", "stats"], &Vec::new()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    for line in lines(&answer.value()?) {
        output.line(line)?;
    }
    Ok(())
}

/// Every plain figure on a line under its path's name.
fn lines(stats: &Value) -> Vec<String> {
    let mut figures = Vec::new();
    if let Value::Object(fields) = stats {
        collect("", fields, &mut figures);
    }
    let width = figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    figures.into_iter().map(|(name, value)| format!("{name:width$}  {value}")).collect()
}

fn collect(prefix: &str, fields: &Map<String, Value>, figures: &mut Vec<(String, String)>) {
    for (name, value) in fields {
        let name = format!("{prefix}{}", name.replace('_', " "));
        match value {
            Value::Object(inner) => collect(&format!("{name} "), inner, figures),
            Value::Array(_) => {}
            plain => figures.push((name, table::cell(plain))),
        }
    }
}
