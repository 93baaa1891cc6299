//! Boots that got as far as a file: loader, script, kernel, ramdisk, agent.

use super::{Diagnosis, Fault, START, arrived, is_over};
use crate::boot::{BootAnswer, Chain};
use crate::trace::attempt::{Attempt, Fetched};
use crate::trace::{Dhcp, Role, Transfer, What};

/// How many boots that end with the same loader are a loop.
const LOOP: usize = 2;

/// Where a boot is stuck that asked for a file.
pub(super) fn stuck(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    let is_loader = |role| matches!(role, Role::Loader(_));
    let (kernel, ramdisk) = (boot.last(|role| role == Role::Kernel), boot.last(|role| role == Role::Ramdisk));
    let loader = boot.last(is_loader);
    if let Some(broken) = [&ramdisk, &kernel].into_iter().flatten().find_map(broken_kernel) {
        return Some(broken);
    }
    let done = |file: &Option<Fetched<'_>>| file.as_ref().is_some_and(is_done);
    let whole_image =
        loader.as_ref().is_some_and(|file| file.role == Role::Loader(Some(Chain::Uki)) && is_done(file));
    if done(&ramdisk) || whole_image {
        return (quiet >= START).then(|| no_agent(boot));
    }
    if done(&kernel) {
        return is_over(quiet).then(|| {
            Diagnosis::new(
                Fault::NoRamdiskRequest,
                "It fetched the kernel, and never asked for the ramdisk.",
                "Mostly its memory is full: the agent needs 512 MiB. Look at its console.",
            )
        });
    }
    if kernel.is_none() && boot.script().is_some() {
        return is_over(quiet).then(|| no_kernel(boot));
    }
    if boot.script().is_none() && boot.ipxe().next().is_some() && done(&loader) {
        return is_over(quiet).then(|| no_script(boot));
    }
    loader.and_then(|loader| stuck_loader(boot, &loader, quiet))
}

/// It asked for a file that nobody of us named, so that somebody else did.
pub(super) fn other_name(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    let name = boot.entries.iter().rev().find_map(|entry| {
        let (name, stage) = entry.what.file()?;
        (Role::of(name).is_none() && matches!(stage, Transfer::Refused { .. })).then_some(name)
    })?;
    is_over(quiet).then(|| {
        Diagnosis::new(
            Fault::LoaderRefused,
            format!("It asked for {name}, which is not what it was told, and was refused."),
            "Another DHCP server (its options 66 and 67, `billet network show`) or a boot entry of its firmware told \
             it that name: take it away there.",
        )
    })
}

/// Several boots that ended with the same loader, none of which got further.
pub(super) fn looped(boots: &[Attempt<'_>]) -> Option<Diagnosis> {
    // Only boots in a row, up to the last one, count.
    let failed: Vec<_> = boots.iter().rev().map_while(ended_with).collect();
    let last = failed.first()?;
    let times = failed.iter().filter(|loader| loader.role == last.role).count();
    if times < LOOP {
        return None;
    }
    let mend = match last.role {
        Role::Loader(Some(chain)) => format!(
            "The chain `{}` fails on this machine. With `boot_chain = \"auto\"` another one is tried by itself{}; or \
             choose one by `billet machine set --boot-chain`. Secure Boot refuses loaders that are not signed.",
            word(chain),
            next(chain)
        ),
        _ => "Its network card's own boot code does not work with iPXE: update the card's firmware, or switch the \
              machine to UEFI."
            .to_owned(),
    };
    let sentence = format!(
        "It fetched {} {times} times by {}, and never asked for the next stage: it loops.",
        last.name, last.over
    );
    Some(Diagnosis::new(Fault::LoaderLoop, sentence, mend))
}

/// The loader with which a boot ended.
fn ended_with<'a>(boot: &Attempt<'a>) -> Option<Fetched<'a>> {
    let loader = boot.last(|role| matches!(role, Role::Loader(_)))?;
    let further = match loader.role {
        Role::Loader(Some(Chain::Uki)) => {
            boot.agent() || boot.system_after(|entry| is_loader_file(&entry.what))
        }
        _ => boot.script().is_some(),
    };
    (is_done(&loader) && !further).then_some(loader)
}

/// What comes after a chain that failed, in the order of `boot::choose`.
fn next(chain: Chain) -> &'static str {
    match chain {
        Chain::Snponly => " (`uki` next, then `ipxe`, where their files are configured)",
        Chain::Uki => " (`snponly` next, then `ipxe`, where their files are configured)",
        Chain::Ipxe => " (`snponly` next, then `uki`, where their files are configured)",
    }
}

fn word(chain: Chain) -> &'static str {
    match chain {
        Chain::Snponly => "snponly",
        Chain::Ipxe => "ipxe",
        Chain::Uki => "uki",
    }
}

/// A boot that got no further than its loader.
fn stuck_loader(boot: &Attempt<'_>, loader: &Fetched<'_>, quiet: u64) -> Option<Diagnosis> {
    let name = loader.name;
    match loader.stage {
        Transfer::Refused { reason } => Some(Diagnosis::new(
            Fault::LoaderRefused,
            format!("It asked for {name} by {}, and was refused: {reason}.", loader.over),
            "A unified kernel image is there for as long as the machine is expected; other names must be among those \
             that DHCP told it. Look whether another DHCP server told it that name.",
        )),
        _ if loader.status.is_some_and(|status| status >= 400) => Some(Diagnosis::new(
            Fault::LoaderRefused,
            format!("It asked for {name} by HTTP, and got the status {}.", loader.status.unwrap_or_default()),
            "A unified kernel image is there for as long as the machine is expected: look whether a job waits for it \
             (`billet why`).",
        )),
        Transfer::SizeProbe { .. } => is_over(quiet).then(|| {
            Diagnosis::new(
                Fault::SizeProbeOnly,
                format!("It asked for the size of {name}, and never for the file."),
                "Our answer came from a port that a firewall does not let through, or the file is larger than its \
                 firmware takes: open UDP from our host to high ports, or choose a smaller loader by \
                 `billet machine set --boot-chain`.",
            )
        }),
        Transfer::Broken { bytes, size, reason } => Some(broken_loader(loader, *bytes, *size, reason)),
        Transfer::Done { .. } => is_over(quiet).then(|| silent_loader(boot, loader)),
        Transfer::Begun { .. } => None,
    }
}

