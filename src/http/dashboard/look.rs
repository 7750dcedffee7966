//! What `serve` says of how the dashboard looks to a platform's customers, and where it is found: checked at the start.

use std::str::FromStr;

use bytes::Bytes;

/// The light paper of `assets/style.css`.
const LIGHT_PAPER: [f64; 3] = [0.992, 0.994, 0.996];
/// Its grounds that text in this colour also has and that leave it the least contrast: `--well-2`, light and dark.
const LIGHT_GROUND: [f64; 3] = [0.918, 0.929, 0.944];
const DARK_GROUND: [f64; 3] = [0.125, 0.137, 0.160];
/// What WCAG 2.2 asks between a text and its ground (1.4.3).
const LEAST_CONTRAST: f64 = 4.5;
/// A logo's bytes at most.
const LARGEST_LOGO: usize = 64 << 10;
/// Characters of a name at most.
const LONGEST_NAME: usize = 40;

/// The platform's name, logo and colour in the customers' view.
#[derive(Debug, Clone, Default)]
pub struct PortalLook {
    /// Stands in the bar, in place of ours.
    pub name: Option<PlatformName>,
    /// Before the name.
    pub logo: Option<Logo>,
    /// Of links and marks.
    pub accent: Option<Accent>,
}

/// Why a flag is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// The name.
    #[error("must have 1 to 40 characters on one line")]
    Name,
    /// The colour's form.
    #[error("must be a colour like `#4f46e5`")]
    Colour,
    /// The colour on white.
    #[error("has a contrast of {0} : 1 on the light ground; text needs 4.5 : 1, so take a darker one")]
    Contrast(String),
    /// The logo's kind.
    #[error("must be an SVG, PNG, JPEG or WebP picture")]
    Picture,
    /// The logo's size.
    #[error("must have 64 KiB at most")]
    Large,
    /// The URL.
    #[error("must be a URL like `https://hooks.example.com`, without a path")]
    Url,
}

/// A platform's name.
#[derive(Debug, Clone)]
pub struct PlatformName(Box<str>);

impl PlatformName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlatformName {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let text = text.trim();
        let sound = (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if sound { Ok(Self(text.into())) } else { Err(LookError::Name) }
    }
}

/// A colour that text can have: darkened on light grounds and lightened on dark ones as far as is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    light: [u8; 3],
    dark: [u8; 3],
}

impl FromStr for Accent {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(LookError::Colour)?;
        let [_, light @ ..] = number.to_be_bytes();
        let contrast = contrast(light.map(to_unit), LIGHT_PAPER);
        if contrast < LEAST_CONTRAST {
            return Err(LookError::Contrast(format!("{contrast:.1}")));
        }
        Ok(Self { light: readable(light, 0, LIGHT_GROUND), dark: readable(light, u8::MAX, DARK_GROUND) })
    }
}

impl Accent {
    /// The rules that go behind the stylesheet.
    pub fn rules(&self) -> String {
        let [light, dark] = [self.light, self.dark].map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"));
        format!(
            "\n.customer {{ --accent: {light}; }}\n\
             @media (prefers-color-scheme: dark) {{ .customer {{ --accent: {dark}; }} }}\n"
        )
    }
}

fn to_unit(channel: u8) -> f64 {
    f64::from(channel) / 255.0
}

/// The colour, so far on the way to black or white that it can be read on this ground.
fn readable(colour: [u8; 3], towards: u8, ground: [f64; 3]) -> [u8; 3] {
    let mixed = |twentieths| colour.map(|channel| mix(channel, towards, twentieths));
    let found = (0..=20).map(mixed).find(|mixed| contrast(mixed.map(to_unit), ground) >= LEAST_CONTRAST);
    found.unwrap_or([towards; 3])
}

fn mix(channel: u8, towards: u8, twentieths: u16) -> u8 {
    let mixed = (u16::from(channel) * (20 - twentieths) + u16::from(towards) * twentieths) / 20;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

/// The contrast ratio of WCAG 2.2.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let [a, b] = [one, other].map(luminance);
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
    0.2126f64.mul_add(r, 0.7152f64.mul_add(g, 0.0722 * b))
}

