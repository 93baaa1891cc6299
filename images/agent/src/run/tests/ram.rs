//! A system that runs from RAM is loaded and started, and no disk is opened for it.

use super::*;

/// Four chunks, of which the third is empty; the kernel ends within the second.
const KERNEL: u64 = 100_000;

fn boot_order(manifest: &str) -> Order {
    let action = Action::BootRam {
        manifest: manifest.into(),
        kernel_bytes: KERNEL,
        cmdline: "console=ttyS0 quiet".into(),
        files: vec![SeedFile { name: "meta-data".into(), content: "instance-id: i1\n".into() }],
    };
    order("boot-ram", 1, action)
}

async fn until_its_end(host: &FakeHost, service: &Arc<FakeService>, orders: Vec<Order>) -> Exit {
    service.with(|state| state.orders.extend(orders));
    // Nothing that is done here needs a permit, so it has no key.
    let agent = run(
        Arc::new(host.clone()),
        service.clone(),
        Secret::new("token"),
        None,
        PACE,
        CancellationToken::new(),
    );
    tokio::time::timeout(Duration::from_secs(60), agent).await.expect("the agent hangs").unwrap()
}

fn untouched(host: &FakeHost) -> bool {
    ["A", "B"].iter().all(|serial| content(host, serial, old().len()) == old())
}

#[tokio::test(flavor = "multi_thread")]
async fn kernel_initrd_and_seed_are_loaded_and_started() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, raw) = image(&service, 4);
    service.with(|state| state.faults.lost_answers = 2);
    let exit = until_its_end(&host, &service, vec![boot_order(&manifest)]).await;
    assert_eq!(exit, Exit::StartLoaded);
    let (kernel, initrd, cmdline) = host.loaded().unwrap();
    assert_eq!(cmdline, "console=ttyS0 quiet");
    assert!(kernel == raw[..KERNEL as usize]);
    let border = KERNEL.next_multiple_of(512) as usize;
    let (image, seed) = initrd.split_at(raw.len() - border);
    assert!(image == &raw[border..]);
    assert!(seed.starts_with(b"070701") && String::from_utf8_lossy(seed).contains("instance-id: i1"));
    assert!(untouched(&host));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_started_is_refused_with_its_reason() {
    for (forbids, kernel_bytes, free, why) in [
        (true, KERNEL, 1 << 40, "Secure Boot"),
        (false, 1 << 40, 1 << 40, "no room is left for an initrd"),
        (false, KERNEL, 300_000, "1 MiB of memory"),
    ] {
        let (host, service) = (machine(), Arc::new(FakeService::default()));
        let (manifest, _) = image(&service, 4);
        host.set_free_memory(free);
        if forbids {
            host.forbid_loading();
        }
        let mut asked = boot_order(&manifest);
        if let Action::BootRam { kernel_bytes: bytes, .. } = &mut asked.action {
            *bytes = kernel_bytes;
        }
        let outcomes = live(&host, &service, vec![asked]).await;
        let [Outcome::Refused { why: said }] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert!(said.contains(why), "{said}");
        assert!(host.loaded().is_none() && untouched(&host));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_chunks_start_nothing() {
    let (host, service) = (machine(), Arc::new(FakeService::default()));
    let (manifest, _) = image(&service, 4);
    service.with(|state| state.faults.damaged = true);
    let outcomes = live(&host, &service, vec![boot_order(&manifest)]).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Failed { .. }]), "{outcomes:?}");
    assert!(host.loaded().is_none());
}
