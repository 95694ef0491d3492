//! What happened, in words: one line an event, `seconds what`.

use talkif_call_engine::io::{Ending, Event, Input, LlmRequest, Message, Output, Time};
use talkif_model::{Speaker, Turn};

pub fn line(at: Time, text: &str) -> String {
    format!("{:>7.3} {text}\n", at.0 as f64 / 1e6)
}

/// Inputs worth a line; the others are the machinery's.
pub fn of_input(input: &Input) -> Option<String> {
    Some(match input {
        Input::LegRinging => "phone rings".to_owned(),
        Input::LegAnswered => "phone is answered".to_owned(),
        Input::LegEnded { how } => format!("leg ends: {how:?}"),
        Input::Dtmf { digit } => format!("caller presses {digit}"),
        Input::SpeechStarted { .. } => "caller speaks".to_owned(),
        Input::SpeechEnded { .. } => "caller is silent".to_owned(),
        Input::Transcript { text, is_final: true, .. } => format!("caller: {text}"),
        Input::Transcript { text, .. } => format!("caller: {text} …"),
        Input::LlmTool { name, arguments, .. } => format!("model calls {name} {arguments}"),
        Input::PlayoutFinished { generation, .. } => format!("playout of #{} is over", generation.0),
        Input::ToolResult { result, .. } => format!("tool answers {result}"),
        Input::ProviderFailed { provider, .. } => format!("{provider:?} is lost"),
        Input::TransferEnded { how } => format!("transfer: {how:?}"),
        Input::Command(command) => format!("order: {command:?}"),
        _ => return None,
    })
}

pub fn of_output(output: &Output) -> String {
    match output {
        Output::Connect => "  > connect".to_owned(),
        Output::StartLlm { generation, request } => {
            format!("  > ask model #{} {}", generation.0, last_messages(request))
        }
        Output::CancelLlm { generation } => format!("  > cancel model #{}", generation.0),
        Output::Speak { generation, text } => format!("  > voice #{}: {text}", generation.0),
        Output::SpeakDone { generation } => format!("  > voice #{} has all", generation.0),
        Output::Play { generation } => format!("  > play #{}", generation.0),
        Output::Pause { generation } => format!("  > pause playout of #{}", generation.0),
        Output::Resume { generation } => format!("  > resume playout of #{}", generation.0),
        Output::Stop { generation, fade_ms } => {
            format!("  > stop playout of #{} ({fade_ms} ms fade)", generation.0)
        }
        Output::CallTool { id, name, arguments } => format!("  > call tool {id} {name} {arguments}"),
        Output::SendDtmf { digits } => format!("  > send {digits}"),
        Output::Transfer { to, mode, max_ring_ms } => {
            format!("  > transfer to {to} ({mode}, rings {max_ring_ms} ms)")
        }
        Output::HandOver => "  > hand over".to_owned(),
        Output::GiveUpTransfer => "  > give up the transfer".to_owned(),
        Output::HangUp => "  > hang up".to_owned(),
        Output::Emit(event) => format!("  = {}", of_event(event)),
        Output::Ended(ending) => format!("  = ended {}", of_ending(ending)),
    }
}

/// The last two messages: what the model is asked to go on from.
fn last_messages(request: &LlmRequest) -> String {
    let mut last: Vec<String> = request.messages.iter().skip(1).rev().take(2).map(of_message).collect();
    last.reverse();
    let without = if request.tools.is_empty() { " without tools" } else { "" };
    format!("[{}]{without}", last.join(" | "))
}

fn of_message(message: &Message) -> String {
    match message {
        Message::System { .. } => "system".to_owned(),
        Message::User { text } => format!("user: {text}"),
        Message::Assistant { text, tool_calls } if tool_calls.is_empty() => format!("agent: {text}"),
        Message::Assistant { text, tool_calls } => {
            let names: Vec<&str> = tool_calls.iter().map(|call| call.name.as_str()).collect();
            format!("agent: {text} +{}", names.join("+"))
        }
        Message::Tool { result, .. } => format!("tool: {result}"),
    }
}

fn of_event(event: &Event) -> String {
    match event {
        Event::Status { status } => format!("status {status}"),
        Event::Turn(turn) => of_turn(turn),
        Event::Partial { .. } => "partial".to_owned(),
        Event::Slot { name, value } => format!("slot {name}: {value}"),
        Event::Node { node } => format!("node {node}"),
        Event::Interruption { false_alarm: true } => "false alarm".to_owned(),
        Event::Interruption { false_alarm: false } => "interrupted".to_owned(),
        Event::Qualified { outcome } => format!("verdict {outcome}"),
        Event::Transfer { name, state, sip_status } => match sip_status {
            Some(status) => format!("transfer to {name} {state:?} ({status})"),
            None => format!("transfer to {name} {state:?}"),
        },
        Event::OptedOut => "opted out".to_owned(),
        Event::Voicemail => "voicemail".to_owned(),
        Event::Trouble { detail } => format!("trouble: {detail}"),
    }
}

fn of_turn(turn: &Turn) -> String {
    let who = if turn.speaker == Speaker::Agent { "agent" } else { "caller" };
    let cut = if turn.interrupted { " (cut off)" } else { "" };
    let clocks = turn.latency.map_or(String::new(), |l| {
        format!(" [heard after {} ms, engine {} ms]", l.heard_ms.round(), l.engine_ms.round())
    });
    format!("turn {} {who}: {}{cut}{clocks}", turn.number, turn.text.0)
}

fn of_ending(ending: &Ending) -> String {
    let mut text = format!("{} {}", ending.status, ending.end_reason);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    };
    add("outcome", ending.outcome.map(|o| o.to_string()));
    add("because", ending.outcome_reason.clone());
    add("booking", ending.booking.as_ref().map(|b| b.slot.clone()));
    add("slots", (!ending.slots.is_empty()).then(|| format!("{:?}", ending.slots)));
    add("detail", ending.detail.clone());
    text
}