/// A picture of the platform.
#[derive(Debug, Clone)]
pub struct Logo {
    /// Its file.
    pub bytes: Bytes,
    /// What it is, by its first bytes.
    pub media_type: &'static str,
    /// The ending of its name.
    pub extension: &'static str,
}

impl Logo {
    /// The picture of a file.
    ///
    /// # Errors
    /// It is too large, or none that browsers show.
    pub fn new(bytes: Vec<u8>) -> Result<Self, LookError> {
        if bytes.len() > LARGEST_LOGO {
            return Err(LookError::Large);
        }
        let (media_type, extension) = picture_kind(&bytes).ok_or(LookError::Picture)?;
        Ok(Self { bytes: bytes.into(), media_type, extension })
    }
}

fn picture_kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = std::str::from_utf8(bytes).ok().map(str::trim_start);
    if text.is_some_and(|text| (text.starts_with("<svg") || text.starts_with("<?xml")) && text.contains("<svg")) {
        return Some(("image/svg+xml", "svg"));
    }
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [0xff, 0xd8, 0xff, ..] => Some(("image/jpeg", "jpg")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(("image/webp", "webp")),
        _ => None,
    }
}

/// Where browsers find the server, if not at the address that it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Box<str>);

impl PublicUrl {
    /// `https://HOST` or `https://HOST:PORT`, without a slash at its end.
    pub fn origin(&self) -> &str {
        &self.0
    }

    /// Whether browsers speak TLS with it.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for PublicUrl {
    type Err = LookError;

    fn from_str(text: &str) -> Result<Self, LookError> {
        let url = url::Url::parse(text).map_err(|_| LookError::Url)?;
        let bare = matches!(url.path(), "/" | "") && url.query().is_none() && url.fragment().is_none();
        let sound = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        if bare && sound { Ok(Self(url.origin().ascii_serialization().into())) } else { Err(LookError::Url) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_has_to_be_readable() {
        let accent: Accent = "#4338ca".parse().unwrap();
        assert_eq!(accent.light, [0x43, 0x38, 0xca]);
        assert!(contrast(accent.dark.map(to_unit), DARK_GROUND) >= LEAST_CONTRAST);
        // Just enough on paper is not enough on a tinted ground.
        let accent: Accent = "#0b7bb4".parse().unwrap();
        assert_ne!(accent.light, [0x0b, 0x7b, 0xb4]);
        assert!(contrast(accent.light.map(to_unit), LIGHT_GROUND) >= LEAST_CONTRAST);
        let accent: Accent = "#4338ca".parse().unwrap();
        assert!(accent.rules().contains(".customer { --accent: #4338ca; }"));
        assert!(matches!("#ffcc00".parse::<Accent>(), Err(LookError::Contrast(_))));
        for bad in ["", "red", "#fff", "#12345g", "#1234567", "#000000;}body{", "#é2345"] {
            assert_eq!(bad.parse::<Accent>(), Err(LookError::Colour), "{bad}");
        }
    }

    #[test]
    fn pictures_are_told_by_their_bytes() {
        assert_eq!(Logo::new(b"<svg xmlns=''></svg>".to_vec()).unwrap().media_type, "image/svg+xml");
        assert_eq!(Logo::new(vec![0x89, b'P', b'N', b'G', 1]).unwrap().extension, "png");
        assert_eq!(Logo::new(b"<html>".to_vec()).unwrap_err(), LookError::Picture);
        assert_eq!(Logo::new(vec![0; LARGEST_LOGO + 1]).unwrap_err(), LookError::Large);
    }

    #[test]
    fn a_public_url_is_an_origin() {
        assert_eq!("https://Hooks.example/".parse::<PublicUrl>().unwrap().origin(), "https://hooks.example");
        assert_eq!("http://h:8420".parse::<PublicUrl>().unwrap().origin(), "http://h:8420");
        for bad in ["", "hooks.example", "ftp://h", "https://h/path", "https://u@h", "https://h?q", "https://h#f"] {
            assert_eq!(bad.parse::<PublicUrl>(), Err(LookError::Url), "{bad}");
        }
    }
}
