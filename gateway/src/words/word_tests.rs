//! Words there and back, and what is none.

use proptest::prelude::*;

use super::*;

fn call() -> CallWord {
    let users = vec!["alice".to_owned(), "bob".to_owned()];
    CallWord { kind: CallKind::Private, by: "alice".into(), name: "Alice".into(), users }
}

#[test]
fn a_word_is_read_as_it_was_said() {
    let members = vec![ChannelWord { name: "ops".into(), members: 3, talking: vec![1] }];
    for word in [
        Word::Banned { user: "eve".into(), until: 7 },
        Word::Notice {
            to: ToWord::Role("admin".into()),
            event: "e".into(),
            payload: "[1]".into(),
            id: "a#1".into(),
        },
        Word::Livechat(LivechatWord::Visitors { part: 1, parts: 2, open: vec![("a".into(), "A".into())] }),
        Word::Ask { number: 9, question: Question::Ring { channel: "call/1".into(), call: call() } },
        Word::Answer { number: 9, answer: Answer::Channels(members, true) },
        Word::Answer { number: 1, answer: Answer::Members(None) },
    ] {
        assert_eq!(decode(&encode(&word).unwrap()), Ok(word));
    }
}

#[test]
fn what_is_no_word_of_this_version_has_a_name() {
    let kept = |user: &str, id: &str| Word::Kept { user: user.to_owned(), id: id.to_owned() };
    let word = encode(&kept("alice", "")).unwrap();
    let mut newer = word.to_vec();
    let at = newer.iter().position(|byte| *byte == VERSION).unwrap();
    newer[at] = VERSION + 1;
    assert_eq!(decode(&newer), Err(Fault::Version));
    assert_eq!(decode(&word[..word.len() - 1]), Err(Fault::Malformed));
    assert_eq!(decode(&vec![0; MAX_WORD + 1]), Err(Fault::Oversized));
    for user in ["", "a\nb", &"x".repeat(129)] {
        let nobody = encode(&kept(user, "")).unwrap();
        assert_eq!(decode(&nobody), Err(Fault::Field), "{user:?}");
    }
    assert_eq!(decode(&encode(&kept("alice", &"x".repeat(97))).unwrap()), Err(Fault::Field));
    let crowd = CallWord { users: vec!["u".into(); MAX_CALLED + 2], ..call() };
    let question = Question::Ring { channel: "call/1".into(), call: crowd };
    assert_eq!(decode(&encode(&Word::Ask { number: 1, question }).unwrap()), Err(Fault::Field));
    let payload = "x".repeat(MAX_WORD);
    let large = Word::Notice { to: ToWord::Everybody, event: "e".into(), payload, id: String::new() };
    assert_eq!(encode(&large), None);
}

#[test]
fn a_field_that_a_newer_node_adds_is_passed_over() {
    #[derive(Serialize)]
    struct Newer {
        version: u8,
        word: NewerWord,
        more: u8,
    }
    #[derive(Serialize)]
    enum NewerWord {
        Kept { user: &'static str, why: &'static str },
        Unheard,
    }
    let say = |word| rmp_serde::to_vec_named(&Newer { version: VERSION, word, more: 1 }).unwrap();
    let kept = Word::Kept { user: "alice".into(), id: String::new() };
    assert_eq!(decode(&say(NewerWord::Kept { user: "alice", why: "she is away" })), Ok(kept));
    assert_eq!(decode(&say(NewerWord::Unheard)), Err(Fault::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
    }

    #[test]
    fn nor_does_a_word_with_a_byte_changed(at in 0_usize..60, byte in any::<u8>()) {
        let question = Question::Ring { channel: "call/1".into(), call: call() };
        let mut bytes = encode(&Word::Ask { number: 1, question }).unwrap().to_vec();
        bytes[at] = byte;
        drop(decode(&bytes));
    }
}
