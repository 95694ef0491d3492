//! Whose turn is it? Endpointing and speculation.

use crate::support::scenario::{Answer, Scenario};

fn greeted() -> Scenario {
    Scenario::answered().when_agent_is_done(400)
}

call!(
    /// Complaint 15: kept, a speculation saves the model's time to think.
    a_speculation_on_the_whole_turn_is_kept,
    greeted().model(Answer::says("Of course. What is it about?")).says("I have a question.", 900).when_agent_is_done(300).hangs_up()
);
call!(
    /// Complaint 15: a speculation leaves no trace and runs no tool.
    a_speculation_is_discarded_when_the_caller_goes_on,
    greeted()
        .model(Answer::says("Booked then.").after(20).and_calls("save_slot", r#"{"name":"need","value":"wrong"}"#))
        .model(Answer::says("Tuesday it is not, then."))
        .says("I want Tuesday", 900)
        .wait(420)
        .says("No, not Tuesday.", 800)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    a_caller_who_goes_on_within_the_endpointing_delay_is_not_talked_over,
    greeted()
        .model(Answer::says("A demo on Friday, gladly."))
        .says("I want to", 500)
        .wait(700)
        .says("book a demo on Friday.", 1_200)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    an_unfinished_sentence_is_waited_for,
    greeted()
        .model(Answer::says("Take your time."))
        .says("My budget is, um", 900)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    two_final_transcripts_make_one_turn,
    greeted()
        .model(Answer::says("I see."))
        .model(Answer::says("Noted, both."))
        .says_in_parts(&["It is for me.", "And for my sister."], 2_400)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    a_late_final_transcript_is_not_waited_for_nor_answered_twice,
    greeted()
        .habits(|h| h.stt_final_ms = 1_400)
        .model(Answer::says("A demo, gladly. Which day suits you best?"))
        .says("I want a demo on Friday please", 1_600)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    words_between_the_turn_and_its_answer_belong_to_the_turn,
    greeted()
        .model(Answer::says("A demo, gladly.").after(1_000))
        .model(Answer::says("On Friday, gladly."))
        .says("I want a demo.", 900)
        .wait(500)
        .says("On Friday.", 600)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    a_yes_while_the_agent_thinks_changes_nothing,
    greeted()
        .model(Answer::says("A demo, gladly.").after(1_100))
        .says("I want a demo.", 900)
        .wait(450)
        .says("Yeah.", 300)
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    an_answer_does_not_begin_while_the_caller_speaks,
    greeted()
        .model(Answer::says("A demo, gladly.").after(700))
        .says("I want a demo.", 900)
        .wait(500)
        .coughs(900)
        .when_agent_is_done(300)
        .hangs_up()
);
