//! The model against a world that answers: whole boots step by step, and any order of inputs.

use super::*;
use crate::fleet::model::{FirmwareKind, Message};
use proptest::prelude::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 1, 9);
const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const MAC: [u8; 6] = [2, 0x5a, 0, 0, 0, 7];
const AGENT: &str = "#!ipxe\n\
    kernel http://127.0.0.1:80/boot/files/vmlinuz initrd=initrd.img BOOTIF=01-02-5a-00-00-00-07 \
    billet.url=https://127.0.0.1:7443 billet.token=abc || goto failed\n\
    initrd --name initrd.img http://127.0.0.1:80/boot/files/initrd.img || goto failed\nboot || goto failed\n";
const DISK: &str =
    "#!ipxe\niseq ${platform} efi && exit 1 ||\nsanboot --no-describe --drive 0x80 || exit 0\n";

fn network(persistent: bool) -> BootFlags {
    BootFlags { device: Some(BootDevice::Network), persistent, uefi: false }
}

fn machine(firmware: FirmwareKind, path: Path) -> Model {
    let timings = Timings { tries: 3, ..Timings::default() };
    Model::new(7, MAC, Arc::new(Traits { firmware, network_first: false, path, timings }), 1)
}

/// A server's answer to a machine's DHCP message: an address and this boot file.
fn answer(to: &[u8], file: Option<&str>) -> Vec<u8> {
    let asked = Message::read(to.to_vec()).unwrap();
    let kind = if asked.kind() == 1 { 2 } else { 5 };
    let mut message = Message::new(kind, asked.mac()).transaction(asked.xid()).option(54, &SERVER.octets());
    message = message.option(51, &900u32.to_be_bytes());
    if let Some(class) = asked.get(60).filter(|class| class.starts_with(b"HTTPClient")) {
        message = message.option(60, &class[..10]);
    }
    if let Some(file) = file {
        message = message.option(67, file.as_bytes());
    }
    let mut bytes = message.into_datagram();
    bytes[0] = 2;
    bytes[16..20].copy_from_slice(&ADDRESS.octets());
    bytes[20..24].copy_from_slice(&SERVER.octets());
    bytes
}

/// What the world answers, and what the machine was seen to do.
struct World {
    model: Model,
    script: &'static str,
    /// None: it sends everybody to the disk by DHCP.
    boots: bool,
    home: Option<PhoneHome>,
    /// What it did, in words.
    did: Vec<String>,
    /// How long it took, waits included.
    took: Duration,
}

impl World {
    fn new(model: Model, script: &'static str) -> Self {
        Self { model, script, boots: true, home: None, did: vec![], took: Duration::ZERO }
    }

    /// Steps, and answers, until the machine waits for its agent or for nothing.
    fn run(&mut self, input: Input) {
        let mut queue = vec![input];
        for _ in 0..200 {
            let Some(input) = (!queue.is_empty()).then(|| queue.remove(0)) else { return };
            let outputs = self.model.step(self.model.life(), input);
            // A timer rings only if nothing else answers.
            let answered = outputs.iter().any(|output| matches!(output, Output::Dhcp(_)));
            for output in outputs {
                self.answer(output, answered, &mut queue);
            }
        }
        panic!("it never rests: {:?}", self.did);
    }

