//! When a direction copies its bytes and when it has the kernel move them. Pure.

/// How a direction moves its next bytes.
///
/// A copied message costs two system calls, a spliced one three: in, out, and the one that finds
/// the socket empty, for a short `splice(2)` does not prove that it is. So only bulk is worth
/// splicing.
///
/// ```text
///            FULL_READS full ones in a row
///     Copy ────────────────────────────────▶ Splice
///          ◀────────────────────────────────
///           SMALL_READS small ones in a row, or no pipe to be had
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gear {
    /// Through a buffer of ours.
    Copy {
        /// Reads in a row that filled the buffer.
        full: u8,
    },
    /// Through a pipe, which the bytes never leave for user space.
    Splice {
        /// Reads in a row that a copy would have done as well.
        small: u8,
    },
}

/// Full reads in a row that tell bulk from one large message.
const FULL_READS: u8 = 4;

/// Small reads in a row after which the bulk is taken to be over: one may be the tail of a burst.
const SMALL_READS: u8 = 3;

/// A smaller read than this is cheaper to copy than to splice.
const SMALL: usize = 4096;

impl Gear {
    /// Where every direction starts, and where a direction that got no pipe returns to.
    pub(super) const START: Self = Self::Copy { full: 0 };

    /// The gear for the next read, after one of `bytes` into `room`.
    pub(super) fn after(self, bytes: usize, room: usize) -> Self {
        match self {
            Self::Copy { full } if bytes >= room && full + 1 >= FULL_READS => {
                Self::Splice { small: 0 }
            }
            Self::Copy { full } if bytes >= room => Self::Copy { full: full + 1 },
            Self::Splice { small } if bytes < SMALL && small + 1 >= SMALL_READS => Self::START,
            Self::Splice { small } if bytes < SMALL => Self::Splice { small: small + 1 },
            Self::Copy { .. } => Self::START,
            Self::Splice { .. } => Self::Splice { small: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FULL_READS, Gear, SMALL, SMALL_READS};

    const ROOM: usize = 16384;

    /// The gear after reads of these sizes, from the start.
    fn after(reads: &[usize]) -> Gear {
        reads.iter().fold(Gear::START, |gear, &bytes| gear.after(bytes, ROOM))
    }

    #[test]
    fn moves_to_splice_after_sustained_full_reads_and_back_after_small_ones() {
        let bulk = [ROOM; FULL_READS as usize];
        let small = [SMALL - 1; SMALL_READS as usize];
        let splice = Gear::Splice { small: 0 };
        let table: [(&str, Vec<usize>, Gear); 8] = [
            ("nothing yet", vec![], Gear::START),
            ("one read short of bulk", bulk[1..].to_vec(), Gear::Copy { full: FULL_READS - 1 }),
            ("bulk", bulk.to_vec(), splice),
            ("a message that fills the buffer once", vec![ROOM, 10], Gear::START),
            (
                "full reads that are not in a row",
                [&bulk[1..], &[ROOM - 1], &bulk[1..]].concat(),
                Gear::Copy { full: FULL_READS - 1 },
            ),
            (
                "the tail of a burst",
                [&bulk[..], &small[1..]].concat(),
                Gear::Splice { small: SMALL_READS - 1 },
            ),
            (
                "small reads that are not in a row",
                [&bulk[..], &small[1..], &[SMALL]].concat(),
                splice,
            ),
            ("small reads", [&bulk[..], &small].concat(), Gear::START),
        ];
        for (name, reads, gear) in table {
            assert_eq!(after(&reads), gear, "{name}");
        }
    }
}
