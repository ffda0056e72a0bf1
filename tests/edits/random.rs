//! Random documents and random edits.
