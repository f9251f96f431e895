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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotted_name_is_read() {
        assert!(read("net.ipv4.ip_unprivileged_port_start").unwrap().parse::<u16>().is_ok());
    }

    #[test]
    fn a_setting_the_kernel_lacks_is_an_error() {
        assert_eq!(read("net.ipv4.no_such").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
