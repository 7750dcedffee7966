//! JSON that a person gives on the command line: in the argument, in a file, or on standard input.

use std::{convert::Infallible, io, path::PathBuf, str::FromStr};

use serde_json::value::RawValue;

use super::{
    connection::{read_bounded, read_text},
    error::CliError,
};

/// Far above the largest event that a server takes by default (1 MiB).
const LARGEST: u64 = 64 * 1024 * 1024;

/// Where a piece of JSON is: `FILE`, `-` or the JSON itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonSource {
    /// In the argument. An argument that begins with a brace or bracket is no file's name.
    Argument(String),
    /// On standard input.
    StandardInput,
    /// In a file.
    File(PathBuf),
}

impl FromStr for JsonSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim_start().chars().next() {
            Some('{' | '[') => Self::Argument(text.to_owned()),
            _ if text == "-" => Self::StandardInput,
            _ => Self::File(PathBuf::from(text)),
        })
    }
}

impl JsonSource {
    /// Reads the JSON and leaves it as it is, byte for byte.
    pub fn read(&self) -> Result<Box<RawValue>, CliError> {
        let (text, origin) = match self {
            Self::Argument(text) => {
                return RawValue::from_string(text.clone())
                    .map_err(|error| CliError::Usage(format!("the argument is not JSON: {error}")));
            }
            Self::StandardInput => {
                let text = read_text(io::stdin().lock(), LARGEST);
                (text.map_err(|error| CliError::system("standard input", error))?, "standard input".to_owned())
            }
            Self::File(path) => {
                let text = read_bounded(path, LARGEST).map_err(|error| CliError::file(path, error))?;
                (text, path.display().to_string())
            }
        };
        let text = text.trim_matches([' ', '\t', '\r', '\n']).to_owned();
        RawValue::from_string(text).map_err(|error| CliError::Unusable(format!("{origin} is not JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_json_from_names_of_files() {
        let source = |text: &str| text.parse::<JsonSource>().unwrap();
        assert_eq!(source(" {\"a\":1}"), JsonSource::Argument(" {\"a\":1}".to_owned()));
        assert_eq!(source("-"), JsonSource::StandardInput);
        assert_eq!(source("a.json"), JsonSource::File(PathBuf::from("a.json")));
    }

    #[test]
    fn json_keeps_its_bytes() {
        let text = "{\"b\": 1.10, \"a\":1e400}";
        assert_eq!(JsonSource::Argument(text.to_owned()).read().unwrap().get(), text);
        assert_eq!(JsonSource::Argument("{".to_owned()).read().unwrap_err().exit_code(), 2);
    }
}
