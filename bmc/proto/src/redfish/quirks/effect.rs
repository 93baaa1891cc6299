//! The effects of quirks: what may be different at a BMC. Whose BMCs do what is in `table`.

/// What is different. Each is asked for where it matters, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    // Writes
    /// A 202 whose `Location` is not among tasks or jobs: there is no task, the change is done or staged.
    AcceptedLocationIsNoTask,
    // The boot override
    /// The mode is sent with every override, also when it stays as it is.
    OverrideModeAlwaysSent,
    /// The mode is shown and can't be written.
    OverrideModeReadOnly,
    /// An override is taken away by `Disabled` alone; the target stays as it is.
    OverrideClearedWithoutTarget,
    /// Virtual CDs are booted by `UsbCd`, where that is allowed, not by `Cd`.
    VirtualCdIsUsbCd,
    /// Virtual CDs are booted by `Cd` after all.
    VirtualCdIsCd,
    /// An override to a UEFI target can't last.
    UefiTargetOnceOnly,
    /// The override boots real CDs only; virtual ones are booted by attributes of the manager.
    VirtualCdByAttribute,
    // Power
    /// A hard reset leaves the machine hanging.
    ResetHangs,
    /// Standby power is taken away by an action of the maker's.
    FullCycleByMaker,
    /// An override for one boot is taken, and holds and is shown as one for every boot.
    OnceLasts,
    // Accounts, lamp, reports
    /// Users are added and removed by writing to slots that are always there.
    AccountsAreSlots,
    /// A new user needs the maker's `LoginName` and list of privileges.
    AccountsWantLoginName,
    /// `IndicatorLED` `Lit` is the light of a healthy machine; only `Blinking` identifies.
    SteadyLampIsHealthy,
    /// The stream of reports says nothing without a filter.
    ReportsWantFilter,
    // Reading
    /// Members lack properties where a collection is expanded.
    ExpandDropsProperties,
    // Virtual media
    /// The image still shows after it was ejected; `ConnectedVia` or `Inserted` tells.
    MediaImageStays,
    /// Only the slots `EXT…` can be written; the others belong to the maker's remote consoles.
    MediaOnlyExternal,
    /// The actions of virtual media are among `Oem.Hp.Actions`, under other names.
    MediaActionsInOem,
    /// One action of the maker's, `VmmControl`, puts images in and takes them out.
    MediaByVmmControl,
    /// Only the first slot takes an image.
    MediaFirstSlotOnly,
    /// Some slots are for remote consoles, and refuse images without telling so before.
    MediaSlotsMayRefuse,
    /// `InsertMedia` needs a user and a password, whatever they are, also where the image is everybody's.
    MediaWantsCredentials,
    // Settings that hold from the next boot on
    /// A change without `@Redfish.SettingsApplyTime` stays pending for ever: no job carries it out.
    SettingsNeedApplyTime,
    /// BIOS attributes show pending values as if they held already.
    BiosShowsPending,
    /// The reset of the BIOS needs a `ResetType`.
    BiosResetNeedsType,
    // Firmware and tasks
    /// A multipart push needs a part `OemParameters` with the type of the image.
    PushNeedsImageType,
    /// A multipart push needs an `Oem` object and the time when it is applied.
    PushNeedsOem,
    /// The targets of a push are the BIOS and the manager themselves, not the items of the inventory.
    PushTargetsResources,
    /// `HttpPushUri` is that of the web interface: it takes forms of its own, and no plain image.
    PlainPushIsForm,
    /// Tasks are deleted when they are done; the job of the same name stays.
    JobsOutliveTasks,
    /// A task can't be found for some seconds after it was made.
    TasksShowLate,
    /// The answer that a task was made tells where it is in the arguments of a message.
    TaskInMessage,
}
