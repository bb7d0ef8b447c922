//! Connections: how many there may be, and how long they last.

use super::*;

fn address(last: u8) -> Peer {
    Peer::Ip([192, 0, 2, last].into())
}

/// What a server that goes on tells its connections.
fn going_on() -> watch::Receiver<bool> {
    watch::channel(false).1
}

#[test]
fn a_newcomer_takes_the_place_of_who_waits_and_holds_most() {
    let connections = Connections::with_limit(3);
    let crowd: Vec<Place> = (0..2).map(|_| connections.admit(address(1), &going_on()).unwrap()).collect();
    let other = connections.admit(address(2), &going_on()).unwrap();
    other.conduct.activity().since -= Duration::from_secs(60);
    let newcomer = connections.admit(address(3), &going_on()).unwrap();
    assert!(!connections.open().contains_key(&crowd[0].id), "the crowd's first made room");
    for kept in [&crowd[1], &other, &newcomer] {
        assert!(connections.open().contains_key(&kept.id));
    }
}

#[test]
fn a_network_of_ipv6_is_one_crowd() {
    let peer = |text: &str| Peer::Ip(text.parse().unwrap());
    let connections = Connections::with_limit(3);
    let crowd: Vec<Place> =
        (1..3).map(|last| connections.admit(peer(&format!("2001:db8::{last}")), &going_on()).unwrap()).collect();
    let other = connections.admit(peer("2001:db8:0:1::1"), &going_on()).unwrap();
    other.conduct.activity().since -= Duration::from_secs(60);
    let _newcomer = connections.admit(address(3), &going_on()).unwrap();
    assert!(!connections.open().contains_key(&crowd[0].id) && connections.open().contains_key(&other.id));
}

#[test]
fn a_busy_connection_makes_no_room() {
    let connections = Connections::with_limit(2);
    let (busy, reads) =
        (connections.admit(address(1), &going_on()).unwrap(), connections.admit(address(1), &going_on()).unwrap());
    busy.conduct.enter(Phase::Busy);
    let _reading = reads.conduct.read_body();
    let newcomer = connections.admit(address(2), &going_on()).unwrap();
    assert!(!connections.open().contains_key(&reads.id), "a body under way makes room last");
    newcomer.conduct.enter(Phase::Busy);
    assert!(connections.admit(address(3), &going_on()).is_none());
}

#[test]
fn an_answer_that_waits_for_something_to_tell_makes_room() {
    let connections = Connections::with_limit(1);
    let waiting = connections.admit(address(1), &going_on()).unwrap();
    waiting.conduct.enter(Phase::Busy);
    assert!(connections.admit(address(2), &going_on()).is_none());
    waiting.conduct.wait_long();
    let newcomer = connections.admit(address(2), &going_on()).unwrap();
    assert!(!connections.open().contains_key(&waiting.id) && connections.open().contains_key(&newcomer.id));
}

#[test]
fn a_begun_head_and_silence_have_their_limits() {
    let conduct = Conduct::new(address(1), going_on());
    let later = |seconds| Instant::now() + Duration::from_secs(seconds);
    assert!(!conduct.is_overdue(later(70), IDLE_LIMIT) && conduct.is_overdue(later(80), IDLE_LIMIT));
    conduct.enter(Phase::HeadBegun);
    assert!(!conduct.is_overdue(later(10), IDLE_LIMIT) && conduct.is_overdue(later(20), IDLE_LIMIT));
    conduct.enter(Phase::Busy);
    assert!(!conduct.is_overdue(later(600), IDLE_LIMIT));
    conduct.activity().stalled_since = Some(Instant::now());
    assert!(conduct.is_overdue(later(40), IDLE_LIMIT));
}
