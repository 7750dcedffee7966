//! The demo's directory: made for it, readable by its user alone, removed with it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
};

use crate::cli::error::CliError;

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct ScratchDir(PathBuf);

impl ScratchDir {
    /// Makes a directory with a name that nobody can foresee.
    pub fn create() -> Result<Self, CliError> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random)
            .map_err(|error| CliError::system("no random bytes", io::Error::other(error.to_string())))?;
        let name = format!("mythichooks-demo-{:016x}", u64::from_be_bytes(random));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| CliError::file(&path, error))?;
        Ok(Self(path))
    }

    /// The server's data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.0.join("store")
    }

    /// Where the server puts the first admin token.
    pub fn admin_token(&self) -> PathBuf {
        self.data_dir().join("admin-token")
    }

    /// Where the server writes the address that it listens on.
    pub fn listen_file(&self) -> PathBuf {
        self.0.join("address")
    }

    /// Where the server's log goes.
    pub fn server_log(&self) -> PathBuf {
        self.0.join("server.log")
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // Nothing is left to do about a directory that cannot be removed; it lies among the temporary ones.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_private_and_goes_away() {
        let scratch = ScratchDir::create().unwrap();
        let path = scratch.0.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(scratch.server_log(), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
