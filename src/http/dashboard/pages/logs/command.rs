//! A request as a command for a shell, to be sent again by hand.

use std::collections::BTreeMap;

use super::super::super::components;

/// A body up to this length stands in the command; a longer one is read from a file beside it.
const LONGEST_BODY: usize = 4_000;
/// A longer command is not shown, counted as it stands in the page.
const LONGEST: usize = 16_000;

/// `curl` with the same address, headers and body; `None`: it would be too long to be of use. `file`: where a body lies
/// that is too long for a command.
pub fn curl(url: &str, headers: &BTreeMap<String, String>, body: &str, file: &str) -> Option<String> {
    let mut command = "curl".to_owned();
    if url.contains(['[', ']', '{', '}']) {
        command.push_str(" --globoff");
    }
    command.push(' ');
    command.push_str(&quoted(url));
    for (name, value) in headers {
        // To curl, a name with a colon and nothing behind it means: leave this header out.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        command.push_str(" \\\n  -H ");
        command.push_str(&quoted(&header));
    }
    command.push_str(" \\\n  ");
    if body.len() <= LONGEST_BODY {
        command.push_str("--data-raw ");
        command.push_str(&quoted(body));
    } else {
        command.push_str("--data-binary ");
        command.push_str(&quoted(&format!("@{file}")));
    }
    (components::cut(&command, LONGEST).len() == command.len()).then_some(command)
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_part_as_one_word() {
        let headers = BTreeMap::from([
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x-empty".to_owned(), String::new()),
            ("x-it".to_owned(), "it's $HOME `id`".to_owned()),
        ]);
        let command = curl("https://h.example/a?b={c}", &headers, "{\"a\":\"'; rm -rf /\"}", "x.json").unwrap();
        let lines: Vec<_> = command.split(" \\\n  ").collect();
        assert_eq!(
            lines,
            [
                "curl --globoff 'https://h.example/a?b={c}'",
                "-H 'content-type: application/json'",
                "-H 'x-empty;'",
                "-H 'x-it: it'\\''s $HOME `id`'",
                "--data-raw '{\"a\":\"'\\''; rm -rf /\"}'",
            ]
        );
    }

    #[test]
    fn what_is_long_lies_beside_it_or_is_left_out() {
        let long = "x".repeat(LONGEST_BODY + 1);
        let none = BTreeMap::new();
        assert!(
            curl("https://h.example", &none, &long, "evt_1.json").unwrap().ends_with("--data-binary '@evt_1.json'")
        );
        let headers = BTreeMap::from([("x".to_owned(), "y".repeat(LONGEST))]);
        assert_eq!(curl("https://h.example", &headers, "{}", ""), None);
    }
}
