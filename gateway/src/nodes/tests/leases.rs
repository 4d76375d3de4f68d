//! Who owns a channel.

use super::super::*;
use super::kit::*;

const fn take(wanted: u16) -> LeaseAsk {
    LeaseAsk::Take { wanted: Epoch(wanted) }
}

const fn renew(epoch: u16) -> LeaseAsk {
    LeaseAsk::Renew { epoch: Epoch(epoch) }
}

const fn mine(epoch: u16) -> LeaseAnswer {
    LeaseAnswer::Mine { epoch: Epoch(epoch), clean: false }
}

fn held(by: &Nodes, epoch: u16) -> LeaseAnswer {
    LeaseAnswer::Held { by: by.id(), epoch: Epoch(epoch) }
}

/// Two nodes' ends of one channel.
async fn pair(settings: NodesSettings) -> ((Nodes, Mooring), (Nodes, Mooring)) {
    let [(a, _), (b, _)] = [0; 2].map(|_| node(settings.clone()));
    let (mut at_a, mut at_b) = (enter(&a, "ops").0, enter(&b, "ops").0);
    reachable(&mut at_a, true).await;
    reachable(&mut at_b, true).await;
    ((a, at_a), (b, at_b))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_channel_one_gets_it() {
    let redis = Redis::start();
    let mut rooms = Vec::new();
    for _ in 0..8 {
        let (nodes, _) = node(redis.settings());
        let (mut mooring, _) = enter(&nodes, "ops");
        reachable(&mut mooring, true).await;
        rooms.push((nodes, mooring));
    }
    let race = rooms.iter_mut().map(|(_, mooring)| asks(mooring, take(1)));
    let answers = futures_util::future::join_all(race).await;
    let owners: Vec<_> = rooms
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == mine(1))
        .map(|((nodes, _), _)| nodes)
        .collect();
    let [owner] = owners[..] else { panic!("{answers:?}") };
    assert_eq!(answers.iter().filter(|answer| **answer == held(owner, 1)).count(), 7, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_owner_has_a_higher_epoch_than_all_before() {
    let redis = Redis::start();
    let ((a, mut at_a), (b, mut at_b)) = pair(redis.settings()).await;
    assert_eq!(asks(&mut at_a, take(7)).await, mine(7), "as high as is wanted");
    assert_eq!(asks(&mut at_a, renew(7)).await, mine(7));
    assert_eq!(asks(&mut at_a, take(1)).await, mine(8), "who takes what it has gets a new term");
    assert_eq!(asks(&mut at_a, renew(7)).await, LeaseAnswer::Free, "the former is over");
    let bump = |epoch, above| LeaseAsk::Bump { epoch: Epoch(epoch), above: Epoch(above) };
    assert_eq!(asks(&mut at_b, bump(8, 20)).await, held(&a, 8), "nobody else's to raise");
    assert_eq!(asks(&mut at_a, bump(8, 20)).await, mine(21));
    assert_eq!(asks(&mut at_b, take(1)).await, held(&a, 21));
    let hand = LeaseAsk::HandOver { epoch: Epoch(21), to: b.id() };
    assert_eq!(asks(&mut at_a, hand).await, held(&b, 21));
    assert_eq!(asks(&mut at_a, take(1)).await, held(&b, 21), "kept for the one whom it was given");
    assert_eq!(asks(&mut at_b, take(1)).await, mine(22));
    assert_eq!(asks(&mut at_a, renew(21)).await, held(&b, 22));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_released_is_known_to_be_clean() {
    let redis = Redis::start();
    let ((_a, mut at_a), (b, mut at_b)) = pair(redis.settings()).await;
    assert_eq!(asks(&mut at_a, take(1)).await, mine(1), "a Redis that has just begun may have forgotten");
    let release = LeaseAsk::Release { epoch: Epoch(1) };
    assert_eq!(asks(&mut at_a, release).await, LeaseAnswer::Free);
    assert_eq!(asks(&mut at_a, renew(1)).await, LeaseAnswer::Free, "released is released");
    assert_eq!(asks(&mut at_b, take(1)).await, LeaseAnswer::Mine { epoch: Epoch(2), clean: true });
    assert_eq!(asks(&mut at_a, release).await, LeaseAnswer::Held { by: b.id(), epoch: Epoch(2) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_is_anybodys_but_its_epoch_is_not() {
    let redis = Redis::start();
    let lease = Duration::from_millis(250);
    let ((_a, mut at_a), (_b, mut at_b)) = pair(NodesSettings { lease, ..redis.settings() }).await;
    let first = asks(&mut at_a, take(1)).await;
    assert!(matches!(first, LeaseAnswer::Mine { epoch: Epoch(1), .. }), "{first:?}");
    tokio::time::sleep(2 * lease).await;
    assert_eq!(asks(&mut at_a, renew(1)).await, mine(1), "nobody had it since");
    tokio::time::sleep(2 * lease).await;
    assert_eq!(asks(&mut at_b, take(1)).await, mine(2), "with a term of its own, and not known to be clean");
    tokio::time::sleep(2 * lease).await;
    assert_eq!(asks(&mut at_a, renew(1)).await, LeaseAnswer::Free, "another had it since");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_runs_for_long_remembers_that_a_channel_is_new() {
    let redis = Redis::start();
    // Its uptime counts in seconds, and ten leases of it are enough.
    let settings = NodesSettings { lease: Duration::from_millis(50), ..redis.settings() };
    let (nodes, _) = node(settings);
    for channel in 0.. {
        let (mut mooring, _) = enter(&nodes, &channel.to_string());
        reachable(&mut mooring, true).await;
        if asks(&mut mooring, take(1)).await == (LeaseAnswer::Mine { epoch: Epoch(1), clean: true }) {
            return;
        }
        assert!(channel < 600);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_end_rather_than_begin_anew_under_an_owner() {
    let redis = Redis::start();
    let ((_a, mut at_a), (_b, mut at_b)) = pair(redis.settings()).await;
    assert_eq!(asks(&mut at_a, take(u16::MAX)).await, mine(u16::MAX));
    assert_eq!(asks(&mut at_a, take(1)).await, LeaseAnswer::Away);
    assert_eq!(asks(&mut at_a, LeaseAsk::Release { epoch: Epoch(u16::MAX) }).await, LeaseAnswer::Free);
    let anew = asks(&mut at_b, take(1)).await;
    assert_eq!(anew, LeaseAnswer::Mine { epoch: Epoch(1), clean: true }, "where nobody is left they may");
}
