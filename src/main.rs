//! The `mythichooks` binary.

fn main() {}
