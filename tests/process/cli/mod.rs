//! `saem` as an operator meets it: what it says, how it fails, and how it is looked after.

mod commands;
mod damage;
mod fixtures;
mod importing;
mod listeners;
mod lost;
mod redeploy;
mod running;
mod saying;
mod systemd;
mod tools;
mod verifying;
