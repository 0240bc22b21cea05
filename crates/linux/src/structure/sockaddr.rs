//! Socket addresses: their family is a number of the guest's order, and the rest is in network
//! order but for a few members. So only guests of the other byte order have anything to convert.

use super::model::HOST;
use super::{ByteOrder, Direction, Model, Plan, Struct, rows};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_PACKET: u16 = 17;

/// Longest socket address (`struct sockaddr_storage`), in bytes.
pub(crate) const LONGEST: usize = 128;

/// Whether guest and host agree on all socket addresses.
pub(crate) const fn same(guest: &Model) -> bool {
    guest.order as u8 == HOST.order as u8
}

fn row(family: u16) -> Option<&'static Struct> {
    match family {
        AF_INET => Some(&rows::sockaddr_in),
        AF_INET6 => Some(&rows::sockaddr_in6),
        AF_NETLINK => Some(&rows::sockaddr_nl),
        AF_PACKET => Some(&rows::sockaddr_ll),
        _ => None,
    }
}

/// Converts an address in place. What is cut off in the middle of a member stays as it is.
pub(crate) fn convert(direction: Direction, guest: &Model, address: &mut [u8]) {
    if same(guest) || address.len() < 2 {
        return;
    }
    let order = if direction == Direction::ToHost { guest.order } else { HOST.order };
    let family = [address[0], address[1]];
    let family =
        if order == ByteOrder::Big { u16::from_be_bytes(family) } else { u16::from_le_bytes(family) };
    match row(family) {
        Some(row) if address.len() >= row.size(guest) => {
            let plan = Plan::kept(row, direction, guest);
            let mut out = [0; LONGEST];
            plan.convert(address, &mut out);
            address[..plan.to_size].copy_from_slice(&out[..plan.to_size]);
        }
        _ => address[..2].reverse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model;

    #[test]
    fn addresses_of_a_big_endian_guest() {
        for (theirs, want) in [
            (
                &b"\x00\x02\x1f\x90\x7f\x00\x00\x01\0\0\0\0\0\0\0\0"[..],
                &b"\x02\x00\x1f\x90\x7f\x00\x00\x01\0\0\0\0\0\0\0\0"[..],
            ),
            (b"\x00\x01/run/a", b"\x01\x00/run/a"),
            (b"\x00\x10\0\0\0\0\x00\x05\x00\x00\x00\x01", b"\x10\x00\0\0\x05\0\x00\x00\x01\x00\x00\x00"),
            (b"\x00\x0a\x00\x50", b"\x0a\x00\x00\x50"),
            (b"\x07", b"\x07"),
        ] {
            let mut address = theirs.to_vec();
            convert(Direction::ToHost, &model::S390X, &mut address);
            if want[0] != 16 {
                assert_eq!(address, want);
            } else {
                assert_eq!(address[8..], want[8..]);
            }
            convert(Direction::ToGuest, &model::S390X, &mut address);
            assert_eq!(address, theirs);
        }
        let mut address = b"\x02\x00\x1f\x90".to_vec();
        convert(Direction::ToHost, &model::ARM, &mut address);
        assert_eq!(address, b"\x02\x00\x1f\x90");
    }
}
