//! Names in Redis. What stands in braces decides the slot: all of a channel's names are in one.

use suara_redis::Prefix;

use super::NodeId;

/// A deployment's names, by what they begin with.
pub(super) trait Topics {
    fn control(&self, key: &str) -> String;
    fn voice(&self, key: &str) -> String;
    fn lease(&self, key: &str) -> String;
    fn epoch(&self, key: &str) -> String;
    /// What all nodes listen to.
    fn all(&self) -> String;
    /// What one node listens to.
    fn inbox(&self, node: NodeId) -> String;
    /// Where a node's entry is.
    fn entry(&self, node: NodeId) -> String;
    /// The channel's key within one of its topics; `None` for the topics of nodes.
    fn key<'a>(&self, topic: &'a str) -> Option<&'a str>;
}

impl Topics for Prefix {
    fn control(&self, key: &str) -> String {
        format!("{self}:{{{key}}}:control")
    }

    fn voice(&self, key: &str) -> String {
        format!("{self}:{{{key}}}:voice")
    }

    fn lease(&self, key: &str) -> String {
        format!("{self}:{{{key}}}:lease")
    }

    fn epoch(&self, key: &str) -> String {
        format!("{self}:{{{key}}}:epoch")
    }

    fn all(&self) -> String {
        format!("{self}:{{nodes}}:all")
    }

    fn inbox(&self, node: NodeId) -> String {
        format!("{self}:node:{{{}}}:inbox", hex_of(node))
    }

    fn entry(&self, node: NodeId) -> String {
        format!("{self}:gateway:{}", hex_of(node))
    }

    fn key<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let rest = topic.strip_prefix(self.as_str())?.strip_prefix(":{")?;
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
}
