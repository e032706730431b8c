//! YAML documents: reading one into a tree of values with their locations, and writing text.

mod invisible_chars;
mod printer;
mod reader;
mod tree;

pub(crate) use invisible_chars::is_format;
pub use printer::{quoted, scalar};
pub(crate) use reader::{Bounds, SyntaxError};
pub(crate) use tree::{Element, Location, Member, Node, Value};
