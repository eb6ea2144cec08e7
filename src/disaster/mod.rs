//! What is prepared for the day when nothing is left but the remote: the recovery kit.

pub mod kit;
