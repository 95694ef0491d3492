//! Every kept input, and a short run of invented ones: what CI can do in seconds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use talkif_fuzz_targets::{TARGETS, Target};

/// So that a failure is one that anybody can repeat.
const SEED: u64 = 0x7a1f_2026;
/// Invented inputs of each target.
const INVENTED: u32 = 60;
/// Longest invented input.
const LONGEST: usize = 4_096;
/// A corpus is for people to look through, and travels with every clone.
const MOST_FILES: usize = 100;
const MOST_BYTES: usize = 1_500_000;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz_folder().join(folder)).unwrap();
    let stem = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap())).collect()
}

/// The kept inputs of a target, in the order of their names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(fuzz_folder().join("corpus").join(target.name)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.display().to_string(), fs::read(&file).unwrap())).collect()
}

/// Runs one input; a panic is told with how to find the input again.
fn run(target: &Target, data: &[u8], origin: &str) {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(data)));
    assert!(result.is_ok(), "{}: {origin}: {}", target.name, data.escape_ascii());
}

#[test]
fn every_target_has_a_corpus_and_a_program_and_nothing_else_has() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "names are unique");
    assert_eq!(names_in("corpus"), targets);
    assert_eq!(names_in("fuzz_targets"), targets);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    let built = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    assert_eq!(built.map(str::to_owned).collect::<BTreeSet<_>>(), targets);
}

#[test]
fn corpora_are_small_enough_to_be_kept() {
    let corpora: Vec<_> = TARGETS.iter().map(corpus).collect();
    for (target, corpus) in TARGETS.iter().zip(&corpora) {
        assert!((1..=MOST_FILES).contains(&corpus.len()), "{}: {} files", target.name, corpus.len());
    }
    let bytes: usize = corpora.iter().flatten().map(|(_, data)| data.len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes}");
}

#[test]
fn every_kept_input_still_holds() {
    for target in TARGETS {
        for (name, data) in corpus(target) {
            run(target, &data, &name);
        }
    }
}

#[test]
fn invented_inputs_hold() {
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, data)| data).collect();
        let mut inventor = Inventor { state: SEED };
        for number in 0..INVENTED {
            let data = inventor.invent(&seeds);
            run(target, &data, &format!("input {number} of seed {SEED:#x}"));
        }
    }
}

#[test]
fn a_target_that_panics_is_noticed() {
    let brittle = Target { name: "brittle", run: |data| assert!(data.is_empty(), "not empty") };
    run(&brittle, b"", "nothing");
    assert!(catch_unwind(|| run(&brittle, b"x", "something")).is_err());
}

/// Makes inputs out of kept ones, the same in every run (SplitMix64).
struct Inventor {
    state: u64,
}

impl Inventor {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`; 0 of nothing.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64).max(1)).unwrap()
    }

    fn invent(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut data, seeds);
        }
        data.truncate(LONGEST);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(data.len() + 1);
        let until = at + self.below(data.len() - at + 1);
        let byte = self.next().to_le_bytes()[0];
        match self.below(6) {
            0 => data.insert(at, byte),
            1 => drop(data.drain(at..until)),
            2 => data.iter_mut().skip(at).take(1).for_each(|old| *old ^= 1 << (byte & 7)),
            3 => data.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            4 => {
                let piece = data[at..until].to_vec();
                drop(data.splice(at..at, piece));
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                drop(data.splice(at..until, other[from..].to_vec()));
            }
        }
    }
}
