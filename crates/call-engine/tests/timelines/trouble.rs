//! What breaks, and what the caller notices of it.

use crate::support::scenario::{Answer, Scenario};

fn greeted() -> Scenario {
    Scenario::answered().when_agent_is_done(400)
}

call!(
    a_slow_model_is_bridged_with_a_filler,
    greeted()
        .model(Answer::says("Here it is.").after(2_600))
        .says("What does it cost?", 900)
        .when_agent_is_done(2_000)
        .hangs_up()
);
call!(
    a_silent_model_is_asked_again_once,
    greeted()
        .model(Answer::hangs())
        .model(Answer::says("It costs twelve thousand."))
        .says("What does it cost?", 900)
        .wait(10_000)
        .when_agent_is_done(1_500)
        .hangs_up()
);
call!(
    a_model_that_stays_silent_ends_the_call_with_an_apology,
    greeted().model(Answer::hangs()).model(Answer::hangs()).says("What does it cost?", 900)
);
call!(
    a_lost_model_ends_the_call_with_an_apology,
    greeted().model(Answer::fails().after(900)).says("What does it cost?", 900)
);
call!(
    an_answer_that_breaks_off_goes_on_and_its_beginning_is_said_once,
    greeted()
        .model(Answer::says("It costs twelve thousand. That includes ").after(900).and_breaks_off())
        .model(Answer::says("It costs twelve thousand. That includes the books."))
        .says("What does it cost?", 900)
        .when_agent_is_done(1_000)
        .hangs_up()
);
call!(
    an_answer_that_breaks_off_twice_ends_the_call_with_an_apology,
    greeted()
        .model(Answer::says("It costs twelve thousand. That includes ").after(900).and_breaks_off())
        .model(Answer::says("The books are included. So is ").and_breaks_off())
        .says("What does it cost?", 900)
);
call!(
    a_speculation_that_fails_is_asked_again,
    greeted()
        .model(Answer::fails().after(10))
        .model(Answer::says("Twelve thousand."))
        .says("What does it cost?", 900)
        .when_agent_is_done(800)
        .hangs_up()
);
call!(a_model_that_says_nothing_is_asked_again, {
    greeted()
        .model(Answer::says(""))
        .model(Answer::says("Twelve thousand."))
        .says("What does it cost?", 900)
        .when_agent_is_done(1_500)
        .hangs_up()
});
call!(
    malformed_arguments_are_told_to_the_model,
    greeted()
        .model(Answer::calls("save_slot", r#"{"name":"need","value""#))
        .model(Answer::calls("save_slot", r#"{"name":"shoe_size","value":"44"}"#))
        .model(
            Answer::says("What is your budget?")
                .and_calls("save_slot", r#"{"name":"need","value":"pricing"}"#)
        )
        .says("Pricing.", 600)
        .when_agent_is_done(1_000)
        .hangs_up()
);
call!(
    a_model_that_only_calls_tools_is_made_to_speak,
    greeted()
        .model(Answer::calls("move_to", r#"{"node":"moon"}"#))
        .model(Answer::calls("launch", "{}"))
        .model(Answer::calls("end_call", r#"{"outcome":"booked"}"#))
        .model(Answer::says("Let us start over."))
        .says("Pricing.", 600)
        .when_agent_is_done(1_000)
        .hangs_up()
);
call!(
    /// Complaint 2: stuck in "speaking" while silent.
    a_voice_that_stays_silent_is_asked_again,
    greeted()
        .habits(|h| h.tts_silent = vec![2])
        .model(Answer::says("It costs twelve thousand."))
        .says("What does it cost?", 900)
        .when_agent_is_done(5_000)
        .hangs_up()
);
call!(
    a_voice_that_is_lost_ends_the_call,
    greeted()
        .habits(|h| h.tts_silent = vec![2, 3])
        .model(Answer::says("It costs twelve thousand."))
        .says("What does it cost?", 900)
);
call!(
    /// Complaint 2: stops in mid-sentence until the caller speaks.
    a_playout_that_hangs_is_taken_up_where_it_was,
    greeted()
        .habits(|h| h.stalls = Some(2))
        .model(Answer::says("It costs twelve thousand for the whole program."))
        .says("What does it cost?", 900)
        .when_agent_is_done(2_500)
        .hangs_up()
);
call!(
    /// Complaint 13: the recogniser goes deaf.
    speech_that_is_not_recognised_is_asked_about,
    Scenario::answered().habits(|h| h.stt_deaf = true).when_agent_is_done(400).says("What does it cost?", 900).when_agent_is_done(500).hangs_up()
);
call!(a_lost_recogniser_ends_the_call_with_an_apology, greeted().recogniser_is_lost());
