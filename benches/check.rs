//! What a check costs, beside an empty server.
fn main() {}
