//! Interruptions, true and false.

use crate::support::scenario::{Answer, Scenario};

const LONG: &str =
    "We have three programs. The first one starts in the fall. It takes two years. The second is shorter.";

fn asked() -> Scenario {
    Scenario::answered()
        .model(Answer::says(LONG))
        .when_agent_is_done(300)
        .says("Tell me about the programs.", 1_200)
}

call!(
    an_interruption_stops_playout_and_history_keeps_what_was_heard,
    asked()
        .model(Answer::says("Twelve thousand."))
        .when_agent_is_heard(2_500)
        .says("Wait, how much is that?", 1_200)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    without_word_times_history_keeps_the_share_that_was_played,
    asked()
        .habits(|h| h.tts_words = false)
        .model(Answer::says("Twelve thousand."))
        .when_agent_is_heard(2_500)
        .says("Wait, how much is that?", 1_200)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    /// Complaint 1: a false interruption kills the agent.
    a_cough_only_pauses_the_agent,
    asked().when_agent_is_heard(2_500).coughs(300).when_agent_is_done(300).hangs_up()
);
call!(
    /// Complaint 1.
    a_backchannel_only_pauses_the_agent,
    asked().when_agent_is_heard(2_500).says("Mm-hmm.", 350).when_agent_is_done(300).hangs_up()
);
call!(
    two_coughs_in_a_row_only_pause_the_agent,
    asked().when_agent_is_heard(2_500).coughs(300).wait(500).coughs(300).when_agent_is_done(300).hangs_up()
);
call!(
    a_yes_to_the_last_word_of_a_question_is_an_answer,
    Scenario::answered()
        .model(Answer::says("Shall I book a demo for you on Friday?"))
        .model(Answer::says("Done."))
        .when_agent_is_done(300)
        .says("I want a demo.", 900)
        .when_agent_is_heard(1_900)
        .says("Yes.", 300)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    a_murmur_at_the_last_word_of_a_question_is_no_answer,
    Scenario::answered()
        .model(Answer::says("Shall I book a demo for you on Friday?"))
        .when_agent_is_done(300)
        .says("I want a demo.", 900)
        .when_agent_is_heard(1_900)
        .says("Mm-hmm.", 300)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    speech_without_words_interrupts_and_is_asked_about,
    asked().when_agent_is_heard(2_500).coughs(1_500).when_agent_is_done(300).hangs_up()
);
call!(
    a_second_hello_does_not_stop_the_greeting,
    Scenario::answered().when_agent_is_heard(400).says("Hello?", 400).when_agent_is_done(300).hangs_up()
);
call!(
    /// Complaint 15: lost first words on outbound calls.
    a_greeting_that_collides_with_the_hello_is_not_lost,
    Scenario::picked_up().wait(1_190).says("Bob speaking.", 700).when_agent_is_done(300).hangs_up()
);
call!(
    nothing_stops_a_goodbye,
    Scenario::answered()
        .model(
            Answer::says("Thank you very much for your time. Goodbye!")
                .and_calls("end_call", r#"{"outcome":"not_fit"}"#)
        )
        .when_agent_is_done(300)
        .says("I am not interested.", 900)
        .when_agent_is_heard(1_500)
        .says("Wait, one more question.", 1_000)
);
call!(
    /// Complaint 15: results of tools are kept when their turn is interrupted.
    an_interrupted_turn_keeps_what_its_tools_noted,
    Scenario::answered()
        .model(Answer::says("Pricing, noted. Let me tell you about our programs in some detail.").and_calls("save_slot", r#"{"name":"need","value":"pricing"}"#))
        .model(Answer::says("Twelve thousand."))
        .when_agent_is_done(300)
        .says("I need the pricing.", 900)
        .when_agent_is_heard(1_900)
        .says("Just the price please.", 1_000)
        .when_agent_is_done(300)
        .hangs_up()
);
