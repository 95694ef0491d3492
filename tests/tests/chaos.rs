//! The short chaos: forty calls, every fault at least once.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

/// One seed, so that a failure here is one that anybody can go after:
/// `./talkif chaos --short --rolling --seed 4`.
#[test]
fn nothing_is_lost_or_doubled_while_everything_breaks() {
    let state = tempfile::tempdir().unwrap();
    let output = talkif_tests::talkif()
        .args(["chaos", "--short", "--rolling", "--seed", "4", "--json", "--host", "builtin", "--state"])
        .arg(state.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.last().filter(|line| line["type"] == "summary");
    let wrong: Vec<&Value> = summary
        .iter()
        .flat_map(|summary| summary["checks"].as_array().unwrap())
        .filter(|check| !check["wrong"].as_array().unwrap().is_empty())
        .collect();
    assert!(output.status.success(), "{stderr}\n{wrong:#?}");
    // Two of them are clocks that jump; without libfaketime there would be fewer.
    assert_eq!(summary.unwrap()["faults"].as_array().unwrap().len(), 22, "every fault of every part");
}
