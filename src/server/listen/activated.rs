//! The sockets that systemd opened for this program, by the names that its unit gives them. Source: sd_listen_fds(3).

use std::io;

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

use super::{Listener, Place};

/// The sockets that were handed over and are not yet used.
#[derive(Debug, Default)]
pub struct Activated {
    sockets: Vec<(String, Listener)>,
}

impl Activated {
    /// Takes what was handed to this process; nothing where none was. Children of this program do not hear of it.
    pub fn take() -> Result<Self, String> {
        // Read first: what comes next takes the variables away.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed = ListenFd::from_env();
        let mut names = names.split(':');
        let mut sockets = Vec::with_capacity(handed.len());
        for index in 0..handed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            let listener = listener_at(&mut handed, index);
            let listener = listener.map_err(|cause| format!("cannot use socket {name:?} of systemd: {cause}"))?;
            sockets.push((name, listener));
        }
        Ok(Self { sockets })
    }

    /// Where the first one takes connections that has none of these names.
    pub fn place_besides(&self, names: &[&str]) -> Option<Place> {
        self.sockets.iter().find(|(name, _)| !names.contains(&name.as_str()))?.1.place()
    }

    /// Where the socket of this name takes connections.
    pub fn place_of(&self, name: &str) -> Option<Place> {
        self.sockets.iter().find(|(known, _)| known == name)?.1.place()
    }

    /// The socket of this name.
    pub fn named(&mut self, name: &str) -> Option<Listener> {
        let place = self.sockets.iter().position(|(known, _)| known == name)?;
        Some(self.sockets.remove(place).1)
    }

    /// The socket of this name, for what is spoken by TCP alone.
    pub fn tcp_named(&mut self, name: &str) -> Result<Option<TcpListener>, String> {
        match self.named(name) {
            Some(Listener::Tcp(listener)) => Ok(Some(listener)),
            Some(Listener::Unix(..)) => Err(format!("socket {name:?} of systemd must be one of TCP")),
            None => Ok(None),
        }
    }

    /// All that are left.
    pub fn rest(self) -> Vec<Listener> {
        self.sockets.into_iter().map(|(_, listener)| listener).collect()
    }
}

fn listener_at(handed: &mut ListenFd, index: usize) -> io::Result<Listener> {
    if let Ok(Some(socket)) = handed.take_unix_listener(index) {
        socket.set_nonblocking(true)?;
        return UnixListener::from_std(socket).map(|listener| Listener::Unix(listener, None));
    }
    let socket = handed.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket).map(Listener::Tcp)
}
