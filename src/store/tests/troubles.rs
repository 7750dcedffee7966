//! A store that is used elsewhere, is newer, damaged or full, and one whose queue is full.
