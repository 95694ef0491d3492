//! What is wrong with one field.

use std::borrow::Cow;
use utoipa::ToSchema;

/// The field-level codes that our own validation uses. Flow sources add theirs, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldCode {
    /// It must be present.
    Required,
    /// It does not have the expected type or form.
    InvalidFormat,
    /// It is not a phone number.
    InvalidPhoneFormat,
    /// It must be in E.164 form, or come with a country.
    PhoneNotE164,
    /// It is not an ISO 639-1 code.
    InvalidLanguageCode,
    /// Too many characters or items.
    TooLong,
    /// Too few characters or items.
    TooShort,
    /// Smaller than the least allowed.
    BelowMinimum,
    /// Larger than the most allowed.
    AboveMaximum,
    /// Not one of the allowed values.
    OutOfRange,
    /// There is one already.
    AlreadyExists,
    /// The body has no such field.
    UnknownField,
}

impl FieldCode {
    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::InvalidFormat => "invalid_format",
            Self::InvalidPhoneFormat => "invalid_phone_format",
            Self::PhoneNotE164 => "phone_not_e164",
            Self::InvalidLanguageCode => "invalid_language_code",
            Self::TooLong => "too_long",
            Self::TooShort => "too_short",
            Self::BelowMinimum => "below_minimum",
            Self::AboveMaximum => "above_maximum",
            Self::OutOfRange => "out_of_range",
            Self::AlreadyExists => "already_exists",
            Self::UnknownField => "unknown_field",
        }
    }
}

impl From<FieldCode> for Cow<'static, str> {
    fn from(code: FieldCode) -> Self {
        Cow::Borrowed(code.as_str())
    }
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field: `phone`, `leads[3].phone`, `call.within`.
    pub field: String,
    /// A stable code.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
    /// Where in the source text, from 1. Only for sources that have lines, such as flows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Where in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl FieldError {
    /// An error of the field at `field`.
    #[must_use]
    pub fn new(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into(), line: None, column: None }
    }

    /// The same error at a place of the source text; both count from 1.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }
}
