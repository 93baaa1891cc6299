//! Unpacking one compressed cluster. The output's size is fixed beforehand: there is nothing to inflate without end.

use super::Qcow2Error;
use super::header::Packing;
use flate2::{Decompress, FlushDecompress};
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

/// An unpacker, kept from cluster to cluster.
pub(super) enum Unpacker {
    /// Raw deflate, without zlib's header.
    Deflate(Decompress),
    /// zstd.
    Zstd(Decoder<'static>),
}

impl Unpacker {
    pub(super) fn new(packing: Packing) -> Result<Self, Qcow2Error> {
        Ok(match packing {
            Packing::Deflate => Self::Deflate(Decompress::new(false)),
            Packing::Zstd => Self::Zstd(Decoder::new().map_err(Qcow2Error::io("zstd"))?),
        })
    }

    /// Fills `cluster` from `packed`, behind whose end padding may lie. `at`: the disk's byte, for errors.
    pub(super) fn unpack(&mut self, packed: &[u8], cluster: &mut [u8], at: u64) -> Result<(), Qcow2Error> {
        let damaged = |why: String| Qcow2Error::Cluster { at, why };
        let bytes = match self {
            Self::Deflate(inflate) => {
                inflate.reset(false);
                let status = inflate.decompress(packed, cluster, FlushDecompress::Finish);
                status.map_err(|e| damaged(e.to_string()))?;
                // Never more than the cluster's length, a usize.
                usize::try_from(inflate.total_out()).unwrap_or(usize::MAX)
            }
            Self::Zstd(decoder) => unzstd(decoder, packed, cluster).map_err(|e| damaged(e.to_string()))?,
        };
        if bytes == cluster.len() {
            return Ok(());
        }
        Err(damaged(format!("it unpacks to {bytes} bytes instead of {}", cluster.len())))
    }
}

/// Runs until the cluster is full, the frame ends, or nothing moves.
fn unzstd(decoder: &mut Decoder, packed: &[u8], cluster: &mut [u8]) -> std::io::Result<usize> {
    decoder.reinit()?;
    let full = cluster.len();
    let mut input = InBuffer::around(packed);
    let mut output = OutBuffer::around(cluster);
    loop {
        let before = (input.pos(), output.pos());
        let frame_ended = decoder.run(&mut input, &mut output)? == 0;
        if frame_ended || output.pos() == full || (input.pos(), output.pos()) == before {
            return Ok(output.pos());
        }
    }
}
