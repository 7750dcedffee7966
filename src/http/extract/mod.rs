//! What handlers take from a request: strict JSON bodies, strict query parameters, and ids in the path. Everything that
//! the OpenAPI document does not name is refused, with a word on what is wrong and where.

mod body;
mod path;
mod query;

pub use body::{BatchBytes, EventBytes, Json, Optional, check_depth, parse, parse_owned};
pub use path::{Name, NewName, OfAccount, PathId};
pub use query::{ListQuery, NoQuery, Query, page_list_query, page_query};
