//! The simulated BMC judged by ipmitool, with both cipher suites. Without it the tests are skipped with a line, but not on
//! a build server.

mod admin;
mod rig;
mod session;
mod sol;
mod storage;
