//! YAML documents: reading one into a tree of values with their locations, and writing text.

mod printer;
mod reader;
mod tree;

pub(crate) use printer::is_format_char;
pub use printer::{quoted, scalar};
pub(crate) use reader::{Bounds, SyntaxError};
pub(crate) use tree::{Element, Location, Member, Node, Number, Value};
