//! What a call comes to: the personas of the phone lab.

use crate::support::scenario::{Answer, Scenario};
use talkif_call_engine::io::ToolSpec;

fn greeted() -> Scenario {
    Scenario::answered().when_agent_is_done(400)
}

call!(
    a_lead_who_agrees_books_a_slot,
    greeted()
        .model(Answer::says("Great! What do you need?"))
        .model(
            Answer::says("Noted. Shall we find a time for a demo?")
                .and_calls("save_slot", r#"{"name":"need","value":"pricing"}"#)
        )
        .model(Answer::calls("move_to", r#"{"node":"booking"}"#))
        .model(Answer::says("Tuesday at half past three?"))
        .model(Answer::calls("book_slot", r#"{"time":"2026-05-26T15:30:00Z","notes":"fall intake"}"#))
        .model(Answer::says("You are booked. Goodbye!").and_calls("end_call", r#"{"outcome":"booked"}"#))
        .says("Yes, sure, go on.", 900)
        .when_agent_is_done(400)
        .says("The pricing of the programs.", 1_200)
        .when_agent_is_done(400)
        .says("Yes, please do.", 700)
        .when_agent_is_done(400)
        .says("That works for me.", 800)
);
call!(
    a_lead_who_wants_a_callback_is_qualified,
    greeted()
        .model(
            Answer::says("A colleague will call you. Goodbye!")
                .and_calls("end_call", r#"{"outcome":"qualified"}"#)
        )
        .says("Please have somebody call me.", 1_200)
);
call!(
    a_lead_who_declines_is_no_fit,
    greeted()
        .model(
            Answer::says("I understand. Have a nice day!")
                .and_calls("end_call", r#"{"outcome":"not_fit","reason":"not interested"}"#)
        )
        .says("No, I'm not interested.", 900)
);
call!(
    a_wrong_number_is_left_with_an_excuse,
    greeted()
        .model(
            Answer::says("Sorry for the trouble. Goodbye.")
                .and_calls("end_call", r#"{"outcome":"wrong_number"}"#)
        )
        .says("There is nobody of that name here.", 1_300)
);
call!(who_says_stop_is_not_called_again_whatever_the_model_thinks, greeted().says("Stop calling me.", 700));
call!(
    who_says_stop_over_the_greeting_is_heard,
    Scenario::answered().when_agent_is_heard(800).says("Stop calling me!", 700)
);
call!(
    who_says_stop_and_hangs_up_at_once_is_heard,
    greeted().begins_to_say("Stop calling me please.", 800).wait(600).hangs_up()
);
call!(
    the_model_may_hear_an_opt_out_too,
    greeted().model(Answer::calls("opt_out", "")).says("Take me off that list of yours.", 1_200)
);
call!(
    /// Complaint 14: speak on a person at 1.2 s.
    a_callee_who_says_nothing_is_greeted_soon,
    Scenario::picked_up().when_agent_is_done(400).says("Oh, hello.", 500).when_agent_is_done(200).hangs_up()
);
call!(
    the_greeting_waits_for_the_hello,
    Scenario::picked_up().wait(900).says("Bob speaking, hello?", 1_100).when_agent_is_done(400).hangs_up()
);
call!(
    a_long_greeting_is_shown_to_the_model_and_found_to_be_a_machine,
    Scenario::picked_up()
        .model(Answer::calls("voicemail", "{}"))
        .wait(500)
        .says("You have reached the voicemail of Bob. Please leave a message.", 5_000)
);
call!(
    a_long_greeting_of_a_person_is_answered_by_the_greeting,
    Scenario::picked_up()
        .model(Answer::says("person"))
        .wait(300)
        .says("Good morning, Helena dental practice, you are speaking with Joan.", 3_400)
        .when_agent_is_done(400)
        .hangs_up()
);
call!(
    /// Complaint 14: audio is never held past a cap.
    a_model_that_cannot_tell_a_machine_does_not_hold_the_greeting,
    Scenario::picked_up()
        .model(Answer::hangs())
        .wait(300)
        .says("Good morning, this is the dental practice of Helena.", 3_400)
        .when_agent_is_done(400)
        .hangs_up()
);
call!(
    a_machine_that_greets_shortly_is_found_in_its_next_words,
    Scenario::answered()
        .model(Answer::calls("voicemail", "{}"))
        .when_agent_is_done(200)
        .says("Please leave a message after the tone.", 2_000)
);
call!(
    an_inbound_caller_is_greeted_at_once,
    Scenario::inbound()
        .model(Answer::says("With pleasure. What is your budget?"))
        .when_agent_is_done(300)
        .says("Hi, I want a demo.", 1_000)
        .when_agent_is_done(500)
        .hangs_up()
);
call!(without_a_greeting_the_model_opens, {
    let mut script = Scenario::inbound().model(Answer::says("Hello, how can I help you?"));
    script.config.greeting = String::new();
    script.when_agent_is_done(500).hangs_up()
});
call!(
    keys_are_a_turn_after_a_pause,
    greeted().model(Answer::says("Thank you.")).presses("123").when_agent_is_done(300).hangs_up()
);
call!(
    keys_interrupt_and_a_hash_ends_them,
    Scenario::answered()
        .model(Answer::says("Thank you."))
        .when_agent_is_heard(900)
        .presses("42#")
        .when_agent_is_done(300)
        .hangs_up()
);
call!(
    an_order_to_say_something_comes_before_all_else,
    Scenario::answered()
        .when_agent_is_heard(700)
        .ordered_to_say("This call is recorded.")
        .wait(400)
        .says("What was that?", 700)
        .model(Answer::says("I said it is recorded."))
        .when_agent_is_done(2_000)
        .hangs_up()
);
call!(a_tool_of_the_customers_is_called_and_its_answer_told, {
    let mut script = greeted()
        .model(Answer::says("Let me look.").and_calls("free_times", r#"{"day":"tuesday"}"#))
        .model(Answer::says("Half past three is free."));
    let parameters = serde_json::json!({ "type": "object" });
    let (name, description) = ("free_times".to_owned(), "Free times of a day.".to_owned());
    script.config.tools.push(ToolSpec { name, description, parameters });
    script.says("What about Tuesday?", 900).when_agent_is_done(1_500).hangs_up()
});