    fn answer(&mut self, output: Output, answered: bool, queue: &mut Vec<Input>) {
        match output {
            Output::Timer { number, after } if !answered => {
                self.took += after;
                queue.push(Input::Timer(number));
            }
            Output::Timer { .. } | Output::DhcpDone => {}
            Output::Dhcp(message) => {
                let class = Message::read(message.clone()).unwrap();
                let file = match (class.get(77), class.get(60)) {
                    _ if !self.boots => None,
                    (Some(b"iPXE"), _) => Some("http://127.0.0.1:80/boot/script?mac=02:5a:00:00:00:07"),
                    (_, Some(rom)) if rom.starts_with(b"PXEClient:Arch:00000") => Some("undionly.kpxe"),
                    (_, Some(rom)) if rom.starts_with(b"PXEClient:Arch:00007") => Some("snponly.efi"),
                    (_, Some(rom)) if rom.starts_with(b"HTTPClient") => {
                        Some("http://127.0.0.1:80/boot/files/snponly.efi")
                    }
                    _ => None,
                };
                queue.push(Input::Dhcp(answer(&message, file)));
            }
            Output::Fetch(fetch) => {
                let way = match &fetch.origin {
                    Origin::Tftp { file, .. } => format!("tftp {file}"),
                    Origin::Http(url) => format!("http {}", url.rsplit('/').next().unwrap_or_default()),
                };
                self.did.push(way);
                let kept = if fetch.item == Item::Script { self.script.into() } else { vec![] };
                queue.push(Input::Fetched(Ok(Content { bytes: 5, kept })));
            }
            Output::StartAgent { boot, from } => {
                self.did.push(format!("agent {} from {from:?}", boot.url));
            }
            Output::LookAtDisk | Output::LookAtLoaded => queue.push(Input::Found(self.home.clone())),
            Output::Call { url, .. } => {
                self.did.push(format!("calls {url}"));
                queue.push(Input::PhonedHome(true));
            }
            Output::Note(Seen::Ack { .. }) => self.did.push("address".into()),
            Output::Note(Seen::Fetched { .. }) => {}
            Output::Note(seen) => self.did.push(format!("{:?}", seen.kind())),
            Output::Cut => self.did.push("cut".into()),
        }
    }

    fn did(&mut self) -> String {
        std::mem::take(&mut self.did).join(", ")
    }
}

#[test]
fn each_firmware_comes_to_the_agent() {
    let rows = [
        (FirmwareKind::BiosPxe, "tftp undionly.kpxe"),
        (FirmwareKind::UefiPxe, "tftp snponly.efi"),
        (FirmwareKind::UefiHttp, "http snponly.efi"),
    ];
    for (firmware, loader) in rows {
        let mut world = World::new(machine(firmware, Path::Full), AGENT);
        world.run(Input::SetBoot(network(false)));
        world.run(Input::Power(true));
        let expected = format!(
            "BootSet, Power, cut, address, {loader}, address, http script?mac=02:5a:00:00:00:07, Script, http vmlinuz, \
             http initrd.img, address, agent https://127.0.0.1:7443 from Some(127.64.1.9)"
        );
        assert_eq!(world.did(), expected);
        assert_eq!((world.model.phase(), world.model.flags()), (PhaseName::Agent, BootFlags::default()));
        // POST, two boot ROMs, a kernel.
        let most = Duration::from_secs(120 + 6 + 12);
        assert!((most - Duration::from_secs(60)..=most).contains(&world.took), "{:?}", world.took);
        // It restarts: the flags are used up, and there is a system now.
        world.home = Some(PhoneHome { url: "http://h/boot/phone-home/x".into(), instance: "i".into() });
        world.run(Input::AgentEnded(Ok(Exit::Reboot)));
        assert_eq!(world.did(), "cut, address, calls http://h/boot/phone-home/x, PhonedHome");
        assert_eq!((world.model.phase(), world.model.runs()), (PhaseName::Running, Some("i")));
        world.run(Input::Power(false));
        assert_eq!((world.model.phase(), world.model.runs()), (PhaseName::Off, None));
    }
}

#[test]
fn a_script_alone_needs_neither_addresses_nor_files() {
    let mut world = World::new(machine(FirmwareKind::BiosPxe, Path::Script), AGENT);
    world.run(Input::Power(true));
    assert_eq!(
        world.did(),
        "Power, cut, NothingOnDisk, http script?mac=02:5a:00:00:00:07, Script, agent https://127.0.0.1:7443 from None"
    );
    world.run(Input::AgentEnded(Ok(Exit::PowerOff)));
    assert_eq!((world.did().as_str(), world.model.power()), ("cut, Power", false));
}

