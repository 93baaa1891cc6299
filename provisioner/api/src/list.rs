//! Lists, a page at a time.
//!
//! A page holds at most `?limit=` objects: [`PAGE`] when absent, [`PAGE_MOST`] at most. The answer's `next`, given back as
//! `?after=`, gets the page that follows; without `next` the list is at its end. What is added, renamed or deleted
//! between two pages may or may not be seen; everything else is seen once.

/// How many objects a page holds when nothing is said.
pub const PAGE: u32 = 100;

/// How many objects a page holds at most.
pub const PAGE_MOST: u32 = 1000;
