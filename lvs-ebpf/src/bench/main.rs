//! Small programs that `cargo xtask bench` measures beside the real one: what a packet costs at least,
//! what it takes to show each packet to a program as if it had just come, and packets at the rate of the
//! wire.
//!
//! They are built by the same toolchain into an object of their own, which is never installed.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod floor;
#[path = "../frame.rs"]
#[expect(dead_code, reason = "these programs know how long their frames are")]
mod frame;
mod live;
#[path = "../object.rs"]
mod object;
mod plan;
mod prepare;
