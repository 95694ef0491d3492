//! What our things are called in LiveKit. Everything we make starts with `talkif-{region}`, so
//! that we know it again and touch nothing else.

use talkif_model::{CallId, E164, Region};

/// The names of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    base: String,
}

/// The identity of the person in an outbound call's room.
pub(crate) const CALLEE: &str = "callee";
/// The identity of somebody who was called into a call.
pub(crate) const TARGET: &str = "target";
/// The attribute of somebody who was called into a call: no node is to answer them.
pub(crate) const GUEST: &str = "talkif.guest";
/// The metadata of a room whose persons were left to each other.
pub(crate) const HANDED_OVER: &str = "talkif:handed-over";

impl Names {
    pub(crate) fn new(region: Region) -> Self {
        Self { base: format!("talkif-{region}") }
    }

    /// Workers register under it; also the name of the way in.
    pub(crate) fn agent(&self) -> &str {
        &self.base
    }

    /// The room of an outbound call.
    pub(crate) fn room(&self, call: CallId) -> String {
        format!("{}-out-{call}", self.base)
    }

    /// What rooms of inbound calls start with; LiveKit adds our number and chance.
    pub(crate) fn inbound_prefix(&self) -> String {
        format!("{}-in", self.base)
    }

    /// Whether `room` is one of ours, in either direction.
    pub(crate) fn is_room(&self, room: &str) -> bool {
        self.after_base(room).is_some_and(|rest| rest.starts_with("in") || rest.starts_with("out"))
    }

    /// The outbound trunk of one of our numbers, made from what has this digest.
    pub(crate) fn trunk(&self, number: &E164, digest: &str) -> String {
        format!("{}-{}-{}", self.base, number.as_str(), digest.get(..8).unwrap_or(digest))
    }

    /// The number of a trunk of ours.
    pub(crate) fn number_of_trunk(&self, trunk: &str) -> Option<E164> {
        let number = self.after_base(trunk)?;
        number.split_once('-').map_or(number, |(number, _)| number).parse().ok()
    }

    fn after_base<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.base)?.strip_prefix('-')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_made_is_ours() {
        let names = Names::new(Region::EuWest);
        let number: E164 = "+442079460123".parse().unwrap();
        assert_eq!(names.trunk(&number, "0123456789"), "talkif-eu-west-+442079460123-01234567");
        assert_eq!(names.number_of_trunk(&names.trunk(&number, "0123456789")), Some(number.clone()));
        assert_eq!(names.number_of_trunk("talkif-eu-west-+442079460123"), Some(number));
        assert_eq!(names.number_of_trunk("talkif-us-east-+442079460123"), None);
        assert_eq!(names.number_of_trunk("talkif-eu-west"), None);
        assert!(names.is_room("talkif-eu-west-in_+442079460123_x"));
        assert!(names.is_room("talkif-eu-west-out-call_1"));
        assert!(!names.is_room("talkif-us-east-out-call_1") && !names.is_room("standup"));
    }
}
