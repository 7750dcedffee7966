//! What the full check says of stores that are not whole.
