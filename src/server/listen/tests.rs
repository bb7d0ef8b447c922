//! Places, and the files of unix sockets.

use super::*;
use crate::server::secrets::random_token;

/// A folder of its own, short enough for a socket's path.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sl-{}", &random_token()[..12]));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_place_is_an_address_or_a_file() {
    for text in ["127.0.0.1:3000", "[::1]:3000", "[::]:3000", "unix:/run/sendlog/sendlog.sock", "unix:sendlog.sock"] {
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
    }
    for wrong in ["localhost:3000", "127.0.0.1", "::1:3000x", "unix:", "unix:/run/", "/run/sendlog.sock", ""] {
        assert!(wrong.parse::<Place>().unwrap_err().contains("unix:/run/sendlog/sendlog.sock"), "{wrong}");
    }
}

#[test]
fn a_sockets_mode_leaves_its_owner_in() {
    assert_eq!(parse_mode("660"), Ok(0o660));
    assert_eq!(parse_mode("0666"), Ok(0o666));
    for wrong in ["", "888", "060", "1777", "rw"] {
        assert!(parse_mode(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn limits_count_an_ipv6_network_and_an_ipv4_address() {
    let of = |text: &str| network_of(text.parse().unwrap()).to_string();
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::1"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("192.0.2.7"), "192.0.2.7");
    assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    let peer = |text: &str| Peer::from(SocketAddr::new(text.parse().unwrap(), 1));
    assert_eq!(peer("::ffff:192.0.2.7"), peer("192.0.2.7"));
}

#[tokio::test]
async fn a_socket_of_every_network_takes_ipv4_and_ipv6() {
    let Ok(listener) = bind(&"[::]:0".parse().unwrap(), SOCKET_MODE).await else { return };
    let Some(Place::Tcp(addr)) = listener.place() else { panic!("no address") };
    for ip in ["127.0.0.1", "::1"] {
        let ip: IpAddr = ip.parse().unwrap();
        let connecting = tokio::net::TcpStream::connect((ip, addr.port()));
        let (connected, accepted) = tokio::join!(connecting, listener.accept());
        assert!(connected.is_ok());
        assert_eq!(accepted.unwrap().1, Peer::Ip(ip), "an IPv4 address is shown as one");
    }
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_goes_with_its_server() {
    let folder = folder();
    let path = folder.join("a.sock");
    let place = Place::Unix(path.clone());
    for mode in [0o660, 0o666] {
        let listener = bind(&place, mode).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        assert_eq!(listener.place(), Some(place.clone()));
        let (connected, accepted) = tokio::join!(tokio::net::UnixStream::connect(&path), listener.accept());
        assert!(connected.is_ok());
        assert_eq!(accepted.unwrap().1, Peer::Unix);
        drop(listener);
        assert!(!path.exists());
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left beside it");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_socket_of_a_dead_program_is_replaced_and_that_of_a_live_one_is_not() {
    let folder = folder();
    let path = folder.join("a.sock");
    let place = Place::Unix(path.clone());
    // What a killed program leaves: the file, and nobody who listens.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = bind(&place, SOCKET_MODE).await.unwrap();
    assert!(bind(&place, SOCKET_MODE).await.unwrap_err().contains("another program listens"));
    assert!(tokio::net::UnixStream::connect(&path).await.is_ok(), "the one that was there goes on");
    // Somebody took it away and put their own there: theirs stays.
    std::fs::remove_file(&path).unwrap();
    let other = bind(&place, SOCKET_MODE).await.unwrap();
    drop(listener);
    assert!(path.exists());
    drop(other);
    std::fs::write(&path, "text").unwrap();
    assert!(bind(&place, SOCKET_MODE).await.unwrap_err().contains("no socket"));
    assert_eq!(std::fs::read(&path).unwrap(), b"text");
    std::fs::remove_dir_all(folder).unwrap();
}
