//! What pages are made of. Every text that comes from outside is escaped by the templates; colour never stands alone.

mod blocks;
mod charts;
mod fields;
mod plot;
mod states;
mod words;

pub use blocks::*;
pub use charts::*;
pub use fields::*;
pub use plot::*;
pub use states::*;
pub use words::*;
