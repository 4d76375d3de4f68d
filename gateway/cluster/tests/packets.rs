//! Packets come from other nodes of whatever version, and from whoever else can reach Redis.

use proptest::collection::vec;
use proptest::prelude::*;
use suara_channel::{Settings, Time};
use suara_cluster::{
    Entry, Epoch, MAX_ENTRIES, MAX_IN_FLIGHT, NodeId, Op, PACKET_VERSION, Packet, PacketError, Replica,
    Rules, Say, Step, Term,
};

fn say() -> Op {
    Op::Say { to: Say::All, bytes: vec![1, 2, 3] }
}

#[test]
fn a_packet_comes_out_of_its_bytes_as_it_went_in() {
    let term = Term { epoch: Epoch(3), by: NodeId(7), first: 9 };
    let entries = vec![Entry { at: Time::from_millis(5), step: Step::NodeGone(NodeId(7)) }];
    let packet = Packet::Log { epoch: Epoch(3), prior: term, first: 12, entries };
    let again = Packet::decode(&packet.encode().unwrap()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{packet:?}"));
}

#[test]
fn what_is_no_packet_has_a_name() {
    let fault = |bytes: &[u8]| Packet::decode(bytes).unwrap_err();
    assert_eq!(fault(&[]), PacketError::Empty);
    assert_eq!(fault(&[PACKET_VERSION + 1, 0]), PacketError::Version(PACKET_VERSION + 1));
    assert_eq!(fault(&[PACKET_VERSION, 0xC1]), PacketError::Malformed);
    let mut longer = Packet::Bye { heir: None }.encode().unwrap();
    longer.push(0);
    assert_eq!(fault(&longer), PacketError::Malformed);
}

#[test]
fn more_than_a_packet_may_have_is_refused() {
    let ops = (0..=MAX_IN_FLIGHT as u64).map(|number| (number, say())).collect();
    let submit = Packet::Submit { epoch: Epoch(1), term: Term::default(), settled: 0, ops };
    let entry = Entry { at: Time::from_millis(5), step: Step::Tick { media: vec![] } };
    let log = Packet::Log {
        epoch: Epoch(1),
        prior: Term::default(),
        first: 1,
        entries: vec![entry; MAX_ENTRIES + 1],
    };
    for packet in [submit, log] {
        assert_eq!(Packet::decode(&packet.encode().unwrap()).unwrap_err(), PacketError::Unbounded);
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..200)) {
        let mut versioned = vec![PACKET_VERSION];
        versioned.extend(&bytes);
        for bytes in [&bytes, &versioned] {
            if let Ok(packet) = Packet::decode(bytes) {
                let mut replica = Replica::new(NodeId(1), 1, Settings::default(), Rules::default(), Time::default());
                replica.receive(Time::from_millis(1), NodeId(2), packet);
            }
        }
    }

    #[test]
    fn a_packet_with_a_hole_does_no_harm(place in 0_usize..400, with in any::<u8>(), epoch in any::<u16>(), first in any::<u64>()) {
        let step = Step::Op { id: suara_cluster::OpId { node: NodeId(2), number: 5 }, op: say() };
        let entries = vec![Entry { at: Time::from_millis(9), step }];
        let packet = Packet::Log { epoch: Epoch(epoch), prior: Term::default(), first, entries };
        let mut bytes = packet.encode().unwrap();
        let place = place % bytes.len();
        bytes[place] = with;
        if let Ok(packet) = Packet::decode(&bytes) {
            let mut replica = Replica::new(NodeId(1), 1, Settings::default(), Rules::default(), Time::default());
            replica.receive(Time::from_millis(1), NodeId(2), packet.clone());
            replica.receive(Time::from_millis(2), NodeId(2), packet);
            replica.handle_timeout(Time::from_millis(60_000));
        }
    }
}
