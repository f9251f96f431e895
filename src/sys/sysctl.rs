//! Settings of the kernel, read from `/proc/sys`.

use std::{fs, io, path::Path};

/// The value of a setting by its dotted name, without the line end.
///
/// # Errors
/// When the kernel lacks the setting or this process may not read it.
pub fn read(name: &str) -> io::Result<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    Ok(fs::read_to_string(path)?.trim_end().to_owned())
}

/// The value of a setting of IPv4 on one interface (`net.ipv4.conf.NAME.…`). The name of an
/// interface may have dots, so it cannot be a part of a dotted name.
///
/// # Errors
/// As [`read`].
pub fn read_of_interface(interface: &str, name: &str) -> io::Result<String> {
    let path = Path::new("/proc/sys/net/ipv4/conf").join(interface).join(name);
    Ok(fs::read_to_string(path)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_name_is_read() {
        assert!(read("net.ipv4.ip_unprivileged_port_start").unwrap().parse::<u16>().is_ok());
    }

    #[test]
    fn a_setting_of_an_interface_is_read() {
        assert!(read_of_interface("lo", "route_localnet").unwrap().parse::<u8>().is_ok());
    }

    #[test]
    fn a_setting_the_kernel_lacks_is_an_error() {
        assert_eq!(read("net.ipv4.no_such").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
