//! Which server a client command talks to, and with which token.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use url::{Host, Url};

use super::{data_dir::default_data_dir, error::CliError};

/// The options that every client command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server and token")]
pub struct ConnectionArgs {
    /// The server: its URL, or `unix:` and the path of its socket
    #[arg(long, env = "MYTHICHOOKS_SERVER", default_value = "http://127.0.0.1:8420", value_name = "URL|unix:PATH")]
    pub server: ServerAddress,

    /// A file that holds the API token
    ///
    /// Without it the token comes from MYTHICHOOKS_TOKEN, and for a server on this machine from the file
    /// `admin-token` in the default data directory. A token is never an argument: process lists show those.
    #[arg(long, env = "MYTHICHOOKS_TOKEN_FILE", value_name = "PATH")]
    pub token_file: Option<PathBuf>,

    /// A PEM file with more certificate authorities to trust, for an https server
    #[arg(long, value_name = "PATH")]
    pub ca_file: Option<PathBuf>,

    /// Print the API's JSON as it came, for programs
    #[arg(long)]
    pub json: bool,
}

/// The names that clap gives the options of [`ConnectionArgs`].
pub const CONNECTION_ARGS: [&str; 4] = ["server", "token_file", "ca_file", "json"];

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// An `http` or `https` URL; a path in it goes in front of the API's own.
    Url(Url),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ServerAddress {
    /// The URL that requests are made from; over a Unix socket its host is of no importance.
    pub fn base(&self) -> Result<Url, CliError> {
        match self {
            Self::Url(url) => Ok(url.clone()),
            Self::Unix(_) => Url::parse("http://localhost/").map_err(|error| CliError::Usage(error.to_string())),
        }
    }

    /// True when the server is on this machine, so that this machine's admin token may be meant for it.
    fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Url(url) => match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
                Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
                None => false,
            },
        }
    }
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err("the path of the socket is missing".to_owned());
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err("only http:// and https:// URLs and unix:PATH are known".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL with a user or password is not taken: give a token instead".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a query or fragment is not part of a server's address".to_owned());
        }
        Ok(Self::Url(url))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url.as_str().trim_end_matches('/')),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An API token, which shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A token is some dozens of characters; a file far longer is some other file.
const LONGEST_TOKEN_FILE: u64 = 4096;

impl Token {
    /// Takes a token from `text`, without the white space around it.
    fn parse(text: &str, origin: &str) -> Result<Self, CliError> {
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CliError::Unusable(format!("{origin} does not hold a token")));
        }
        Ok(Self(token.to_owned()))
    }

    /// Reads the token that a file holds.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let text = read_bounded(path, LONGEST_TOKEN_FILE).map_err(|error| CliError::file(path, error))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl ConnectionArgs {
    /// The token to send, from the first place that has one: `--token-file` or its variable, `MYTHICHOOKS_TOKEN`,
    /// and, for a server on this machine, `admin-token` in the default data directory if that can be read.
    pub fn token(&self) -> Result<Option<Token>, CliError> {
        if let Some(path) = &self.token_file {
            return Token::read(path).map(Some);
        }
        if let Some(text) = std::env::var_os("MYTHICHOOKS_TOKEN").filter(|text| !text.is_empty()) {
            return Token::parse(&text.to_string_lossy(), "MYTHICHOOKS_TOKEN").map(Some);
        }
        if !self.server.is_local() {
            return Ok(None);
        }
        let named = std::env::var_os("MYTHICHOOKS_DATA_DIR").filter(|value| !value.is_empty());
        let data_dir = named.map_or_else(default_data_dir, PathBuf::from);
        Ok(Token::read(&data_dir.join("admin-token")).ok())
    }
}

/// Reads a text file of at most `limit` bytes; a longer one is an error.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<String> {
    read_text(File::open(path)?, limit)
}

/// Reads UTF-8 text of at most `limit` bytes to its end; a longer one is an error.
pub fn read_text(source: impl Read, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    source.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for good in ["http://127.0.0.1:8420", "https://hooks.example/prefix", "unix:/run/x.sock", "http://[::1]:1"] {
            assert_eq!(good.parse::<ServerAddress>().unwrap().to_string(), good);
        }
        for bad in ["127.0.0.1:8420", "ftp://a/", "http://u:p@a/", "unix:", "http://a/?q", "data:x", ""] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_server_on_this_machine_gets_its_admin_token() {
        for (address, local) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("unix:x", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example", false),
        ] {
            assert_eq!(address.parse::<ServerAddress>().unwrap().is_local(), local, "{address}");
        }
    }

    #[test]
    fn a_token_file_may_end_with_a_line_break_but_holds_one_token() {
        let token = Token::parse("mhk_abc\n", "file").unwrap();
        assert_eq!(token.authorization(), "Bearer mhk_abc");
        assert_eq!(format!("{token:?}"), "Token(…)");
        for bad in ["", " \n", "mhk_a mhk_b", "mhk_ü"] {
            assert!(Token::parse(bad, "file").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reads_no_more_than_the_limit() {
        assert_eq!(read_text(b"1234".as_slice(), 4).unwrap(), "1234");
        assert!(read_text(b"12345".as_slice(), 4).is_err());
    }
}