#[test]
fn what_the_agent_loaded_starts_without_firmware_in_between() {
    let mut world = World::new(machine(FirmwareKind::BiosPxe, Path::Script), AGENT);
    world.run(Input::Power(true));
    world.did();
    let life = world.model.life();
    world.home = Some(PhoneHome { url: "http://h/boot/phone-home/x".into(), instance: "i".into() });
    world.run(Input::AgentEnded(Ok(Exit::StartLoaded)));
    assert_eq!(world.did(), "calls http://h/boot/phone-home/x, PhonedHome");
    assert_eq!((world.model.runs(), world.model.life()), (Some("i"), life));
}

#[test]
fn nothing_to_boot_hangs_until_power_is_cut() {
    for boots in [true, false] {
        let mut world = World::new(machine(FirmwareKind::UefiHttp, Path::Full), DISK);
        world.boots = boots;
        world.run(Input::SetBoot(network(true)));
        world.run(Input::Power(true));
        assert!(world.did().ends_with("NothingOnDisk"));
        assert_eq!((world.model.phase(), world.model.flags()), (PhaseName::Hung, network(true)));
        // Another persistent boot is as the first.
        world.run(Input::Reset);
        assert_eq!(world.model.phase(), PhaseName::Hung);
        world.run(Input::Power(false));
        assert_eq!(world.model.phase(), PhaseName::Off);
    }
}

#[test]
fn to_the_disk_past_the_network_as_far_as_the_firmware_can() {
    for (firmware, asks) in [(FirmwareKind::BiosPxe, true), (FirmwareKind::UefiPxe, false)] {
        let mut world = World::new(machine(firmware, Path::Full), AGENT);
        world.run(Input::SetBoot(network(true)));
        world.run(Input::Power(true));
        world.did();
        world.home = Some(PhoneHome { url: "http://h".into(), instance: "i".into() });
        world.script = DISK;
        world.run(Input::AgentEnded(Ok(Exit::RebootToDisk)));
        let did = world.did();
        assert_eq!(did.contains("Script"), asks, "{firmware:?}: {did}");
        assert_eq!(world.model.phase(), PhaseName::Running);
    }
}

/// Steps with the answer to the only output that waits for one.
fn step(model: &mut Model, input: Input) -> Outputs {
    model.step(model.life(), input)
}

fn timer(outputs: &Outputs) -> (u32, Duration) {
    outputs
        .iter()
        .rev()
        .find_map(|output| match output {
            Output::Timer { number, after } => Some((*number, *after)),
            _ => None,
        })
        .expect("it waits")
}

#[test]
fn dhcp_is_asked_for_ever_at_doubled_times() {
    let mut model = machine(FirmwareKind::UefiPxe, Path::Full);
    model.step(0, Input::SetBoot(network(false)));
    let mut outputs = model.step(0, Input::Power(true));
    let mut waits = vec![];
    for _ in 0..8 {
        let (number, after) = timer(&outputs);
        waits.push(after.as_secs());
        outputs = step(&mut model, Input::Timer(number));
        // Its brothers don't ring twice.
        assert!(step(&mut model, Input::Timer(number)).is_empty());
    }
    assert_eq!(waits[1..], [3, 4, 8, 16, 32, 32, 32]);
    assert_eq!(model.phase(), PhaseName::Dhcp);
}

#[test]
fn a_kernel_that_is_not_to_be_had_is_tried_as_often_as_the_script_says() {
    let mut world = World::new(machine(FirmwareKind::BiosPxe, Path::Full), AGENT);
    world.model.step(0, Input::SetBoot(network(false)));
    let mut outputs = world.model.step(0, Input::Power(true));
    let mut fetched = vec![];
    // The world gives everything but the ramdisk.
    for _ in 0..60 {
        let mut next = None;
        for output in &outputs {
            match output {
                Output::Dhcp(message) => {
                    let ipxe = Message::read(message.clone()).unwrap().get(77).is_some();
                    let file = if ipxe { "http://s/boot/script" } else { "undionly.kpxe" };
                    next = Some(Input::Dhcp(answer(message, Some(file))));
                    break;
                }
                Output::Fetch(fetch) => {
                    fetched.push(fetch.item);
                    let kept = if fetch.item == Item::Script { AGENT.into() } else { vec![] };
                    next = Some(Input::Fetched(match fetch.item {
                        Item::Ramdisk => Err(Refusal::Lost),
                        _ => Ok(Content { bytes: 1, kept }),
                    }));
                }
                Output::Timer { number, .. } => next = Some(Input::Timer(*number)),
                Output::LookAtDisk => next = Some(Input::Found(None)),
                _ => {}
            }
        }
        let Some(input) = next else { break };
        outputs = step(&mut world.model, input);
    }
    assert_eq!(fetched.iter().filter(|item| **item == Item::Kernel).count(), 3);
    assert_eq!(fetched.iter().filter(|item| **item == Item::Ramdisk).count(), 3);
    assert_eq!(world.model.phase(), PhaseName::Hung);
}

