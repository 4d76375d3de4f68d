//! Names that people see: which characters they may hold.

/// Whether `name` may be shown to others as it is: not empty, at most `limit` bytes, no control characters and none
/// that reorder the text around them (Unicode TR 9's embeddings, overrides and isolates).
#[must_use]
pub fn is_plain(name: &str, limit: usize) -> bool {
    let reorders = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}');
    !name.is_empty() && name.len() <= limit && !name.chars().any(|c| c.is_control() || reorders(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_deceive_or_break_a_line_are_refused() {
        assert!(is_plain("Pos 1 – Gerbang Utara", 128));
        assert!(is_plain("警備", 128));
        for bad in ["", "a\nb", "a\u{0}b", "abc\u{202e}dcba", "\u{2066}x"] {
            assert!(!is_plain(bad, 128), "{bad:?}");
        }
        assert!(!is_plain("too long", 7));
    }
}
