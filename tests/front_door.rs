//! Where the real program listens, and whom it believes: addresses, unix sockets, systemd's sockets, and proxies' headers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use program::{Folder, command};

/// The program, serving somewhere. It is killed with its value.
struct Serving(Child);

impl Serving {
    /// Starts `sendlog serve` with these arguments and waits until it says where it is.
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::wait_for(command(folder).arg("serve").args(arguments))
    }

    fn wait_for(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_there = lines.by_ref().any(|line| line.unwrap().contains("Sendlog is at"));
        assert!(is_there, "it ended: {:?}", child.wait());
        Self(child)
    }

    /// SIGTERM, and how it ends.
    fn stop(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file for a socket: its path has to be short.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sl-{name}-{}.sock", std::process::id())))
    }

    fn place(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An address that no other test here was given.
fn free_addr() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::iter::repeat_with(free).find(|addr| GIVEN.lock().unwrap().insert(*addr)).unwrap()
}

/// The answer to a request, whole.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(stream: impl Read + Write, path: &str) -> String {
    ask(stream, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nConnection: close\r\n\r\n"))
}

fn unix(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

fn tcp(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).unwrap()
}

fn health(folder: &Folder, place: &str) -> Output {
    command(folder).args(["health", "--addr", place]).output().unwrap()
}

#[test]
fn a_unix_socket_serves_until_the_program_ends() {
    let folder = Folder::new("door-unix");
    let socket = SocketPath::new("serve");
    let server = Serving::start(&folder, &["--addr", &socket.place()]);
    assert_eq!(std::fs::metadata(&socket.0).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(get(unix(&socket.0), "/login").starts_with("HTTP/1.1 200"));
    let well = health(&folder, &socket.place());
    assert_eq!((well.status.code(), well.stdout.as_slice()), (Some(0), &b"ok\n"[..]));

    let second = command(&folder).args(["serve", "--addr", &socket.place()]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another program listens there"), "{said}");
    assert!(get(unix(&socket.0), "/health").starts_with("HTTP/1.1 200"), "the first one goes on");

    assert_eq!(server.stop(), Some(0));
    assert!(!socket.0.exists());
    assert_eq!(health(&folder, &socket.place()).status.code(), Some(2));
}

#[test]
fn what_a_killed_program_leaves_is_replaced() {
    let folder = Folder::new("door-stale");
    let socket = SocketPath::new("stale");
    let mut killed = Serving::start(&folder, &["--addr", &socket.place()]);
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    assert!(socket.0.exists());
    let server = Serving::start(&folder, &["--addr", &socket.place(), "--socket-mode", "666"]);
    assert_eq!(std::fs::metadata(&socket.0).unwrap().permissions().mode() & 0o777, 0o666);
    assert!(get(unix(&socket.0), "/health").starts_with("HTTP/1.1 200"));
    drop(server);
}

#[test]
fn half_sent_requests_keep_nobody_out_of_a_unix_socket() {
    let folder = Folder::new("door-half-sent");
    let socket = SocketPath::new("half");
    let mut limited = Command::new("sh");
    limited.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.database().display()));
    limited.args(["-c", "ulimit -n 256; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sendlog"), "serve"]);
    let server = Serving::wait_for(limited.args(["--only", "web", "--addr", &socket.place()]));
    let mut held = Vec::new();
    for index in 0..400 {
        let mut stream = unix(&socket.0);
        let end = if index % 2 == 0 { "Content-Length: 9\r\n\r\n" } else { "" };
        let _ = stream.write_all(format!("POST /fn/log_in HTTP/1.1\r\nHost: localhost\r\n{end}").as_bytes());
        held.push(stream);
    }
    for _ in 0..20 {
        assert!(get(unix(&socket.0), "/health").starts_with("HTTP/1.1 200"));
    }
    drop((held, server));
}

