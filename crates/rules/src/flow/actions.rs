//! The grammar of `on:`: what an author writes behind an outcome.
//!
//! ```text
//! actions  := action { [ "then" | "→" | "->" | "," ] action }
//! action   := name [ "(" [ argument { "," argument } ] ")" ]
//! argument := [ name "=" ] value
//! value    := word | "quoted text"
//! ```
//!
//! What the names mean is `follow_ups`' work.

/// `retry(15m, max=3)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
}

/// `max=3`, or `15m` without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Open,
    Close,
    Comma,
    Equals,
    Arrow,
}

/// Reads the actions of one text.
///
/// # Errors
/// A sentence that says what was expected where.
pub(super) fn parse(text: &str) -> Result<Vec<Action>, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let mut actions = vec![parser.action()?];
    while parser.peek().is_some() {
        parser.separator();
        actions.push(parser.action()?);
    }
    Ok(actions)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn eat(&mut self, expected: &Token) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn separator(&mut self) {
        let then = Token::Word("then".to_owned());
        let _ = self.eat(&Token::Arrow) || self.eat(&Token::Comma) || self.eat(&then);
    }

    fn action(&mut self) -> Result<Action, String> {
        let name = match self.next() {
            Some(Token::Word(name)) => name,
            other => return Err(expected("the name of an action", other.as_ref())),
        };
        let arguments = if self.eat(&Token::Open) { self.arguments()? } else { Vec::new() };
        Ok(Action { name, arguments })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, String> {
        let mut arguments = Vec::new();
        if self.eat(&Token::Close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument()?);
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(arguments),
                other => return Err(expected("`,` or `)`", other.as_ref())),
            }
        }
    }

    fn argument(&mut self) -> Result<Argument, String> {
        let first = self.value()?;
        if self.eat(&Token::Equals) {
            return Ok(Argument { name: Some(first), value: self.value()? });
        }
        Ok(Argument { name: None, value: first })
    }

    fn value(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            other => Err(expected("a value", other.as_ref())),
        }
    }
}

fn expected(what: &str, found: Option<&Token>) -> String {
    let found = match found {
        None => "the end".to_owned(),
        Some(Token::Word(text) | Token::Quoted(text)) => format!("`{text}`"),
        Some(Token::Open) => "`(`".to_owned(),
        Some(Token::Close) => "`)`".to_owned(),
        Some(Token::Comma) => "`,`".to_owned(),
        Some(Token::Equals) => "`=`".to_owned(),
        Some(Token::Arrow) => "an arrow".to_owned(),
    };
    format!("expected {what}, found {found}")
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(first, rest)?;
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// The token at the start of `rest` and its length in bytes.
fn token(first: char, rest: &str) -> Result<(Token, usize), String> {
    Ok(match first {
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        ',' => (Token::Comma, 1),
        '=' => (Token::Equals, 1),
        '\u{2192}' => (Token::Arrow, first.len_utf8()),
        '-' if rest.starts_with("->") => (Token::Arrow, 2),
        '"' | '\'' => quoted(first, rest)?,
        _ => word(rest).ok_or_else(|| format!("`{first}` has no meaning here"))?,
    })
}

fn quoted(quote: char, rest: &str) -> Result<(Token, usize), String> {
    let inner = rest.get(1..).unwrap_or_default();
    let end = inner.find(quote).ok_or_else(|| "a quoted text is not closed".to_owned())?;
    let text = inner.get(..end).unwrap_or_default();
    Ok((Token::Quoted(text.to_owned()), end + 2))
}

/// Letters, digits, `_`, `.`, `@` and `-`, up to an arrow.
fn word(rest: &str) -> Option<(Token, usize)> {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let text = rest.get(..end)?;
    let text = if rest.get(end..)?.starts_with('>') { text.trim_end_matches('-') } else { text };
    (!text.is_empty()).then(|| (Token::Word(text.to_owned()), text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The actions in a compact form: `retry[15m max=3] whatsapp[]`.
    fn read(text: &str) -> Result<String, String> {
        let show = |argument: &Argument| match &argument.name {
            Some(name) => format!("{name}={}", argument.value),
            None => argument.value.clone(),
        };
        let shown = |action: &Action| {
            let arguments: Vec<_> = action.arguments.iter().map(show).collect();
            format!("{}[{}]", action.name, arguments.join(" "))
        };
        parse(text).map(|actions| actions.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn actions_are_read_in_every_spelling() {
        let table = [
            ("book(calendar.mehmet)", "book[calendar.mehmet]"),
            ("retry(15m, max=3) whatsapp", "retry[15m max=3] whatsapp[]"),
            ("retry(15m, max=3) then whatsapp", "retry[15m max=3] whatsapp[]"),
            ("retry(15m, max=3) → whatsapp", "retry[15m max=3] whatsapp[]"),
            ("retry(15m,max = 3)->whatsapp", "retry[15m max=3] whatsapp[]"),
            ("retry->whatsapp", "retry[] whatsapp[]"),
            ("log(\"out of scope\")", "log[out of scope]"),
            ("log('a, b')", "log[a, b]"),
            ("retry()", "retry[]"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_broken_action_says_what_was_expected() {
        let table = [
            ("", "expected the name of an action, found the end"),
            ("retry(", "expected a value, found the end"),
            ("retry(15m", "expected `,` or `)`, found the end"),
            ("retry(15m max=3)", "expected `,` or `)`, found `max`"),
            ("retry(15m) then", "expected the name of an action, found the end"),
            ("log(\"x)", "a quoted text is not closed"),
            ("a & b", "`&` has no meaning here"),
            ("(x)", "expected the name of an action, found `(`"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
    }
}
