//! Writes JSON so that a YAML parser reads it, with every value where it was.
//!
//! All JSON is YAML, but for tabs between values and for characters beyond 16 bits, which JSON
//! escapes in two halves. A rewritten escape is two columns shorter.

/// `source`, which is well-formed JSON, as YAML.
pub(super) fn as_yaml(source: &str) -> String {
    let mut yaml = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['\\', '\t']) {
        let (before, special) = rest.split_at(at);
        yaml.push_str(before);
        rest = rewrite(special, &mut yaml);
    }
    yaml.push_str(rest);
    yaml
}

/// Rewrites the tab or escape that `special` begins with, and returns what follows it.
fn rewrite<'s>(special: &'s str, yaml: &mut String) -> &'s str {
    if let Some(rest) = special.strip_prefix('\t') {
        yaml.push(' ');
        return rest;
    }
    if let Some((character, rest)) = two_halves(special) {
        yaml.push_str(&format!("\\U{:08X}", u32::from(character)));
        return rest;
    }
    // A backslash and what it escapes; the rest of `\u0041` needs no change.
    let length = special.chars().take(2).map(char::len_utf8).sum();
    let (escape, rest) = special.split_at(length);
    yaml.push_str(escape);
    rest
}

/// Reads `\ud83d\ude00`.
fn two_halves(text: &str) -> Option<(char, &str)> {
    let (high, rest) = half(text)?;
    let (low, rest) = half(rest)?;
    let character = char::decode_utf16([high, low]).next()?.ok()?;
    (character.len_utf16() == 2).then_some((character, rest))
}

fn half(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tabs_and_halved_characters_are_rewritten() {
        let table = [
            ("{\t\"a\":\t1}", "{ \"a\": 1}"),
            (r#"["\ud83d\ude00"]"#, r#"["\U0001F600"]"#),
            (r#"["\\ud83d\\ude00"]"#, r#"["\\ud83d\\ude00"]"#),
            (r#"["\u0041\n\t\"ğ"]"#, r#"["\u0041\n\t\"ğ"]"#),
            (r#"["\u0041\u0042"]"#, r#"["\u0041\u0042"]"#),
        ];
        for (json, yaml) in table {
            assert_eq!(as_yaml(json), yaml);
        }
    }
}