fn broken_loader(loader: &Fetched<'_>, bytes: u64, size: u64, reason: &str) -> Diagnosis {
    let mend = if bytes == 0 {
        "Not one block was confirmed: a firewall drops the replies of TFTP, which come from a port of their own, or \
         the client sees another source address than the one it asked."
    } else {
        "Large packets are lost on the way (a smaller MTU in between), or a firewall ends the connection: look at the \
         MTU of the path, at duplex errors of the port, and at UDP time limits."
    };
    Diagnosis::new(
        Fault::LoaderBroken,
        format!("{} by {} broke off after {} ({reason}).", loader.name, loader.over, arrived(bytes, size)),
        mend,
    )
}

fn silent_loader(boot: &Attempt<'_>, loader: &Fetched<'_>) -> Diagnosis {
    let name = loader.name;
    let answered = boot.ipxe().any(|dhcp| dhcp.reply.is_some());
    if answered {
        return no_script(boot);
    }
    Diagnosis::new(
        Fault::LoaderSilent,
        format!("It fetched {name}, and nothing was heard of it since."),
        "The loader was not started, or finds no network card: Secure Boot refuses loaders that are not signed, and \
         some cards need another chain (`billet machine set --boot-chain`). Look at its console.",
    )
}

/// iPXE has an address without that we saw it load, as it does from a card's own ROM, and asks for nothing.
pub(super) fn no_script_yet(boot: &Attempt<'_>, quiet: u64) -> Option<Diagnosis> {
    let expected = |dhcp: &Dhcp| matches!(dhcp.boot, Some(BootAnswer::Boot(_)));
    let acknowledged = boot.ipxe().any(|dhcp| dhcp.reply.as_deref() == Some("ACK") && expected(dhcp));
    (acknowledged && boot.script().is_none() && is_over(quiet)).then(|| no_script(boot))
}

fn no_script(boot: &Attempt<'_>) -> Diagnosis {
    let refused = boot.ipxe().rev().find_map(|dhcp| dhcp.silence.as_deref());
    let sentence = match refused {
        Some(why) => format!("iPXE runs, but got no answer to its DHCP message: {why}."),
        None => "iPXE runs and has an address, but never asked for its script.".to_owned(),
    };
    Diagnosis::new(
        Fault::NoScriptRequest,
        sentence,
        "A firewall drops TCP 8080 (`boot.http_port`) towards us, or the machine can't reach our address from the \
         network that it is on.",
    )
}

fn no_kernel(boot: &Attempt<'_>) -> Diagnosis {
    if boot.script() == Some("refused") {
        return Diagnosis::new(
            Fault::NoKernelRequest,
            "It asked for its script, and none could be made.",
            "The service's log says why; mostly a kernel parameter in the configuration is too long.",
        );
    }
    if boot.script() == Some("later") {
        return Diagnosis::new(
            Fault::NoKernelRequest,
            "What it is to boot could not be looked up, so it was told to ask again; after a minute it boots its disk.",
            "The service could not ask its database; its log says why.",
        );
    }
    Diagnosis::new(
        Fault::NoKernelRequest,
        "It has its script, and never asked for the kernel.",
        "iPXE stops at an error, which its console shows; mostly it lost the link after the script.",
    )
}

fn broken_kernel(file: &Fetched<'_>) -> Option<Diagnosis> {
    let Transfer::Broken { bytes, size, reason } = file.stage else { return None };
    let what = if file.role == Role::Kernel { "kernel" } else { "ramdisk" };
    Some(Diagnosis::new(
        Fault::KernelBroken,
        format!("The {what} {} broke off after {} ({reason}).", file.name, arrived(*bytes, *size)),
        "Mostly its memory is too small: the agent needs 512 MiB, and twice the ramdisk while it loads. If it breaks \
         off elsewhere each time, look at the cable and the switch port.",
    ))
}

fn no_agent(boot: &Attempt<'_>) -> Diagnosis {
    let network = boot.system_after(|entry| entry.what.file().is_some());
    let (sentence, mend) = if network {
        (
            "Its agent runs and has an address, but never called in.",
            "A firewall drops TCP 7443 (`api.listen`) towards us, or the machine's clock is far off. Its console says \
             what it tries.",
        )
    } else {
        (
            "It fetched all that the agent needs, but neither the agent nor its DHCP client was heard.",
            "The kernel does not start, or has no driver for the network card: look at its console \
             (`boot.kernel_parameters` sets one), and build the ramdisk with that driver.",
        )
    };
    Diagnosis::new(Fault::NoAgent, sentence, mend)
}

fn is_done(file: &Fetched<'_>) -> bool {
    matches!(file.stage, Transfer::Done { .. })
}

fn is_loader_file(what: &What) -> bool {
    what.file().is_some_and(|(name, _)| matches!(Role::of(name), Some(Role::Loader(_))))
}
