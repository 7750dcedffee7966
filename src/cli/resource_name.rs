//! The id or name of one resource, as it goes into the path of a request.

use std::{fmt, str::FromStr};

/// An id (`ep_…`) or a name (`batch.completed`). Whether there is such a thing, and whether it could be, is for the
/// server to say; here it only has to be one segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceName(String);

impl ResourceName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sound = !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        // Dots alone are steps in a path, not names: a request would go to another resource.
        if sound && !matches!(text, "." | "..") { Ok(Self(text.to_owned())) } else { Err("is not an id or a name") }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_of_a_path() {
        for good in ["ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB", "ep_none", "batch.completed", "a/b", "..."] {
            assert_eq!(good.parse::<ResourceName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "a b", "a\n", "ü", &"a".repeat(257)] {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad}");
        }
    }
}
