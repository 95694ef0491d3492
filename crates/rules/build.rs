//! Writes the numbering plans of all countries as a static table.
//!
//! The `phonenumber` crate knows them, but it parses its whole database at first use: 80 ms and
//! megabytes, measured, in every fresh guest. So it is asked here, once, and the crate itself
//! carries only the table and a matcher for the few pattern elements that occur
//! (`src/phone/pattern.rs`). A pattern with any other element stops the build.

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(out) = std::env::var("OUT_DIR") else { panic!("cargo names OUT_DIR") };
    let path = Path::new(&out).join("plans.rs");
    if let Err(error) = std::fs::write(&path, table()) {
        panic!("cannot write {}: {error}", path.display());
    }
}

/// All plans, ordered by calling code; within a shared code the main country comes first.
fn table() -> String {
    let codes: BTreeSet<u16> = DATABASE.iter().map(Metadata::country_code).collect();
    let regions = codes.iter().flat_map(|code| DATABASE.region(code).unwrap_or_default());
    // Codes of no country (satellites, international services) share the id 001.
    let countries = regions.filter(|id| *id != "001").filter_map(|id| DATABASE.by_id(id));
    let mut text = String::from("&[\n");
    for plan in countries {
        let _ = writeln!(text, "    {},", row(plan));
    }
    text.push(']');
    text
}

fn row(plan: &Metadata) -> String {
    let kinds = plan.descriptors();
    let callable = [kinds.fixed_line(), kinds.mobile(), kinds.voip(), kinds.toll_free()];
    let costly = [kinds.premium_rate(), kinds.shared_cost()];
    let other = [kinds.personal_number(), kinds.pager(), kinds.uan(), kinds.voicemail()];
    format!(
        "Plan {{ country: {:?}, code: {:?}, trunk: {:?}, exit: {:?}, leading: {:?}, callable: {:?}, costly: {:?}, other: {:?} }}",
        plan.id(),
        plan.country_code().to_string(),
        plan.national_prefix().unwrap_or_default(),
        exit_code(plan),
        plan.leading_digits().map(|pattern| checked(pattern.as_str())).unwrap_or_default(),
        union(&callable),
        union(&costly),
        union(&other),
    )
}

/// What is dialled before an international number, where that is one fixed text.
fn exit_code(plan: &Metadata) -> String {
    let pattern = plan.international_prefix().map(|pattern| checked(pattern.as_str())).unwrap_or_default();
    if pattern.bytes().all(|byte| byte.is_ascii_digit()) { pattern } else { String::from("00") }
}

fn union(parts: &[Option<&Descriptor>]) -> String {
    let mut patterns: Vec<String> = Vec::new();
    for part in parts.iter().flatten() {
        let pattern = checked(part.national_number().as_str());
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns.join("|")
}

/// The pattern without its white space, and a stop if the matcher would not understand it.
fn checked(pattern: &str) -> String {
    let pattern: String = pattern.split_whitespace().collect();
    let bare = pattern.replace("(?:", "(").replace("\\d", "0");
    let understood = |c: char| c.is_ascii_digit() || "|()[]{}?,-".contains(c);
    assert!(bare.chars().all(understood), "the matcher does not understand {pattern}");
    pattern
}
