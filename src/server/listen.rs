//! Where the server listens: addresses, unix sockets, and sockets that systemd hands over. [bind] opens the first two, [Activated]
//! holds the last. Called by the command line; [super::web] takes the connections. Sources: sd_listen_fds(3); unix(7); RFC 3493,
//! 5.3, for one socket that takes IPv4 and IPv6.

mod activated;
mod stream;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

pub use self::activated::Activated;
pub use self::stream::Stream;

/// How many connections wait to be taken.
const BACKLOG: u32 = 1024;

/// Who may connect to a unix socket, unless the operator says otherwise: its user and its group.
pub const SOCKET_MODE: u32 = 0o660;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port. That of every IPv6 network, `[::]`, takes IPv4 as well.
    Tcp(SocketAddr),
    /// A file.
    Unix(PathBuf),
}

impl Place {
    /// Whether nobody but programs on this machine come here.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Tcp(addr) => addr.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_file = !path.is_empty() && !path.ends_with('/');
            return is_file
                .then(|| Self::Unix(PathBuf::from(path)))
                .ok_or_else(|| "write the socket's file: unix:/run/sendlog/sendlog.sock".to_owned());
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            "write an IP address and a port, 127.0.0.1:3000, or 0.0.0.0:3000 or [::]:3000 for every network, or a file, \
             unix:/run/sendlog/sendlog.sock"
                .to_owned()
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads the mode of a socket's file, in octal digits.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && *mode & 0o600 == 0o600);
    mode.ok_or_else(|| "write three octal digits, the first of them 6 or 7: 660".to_owned())
}

/// The other end of a connection. In the extensions of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The address that it comes from; IPv4 as such, whatever socket took it.
    Ip(IpAddr),
    /// A program on this machine that may open the socket's file.
    Unix,
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr.ip().to_canonical())
    }
}

impl Peer {
    /// Whom what it holds counts for: of an IPv6 address, everybody in its network.
    pub fn holder(self) -> Self {
        match self {
            Self::Ip(ip) => Self::Ip(network_of(ip)),
            Self::Unix => Self::Unix,
        }
    }
}

/// The network that limits count by: an IPv4 address itself, the first 64 bits of an IPv6 address, whose rest its holder chooses
/// as they like. Source: RFC 6177; RFC 8981.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
    }
}

/// An open socket that takes connections.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Option<SocketFile>),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Waits for a connection.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Without this, the last piece of an answer waits for the client's delayed acknowledgement.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), peer.into()))
            }
            Self::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), Peer::Unix)),
        }
    }

    /// Where it takes them.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(Place::Tcp),
            Self::Unix(_, Some(file)) => Some(Place::Unix(file.path.clone())),
            Self::Unix(listener, None) => Some(Place::Unix(listener.local_addr().ok()?.as_pathname()?.to_owned())),
        }
    }
}

/// Opens a socket; the file of a unix socket has this mode. Why not, in words for whoever named the place.
pub async fn bind(place: &Place, mode: u32) -> Result<Listener, String> {
    match place {
        Place::Tcp(addr) => bind_tcp(*addr).map(Listener::Tcp).map_err(|cause| cause.to_string()),
        Place::Unix(path) => bind_unix(path, mode),
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if addr.is_ipv6() {
        // The system's default is otherwise here and there.
        rustix::net::sockopt::set_ipv6_v6only(&socket, !addr.ip().is_unspecified())?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// The file is made beside its place, with its mode, and then put there at once: nobody connects with other rights, and that of a
/// program that has died is replaced.
fn bind_unix(path: &Path, mode: u32) -> Result<Listener, String> {
    make_way(path)?;
    let words = |cause: io::Error| cause.to_string();
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = std::fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside).map_err(words)?;
    let placed = std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode))
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| SocketFile::at(path));
    match placed {
        Ok(file) => Ok(Listener::Unix(listener, Some(file))),
        Err(cause) => {
            let _ = std::fs::remove_file(&beside);
            Err(words(cause))
        }
    }
}

/// Passes where nothing is, and where the socket of a program is that has died.
fn make_way(path: &Path) -> Result<(), String> {
    match std::fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause.to_string()),
        Ok(found) if !found.file_type().is_socket() => return Err("there is a file that is no socket".to_owned()),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err("another program listens there".to_owned()),
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(cause) => Err(format!("there is a socket, and whether a program listens there is not known: {cause}")),
    }
}

/// The file of a socket. It is removed with its value, unless another program has put its own there since.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id_of(path)? })
    }
}

/// Which file it is, whatever it is called.
fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id_of(&self.path).is_ok_and(|there| there == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
