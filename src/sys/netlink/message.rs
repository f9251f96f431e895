//! The frame of netlink: headers, attributes and how to step over them (`man 7 netlink`).

use std::io;

use crate::sys::bytes::take;

/// Everything is padded to this.
const ALIGNMENT: usize = 4;

/// A request's sequence number. One socket asks one question, so it need not vary.
const SEQUENCE: u32 = 1;

/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;

/// Two flag bits in front of an attribute's type (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
const ATTRIBUTE_KIND: u16 = 0x3fff;

/// A dump request: header and body.
pub(super) fn request(kind: u16, body: &[u8]) -> Vec<u8> {
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).expect("flags are 16 bits");
    let length = u32::try_from(HEADER + body.len()).expect("requests are some dozen bytes");
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(SEQUENCE.to_ne_bytes());
    // Port 0 is the kernel's to fill in.
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    flags: u16,
    pub(super) payload: &'a [u8],
}

impl Message<'_> {
    /// What was asked about changed while the answer was made.
    pub(super) fn interrupted(&self) -> bool {
        i32::from(self.flags) & libc::NLM_F_DUMP_INTR != 0
    }

    /// The errno of an NLMSG_ERROR; `None` if there is none.
    pub(super) fn error(&self) -> Option<io::Error> {
        let mut payload = self.payload;
        let errno = i32::from_ne_bytes(take(&mut payload)?);
        Some(io::Error::from_raw_os_error(errno.checked_neg()?))
    }
}

/// The messages of a datagram; `None` once and last where the bytes make no sense.
#[derive(Debug)]
pub(super) struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }

    fn message(&mut self) -> Option<Message<'a>> {
        let mut head = self.0;
        let length = usize::try_from(u32::from_ne_bytes(take(&mut head)?)).ok()?;
        let kind = u16::from_ne_bytes(take(&mut head)?);
        let flags = u16::from_ne_bytes(take(&mut head)?);
        let payload = self.0.get(HEADER..length)?;
        self.0 = after(self.0, length);
        Some(Message { kind, flags, payload })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Option<Message<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = self.message();
        if message.is_none() {
            self.0 = &[];
        }
        Some(message)
    }
}

/// The attributes behind a message's fixed part: type and value. Ends where the bytes make no
/// sense.
#[derive(Debug)]
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.0;
        let length = usize::from(u16::from_ne_bytes(take(&mut head)?));
        let kind = u16::from_ne_bytes(take(&mut head)?) & ATTRIBUTE_KIND;
        let value = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = after(self.0, length);
        Some((kind, value))
    }
}

/// What follows an item of `length` bytes and its padding, which the last item may lack.
fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_request_reads_back_as_one_message() {
        let bytes = request(20, &[1, 2, 3, 4]);
        let read: Vec<_> = Messages::of(&bytes).collect();
        let [Some(only)] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((only.kind, only.payload), (20, [1, 2, 3, 4].as_slice()));
    }

    #[test]
    fn two_messages_are_told_apart_by_their_padding() {
        let mut bytes = message(17, 1, &[7, 0, 0, 0]);
        bytes.extend(message(16, 2, &[]));
        let read: Vec<_> = Messages::of(&bytes).map(Option::unwrap).collect();
        assert_eq!(
            read.iter().map(|m| (m.kind, m.payload.len())).collect::<Vec<_>>(),
            [(1, 1), (2, 0)]
        );
    }

    #[test]
    fn a_length_that_lies_ends_the_datagram() {
        for length in [0, 1, 15, 21, u32::MAX] {
            let bytes = message(length, 1, &[0; 4]);
            assert_eq!(Messages::of(&bytes).collect::<Vec<_>>(), [None], "{length}");
        }
    }

    #[test]
    fn a_cut_datagram_never_reads_past_its_end() {
        let bytes = message(20, 1, &[0; 4]);
        for end in 1..bytes.len() {
            assert_eq!(Messages::of(&bytes[..end]).collect::<Vec<_>>(), [None], "{end}");
        }
    }

    #[test]
    fn attributes_end_at_the_first_that_lies() {
        let good = [5, 0, 9, 0x80, 42, 0, 0, 0];
        for (tail, expected) in [(&[][..], 1), (&[3, 0, 1, 0], 1), (&[9, 0, 1, 0], 1), (&[4, 0], 1)]
        {
            let bytes = [&good[..], tail].concat();
            let read: Vec<_> = Attributes::of(&bytes).collect();
            assert_eq!(read.len(), expected, "{tail:?}");
            assert_eq!(read[0], (9, [42].as_slice()));
        }
    }

    #[test]
    fn an_error_carries_its_errno() {
        let bytes = message(20, 2, &(-22i32).to_ne_bytes());
        let error = Messages::of(&bytes).next().flatten().unwrap().error().unwrap();
        assert_eq!(error.raw_os_error(), Some(22));
        let lie = message(20, 2, &i32::MIN.to_ne_bytes());
        assert!(Messages::of(&lie).next().flatten().unwrap().error().is_none());
    }
}
