//! Callers who are put through to somebody else.

use crate::support::scenario::{Answer, Scenario};
use talkif_call_engine::io::TransferEnd;
use talkif_model::flow::{TransferMode, TransferTarget};

/// A caller who asks for somebody, and a model that puts them through.
fn asks_for_sales(mode: TransferMode) -> Scenario {
    Scenario::answered()
        .flow(|flow| {
            let target = TransferTarget {
                to: "+442079460999".to_owned(),
                mode,
                when: "the caller asks for a person".to_owned(),
                introduction: match mode {
                    TransferMode::Attended => "I have Ece on the line, who wants a demo.".to_owned(),
                    TransferMode::Blind => String::new(),
                },
                max_ring_s: 20,
            };
            flow.transfer.insert("sales".to_owned(), target);
        })
        .model(Answer::says("I will put you through.").and_calls("transfer_call", r#"{"to":"sales"}"#))
        .when_agent_is_done(300)
        .says("Can I talk to a person?", 1_200)
}

fn ends(scenario: Scenario, how: Option<TransferEnd>) -> Scenario {
    scenario.habits(|habits| habits.transfer_ends = how)
}

call!(an_attended_transfer_introduces_the_two_and_leaves, asks_for_sales(TransferMode::Attended));
call!(
    a_blind_transfer_is_over_when_the_carrier_says_so,
    ends(asks_for_sales(TransferMode::Blind), Some(TransferEnd::Away))
);
call!(
    after_a_transfer_that_nobody_answers_the_conversation_goes_on,
    ends(asks_for_sales(TransferMode::Attended), Some(TransferEnd::Failed { sip_status: Some(486) }))
        .model(Answer::says("They are busy just now. Shall somebody call you back?"))
        .wait(3_500)
        .says("Nice music.", 800)
        .wait(6_000)
        .hangs_up()
);
call!(
    a_transfer_of_which_nothing_is_heard_is_given_up,
    ends(asks_for_sales(TransferMode::Attended), None)
        .model(Answer::says("I could not reach anybody."))
        .wait(50_000)
        .hangs_up()
);
call!(
    a_caller_may_hang_up_while_the_other_telephone_rings,
    ends(asks_for_sales(TransferMode::Attended), None).wait(5_000).hangs_up()
);
call!(
    nobody_is_put_through_to_somebody_the_flow_does_not_know,
    Scenario::answered()
        .model(Answer::calls("transfer_call", r#"{"to":"boss"}"#))
        .model(Answer::says("I cannot put you through."))
        .when_agent_is_done(300)
        .says("Can I talk to your boss?", 1_200)
        .when_agent_is_done(500)
        .hangs_up()
);
