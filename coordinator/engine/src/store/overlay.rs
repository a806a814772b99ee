//! A file whose changes stay in memory. Opening a database modifies its file, even if that is only to find out whether it is damaged,
//! so a file is opened in this form first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// Size of the parts that are kept in memory once they have changed, in bytes.
const BLOCK: usize = 4096;

/// The file with its changes.
#[derive(Debug)]
pub(super) struct Overlay {
    file: File,
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Changed {
    length: u64,
    /// Length up to which the contents of the file count. What is beyond is zero.
    of_file: u64,
    /// Blocks that have changed, by their number.
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl Overlay {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let changed = Changed { length, of_file: length, blocks: BTreeMap::new() };
        Ok(Self { file, changed: Mutex::new(changed) })
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the file has at this position, and zeros after its end.
    fn read_file(&self, changed: &Changed, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(changed.of_file.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (there, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        self.file.read_exact_at(there, offset)
    }
}

/// Returns the parts of a range, each as the number of its block, its begin in the block, and its length.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset + done as u64;
        let begin = usize::try_from(position % BLOCK as u64).unwrap_or(0);
        let part = (BLOCK - begin).min(length - done);
        done += part;
        (part > 0).then_some((position / BLOCK as u64, begin, part))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.saturating_add(out.len() as u64) > changed.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if changed.blocks.is_empty() {
            return self.read_file(&changed, offset, out);
        }
        let mut rest = out;
        for (number, begin, length) in parts(offset, rest.len()) {
            let (part, after) = rest.split_at_mut(length);
            match changed.blocks.get(&number) {
                Some(block) => part.copy_from_slice(&block[begin..begin + length]),
                None => self.read_file(&changed, number * BLOCK as u64 + begin as u64, part)?,
            }
            rest = after;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changed = self.changed();
        // What is cut off is zero if the file grows again.
        let keeps = length / BLOCK as u64;
        let begin = usize::try_from(length % BLOCK as u64).unwrap_or(0);
        changed.blocks.retain(|number, _| *number <= keeps);
        if let Some(block) = changed.blocks.get_mut(&keeps) {
            block[begin..].fill(0);
        }
        changed.of_file = changed.of_file.min(length);
        changed.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        let mut rest = data;
        for (number, begin, length) in parts(offset, data.len()) {
            let (part, after) = rest.split_at(length);
            if !changed.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK]);
                self.read_file(&changed, number * BLOCK as u64, &mut *block)?;
                changed.blocks.insert(number, block);
            }
            if let Some(block) = changed.blocks.get_mut(&number) {
                block[begin..begin + length].copy_from_slice(part);
            }
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use redb::StorageBackend as _;
    use redb::backends::InMemoryBackend;

    use super::*;

    fn file(contents: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        file
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLength(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let write = (0..20_000_u64, proptest::collection::vec(any::<u8>(), 0..9000));
        prop_oneof![
            write.prop_map(|(offset, data)| Step::Write(offset, data)),
            (0..30_000_u64).prop_map(Step::SetLength)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn it_reads_as_a_file_with_the_same_changes(
            contents in proptest::collection::vec(any::<u8>(), 0..20_000),
            steps in proptest::collection::vec(step(), 0..8),
        ) {
            let (overlay, memory) = (Overlay::new(file(&contents)).unwrap(), InMemoryBackend::new());
            memory.set_len(contents.len() as u64).unwrap();
            memory.write(0, &contents).unwrap();
            for step in steps {
                match step {
                    Step::Write(offset, mut data) => {
                        let length = memory.len().unwrap();
                        data.truncate(usize::try_from(length.saturating_sub(offset)).unwrap());
                        if !data.is_empty() {
                            overlay.write(offset, &data).unwrap();
                            memory.write(offset, &data).unwrap();
                        }
                    }
                    Step::SetLength(length) => {
                        overlay.set_len(length).unwrap();
                        memory.set_len(length).unwrap();
                    }
                }
                let length = memory.len().unwrap();
                prop_assert_eq!(overlay.len().unwrap(), length);
                let read = |backend: &dyn StorageBackend, from: u64| {
                    let mut out = vec![1; usize::try_from(length - from).unwrap()];
                    backend.read(from, &mut out).map(|()| out).unwrap()
                };
                prop_assert_eq!(read(&overlay, 0), read(&memory, 0));
                prop_assert_eq!(read(&overlay, length / 3), read(&memory, length / 3));
                prop_assert!(overlay.read(length, &mut [0]).is_err());
            }
        }
    }

    #[test]
    fn the_file_stays_as_it_is() {
        let file = file(b"as it is");
        let overlay = Overlay::new(file.try_clone().unwrap()).unwrap();
        overlay.write(0, b"changed!").unwrap();
        overlay.set_len(3).unwrap();
        let mut contents = [0; 8];
        file.read_exact_at(&mut contents, 0).unwrap();
        assert_eq!(&contents, b"as it is");
    }
}
