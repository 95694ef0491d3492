//! Calls that nobody takes, and the ways calls end.

use crate::support::scenario::{Answer, Scenario};
use talkif_call_engine::io::{Input, LegEnd};
use talkif_model::{Direction, EndReason};

fn dialled() -> Scenario {
    Scenario::new(Direction::Outbound).wait(500).input(Input::LegRinging).wait(4_000)
}

call!(a_busy_line_is_busy, Scenario::new(Direction::Outbound).wait(900).leg_ends(LegEnd::Busy));
call!(a_declined_call_counts_as_busy, dialled().leg_ends(LegEnd::Declined));
call!(a_call_that_rings_out_is_unanswered, dialled().leg_ends(LegEnd::NoAnswer));
call!(
    a_call_is_cancelled_at_the_ring_limit,
    Scenario::new(Direction::Outbound).wait(500).input(Input::LegRinging)
);
call!(
    a_number_that_does_not_exist_is_wrong,
    Scenario::new(Direction::Outbound).wait(700).leg_ends(LegEnd::InvalidNumber)
);
call!(
    a_carrier_that_refuses_is_a_telephony_error,
    Scenario::new(Direction::Outbound)
        .wait(700)
        .leg_ends(LegEnd::Failed { detail: "503 Service Unavailable".to_owned() })
);
call!(a_call_is_cancelled_before_its_answer, dialled().ordered_to_hang_up(EndReason::Canceled));
call!(
    /// Complaint 10: a call without an end.
    a_leg_that_never_confirms_does_not_hold_the_call_open,
    dialled().habits(|h| h.leg_never_ends = true).ordered_to_hang_up(EndReason::Canceled)
);
call!(an_inbound_caller_gives_up_before_the_answer, Scenario::new(Direction::Inbound).wait(20).hangs_up());
call!(
    a_caller_hangs_up_mid_sentence,
    Scenario::answered()
        .model(Answer::says("We have three programs. The first one starts in the fall and takes two years."))
        .when_agent_is_done(300)
        .says("Tell me about the programs.", 1_200)
        .when_agent_is_heard(1_500)
        .hangs_up()
);
call!(
    a_lost_line_is_a_failed_call,
    Scenario::answered()
        .when_agent_is_done(500)
        .leg_ends(LegEnd::Failed { detail: "no media for 15 s".to_owned() })
);
call!(
    an_exhausted_balance_ends_the_call_at_once,
    Scenario::answered().when_agent_is_heard(600).ordered_to_hang_up(EndReason::BalanceDepleted)
);
call!(
    the_longest_length_of_a_call_is_kept_with_a_last_sentence,
    Scenario::answered()
        .flow(|flow| flow.call.max_duration_s = 12)
        .when_agent_is_done(300)
        .says("Let me tell you a very long story.", 1_500)
        .when_agent_is_done(200)
        .begins_to_say("It all began when I was a child and then", 9_000)
);
call!(a_silent_callee_is_prompted_and_then_left, Scenario::picked_up());
call!(
    a_caller_who_falls_silent_is_prompted_and_then_left,
    Scenario::inbound().when_agent_is_done(300).says("Hi, I want a demo.", 1_000)
);
call!(
    after_an_answering_machine_is_hung_up_on_no_other_tool_of_that_answer_runs,
    Scenario::answered()
        .model(Answer::calls("voicemail", "{}").and_calls("end_call", r#"{"outcome":"qualified"}"#))
        .when_agent_is_done(300)
        .says("Please leave a message after the tone.", 1_500)
);
