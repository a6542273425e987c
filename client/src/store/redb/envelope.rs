//! What stands before the database in the file: whose it is, and a mark that tells damage from a crash.
//!
//! redb finds each damaged page that is in use, but after an unclean end it cannot tell a last commit that was
//! damaged from one that a loss of power cut short, and takes back either without a word; and a file that was closed
//! cleanly it trusts. The mark names the last commit that is known to be durable, so that a file without it is
//! refused, and in a file that was closed it has a checksum over everything.

use std::io;

use redb::StorageBackend;

/// Where the database begins: after one page.
pub(super) const LENGTH: u64 = 4096;
/// These stand in the first bytes of every format.
const MAGIC: &[u8; 16] = b"\x93sterna session\n";
/// The format that this library writes.
const FORMAT: u32 = 1;
/// The name, the format, and the checksum of both.
const HEAD: usize = 24;
/// The mark has a sector of its own.
const MARK_AT: u64 = 512;
const MARK: usize = 28;
/// How much is read at once for a checksum.
const CHUNK: usize = 64 << 10;

/// Why a file's first bytes are not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOurs {
    Foreign,
    Format(u32),
    Damaged,
}

/// Says whose file it is.
pub(super) fn write_head(file: &dyn StorageBackend) -> io::Result<()> {
    let mut head = [0; HEAD];
    head[..16].copy_from_slice(MAGIC);
    head[16..20].copy_from_slice(&FORMAT.to_le_bytes());
    let checksum = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&checksum.to_le_bytes());
    file.write(0, &head)
}

/// Checks the first bytes of a file.
pub(super) fn check_head(file: &[u8]) -> Result<(), NotOurs> {
    let magic = &file[..file.len().min(MAGIC.len())];
    // One damaged byte does not make it another's.
    let differing = magic.iter().zip(MAGIC).filter(|(is, should)| is != should).count();
    if differing > 1 {
        return Err(NotOurs::Foreign);
    }
    let head: &[u8; HEAD] = file.first_chunk().ok_or(NotOurs::Damaged)?;
    let (_, format, checksum) = (&head[..16], number(&head[16..20]), number(&head[20..]));
    if differing > 0 || checksum != crc32fast::hash(&head[..20]) {
        return Err(NotOurs::Damaged);
    }
    if format == FORMAT { Ok(()) } else { Err(NotOurs::Format(format)) }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// How far a file is known to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last commit that is known to be durable.
    pub(super) commit: u64,
    /// The file was closed, and had this length and checksum.
    pub(super) seal: Option<Seal>,
}

/// A closed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    length: u64,
    checksum: u32,
}

impl Mark {
    /// Writes it, without waiting until it is durable: it is either found, and true, or an earlier one is or none.
    pub(super) fn write(self, file: &dyn StorageBackend) -> io::Result<()> {
        let mut mark = [0; MARK];
        mark[..8].copy_from_slice(&self.commit.to_le_bytes());
        if let Some(seal) = self.seal {
            mark[8..16].copy_from_slice(&seal.length.to_le_bytes());
            mark[16..20].copy_from_slice(&seal.checksum.to_le_bytes());
            mark[20] = 1;
        }
        let checksum = crc32fast::hash(&mark[..24]);
        mark[24..].copy_from_slice(&checksum.to_le_bytes());
        file.write(MARK_AT, &mark)
    }

    /// The mark of this file; `None` if a crash tore it.
    pub(super) fn read(file: &[u8]) -> Option<Self> {
        let mark: &[u8; MARK] = file.get(MARK_AT as usize..)?.first_chunk()?;
        if number(&mark[24..]) != crc32fast::hash(&mark[..24]) {
            return None;
        }
        let long = |bytes: &[u8]| u64::from(number(&bytes[4..8])) << 32 | u64::from(number(&bytes[..4]));
        let seal =
            (mark[20] == 1).then(|| Seal { length: long(&mark[8..16]), checksum: number(&mark[16..20]) });
        Some(Self { commit: long(&mark[..8]), seal })
    }
}

impl Seal {
    /// The seal that a file has now. The sector of the mark is left out.
    pub(super) fn of(file: &dyn StorageBackend) -> io::Result<Self> {
        let length = file.len()?;
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        while at < length {
            // The first chunk is what comes before the mark, the second begins behind its page.
            let end = if at == 0 { MARK_AT } else { length.min(at + CHUNK as u64) };
            let chunk = &mut buffer[..(end - at) as usize];
            file.read(at, chunk)?;
            hasher.update(chunk);
            at = if at == 0 { LENGTH } else { end };
        }
        Ok(Self { length, checksum: hasher.finalize() })
    }

    /// Whether `file` is what was sealed.
    pub(super) fn fits(self, file: &[u8]) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(file.get(..MARK_AT as usize).unwrap_or_default());
        hasher.update(file.get(LENGTH as usize..).unwrap_or_default());
        self.length == file.len() as u64 && self.checksum == hasher.finalize()
    }
}