#[test]
fn a_head_that_does_not_end_is_given_up_on_a_unix_socket() {
    let folder = Folder::new("door-slow-head");
    let socket = SocketPath::new("slow");
    let _server = Serving::start(&folder, &["--only", "web", "--addr", &socket.place()]);
    let mut stream = unix(&socket.0);
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localh").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "the server hangs up");
    assert!((14..25).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn ipv6_is_served_and_every_network_takes_both() {
    let folder = Folder::new("door-ipv6");
    let port = free_addr().port();
    for (place, reached) in [
        (format!("[::1]:{port}"), vec![format!("[::1]:{port}")]),
        (format!("[::]:{port}"), vec![format!("[::1]:{port}"), format!("127.0.0.1:{port}")]),
    ] {
        let server = Serving::start(&folder, &["--only", "web", "--addr", &place]);
        for addr in reached {
            assert!(get(tcp(addr.parse().unwrap()), "/health").starts_with("HTTP/1.1 200"), "{addr}");
        }
        assert_eq!(health(&folder, &place).status.code(), Some(0));
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn the_supervisor_hears_that_the_program_is_ready_lives_and_stops() {
    let folder = Folder::new("door-notify");
    let heard = SocketPath::new("notify");
    let supervisor = UnixDatagram::bind(&heard.0).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let length = supervisor.recv(&mut buffer).expect("a word");
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let addr = free_addr();
    let mut serving = command(&folder);
    serving.env("NOTIFY_SOCKET", &heard.0).env("WATCHDOG_USEC", "400000");
    let server = Serving::wait_for(serving.args(["serve", "--addr", &addr.to_string()]));
    assert_eq!(hear(), "READY=1");
    assert!(get(tcp(addr), "/health").starts_with("HTTP/1.1 200"));
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    assert_eq!(server.stop(), Some(0));
    assert!(std::iter::repeat_with(hear).take(10).any(|word| word == "STOPPING=1"));
}

/// `systemd-socket-activate` opens the sockets, waits for somebody, and becomes the program.
#[test]
fn sockets_of_systemd_are_served_by_their_names() {
    let folder = Folder::new("door-activated");
    let socket = SocketPath::new("activated");
    let (main, dialect, smtp) = (free_addr(), free_addr(), free_addr());
    let listen = [main.to_string(), socket.0.display().to_string(), dialect.to_string(), smtp.to_string()];
    let program = command(&folder);
    let mut activate = Command::new("systemd-socket-activate");
    for (name, value) in program.get_envs() {
        activate.env(name, value.unwrap());
        // It hands on nothing by itself.
        activate.arg("--setenv").arg(name);
    }
    activate.args(listen.iter().flat_map(|place| ["--listen", place]));
    activate.arg("--fdname=sendlog:sendlog:resend:smtp");
    activate.arg(program.get_program()).arg("serve").stdout(Stdio::null());
    let spawned = activate.spawn();
    let _server = Serving(spawned.expect("systemd-socket-activate is missing: scripts/setup.sh test installs it"));
    let began = Instant::now();
    while TcpStream::connect(main).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody listens");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(get(tcp(main), "/login").starts_with("HTTP/1.1 200"));
    assert!(get(unix(&socket.0), "/login").starts_with("HTTP/1.1 200"));
    // A dialect's own address has no pages, and its logs at the root.
    for (path, status) in [("/logs", "401"), ("/login", "404")] {
        let answer = get(tcp(dialect), path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    let mut greeting = String::new();
    BufReader::new(tcp(smtp)).read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("220 "), "{greeting}");
    assert_eq!(health(&folder, &format!("unix:{}", socket.0.display())).status.code(), Some(0));
}

/// How a try to register is answered that says where it comes from. Three are allowed an hour and address.
fn register(stream: impl Read + Write, headers: &str) -> String {
    let body =
        r#"{"name":"A","setupToken":"no","email":"a@example.com","teamName":"A","password":"a long enough one"}"#;
    let request = format!(
        "POST /api/auth/register HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    ask(stream, &request).split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn limits_count_by_the_client_that_trusted_proxies_name() {
    let folder = Folder::new("door-proxies");
    let addr = free_addr();
    let proxies = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--only", "web", "--addr"];
    let _server = Serving::start(&folder, &[&proxies[..], &[&addr.to_string()]].concat());
    for index in 1..=3 {
        let said = format!("X-Forwarded-For: 6.6.6.{index}\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.{index}\r\n");
        assert_eq!(register(tcp(addr), &said), "403", "{said}");
    }
    assert_eq!(register(tcp(addr), "X-Forwarded-For: 6.6.6.9, 192.0.2.1:4711, 10.0.0.9\r\n"), "429");
    assert_eq!(register(tcp(addr), "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n"), "403", "another client");
    // Who has a network of IPv6 has as many addresses as they like.
    for last in 1..=3 {
        assert_eq!(register(tcp(addr), &format!("X-Forwarded-For: [2001:db8:0:1::{last}]:80\r\n")), "403");
    }
    assert_eq!(register(tcp(addr), "X-Forwarded-For: 2001:db8:0:1:ffff::9\r\n"), "429");
    assert_eq!(register(tcp(addr), "X-Forwarded-For: 2001:db8:0:2::9\r\n"), "403");
}

#[test]
fn nobody_chooses_their_address_where_no_proxy_is_trusted() {
    let folder = Folder::new("door-strangers");
    let addr = free_addr();
    let _server = Serving::start(&folder, &["--trusted-proxies", "10.0.0.0/8", "--addr", &addr.to_string()]);
    let tries = (1..=4).map(|index| {
        register(tcp(addr), &format!("X-Forwarded-For: 192.0.2.{index}\r\nForwarded: for=192.0.2.{index}\r\n"))
    });
    assert_eq!(tries.collect::<Vec<_>>(), ["403", "403", "403", "429"]);
}

#[test]
fn a_unix_sockets_client_is_whom_its_proxy_names() {
    let folder = Folder::new("door-unix-clients");
    let socket = SocketPath::new("clients");
    let _server = Serving::start(&folder, &["--only", "web", "--addr", &socket.place()]);
    let of = |said: &str| register(unix(&socket.0), &format!("X-Forwarded-For: {said}\r\n"));
    let tries = (1..=4).map(|index| of(&format!("6.6.6.{index}, 192.0.2.1")));
    assert_eq!(tries.collect::<Vec<_>>(), ["403", "403", "403", "429"]);
    assert_eq!(of("192.0.2.1, 192.0.2.2"), "403");
}

#[test]
fn the_secret_key_may_be_in_a_file() {
    let folder = Folder::new("door-key");
    let file = folder.database().with_extension("given");
    let check = || command(&folder).args(["doctor"]).env("SENDLOG_SECRET_KEY_FILE", &file).output().unwrap();
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    assert!(said(check()).contains("cannot read"), "a file that is missing is no key");
    std::fs::write(&file, "no key\n").unwrap();
    assert!(said(check()).contains("64 hexadecimal digits"));
    std::fs::write(&file, format!("{}\n", "0a".repeat(32))).unwrap();
    let mut serving = command(&folder);
    serving.env("SENDLOG_SECRET_KEY_FILE", &file);
    let addr = free_addr();
    let server = Serving::wait_for(serving.args(["serve", "--addr", &addr.to_string()]));
    assert!(get(tcp(addr), "/health").starts_with("HTTP/1.1 200"));
    assert!(!folder.database().with_extension("key").exists(), "none is made beside the database");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_doctor_warns_of_an_address_that_anybody_chooses_and_of_a_socket_that_nobody_knows() {
    let folder = Folder::new("door-doctor");
    assert!(command(&folder).arg("migrate").status().unwrap().success());
    let settings = |arguments: &[&str]| {
        let key = "0a".repeat(32);
        let output = command(&folder).arg("doctor").args(arguments).env("SENDLOG_SECRET_KEY", key).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().filter(|line| line.contains(" settings: ")).collect::<Vec<_>>().join("\n")
    };
    let base = ["--base-url", "http://localhost"];
    let open = settings(&[&base[..], &["--trust-proxy", "--addr", "[::]:3000"]].concat());
    assert!(open.starts_with("warn") && open.contains("--trusted-proxies"), "{open}");
    let named = settings(&[&base[..], &["--trusted-proxies", "10.0.0.0/8", "--addr", "[::]:3000"]].concat());
    assert!(named.starts_with("ok"), "{named}");
    let unknown = settings(&["--addr", "unix:/run/sendlog/sendlog.sock"]);
    assert!(unknown.starts_with("warn") && unknown.contains("--base-url"), "{unknown}");
    assert!(settings(&[&base[..], &["--addr", "unix:/run/sendlog/sendlog.sock"]].concat()).starts_with("ok"));
}

/// What `systemd-analyze` says of the units that we ship: nothing is wrong in them, and little of the machine is theirs.
#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    let folder = Folder::new("door-units");
    let place = folder.database().parent().unwrap().to_owned();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/systemd");
    let (service, socket) = (place.join("sendlog.service"), place.join("sendlog.socket"));
    // It looks whether the program is there.
    let text = std::fs::read_to_string(units.join("sendlog.service")).unwrap();
    std::fs::write(&service, text.replace("/usr/local/bin/sendlog", env!("CARGO_BIN_EXE_sendlog"))).unwrap();
    std::fs::copy(units.join("sendlog.socket"), &socket).unwrap();
    let analyze = |arguments: &[&str], files: &[&PathBuf]| {
        let output = Command::new("systemd-analyze").args(arguments).args(files).output();
        let output = output.expect("systemd-analyze is missing: scripts/setup.sh test installs it");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_well, said) = analyze(&["verify"], &[&service, &socket]);
    assert!(is_well && said.trim().is_empty(), "{said}");
    // Of 100; what has no bounds at all has 96.
    let (is_closed, said) = analyze(&["security", "--offline=true", "--threshold=20"], &[&service]);
    assert!(is_closed, "{said}");
}
