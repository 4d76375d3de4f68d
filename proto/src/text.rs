//! Names and texts that people see: which characters they may hold.

use std::borrow::Cow;

/// Whether `name` may be shown to others as it is: not empty, at most `limit` bytes, no control characters and none
/// that reorder the text around them (Unicode TR 9's embeddings, overrides and isolates).
#[must_use]
pub fn is_plain(name: &str, limit: usize) -> bool {
    let reorders = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}');
    !name.is_empty() && name.len() <= limit && !name.chars().any(|c| c.is_control() || reorders(c))
}

/// A text without what could break or deceive: control characters but for line feed and tab, and what overrides, embeds or
/// isolates the direction of text. The marks of right-to-left scripts stay: they turn nothing around. A line ends by a line
/// feed, however it was written. What is left is to be escaped where it is shown.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let unwanted = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(unwanted) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => clean.push('\n'),
            c if unwanted(c) => {}
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_but_for_what_could_break_or_deceive() {
        for kept in [
            "<script>alert(1)</script>",
            "Pos 1\n\tسلام \u{200f}.",
            "👩\u{200d}🚒 '; DROP TABLE messages;--",
            "",
        ] {
            assert!(matches!(clean(kept), Cow::Borrowed(same) if same == kept), "{kept:?}");
        }
        for (dirty, tidy) in [
            ("a\u{0}b\u{7}c\u{1b}[31m", "abc[31m"),
            ("one\r\ntwo\rthree\r", "one\ntwo\nthree\n"),
            ("txt.\u{202e}exe\u{202c}", "txt.exe"),
            ("\u{2066}x\u{2069}\u{85}\u{9b}", "x"),
        ] {
            assert_eq!(clean(dirty), tidy, "{dirty:?}");
        }
    }

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