/// What a chaotic world may do to a machine.
#[derive(Debug, Clone)]
enum Deed {
    Power(bool),
    Reset,
    Boot(Option<bool>),
    /// One of the timers that were ever asked for.
    Timer(usize),
    /// The answer to one of the DHCP messages that were ever sent.
    Dhcp(usize, Option<&'static str>),
    Noise(Vec<u8>),
    Fetched(Result<&'static str, bool>),
    Agent(u8),
    Found(bool),
    Phoned(bool),
    /// So many lives late.
    Late(u32, Box<Deed>),
}

fn deed() -> impl Strategy<Value = Deed> {
    let files = prop_oneof![
        Just(None),
        Just(Some("undionly.kpxe")),
        Just(Some("http://s/boot/files/snponly.efi")),
        Just(Some("http://s/boot/uki/x64/a.efi")),
    ];
    let simple = prop_oneof![
        1 => any::<bool>().prop_map(Deed::Power),
        1 => Just(Deed::Reset),
        1 => proptest::option::of(any::<bool>()).prop_map(Deed::Boot),
        8 => (0usize..4).prop_map(Deed::Timer),
        8 => (0usize..3, files).prop_map(|(which, file)| Deed::Dhcp(which, file)),
        1 => proptest::collection::vec(any::<u8>(), 0..400).prop_map(Deed::Noise),
        6 => prop_oneof![
            Just(Ok(AGENT)), Just(Ok(DISK)), Just(Ok("kernel nonsense")), any::<bool>().prop_map(Err)
        ].prop_map(Deed::Fetched),
        3 => (0u8..6).prop_map(Deed::Agent),
        3 => any::<bool>().prop_map(Deed::Found),
        3 => any::<bool>().prop_map(Deed::Phoned),
    ];
    simple.prop_recursive(1, 16, 1, |simple| {
        prop_oneof![4 => simple.clone(), 1 => (1u32..3, simple).prop_map(|(late, deed)| Deed::Late(late, Box::new(deed)))]
    })
}

/// What the machine waits for, by its outputs alone.
#[derive(Default, Debug)]
struct Awaited {
    timers: Vec<u32>,
    messages: Vec<Vec<u8>>,
    timer: Option<u32>,
    /// `fetch`, `agent`, `disk`, `call`.
    request: Option<&'static str>,
}

fn input(deed: Deed, awaited: &Awaited) -> Option<Input> {
    let latest = |all: usize, back: usize| all.checked_sub(back + 1);
    Some(match deed {
        Deed::Power(on) => Input::Power(on),
        Deed::Reset => Input::Reset,
        Deed::Boot(persistent) => Input::SetBoot(persistent.map_or_else(BootFlags::default, network)),
        Deed::Timer(back) => Input::Timer(awaited.timers[latest(awaited.timers.len(), back)?]),
        Deed::Dhcp(back, file) => {
            Input::Dhcp(answer(&awaited.messages[latest(awaited.messages.len(), back)?], file))
        }
        Deed::Noise(bytes) => Input::Dhcp(bytes),
        Deed::Fetched(Ok(script)) => Input::Fetched(Ok(Content { bytes: 1, kept: script.into() })),
        Deed::Fetched(Err(refused)) => {
            Input::Fetched(Err(if refused { Refusal::Refused } else { Refusal::Lost }))
        }
        Deed::Agent(0) => Input::AgentEnded(Ok(Exit::Reboot)),
        Deed::Agent(1) => Input::AgentEnded(Ok(Exit::RebootToDisk)),
        Deed::Agent(2) => Input::AgentEnded(Ok(Exit::PowerOff)),
        Deed::Agent(3) => Input::AgentEnded(Ok(Exit::Cancelled)),
        Deed::Agent(4) => Input::AgentEnded(Ok(Exit::StartLoaded)),
        Deed::Agent(_) => Input::AgentEnded(Err("no inventory".into())),
        Deed::Found(there) => {
            Input::Found(there.then(|| PhoneHome { url: "http://h".into(), instance: "i".into() }))
        }
        Deed::Phoned(heard) => Input::PhonedHome(heard),
        Deed::Late(..) => return None,
    })
}

/// What an input answers.
fn answers(input: &Input) -> Option<&'static str> {
    match input {
        Input::Fetched(_) => Some("fetch"),
        Input::AgentEnded(_) => Some("agent"),
        Input::Found(_) => Some("disk"),
        Input::PhonedHome(_) => Some("call"),
        _ => None,
    }
}

fn take(awaited: &mut Awaited, outputs: &Outputs) -> Result<(), TestCaseError> {
    for output in outputs {
        let request = match output {
            Output::Cut => {
                (awaited.timer, awaited.request) = (None, None);
                continue;
            }
            Output::Timer { number, .. } => {
                awaited.timers.push(*number);
                awaited.timer = Some(*number);
                continue;
            }
            Output::Dhcp(message) => {
                awaited.messages.push(message.clone());
                continue;
            }
            Output::DhcpDone => {
                awaited.timer = None;
                continue;
            }
            Output::Fetch(_) => "fetch",
            Output::StartAgent { .. } => "agent",
            Output::LookAtDisk | Output::LookAtLoaded => "disk",
            Output::Call { .. } => "call",
            Output::Note(_) => continue,
        };
        prop_assert_eq!(awaited.request.replace(request), None, "one thing at a time");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever comes in whichever order: never two lives, flags for one boot are used by one, and a machine that is on
    /// waits for something, or runs, or has nothing to boot.
    #[test]
    fn any_order_of_inputs(
        deeds in proptest::collection::vec(deed(), 0..200),
        firmware in 0usize..3,
        script in any::<bool>(),
    ) {
        let path = if script { Path::Script } else { Path::Full };
        let mut model = machine(FirmwareKind::ALL[firmware], path);
        let mut awaited = Awaited::default();
        for deed in deeds {
            let (late, deed) = match deed {
                Deed::Late(late, deed) => (late, *deed),
                deed => (0, deed),
            };
            let Some(input) = input(deed, &awaited) else { continue };
            let outside = matches!(input, Input::Power(_) | Input::Reset | Input::SetBoot(_));
            let (life, flags, on) = (model.life(), model.flags(), model.power());
            let settles = answers(&input).filter(|answer| late == 0 && awaited.request == Some(answer));
            let rings = matches!(input, Input::Timer(number) if Some(number) == awaited.timer);
            if settles.is_some() {
                awaited.request = None;
            } else if rings && late == 0 {
                awaited.timer = None;
            }
            let sets = matches!(input, Input::SetBoot(_));
            let outputs = model.step(life.wrapping_sub(late), input);
            if late > 0 && !outside {
                prop_assert!(outputs.is_empty(), "an earlier life is over");
            }
            let cuts = outputs.iter().filter(|output| matches!(output, Output::Cut)).count();
            prop_assert!(cuts <= 1);
            let begun = model.life() != life;
            prop_assert!(!begun || cuts == 1, "no life begins before the one before is cut");
            prop_assert!(!on || model.power() || cuts == 1, "nothing goes on without power");
            if begun && !flags.persistent {
                prop_assert_eq!(model.flags(), BootFlags::default(), "used up");
            } else if !sets {
                prop_assert_eq!(model.flags(), flags);
            }
            take(&mut awaited, &outputs)?;
            let waits = awaited.timer.is_some() || awaited.request.is_some();
            prop_assert_eq!(waits, !model.rests(), "{:?} in {:?}", awaited, model.phase());
            prop_assert_eq!(model.power(), model.phase() != PhaseName::Off);
        }
    }
}
