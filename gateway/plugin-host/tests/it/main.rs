//! The host with real components: what they may do, what they may not, and what they cost.
#![cfg(test)]

mod direct;
mod fetches;
mod grants;
mod guest;
mod hostile;
mod kit;
mod load;
mod phases;
mod pool;
mod starved;
mod words;
