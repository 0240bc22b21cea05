//! Names to addresses, as the machine's other programs see them.
//!
//! The C library's own resolver is asked in a child, by `getent ahosts`: whatever
//! /etc/nsswitch.conf names counts (files, DNS, mDNS, systemd-resolved, LDAP). This program itself
//! must not call getaddrinfo: a static glibc program would load NSS modules, which are there in the
//! one version of glibc they were built with, or not at all.
//!
//! Where there is no getent (in small containers), /etc/hosts and the servers of /etc/resolv.conf
//! are asked here, by hand: every library that does it without getaddrinfo brings an async runtime
//! and procedural macros. The formats are libraries' (`resolv-conf`, `simple-dns`), and a test
//! compares the answers with glibc's.

use resolv_conf::{Config as ResolvConf, ScopedIp};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// For the HTTP client.
#[derive(Debug)]
pub(crate) struct Dns;

impl Resolver for Dns {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let mut list = self.empty();
        for address in lookup(host)?.into_iter().take(16) {
            list.push(SocketAddr::new(address, port));
        }
        if list.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(list) }
    }
}

/// All addresses of a name, in the order in which they are to be tried; none where the name has
/// none.
///
/// # Errors
/// Where no server answered, or none could: the name may exist.
pub fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if is_localhost(host) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    // The name becomes an argument and a line: nothing but a name may.
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(sound) {
        return Ok(vec![]);
    }
    match by_getent(host) {
        Some(found) => Ok(found),
        None => by_files(host),
    }
}

/// Whether a name is this machine's own, whatever servers say (RFC 6761, section 6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// By the C library in a child. `None` where it cannot be asked.
fn by_getent(host: &str) -> Option<Vec<IpAddr>> {
    let program = ["/usr/bin/getent", "/bin/getent"].into_iter().find(|p| Path::new(p).is_file())?;
    let output = Command::new(program).args(["ahosts", host]).stdin(Stdio::null()).output().ok()?;
    // getent(1): 2 is a name that is not found; 1 and 3, a getent without `ahosts`.
    match output.status.code() {
        Some(0) => {}
        Some(2) => return Some(vec![]),
        _ => return None,
    }
    let mut found = Vec::new();
    // One line for each type of socket; the address is its first word.
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(address) = line.split_whitespace().next().and_then(|w| w.parse().ok())
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    Some(found)
}

/// By /etc/hosts and /etc/resolv.conf, as resolv.conf(5) says.
fn by_files(host: &str) -> io::Result<Vec<IpAddr>> {
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    let fixed = in_hosts(&String::from_utf8_lossy(&read("/etc/hosts")), host);
    if !fixed.is_empty() {
        return Ok(fixed);
    }
    // What glibc cannot read of the file it passes over as well.
    let (mut conf, _) = ResolvConf::parse_with_errors(&read("/etc/resolv.conf"));
    conf.glibc_normalize();
    let mut trouble = None;
    for name in candidates(host, &conf) {
        match of_name(&conf, &name) {
            Ok(found) if found.is_empty() => {}
            Ok(mut found) => {
                // What can be connected to most often comes first.
                found.sort_by_key(IpAddr::is_ipv6);
                return Ok(found);
            }
            // Another domain may have the name.
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or(Ok(vec![]), Err)
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|w| w.eq_ignore_ascii_case(host)).then_some(address)
    };
    text.lines().filter_map(line).collect()
}

/// The names to be asked for, in order: with at least `ndots` dots the name itself comes first,
/// else last; with a dot at its end it is the only one.
fn candidates(host: &str, conf: &ResolvConf) -> Vec<String> {
    if let Some(absolute) = host.strip_suffix('.') {
        return vec![absolute.into()];
    }
    let mut domains: Vec<String> = conf.get_last_search_or_domain().map(|d| d.to_string()).collect();
    if domains.is_empty() {
        let uname = rustix::system::uname();
        let own = uname.nodename().to_string_lossy();
        domains.extend(own.split_once('.').map(|(_, domain)| domain.to_string()));
    }
    let within = domains.iter().map(|d| d.trim_matches('.')).filter(|d| !d.is_empty());
    let mut names: Vec<String> = within.map(|d| format!("{host}.{d}")).collect();
    let first = host.matches('.').count() >= conf.ndots as usize;
    names.insert(if first { 0 } else { names.len() }, host.into());
    names
}

