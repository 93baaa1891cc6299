//! Which bytes of a record are in which file: arithmetic only.
//!
//! A record is a run of bytes with positions that only grow. The newest of it lies in at most two segments, each a file
//! that is named by the position of its first byte; when one is full the next begins where it ends, and the one before
//! it goes.

use std::collections::VecDeque;

/// How many segments are kept.
const KEPT: usize = 2;

/// A run of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Position of its first byte, which names the file.
    pub(super) start: u64,
    /// How many bytes it has.
    pub(super) len: u64,
}

impl Span {
    fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// A part of what is appended, and the segment that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The segment.
    pub(super) segment: u64,
    /// How many of the bytes that are left.
    pub(super) len: usize,
}

/// Where bytes can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment.
    pub(super) segment: u64,
    /// Where in it.
    pub(super) offset: u64,
    /// How many there are from there on.
    pub(super) len: u64,
}

/// The segments of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segments {
    spans: VecDeque<Span>,
    size: u64,
}

impl Segments {
    /// From the files that were found, with segments of `size` bytes. Also answers those that are to be removed: what
    /// lies before a gap, which only a damaged folder has, and more than are kept.
    pub(super) fn found(mut files: Vec<Span>, size: u64) -> (Self, Vec<u64>) {
        files.sort_by_key(|span| span.start);
        let mut spans: VecDeque<Span> = VecDeque::new();
        let mut stale = Vec::new();
        for span in files {
            if spans.back().is_some_and(|last| last.end() != span.start) {
                stale.extend(spans.drain(..).map(|span| span.start));
            }
            spans.push_back(span);
        }
        while spans.len() > KEPT {
            stale.extend(spans.pop_front().map(|span| span.start));
        }
        (Self { spans, size: size.max(1) }, stale)
    }

    /// The position of the first byte that is kept.
    pub(super) fn first(&self) -> u64 {
        self.spans.front().map_or(0, |span| span.start)
    }

    /// The position behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.spans.back().map_or(0, |span| span.end())
    }

    /// Where `len` more bytes go, in order, and which segments are to be removed then.
    pub(super) fn append(&mut self, mut len: usize) -> (Vec<Part>, Vec<u64>) {
        let (mut parts, mut stale) = (Vec::new(), Vec::new());
        while len > 0 {
            if self.spans.back().is_none_or(|last| last.len >= self.size) {
                self.spans.push_back(Span { start: self.end(), len: 0 });
            }
            let Some(last) = self.spans.back_mut() else { break };
            let room = usize::try_from(self.size - last.len).unwrap_or(usize::MAX);
            let part = len.min(room);
            last.len += part as u64;
            parts.push(Part { segment: last.start, len: part });
            len -= part;
        }
        while self.spans.len() > KEPT {
            stale.extend(self.spans.pop_front().map(|span| span.start));
        }
        // What is gone at once need not be written; its bytes are skipped by their length.
        (parts, stale)
    }

    /// Where the bytes from a position on can be read; none at the end or outside.
    pub(super) fn find(&self, position: u64) -> Option<Place> {
        let span = self.spans.iter().find(|span| span.start <= position && position < span.end())?;
        let offset = position - span.start;
        Some(Place { segment: span.start, offset, len: span.len - offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn span(start: u64, len: u64) -> Span {
        Span { start, len }
    }

    #[test]
    fn what_is_found_is_taken_up_where_it_ended() {
        let table = [
            (vec![], 0, 0, vec![]),
            (vec![span(0, 7)], 0, 7, vec![]),
            (vec![span(10, 5), span(0, 10)], 0, 15, vec![]),
            (vec![span(0, 10), span(10, 10), span(20, 1)], 10, 21, vec![0]),
            (vec![span(0, 9), span(10, 10)], 10, 20, vec![0]),
            (vec![span(30, 0)], 30, 30, vec![]),
        ];
        for (files, first, end, gone) in table {
            let (segments, stale) = Segments::found(files.clone(), 10);
            assert_eq!((segments.first(), segments.end(), stale), (first, end, gone), "{files:?}");
        }
    }

    proptest! {
        /// Whatever is appended, what is kept reads back as it was written, and never more than two files hold it.
        #[test]
        fn the_newest_bytes_are_there(lengths in prop::collection::vec(0_usize..40, 0..40), size in 1_u64..20) {
            let (mut segments, _) = Segments::found(Vec::new(), size);
            let mut files: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
            let mut written: Vec<u8> = Vec::new();
            for len in lengths {
                let bytes: Vec<u8> = (0..len).map(|index| (written.len() + index) as u8).collect();
                written.extend(&bytes);
                let mut rest = bytes.as_slice();
                let (parts, stale) = segments.append(len);
                for part in parts {
                    let (now, later) = rest.split_at(part.len);
                    files.entry(part.segment).or_default().extend(now);
                    rest = later;
                }
                prop_assert!(rest.is_empty());
                stale.iter().for_each(|start| { files.remove(start); });
                prop_assert!(files.len() <= KEPT);
                prop_assert_eq!(segments.end(), written.len() as u64);
                prop_assert!(segments.end() - segments.first() >= size.min(segments.end()));
                let mut read: Vec<u8> = Vec::new();
                let mut at = segments.first();
                while let Some(place) = segments.find(at) {
                    let file = &files[&place.segment][place.offset as usize..][..place.len as usize];
                    read.extend(file);
                    at += place.len;
                }
                prop_assert_eq!(read.as_slice(), &written[segments.first() as usize..]);
            }
        }
    }
}
