//! What an API key may touch.

use crate::UnknownValue;
use std::fmt;
use std::str::FromStr;

crate::string_enum! {
    /// The resources that scopes name.
    pub enum Resource as "resource" {
        /// Leads and lists.
        Leads = "leads",
        /// Calls, transcripts, recordings, traces.
        Calls = "calls",
        /// Flows and their versions.
        Flows = "flows",
        /// Contacts.
        Contacts = "contacts",
        /// Campaigns.
        Campaigns = "campaigns",
        /// Schedules.
        Schedules = "schedules",
        /// The do-not-call list.
        Dnc = "dnc",
        /// Phone numbers.
        Numbers = "numbers",
        /// Prompt templates.
        Templates = "templates",
        /// Analytics.
        Analytics = "analytics",
        /// Models and voices.
        Models = "models",
        /// Webhook endpoints and deliveries.
        Webhooks = "webhooks",
        /// API keys.
        ApiKeys = "api_keys",
    }
}

crate::string_enum! {
    /// How a resource is touched.
    pub enum Access as "access" {
        /// Look.
        Read = "read",
        /// Change.
        Write = "write",
    }
}

/// One scope: `*`, `calls:read`, `contacts:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// `None` is every resource.
    pub resource: Option<Resource>,
    /// `None` is every access.
    pub access: Option<Access>,
}

impl Scope {
    /// The scope that one operation needs.
    #[must_use]
    pub const fn of(resource: Resource, access: Access) -> Self {
        Self { resource: Some(resource), access: Some(access) }
    }

    /// Whether holding this scope allows what `needed` asks for.
    #[must_use]
    pub fn covers(self, needed: Self) -> bool {
        (self.resource.is_none() || self.resource == needed.resource)
            && (self.access.is_none() || self.access == needed.access)
    }
}

impl FromStr for Scope {
    type Err = UnknownValue;
    fn from_str(text: &str) -> Result<Self, UnknownValue> {
        if text == "*" {
            return Ok(Self { resource: None, access: None });
        }
        let unknown = || UnknownValue { kind: "scope", value: text.to_owned() };
        let (resource, access) = text.split_once(':').ok_or_else(unknown)?;
        let resource = Some(resource.parse().map_err(|_| unknown())?);
        let access = if access == "*" { None } else { Some(access.parse().map_err(|_| unknown())?) };
        Ok(Self { resource, access })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.resource, self.access) {
            (None, _) => f.write_str("*"),
            (Some(resource), None) => write!(f, "{resource}:*"),
            (Some(resource), Some(access)) => write!(f, "{resource}:{access}"),
        }
    }
}

/// The scopes of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(pub Vec<Scope>);

impl Scopes {
    /// Whether one of them covers `needed`.
    #[must_use]
    pub fn allow(&self, needed: Scope) -> bool {
        self.0.iter().any(|held| held.covers(needed))
    }

    /// Whether a key with these scopes may create one with `other`: no key makes a stronger one.
    #[must_use]
    pub fn contain(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.allow(*scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn scopes_cover_what_they_name_and_no_more() {
        let table = [
            ("*", "calls:write", true),
            ("calls:*", "calls:write", true),
            ("calls:read", "calls:write", false),
            ("calls:*", "flows:read", false),
            ("calls:read", "calls:*", false),
            ("calls:*", "*", false),
        ];
        for (held, needed, expected) in table {
            assert_eq!(scope(held).covers(scope(needed)), expected, "{held} covers {needed}");
        }
    }

    #[test]
    fn scopes_are_read_back_as_written() {
        for text in ["*", "calls:read", "contacts:*", "api_keys:write"] {
            assert_eq!(scope(text).to_string(), text);
        }
        for bad in ["", "calls", "calls:", "call:read", "calls:delete", "*:read"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_never_makes_a_stronger_one() {
        let own = Scopes(vec![scope("calls:*"), scope("flows:read")]);
        assert!(own.contain(&Scopes(vec![scope("calls:read")])));
        assert!(!own.contain(&Scopes(vec![scope("*")])));
    }
}
