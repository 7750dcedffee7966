//! Where the store is kept when no option says so: the server and the client commands look in the same place.

use std::path::PathBuf;

/// systemd's state directory (the first, if there are several), else one here.
pub(super) fn default_data_dir() -> PathBuf {
    let of_service = std::env::var("STATE_DIRECTORY").ok();
    let first = of_service.as_deref().and_then(|list| list.split(':').next()).filter(|path| !path.is_empty());
    PathBuf::from(first.unwrap_or("mythichooks-data"))
}
