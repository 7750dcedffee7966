//! What pages are made of. Every text that comes from outside is escaped by the templates; colour never stands alone.

mod blocks;
mod charts;
mod excerpt;
mod fields;
mod plot;
mod prose;
mod states;
mod words;

pub use blocks::*;
pub use charts::*;
pub use excerpt::*;
pub use fields::*;
pub use plot::*;
pub use prose::*;
pub use states::*;
pub use words::*;
