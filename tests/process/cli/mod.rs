//! The command line: output, errors, tools, and the life of a server.

mod commands;
mod damage;
mod fixtures;
mod importing;
mod listeners;
mod lost;
mod redeploy;
mod saying;
mod systemd;
mod tools;
mod verifying;
