//! Cuts the model's stream into clauses for the voice: the first one early, later ones by the
//! sentence, so that speech starts soon and still sounds whole.

use crate::tuning::Tuning;

/// Words whose dot ends no sentence.
const ABBREVIATIONS: &[&str] =
    &["dr.", "mr.", "mrs.", "ms.", "st.", "e.g.", "i.e.", "no.", "vs.", "prof.", "sn."];

/// Text of one answer that has not been handed on yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunker {
    pending: String,
    begun: bool,
}

impl Chunker {
    /// Takes the next piece of the stream and gives the next chunk, if one is whole. To be
    /// called again with an empty piece until it gives none.
    pub(crate) fn push(&mut self, delta: &str, tuning: &Tuning) -> Option<String> {
        self.pending.push_str(delta);
        let end = self.boundary(tuning)?;
        let rest = self.pending.split_off(end);
        let chunk = std::mem::replace(&mut self.pending, rest);
        self.accept(&chunk)
    }

    /// What is left when the stream ends.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let chunk = std::mem::take(&mut self.pending);
        self.accept(&chunk)
    }

    fn accept(&mut self, chunk: &str) -> Option<String> {
        let chunk = chunk.trim();
        self.begun |= !chunk.is_empty();
        (!chunk.is_empty()).then(|| chunk.to_owned())
    }

    /// Where the first whole chunk ends, in bytes.
    fn boundary(&self, tuning: &Tuning) -> Option<usize> {
        let least = if self.begun { tuning.chunk_chars } else { tuning.first_chunk_chars };
        let mut previous = ' ';
        for (count, (at, c)) in self.pending.char_indices().enumerate() {
            let ends = c.is_whitespace() && count >= least && self.ends_chunk(at, previous);
            if ends || (c.is_whitespace() && count >= tuning.chunk_max_chars) {
                return Some(at);
            }
            previous = c;
        }
        None
    }

    /// Whether a chunk may end before the space at byte `at`, after the character `last`.
    fn ends_chunk(&self, at: usize, last: char) -> bool {
        match last {
            '!' | '?' | '…' | '\n' => true,
            '.' => !self.pending.get(..at).is_some_and(ends_on_abbreviation),
            ',' | ';' | ':' | '—' => !self.begun,
            _ => false,
        }
    }
}

fn ends_on_abbreviation(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(pieces: &[&str]) -> Vec<String> {
        let (mut chunker, tuning) = (Chunker::default(), Tuning::default());
        let mut found = Vec::new();
        for piece in pieces {
            let mut next = chunker.push(piece, &tuning);
            while let Some(chunk) = next {
                found.push(chunk);
                next = chunker.push("", &tuning);
            }
        }
        found.extend(chunker.finish());
        found
    }

    #[test]
    fn the_first_chunk_is_a_clause_and_later_ones_are_sentences() {
        let text = "Sounds good, I can help with that. First, tell me your budget, please. Then we book.";
        assert_eq!(
            chunks(&[text]),
            ["Sounds good,", "I can help with that.", "First, tell me your budget, please.", "Then we book."]
        );
    }

    #[test]
    fn the_pieces_of_the_stream_do_not_matter() {
        let text = "Dr. Kaya has 3.5 hours. Is that fine for you? Great.";
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(chunks(&letters), chunks(&[text]));
        assert_eq!(chunks(&[text]).join(" "), text);
    }

    #[test]
    fn an_endless_run_is_cut_at_a_space() {
        let run = "word ".repeat(100);
        assert!(chunks(&[&run]).iter().all(|chunk| chunk.len() <= 205));
        assert_eq!(chunks(&["   ", "\n"]), Vec::<String>::new());
    }
}
