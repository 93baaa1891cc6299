//! Which machines belong to a group of instances that are spread. Read once for a pass of allocation in which somebody is
//! spread, and by nobody else.

use super::{
    Store, StoreError,
    damage::legible,
    db::{Row, sql},
    document,
};
use provisioner_api::MachineSpec;
use provisioner_lifecycle::Want;

/// A machine that an instance of a group has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GroupMember {
    /// The group.
    pub(crate) group: String,
    /// Where the machine stands.
    pub(crate) zone: Option<String>,
    /// Within the zone.
    pub(crate) rack: Option<String>,
}

impl Store {
    /// The machines of all groups, but for those that are being given back. A damaged one is not counted.
    pub(crate) async fn group_members(&self) -> Result<Vec<GroupMember>, StoreError> {
        // The text only narrows it down, so that no database has to know JSON; what is found is read.
        let text =
            "SELECT id, spec, want FROM machine WHERE owner IS NOT NULL AND want LIKE '%\"group\":\"%'";
        let rows = sql(text).fetch_all(&mut *self.reader.get().await?).await?;
        let member = |row: &Row| {
            let id: String = row.try_get("id")?;
            let want: Want = document(|| format!("machine {id}, column want"), row.try_get("want")?)?;
            let spec: MachineSpec = document(|| format!("machine {id}, column spec"), row.try_get("spec")?)?;
            let group = want.owner.filter(|owner| owner.release.is_none()).and_then(|owner| owner.name.group);
            Ok(group.map(|group| GroupMember { group, zone: spec.zone, rack: spec.rack }))
        };
        let members = rows.iter().filter_map(|row| legible(member(row)).map(Option::flatten).transpose());
        members.collect()
    }
}
