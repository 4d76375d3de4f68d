//! What names in Redis begin with.

use std::fmt;

/// What tells deployments on one Redis apart: pub/sub knows no databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self("suara".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be 1 to 32 of A-Z a-z 0-9 . _ -")]
pub struct PrefixError;

impl Prefix {
    /// Takes 1 to 32 of `A-Z a-z 0-9 . _ -`: braces and colons mean something in names.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = (1..=32).contains(&text.len()) && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(PrefixError) }
    }

    /// As it stands in front.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_can_mean_nothing_else() {
        assert!(Prefix::new("site-2.test").is_ok());
        for bad in ["", "a:b", "a{b", "é", &"a".repeat(33)] {
            assert_eq!(Prefix::new(bad), Err(PrefixError), "{bad}");
        }
    }
}
