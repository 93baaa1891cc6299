//! The lifecycle as its callers use it: the printed table, the story, and what holds whatever happens.

mod adopt;
mod allocation;
mod person;
mod placement;
mod pool;
mod proof;
mod properties;
mod ram;
mod reinstall;
mod rescue;
mod restored;
mod root_disk;
mod service;
mod story;
mod transitions;
mod works;
mod world;
