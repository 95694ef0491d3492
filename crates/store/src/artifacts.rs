//! What signed addresses lead to. The signature stands for the account, so these statements
//! take the call alone.

use crate::Statement;

/// Every statement of this module.
pub const STATEMENTS: &[Statement] = &[TRANSCRIPT, RECORDING];

/// The turns of a call, in order. `$1` call.
pub const TRANSCRIPT: Statement = Statement {
    name: "artifacts.transcript",
    sql: "
select turn_no, speaker, text, started_ms, ended_ms, interrupted, latency::text
from turns where call_id = $1::text::uuid order by turn_no",
};

/// Where the recording of a call lies, unless it has been deleted. `$1` call.
pub const RECORDING: Statement = Statement {
    name: "artifacts.recording",
    sql: "
select path from recordings
where call_id = $1::text::uuid and deleted_at is null and expires_at > now()",
};
