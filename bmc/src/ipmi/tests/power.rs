//! Power under BMCs that lie for a while, and buttons.

use super::*;
use bmc_mock::ipmi::{Faults, Share, Stale};
use std::sync::OnceLock;

#[tokio::test]
async fn an_old_reading_is_no_success() {
    let chassis = Arc::new(MemoryChassis::new());
    let rig = Rig::with(chassis.clone()).await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for target in [PowerState::On, PowerState::Off, PowerState::On] {
        // It says of the first reading that it is so already.
        rig.control.lie_about_power(target == PowerState::On, Stale::Readings(1));
        bmc.set_power(target).await.unwrap();
        assert_eq!(chassis.power().await.unwrap(), target == PowerState::On);
        // And tells the old state for a while after the change.
        rig.control.set_faults(Faults { stale_power: Some(Stale::Readings(3)), ..Faults::default() });
        let other = if target == PowerState::On { PowerState::Off } else { PowerState::On };
        bmc.set_power(other).await.unwrap();
        assert_eq!(chassis.power().await.unwrap(), other == PowerState::On);
        rig.control.set_faults(Faults::default());
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_change_must_be_seen_twice() {
    let chassis = Arc::new(MemoryChassis::new());
    let rig = Rig::with(chassis.clone()).await;
    chassis.set_power(true).await.unwrap();
    let bmc = driver(rig.port, Cipher::Suite17);
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
    // "Off" for a moment, as in a reset.
    rig.control.lie_about_power(false, Stale::Readings(1));
    assert_eq!(bmc.power().await.unwrap(), PowerState::On);
    chassis.set_power(false).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    rig.stop().await;
}

#[tokio::test]
async fn a_machine_that_does_not_obey_is_not_done() {
    let rig = Rig::new().await;
    rig.control.set_faults(Faults { ignores_power: true, ..Faults::default() });
    let bmc = driver(rig.port, Cipher::Suite17);
    let error = bmc.set_power(PowerState::On).await.unwrap_err();
    assert!(matches!(&error, BmcError::NotDone { found, .. } if found == "off"), "{error}");
    rig.stop().await;
}

/// Counts presses; `then` happens in each.
#[derive(Default)]
struct Buttons {
    inner: MemoryChassis,
    presses: AtomicUsize,
    then: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Buttons {
    fn pressed(&self) {
        self.presses.fetch_add(1, Ordering::Relaxed);
        if let Some(then) = self.then.get() {
            then();
        }
    }
}

#[async_trait]
impl Chassis for Buttons {
    async fn power(&self) -> Result<bool, ChassisError> {
        self.inner.power().await
    }
    async fn set_power(&self, on: bool) -> Result<(), ChassisError> {
        self.inner.set_power(on).await
    }
    async fn reset(&self) -> Result<(), ChassisError> {
        self.pressed();
        self.inner.reset().await
    }
    async fn shut_down(&self) -> Result<(), ChassisError> {
        self.pressed();
        self.inner.shut_down().await
    }
    async fn diagnostic(&self) -> Result<(), ChassisError> {
        self.pressed();
        Ok(())
    }
    async fn boot(&self) -> Result<BootFlags, ChassisError> {
        self.inner.boot().await
    }
    async fn set_boot(&self, flags: BootFlags) -> Result<(), ChassisError> {
        self.inner.set_boot(flags).await
    }
}

#[tokio::test]
async fn buttons_are_pressed() {
    let chassis = Arc::new(Buttons::default());
    let rig = Rig::with(chassis.clone()).await;
    let bmc = driver(rig.port, Cipher::Suite3);
    bmc.set_power(PowerState::On).await.unwrap();
    for button in [Button::Reset, Button::Diagnostic, Button::Cycle] {
        bmc.press(button).await.unwrap();
        assert_eq!(bmc.power().await.unwrap(), PowerState::On, "{button:?}");
    }
    assert_eq!(chassis.presses.load(Ordering::Relaxed), 2);
    bmc.press(Button::ShutDown).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    // The BMC had it before and does not say what became of it.
    rig.control.refuse_next(&[Answer::DUPLICATED]);
    let error = bmc.press_button(Button::Reset).await.unwrap_err();
    assert!(matches!(error, BmcError::Unknown { .. }), "{error}");
    // A question is asked anew.
    rig.control.refuse_next(&[Answer::DUPLICATED]);
    assert_eq!(bmc.power().await.unwrap(), PowerState::Off);
    // A refusal is told as it is.
    rig.control.refuse_next(&[0x00]);
    let error = bmc.press(Button::Reset).await;
    assert!(!matches!(error, Err(BmcError::Unknown { .. })), "{error:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_button_is_never_pressed_twice() {
    type Trouble = fn(&Control);
    let troubles: [Trouble; 2] = [
        |control| control.set_faults(Faults { lost_answers: Share::Every(1), ..Faults::default() }),
        |control| control.restart(),
    ];
    for trouble in troubles {
        let chassis = Arc::new(Buttons::default());
        chassis.inner.set_power(true).await.unwrap();
        let rig = Rig::with(chassis.clone()).await;
        let bmc = driver(rig.port, Cipher::Suite17);
        assert_eq!(bmc.power().await.unwrap(), PowerState::On);
        let control = rig.control.clone();
        assert!(chassis.then.set(Box::new(move || trouble(&control))).is_ok());
        let error = bmc.press(Button::Reset).await.unwrap_err();
        assert!(matches!(error, BmcError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains("look before you repeat it"), "{error}");
        rig.control.set_faults(Faults::default());
        // The driver goes on in a new session, and presses nothing in it.
        let begin = Instant::now();
        while let Err(error) = bmc.power().await {
            assert!(begin.elapsed() < Duration::from_secs(10), "{error}");
        }
        assert_eq!(chassis.presses.load(Ordering::Relaxed), 1);
        assert_eq!(rig.control.logins(), 2);
        rig.stop().await;
    }
}

#[tokio::test]
async fn cd_and_setup_can_be_booted() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    for target in [BootTarget::Cd, BootTarget::Setup] {
        let boot = BootOverride { target, ..NETWORK_ONCE };
        bmc.set_boot(boot.clone()).await.unwrap();
        assert_eq!(bmc.boot().await.unwrap(), Some(boot));
    }
    rig.control.set_faults(Faults { ignores_boot_flags: true, ..Faults::default() });
    let error = bmc.set_boot(NETWORK_ONCE).await.unwrap_err();
    assert!(matches!(error, BmcError::NotDone { .. }), "{error}");
    rig.stop().await;
}
