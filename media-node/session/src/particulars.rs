//! What the carrier tells about a call, for its record: told when it is new.

use std::collections::BTreeMap;
use talkif_telephony::CallLeg;

/// More than any carrier sends; the rest is left out.
const MOST: usize = 64;
const LONGEST: usize = 512;

/// What has been told so far.
#[derive(Debug, Default)]
pub(crate) struct Particulars {
    told: BTreeMap<String, String>,
}

impl Particulars {
    /// The leg's attributes, if they have changed. The person's number is in the record anyway.
    pub(crate) fn news(&mut self, leg: &dyn CallLeg) -> Option<BTreeMap<String, String>> {
        let wanted = |name: &str| name.starts_with("sip.") && name != "sip.phoneNumber";
        let attributes = leg.attributes().into_iter().filter(|(name, _)| wanted(name)).take(MOST);
        let attributes: BTreeMap<_, _> =
            attributes.map(|(name, value)| (name, value.chars().take(LONGEST).collect())).collect();
        if attributes.is_empty() || attributes == self.told {
            return None;
        }
        self.told.clone_from(&attributes);
        Some(attributes)
    }
}
