//! Names to addresses without the C library: /etc/hosts, then the servers of /etc/resolv.conf over UDP.
//!
//! A static glibc program must not call getaddrinfo: it loads NSS modules, which are there in the one version of glibc
//! they were built with, or not at all.

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// For the HTTP client.
#[derive(Debug)]
pub struct Dns;

impl Resolver for Dns {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let mut list = self.empty();
        // What can be connected to most often comes first.
        let mut found = lookup(host);
        found.sort_by_key(IpAddr::is_ipv6);
        for address in found.into_iter().take(16) {
            list.push(SocketAddr::new(address, port));
        }
        if list.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(list) }
    }
}

/// All addresses of a name.
fn lookup(host: &str) -> Vec<IpAddr> {
    if let Ok(address) = host.parse() {
        return vec![address];
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let fixed = in_hosts(&read("/etc/hosts"), host);
    if !fixed.is_empty() {
        return fixed;
    }
    if host == "localhost" || host.ends_with(".localhost") {
        return vec![IpAddr::from([127, 0, 0, 1])];
    }
    let (servers, search) = in_resolv_conf(&read("/etc/resolv.conf"));
    // A name with a dot is tried as it is; one without, within the domains to be searched first.
    let mut names: Vec<String> =
        if host.contains('.') { vec![] } else { search.iter().map(|d| format!("{host}.{d}")).collect() };
    names.push(host.to_string());
    for name in names {
        let mut found = Vec::new();
        for kind in [TYPE::A, TYPE::AAAA] {
            for attempt in 0..2 {
                if let Some(answer) = servers.iter().find_map(|s| ask(*s, &name, kind, attempt)) {
                    found.extend(answer);
                    break;
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    vec![]
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|w| w.eq_ignore_ascii_case(host)).then_some(address)
    };
    text.lines().filter_map(line).collect()
}

/// Servers and domains to be searched.
fn in_resolv_conf(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut servers, mut search) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|w| w.split('%').next()?.parse::<IpAddr>().ok());
                servers.extend(address.map(|a| SocketAddr::new(a, 53)));
            }
            Some("search" | "domain") => {
                search = words.map(|w| w.trim_end_matches('.').to_string()).collect()
            }
            _ => {}
        }
    }
    (servers, search)
}

/// One question to one server. `None` where it did not answer; no addresses where it said there are none.
fn ask(server: SocketAddr, name: &str, kind: TYPE, attempt: u16) -> Option<Vec<IpAddr>> {
    let any =
        if server.is_ipv6() { SocketAddr::from(([0u16; 8], 0)) } else { SocketAddr::from(([0u8; 4], 0)) };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(3))).ok()?;
    // The kernel's choice of port and this number are what a forger has to guess.
    let mut number = [0; 2];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").ok()?, &mut number).ok()?;
    let id = u16::from_ne_bytes(number).wrapping_add(attempt);
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name).ok()?, kind.into(), CLASS::IN.into(), false));
    socket.send(&packet.build_bytes_vec().ok()?).ok()?;
    let mut buffer = [0; 4096];
    loop {
        let n = socket.recv(&mut buffer).ok()?;
        let Ok(answer) = Packet::parse(&buffer[..n]) else { continue };
        if answer.id() != id || !answer.has_flags(PacketFlag::RESPONSE) {
            continue;
        }
        let address = |record: &simple_dns::ResourceRecord<'_>| match &record.rdata {
            RData::A(a) => Some(IpAddr::from(a.address.to_be_bytes())),
            RData::AAAA(a) => Some(IpAddr::from(a.address.to_be_bytes())),
            _ => None,
        };
        return Some(answer.answers.iter().filter_map(address).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read() {
        let hosts = "127.0.0.1 localhost\n# 1.2.3.4 no\n10.0.0.1 a.example A # b\n::1 a\n";
        assert_eq!(in_hosts(hosts, "a").len(), 2);
        assert_eq!(in_hosts(hosts, "b").len(), 0);
        let (servers, search) = in_resolv_conf(
            "nameserver 9.9.9.9\nnameserver fe80::1%eth0\nsearch x.example y.\noptions ndots:1\n",
        );
        assert_eq!(servers.len(), 2);
        assert_eq!(search, ["x.example", "y"]);
        assert_eq!(lookup("192.0.2.1"), [IpAddr::from([192, 0, 2, 1])]);
    }
}
