//! The number of a network interface that is given by name.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host to listen at for an interface's name.
///
/// # Errors
/// If there is no such interface; the message names those that there are.
pub(crate) fn host_of(name: &str) -> Result<String, String> {
    let all = addresses().map_err(|error| format!("cannot list the network interfaces: {error}"))?;
    // IPv4 first, as there a link has one number that all of its network can reach.
    let mut own: Vec<IpAddr> = all.iter().filter(|(interface, _)| interface == name).map(|(_, ip)| *ip).collect();
    own.sort_by_key(|ip| ip.is_ipv6());
    own.first().map(IpAddr::to_string).ok_or_else(|| {
        let mut names: Vec<&str> = all.iter().map(|(interface, _)| interface.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        format!("no network interface '{name}' with an address\nhint: there are {}", names.join(", "))
    })
}

/// All interfaces with their addresses.
fn addresses() -> std::io::Result<Vec<(String, IpAddr)>> {
    let mut found = Vec::new();
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    #[expect(unsafe_code)]
    // SAFETY: getifaddrs fills `head` with a list that stays valid until freeifaddrs; each entry's name is a C string, and
    // its address, if there is one, is of the type that its family says.
    unsafe {
        if libc::getifaddrs(&mut head) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let mut next = head;
        while let Some(entry) = next.as_ref() {
            next = entry.ifa_next;
            let Some(address) = entry.ifa_addr.as_ref() else { continue };
            let ip: IpAddr = match i32::from(address.sa_family) {
                libc::AF_INET => {
                    let address = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into()
                }
                libc::AF_INET6 => {
                    let address = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    Ipv6Addr::from(address.sin6_addr.s6_addr).into()
                }
                _ => continue,
            };
            found.push((CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned(), ip));
        }
        libc::freeifaddrs(head);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_number() {
        let (name, _) = addresses().unwrap().into_iter().find(|(_, ip)| *ip == Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(host_of(&name).unwrap(), "127.0.0.1");
    }

    #[test]
    fn an_unknown_interface_is_refused_with_those_that_there_are() {
        let error = host_of("nosuch7").unwrap_err();
        assert!(error.contains("'nosuch7'") && error.contains("there are"), "{error}");
    }
}
