//! The main job, as a stranger runs it.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

fn demo(state: &Path, arguments: &[&str]) -> (Output, Vec<Value>) {
    let output = talkif_tests::talkif()
        .args(["demo", "--json", "--host", "builtin", "--state"])
        .arg(state)
        .args(arguments)
        .output()
        .unwrap();
    let lines = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output, lines)
}

/// Processes whose command line or environment names `state`: those of one installation.
fn processes_of(state: &Path) -> Vec<String> {
    let name = state.to_string_lossy().into_owned();
    let folders = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let names_it = |folder: &PathBuf| {
        ["cmdline", "environ"].iter().any(|file| {
            std::fs::read(folder.join(file))
                .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&name))
        })
    };
    folders.filter(names_it).map(|folder| folder.display().to_string()).collect()
}

fn summary_of<'a>(lines: &'a [Value], persona: &str) -> &'a Value {
    lines.iter().find(|line| line["type"] == "summary" && line["persona"] == persona).unwrap()
}

#[test]
fn every_persona_comes_to_its_own_ending() {
    let personas = "books,qualifies,declines,wrong-number,busy,no-answer,voicemail,interrupts,backchannels,silent,says-stop,hangs-up";
    let (output, lines) = demo(tempfile::tempdir().unwrap().path(), &["--persona", personas]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let booked = summary_of(&lines, "books");
    assert_eq!((&booked["status"], &booked["outcome"]), (&"completed".into(), &"booked".into()));
    assert!(booked["booking"]["slot"].is_string());
    assert_eq!(booked["slots"].as_object().unwrap().len(), 4, "need, timing, budget, location");
    let answers: Vec<&Value> =
        booked["turns"].as_array().unwrap().iter().filter(|turn| turn["heard_ms"].is_number()).collect();
    assert!(!answers.is_empty());
    for turn in answers {
        let (engine, heard) = (turn["engine_ms"].as_f64().unwrap(), turn["heard_ms"].as_f64().unwrap());
        assert!(engine <= heard, "the caller hears no sooner than the engine speaks: {turn}");
    }
    let events: Vec<&str> =
        booked["webhooks"].as_array().unwrap().iter().map(|hook| hook["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["lead.created", "call.started", "call.answered", "outcome.booked"]);
    let interrupted = summary_of(&lines, "interrupts")["turns"].as_array().unwrap().clone();
    assert!(
        interrupted.iter().any(|turn| turn["interrupted"] == true),
        "the agent let itself be interrupted"
    );
    let encouraged = summary_of(&lines, "backchannels")["turns"].as_array().unwrap().clone();
    // A "yeah" over the last word may be the answer; a murmur never takes the floor.
    let cut_by_murmur = |pair: &[Value]| pair[0]["interrupted"] == true && pair[1]["text"] == "mm-hmm";
    assert!(!encouraged.windows(2).any(cut_by_murmur), "{encouraged:?}");
}

#[test]
fn a_demo_leaves_no_process_behind() {
    let state = tempfile::tempdir().unwrap();
    let (output, _) = demo(state.path(), &["--persona", "busy"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The kernel may need a moment to take leave of what has ended.
    let patience = Instant::now() + Duration::from_secs(5);
    while !processes_of(state.path()).is_empty() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(processes_of(state.path()), Vec::<String>::new());
}
