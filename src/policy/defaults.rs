//! What a file means where it is silent. Nothing here can widen an exposure.

use std::{num::NonZeroU16, time::Duration};

/// nginx's `proxy_timeout`: long enough for pools, short enough that a dead peer is noticed.
pub const IDLE: Duration = Duration::from_secs(600);

/// After one side has said that it is done, the other has this long between bytes.
pub const HALF_CLOSED: Duration = Duration::from_secs(60);

/// One attempt to connect: three SYNs (at 0, 1 and 3 s) get a chance.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Further backends tried before the client is closed.
pub const CONNECT_RETRIES: u32 = 2;

/// Sessions of a stopping listener may finish for this long.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Every backend counts the same.
pub const WEIGHT: NonZeroU16 = NonZeroU16::MIN;
