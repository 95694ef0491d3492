//! What a flow says when its author left it to us.
//!
//! The words are the agent's own: who it is, that it is an assistant, and how it behaves on a
//! phone. A greeting is spoken verbatim before any model is asked, so it exists in the languages
//! that calls are usually held in.

use super::vocabulary::language_name;
use talkif_model::flow::{RetryPolicy, Slot};

/// Three further attempts: after a quarter of an hour, half an hour, an hour.
pub(super) const RETRY: RetryPolicy = RetryPolicy::Exponential { base_s: 900, cap_s: 14_400, max: 3 };

/// Who the agent is and how it behaves.
pub(super) fn system_prompt(language: &str) -> String {
    format!(
        "You are the phone assistant of {{{{default account.name \"the company\"}}}}. You are on a live phone call \
         with a person who left their details{{{{#if lead.source}}}} ({{{{lead.source}}}}){{{{/if}}}}. \
         Speak {}. If the person changes to another language, follow them.\n\
         Speak in short, friendly sentences, at most two at a time, and ask one question at a time. No lists, \
         no markup, no emoji. Say numbers, dates and times the way people say them.\n\
         If asked, say openly that you are an automated assistant. Never invent prices, promises or facts. \
         If the person does not want to be called, apologise and opt them out at once.",
        language_name(language)
    )
}

/// The first words of an outbound call.
pub(super) fn greeting(language: &str) -> &'static str {
    match language {
        "tr" => {
            "Merhaba{{#if lead.name}} {{lead.name}}{{/if}}, {{default account.name \"ekibimiz\"}} adına arayan dijital \
             asistanım. Az önce bize bilgilerinizi bıraktınız, bir dakikanız var mı?"
        }
        "de" => {
            "Hallo{{#if lead.name}} {{lead.name}}{{/if}}, hier ist die digitale Assistenz von {{default account.name \
             \"unserem Team\"}}. Sie haben uns gerade Ihre Daten hinterlassen. Haben Sie einen Moment Zeit?"
        }
        "fr" => {
            "Bonjour{{#if lead.name}} {{lead.name}}{{/if}}, je suis l'assistant automatique de {{default account.name \
             \"notre équipe\"}}. Vous venez de nous laisser vos coordonnées. Avez-vous un instant ?"
        }
        "es" => {
            "Hola{{#if lead.name}} {{lead.name}}{{/if}}, soy el asistente automático de {{default account.name \
             \"nuestro equipo\"}}. Acaba de dejarnos sus datos. ¿Tiene un momento?"
        }
        _ => {
            "Hi{{#if lead.name}} {{lead.name}}{{/if}}, this is the automated assistant of {{default account.name \
             \"our team\"}}. You just left your details with us. Do you have a moment?"
        }
    }
}

/// What the single node of a flow with `qualify` is told.
pub(super) fn qualify_prompt(slots: &[Slot], books: bool) -> String {
    let list: Vec<String> =
        slots.iter().map(|slot| format!("- {}: {}", slot.name, slot.description)).collect();
    let next = if books {
        "offer a short appointment and book the time you agree on"
    } else {
        "thank the person and say that a colleague will get back to them"
    };
    format!(
        "Find out, in a natural conversation:\n{}\nSave each answer as soon as you have it. When you know all of \
         them and the person is interested, {next}. If what they want is not something we offer, or they are not \
         interested, close politely as not a fit. If you reached somebody else, close as a wrong number.",
        list.join("\n")
    )
}

/// What a slot is about. The usual questions of a qualification get a full description.
pub(super) fn slot_description(name: &str) -> String {
    match name {
        "need" => "what the person needs, and what for".to_owned(),
        "timing" => "when they want to start, or by when they need it".to_owned(),
        "budget" => "the budget they have in mind; a range is enough".to_owned(),
        "location" => "where they are, or where they want it".to_owned(),
        other => other.replace(['_', '-'], " "),
    }
}
