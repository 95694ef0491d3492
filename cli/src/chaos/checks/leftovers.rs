//! What is there that should be gone.

use super::Check;
use crate::chaos::facts::Facts;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let left = &facts.left;
    vec![
        slots(facts),
        Check::none("totals of lists that count calls wrongly", facts.stored.wrong_totals.iter().cloned()),
        Check::none("processes that ended by themselves", left.fallen.iter().cloned()),
        Check::none("entries of the stream unacknowledged", left.unacknowledged.iter().cloned()),
        Check::none("rooms left in LiveKit", left.rooms.iter().cloned()),
        Check::none("nodes still on record", left.nodes.iter().cloned()),
        Check::none("processes left behind", left.processes.iter().cloned()),
        Check::none("unfinished recordings left behind", left.unfinished_files.iter().cloned()),
        Check::none("recordings that no call knows", left.unnamed_recordings.iter().cloned()),
        Check::none("calls whose recording is gone", left.missing_recordings.iter().cloned()),
    ]
}

/// As many phones ring at once as there are slots: none of them is held by a call of the past.
fn slots(facts: &Facts) -> Check {
    let (ringing, slots) = facts.slots;
    let missing = slots.saturating_sub(ringing);
    let wrong = (missing > 0).then(|| format!("{missing} slots are taken by nobody"));
    Check {
        name: "slots that are free again",
        expected: slots,
        seen: ringing,
        wrong: wrong.into_iter().collect(),
    }
    .not_idle()
}
