use super::*;

const NOW: i64 = 1_779_800_000; // 2026-05-26T12:53:20Z

/// A caller and the mind, with the tools of one node.
struct Talk {
    conversation: Conversation,
}

impl Talk {
    fn new(slots: &[&str], tools: &[&str]) -> Self {
        let schema = |tool: &&str| match *tool {
            "save_slot" => json!({ "properties": { "name": { "enum": slots } } }),
            "move_to" => json!({ "properties": { "node": { "enum": ["goodbye", "booking"] } } }),
            _ => json!({}),
        };
        let tools = tools.iter().map(|tool| ((*tool).to_owned(), schema(tool))).collect();
        let instructions = "You are Talkif, calling for Helena Education.\n\
            Call move_to as soon as one of these holds:\n\
            - goodbye: the caller is not interested\n- booking: all is known"
            .to_owned();
        Self { conversation: Conversation { instructions, turns: Vec::new(), tools } }
    }

    fn all(slots: &[&str]) -> Self {
        Self::new(slots, &["save_slot", "book_slot", "end_call", "opt_out", "voicemail"])
    }

    fn greeted(mut self) -> Self {
        self.conversation.turns.push(Turn::Agent { text: "Hi, got a moment?".into(), calls: vec![] });
        self
    }

    /// The caller speaks; the reply and the tools' answers join the history.
    fn say(&mut self, text: &str) -> Reply {
        self.conversation.turns.push(Turn::Caller(text.into()));
        self.think("{\"ok\":true}")
    }

    fn think(&mut self, result: &str) -> Reply {
        let reply = think(&self.conversation, Timestamp::from_second(NOW).unwrap());
        let turns = &mut self.conversation.turns;
        let call = |(n, (name, arguments)): (usize, &(String, Value))| Call {
            id: format!("{}-{n}", turns.len()),
            name: name.clone(),
            arguments: arguments.clone(),
        };
        let calls: Vec<Call> = reply.calls.iter().enumerate().map(call).collect();
        let results = calls.iter().map(|call| Turn::Tool { id: call.id.clone(), result: result.into() });
        let results: Vec<Turn> = results.collect();
        turns.push(Turn::Agent { text: reply.text.clone(), calls });
        turns.extend(results);
        reply
    }
}

#[test]
fn a_lead_is_asked_slot_by_slot_and_booked() {
    let mut talk = Talk::all(&["need", "budget"]).greeted();
    assert_eq!(talk.say("Yes, sure.").text, "Great. What are you looking for?");
    let reply = talk.say("A master's program.");
    assert_eq!(reply.text, "Thank you. What budget do you have in mind?");
    assert_eq!(reply.calls, [("save_slot".into(), json!({ "name": "need", "value": "A master's program" }))]);
    assert_eq!(talk.think("").text, "", "what was said with the call stands");
    let reply = talk.say("About twelve thousand euros.");
    assert!(reply.text.ends_with("Does tomorrow at 15:30 work for a short call?"));
    let reply = talk.say("Yes, that works.");
    assert_eq!(reply.calls[0].0, "book_slot");
    assert_eq!(reply.calls[0].1["time"], "2026-05-27T15:30:00Z");
    assert_eq!(reply.calls[0].1["notes"], "need: A master's program; budget: About twelve thousand euros");
    assert_eq!(reply.text, "");
    let reply = talk.think("");
    assert_eq!(reply.calls, [("end_call".into(), json!({ "outcome": "booked" }))]);
    assert!(reply.text.contains("goodbye"));
}

#[test]
fn a_need_told_unasked_is_saved() {
    let mut talk = Talk::all(&["need", "budget"]).greeted();
    let reply = talk.say("Yes, I want to ask about pricing for the master's programs.");
    assert_eq!(reply.calls[0].1["name"], "need");
    assert!(reply.text.ends_with("What budget do you have in mind?"));
}

#[test]
fn an_answer_to_a_question_that_was_cut_off_is_still_its_answer() {
    let mut talk = Talk::all(&["budget"]);
    talk.conversation.turns.push(Turn::Agent { text: "Thank you. What budget do".into(), calls: vec![] });
    assert_eq!(talk.say("Twelve thousand.").calls[0].1["name"], "budget");
}

#[test]
fn every_way_out_has_its_tool() {
    let cases = [
        ("I'm not interested, sorry.", "end_call", "not_fit"),
        ("You have the wrong number.", "end_call", "wrong_number"),
        ("Please call me back another day.", "end_call", "qualified"),
        ("Stop calling me.", "opt_out", ""),
        ("Please leave a message after the beep.", "voicemail", ""),
        ("Beni aramayın lütfen.", "opt_out", ""),
    ];
    for (said, tool, outcome) in cases {
        let reply = Talk::all(&["need"]).greeted().say(said);
        assert_eq!(reply.calls[0].0, tool, "{said}");
        assert_eq!(reply.calls[0].1["outcome"].as_str().unwrap_or_default(), outcome, "{said}");
    }
}

#[test]
fn screening_questions_and_mumbling_do_not_fill_slots() {
    let mut talk = Talk::all(&["need"]).greeted();
    assert!(talk.say("Who is calling and why?").text.starts_with("This is Talkif, calling about"));
    assert_eq!(talk.say("Hello?").text, "What are you looking for?");
    assert!(talk.say("How much does it cost?").text.ends_with("details. What are you looking for?"));
    assert!(talk.say("mm-hmm").text.ends_with("What are you looking for?"));
    assert_eq!(talk.say("...").text, "Sorry, I did not catch that. What are you looking for?");
    assert!(!talk.conversation.saved("need"));
}

#[test]
fn silence_is_asked_after() {
    let mut talk = Talk::all(&["need"]).greeted();
    talk.say("Yes.");
    assert_eq!(talk.think("").text, "Are you still there? What are you looking for?");
}

#[test]
fn a_filled_node_is_left_for_the_next_without_a_word() {
    let mut talk = Talk::new(&["need"], &["save_slot", "move_to", "end_call"]).greeted();
    talk.say("Yes.");
    let reply = talk.say("A master's program.");
    assert_eq!(reply.text, "");
    assert_eq!(reply.calls[1], ("move_to".into(), json!({ "node": "booking" })));
    talk.conversation.tools.insert("book_slot".into(), json!({}));
    assert_eq!(talk.think("").text, "Does tomorrow at 15:30 work for a short call?");
}

#[test]
fn a_tool_that_is_not_offered_is_never_called() {
    for said in
        ["Stop calling me.", "wrong number", "leave a message", "Yes, that is fine.", "I want a program."]
    {
        let mut talk = Talk::new(&["need"], &[]).greeted();
        assert!(talk.say(said).calls.is_empty(), "{said}");
    }
}

#[test]
fn a_failed_booking_is_not_a_booking() {
    let mut talk = Talk::all(&[]).greeted();
    assert!(talk.say("Yes.").text.contains("tomorrow at 15:30"));
    talk.conversation.turns.push(Turn::Caller("Yes.".into()));
    talk.think("{\"error\":\"taken\"}");
    assert_eq!(talk.think("").calls, [("end_call".into(), json!({ "outcome": "qualified" }))]);
}

#[test]
fn turkish_is_answered_in_turkish() {
    let mut talk = Talk::all(&["budget"]).greeted();
    assert_eq!(talk.say("Evet, buyurun.").text, "Harika. Bütçeniz yaklaşık ne kadar?");
    assert!(talk.say("On iki bin avro.").text.ends_with("Yarın saat 15:30 sizin için uygun mu?"));
    assert_eq!(talk.say("Evet, olur.").calls[0].0, "book_slot");
}
