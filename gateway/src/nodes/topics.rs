//! Names in Redis. What stands in braces decides the slot: all of a channel's names are in one.

use super::NodeId;

/// What tells deployments on one Redis apart: pub/sub knows no databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self("suara".to_owned())
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

    pub(super) fn control(&self, key: &str) -> String {
        format!("{}:{{{key}}}:control", self.0)
    }

    pub(super) fn voice(&self, key: &str) -> String {
        format!("{}:{{{key}}}:voice", self.0)
    }

    pub(super) fn lease(&self, key: &str) -> String {
        format!("{}:{{{key}}}:lease", self.0)
    }

    pub(super) fn epoch(&self, key: &str) -> String {
        format!("{}:{{{key}}}:epoch", self.0)
    }

    /// What all nodes listen to.
    pub(super) fn all(&self) -> String {
        format!("{}:{{nodes}}:all", self.0)
    }

    /// What one node listens to.
    pub(super) fn inbox(&self, node: NodeId) -> String {
        format!("{}:node:{{{}}}:inbox", self.0, hex_of(node))
    }

    /// Where a node's entry is.
    pub(super) fn entry(&self, node: NodeId) -> String {
        format!("{}:gateway:{}", self.0, hex_of(node))
    }

    /// The channel's key within one of its topics; `None` for the topics of nodes.
    pub(super) fn key<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let rest = topic.strip_prefix(&self.0)?.strip_prefix(":{")?;
        let (key, rest) = rest.split_once('}')?;
        matches!(rest, ":control" | ":voice").then_some(key)
    }
}

/// A channel's name as it stands in Redis: any name is safe in hexadecimal digits.
pub(super) fn hex(name: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    name.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)] as char))
        .collect()
}

pub(super) fn hex_of(node: NodeId) -> String {
    node.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_topics_lead_back_to_it() {
        let prefix = Prefix::default();
        let key = hex("ops}é");
        assert_eq!(key, "6F70737DC3A9");
        assert_eq!(prefix.control(&key), "suara:{6F70737DC3A9}:control");
        for topic in [prefix.control(&key), prefix.voice(&key)] {
            assert_eq!(prefix.key(&topic), Some(&*key));
        }
        for other in [prefix.all(), prefix.inbox(NodeId(1)), prefix.lease(&key), "suara:{".to_owned()] {
            assert_eq!(prefix.key(&other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_can_mean_nothing_else() {
        assert!(Prefix::new("site-2.test").is_ok());
        for bad in ["", "a:b", "a{b", "é", &"a".repeat(33)] {
            assert_eq!(Prefix::new(bad), Err(PrefixError), "{bad}");
        }
    }
}
