//! Reads any bytes as a frame of a hand-over, as a line at the admin socket, and as a request to the
//! process that binds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::supervisor::{
    admin::protocol::{self, Answer, Command},
    binder::message::{self, Request},
    upgrade::frame::{Frame, Message},
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::read(bytes) {
        // What was read can be written, unless nobody would, and is the same again. It may be
        // longer than what was read: an escape can be written shorter than a quote.
        if frame.message != Message::Unknown
            && let Ok(written) = frame.write()
        {
            assert_eq!(Frame::read(&written).ok(), Some(frame));
        }
    }
    if let Ok(command) = protocol::read::<Command>(bytes) {
        let again = protocol::read::<Command>(&protocol::write(&command));
        assert_eq!(again.ok(), Some(command));
    }
    drop(protocol::read::<Answer>(bytes));
    if let Ok(request) = message::read::<(u64, Request)>(bytes)
        && let Ok(written) = message::write(&request)
    {
        assert_eq!(message::read(&written).ok(), Some(request));
    }
});
