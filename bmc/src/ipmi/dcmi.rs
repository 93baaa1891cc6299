//! Power meter and asset tag, by DCMI.

use super::Ipmi;
use crate::capability::{AssetTag, PowerMeter, PowerReading};
use crate::driver::BmcError;
use async_trait::async_trait;
use bmc_proto::ipmi::command::dcmi::{
    CHUNK, GetPowerReading, GetText, MAX_ASSET_TAG, SetText, Text, text_bytes, text_of,
};

const METERING: &str = "reading its power meter";
const READING: &str = "reading the asset tag";
const WRITING: &str = "setting the asset tag";

#[async_trait]
impl PowerMeter for Ipmi {
    async fn power_reading(&self) -> Result<PowerReading, BmcError> {
        self.bounded(self.timing.call, METERING, self.read_meter()).await
    }
}

#[async_trait]
impl AssetTag for Ipmi {
    async fn asset_tag(&self) -> Result<String, BmcError> {
        let tag = self.bounded(self.timing.call, READING, self.read_tag(READING)).await?;
        Ok(text_of(&tag))
    }

    async fn set_asset_tag(&self, tag: &str) -> Result<(), BmcError> {
        self.bounded(self.timing.call, WRITING, self.write_tag(tag)).await
    }
}

impl Ipmi {
    async fn read_meter(&self) -> Result<PowerReading, BmcError> {
        let Some(reading) = self.optional(GetPowerReading, METERING).await? else {
            return Err(self.cannot("it has no power meter (DCMI); read the power supplies' sensors instead"));
        };
        Ok(PowerReading {
            now: reading.now,
            minimum: reading.minimum,
            maximum: reading.maximum,
            average: reading.average,
            period: reading.period,
            active: reading.active,
        })
    }

    async fn read_tag(&self, during: &'static str) -> Result<Vec<u8>, BmcError> {
        let text = Text::AssetTag;
        // Only the length. Some BMCs refuse to read beyond the end.
        let Some(first) = self.optional(GetText { text, offset: 0, count: 0 }, during).await? else {
            return Err(self.no_tag());
        };
        let mut tag = Vec::new();
        while tag.len() < usize::from(first.total) {
            // The length is a byte, so the offset is one, too.
            let offset = u8::try_from(tag.len()).unwrap_or(u8::MAX);
            let count = (first.total - offset).min(CHUNK);
            let piece = self.call(GetText { text, offset, count }, during).await?;
            if piece.bytes.is_empty() {
                break;
            }
            tag.extend(piece.bytes.into_iter().take(usize::from(count)));
        }
        Ok(tag)
    }

    async fn write_tag(&self, tag: &str) -> Result<(), BmcError> {
        let wanted = text_bytes(tag);
        if wanted.len() > MAX_ASSET_TAG || wanted.contains(&0) {
            return Err(self.cannot(format!(
                "an asset tag has {MAX_ASSET_TAG} bytes at the most (60 where it is not all ASCII), and none of them zero"
            )));
        }
        for piece in SetText::pieces(Text::AssetTag, &wanted) {
            if self.unless(piece, &[0xC1, 0xC2, 0xD6], WRITING).await?.is_none() {
                return Err(self.no_tag());
            }
        }
        let found = text_of(&self.read_tag(WRITING).await?);
        if found == tag { Ok(()) } else { Err(self.errors.not_done(WRITING, format!("`{found}`"))) }
    }

    fn no_tag(&self) -> BmcError {
        self.cannot("it keeps no asset tag (DCMI); label the machine in the inventory instead")
    }
}
