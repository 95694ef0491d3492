//! What keeps a template from running away: loops are few and not nested, and the text it makes
//! is bounded.

use super::TemplateError;
use handlebars::Template;
use handlebars::template::TemplateElement;
use std::io::{Error, Write};

/// Most loops of a template, one after another. A lead has some thousand fields at most, so this
/// keeps rendering within milliseconds.
const MAX_LOOPS: usize = 16;
/// Longest text, in bytes: more than any model reads.
const MAX_OUTPUT: usize = 256 * 1024;

/// Refuses loops within loops: each multiplies the work by the number of a lead's fields, which
/// somebody else chooses.
pub(super) fn check_loops(template: &Template) -> Result<(), TemplateError> {
    let mut loops = 0;
    if within_limits(template, false, &mut loops) { Ok(()) } else { Err(TemplateError::Loops) }
}

fn within_limits(template: &Template, in_loop: bool, loops: &mut usize) -> bool {
    template.elements.iter().all(|element| {
        let TemplateElement::HelperBlock(block) = element else { return true };
        let is_loop = block.name.as_name() == Some("each");
        *loops += usize::from(is_loop);
        let fits = !(in_loop && is_loop) && *loops <= MAX_LOOPS;
        let parts = [&block.template, &block.inverse];
        fits && parts.into_iter().flatten().all(|part| within_limits(part, in_loop || is_loop, loops))
    })
}

/// Takes what a template writes, up to the limit.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: Vec<u8>,
    pub(super) full: bool,
}

impl Page {
    /// What was written.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if self.text.len() + bytes.len() > MAX_OUTPUT {
            self.full = true;
            return Err(Error::other("too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