/// The addresses of one whole name.
fn of_name(conf: &ResolvConf, name: &str) -> io::Result<Vec<IpAddr>> {
    let four = of_type(conf, name, TYPE::A);
    let six = if conf.no_aaaa { Ok(vec![]) } else { of_type(conf, name, TYPE::AAAA) };
    match (four, six) {
        (Ok(mut four), Ok(six)) => {
            four.extend(six);
            Ok(four)
        }
        // One kind is enough to connect.
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Asks every server, as often as the configuration says, until one answers.
fn of_type(conf: &ResolvConf, name: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let wait = Duration::from_secs(u64::from(conf.timeout.clamp(1, 30)));
    let mut trouble = io::Error::other("no name server answers");
    for _ in 0..conf.attempts.clamp(1, 5) {
        for server in conf.get_nameservers_or_local() {
            match ask(socket_address(&server), name, kind, wait, conf.use_vc) {
                Ok(found) => return Ok(found),
                Err(error) => trouble = io::Error::other(format!("the name server {server} fails: {error}")),
            }
        }
    }
    Err(trouble)
}

fn socket_address(server: &ScopedIp) -> SocketAddr {
    match server {
        ScopedIp::V4(address) => SocketAddr::new((*address).into(), 53),
        ScopedIp::V6(address, scope) => {
            // A number, or the name of an interface.
            let index = scope.as_deref().and_then(|s| {
                let index = std::fs::read_to_string(format!("/sys/class/net/{s}/ifindex"));
                s.parse().ok().or_else(|| index.ok()?.trim().parse().ok())
            });
            SocketAddrV6::new(*address, 53, 0, index.unwrap_or(0)).into()
        }
    }
}

/// One question to one server: no addresses where it says that there are none.
fn ask(server: SocketAddr, name: &str, kind: TYPE, wait: Duration, tcp: bool) -> io::Result<Vec<IpAddr>> {
    // The kernel's choice of port and this number are what a forger has to guess.
    let mut number = [0; 2];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut number)?;
    let id = u16::from_ne_bytes(number);
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Name::new(name).map_err(io::Error::other)?;
    packet.questions.push(Question::new(question.clone(), kind.into(), CLASS::IN.into(), false));
    let query = packet.build_bytes_vec().map_err(io::Error::other)?;
    let ours = |answer: &Packet<'_>| {
        answer.id() == id
            && answer.has_flags(PacketFlag::RESPONSE)
            && answer.questions.iter().all(|q| q.qname.to_string().eq_ignore_ascii_case(name))
    };
    let mut buffer = vec![0; 1 << 16];
    if !tcp {
        let any: SocketAddr = if server.is_ipv6() {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.send(&query)?;
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let n = match socket.recv(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                n => n?,
            };
            match Packet::parse(&buffer[..n]) {
                // What did not fit is asked for again, over TCP.
                Ok(answer) if ours(&answer) && answer.has_flags(PacketFlag::TRUNCATION) => break,
                Ok(answer) if ours(&answer) => return addresses(&answer),
                // A server may cut an answer within a record.
                Err(_) if n > 2 && buffer[..2] == id.to_be_bytes() && buffer[2] & 2 != 0 => break,
                _ => {}
            }
        }
    }
    let mut stream = TcpStream::connect_timeout(&server, wait)?;
    stream.set_read_timeout(Some(wait))?;
    stream.set_write_timeout(Some(wait))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let answer = &mut buffer[..usize::from(u16::from_be_bytes(length))];
    stream.read_exact(answer)?;
    match Packet::parse(answer).map_err(io::Error::other)? {
        answer if ours(&answer) => addresses(&answer),
        _ => Err(io::Error::other("the answer is to another question")),
    }
}

/// What an answer says. A server that fails or refuses says nothing about the name.
fn addresses(answer: &Packet<'_>) -> io::Result<Vec<IpAddr>> {
    match answer.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        code => return Err(io::Error::other(format!("it answers {code:?}"))),
    }
    let address = |record: &simple_dns::ResourceRecord<'_>| match &record.rdata {
        RData::A(a) => Some(Ipv4Addr::from_bits(a.address).into()),
        RData::AAAA(a) => Some(Ipv6Addr::from_bits(a.address).into()),
        _ => None,
    };
    Ok(answer.answers.iter().filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        let hosts = "127.0.0.1 localhost\n# 1.2.3.4 no\n10.0.0.1 a.example A # b\n::1 a\n";
        assert_eq!(in_hosts(hosts, "a").len(), 2);
        assert_eq!(in_hosts(hosts, "b").len(), 0);
        assert_eq!(lookup("192.0.2.1").unwrap(), [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(lookup("a.localhost").unwrap()[0], IpAddr::from([127, 0, 0, 1]));
        assert!(lookup("-x").unwrap().is_empty() && lookup("a b").unwrap().is_empty());
    }

    #[test]
    fn names_are_searched_as_ndots_says() {
        let check = |conf: &str, host: &str, want: &[&str]| {
            assert_eq!(candidates(host, &ResolvConf::parse(conf).unwrap()), want, "{conf} {host}");
        };
        let two = "search x.example y.\n";
        check(two, "a", &["a.x.example", "a.y", "a"]);
        check(two, "a.b", &["a.b", "a.b.x.example", "a.b.y"]);
        check(two, "a.b.", &["a.b"]);
        check("domain z\noptions ndots:2\n", "a.b", &["a.b.z", "a.b"]);
        check("domain z\noptions ndots:2\n", "a.b.c", &["a.b.c", "a.b.c.z"]);
        check("domain z\nsearch w\noptions ndots:0\n", "a", &["a", "a.w"]);
    }
}
