//! What a machine begins when its model says so: timers, DHCP, files, the agent, its system's call. Each is a task that
//! ends with the machine's life and tells the machine what came of it.

use super::{Core, Life, Sim};
use crate::fleet::model::{Content, Fetch, Input, Origin, Output, Refusal};
use crate::fleet::wire::{Fetched, NetError, Orders};
use images_agent::BootParameters;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// What cloud-init tells of a system that has started.
const FORM: &str = "hostname=sim&pub_key_ed25519=ssh-ed25519+AAAA+root%40sim";

impl Sim {
    /// Begins what the model says, as part of the life that the model is in.
    pub(super) fn begin(&self, core: &mut Core, output: Output) {
        let Some(me) = self.me.upgrade() else { return };
        let number = core.model.life();
        if core.life.as_ref().is_none_or(|life| life.number != number) {
            core.life = Some(Box::new(Life::new(number)));
        }
        let Some(life) = core.life.as_deref_mut() else { return };
        match output {
            Output::Timer { number, after } => me.ring(life, number, after),
            Output::Dhcp(message) => me.send(life, message),
            Output::DhcpDone => life.dhcp = None,
            Output::Fetch(fetch) => {
                let sim = Arc::clone(&me);
                me.spawn(life, async move { Input::Fetched(sim.fetch(fetch).await) });
            }
            Output::StartAgent { boot, from } => {
                let (sim, cut) = (Arc::clone(&me), life.end.clone());
                me.spawn(life, async move { Input::AgentEnded(sim.agent(boot, from, cut).await) });
            }
            Output::LookAtDisk => {
                let sim = Arc::clone(&me);
                me.spawn(life, async move { Input::Found(sim.host.found_on_disk()) });
            }
            Output::LookAtLoaded => {
                let sim = Arc::clone(&me);
                me.spawn(life, async move { Input::Found(sim.host.found_loaded()) });
            }
            Output::Call { url, from } => {
                let sim = Arc::clone(&me);
                me.spawn(life, async move {
                    let heard = sim.wires.http_post(sim.number, from, &url, FORM).await;
                    Input::PhonedHome(heard.is_ok())
                });
            }
            // `perform` does them.
            Output::Note(_) | Output::Cut => {}
        }
    }

    /// Does something that is part of a life, and tells the machine what came of it.
    fn spawn(
        self: &Arc<Self>,
        life: &Life,
        deed: impl Future<Output = Input> + Send + 'static,
    ) -> AbortHandle {
        let (sim, number, end) = (Arc::clone(self), life.number, life.end.clone());
        tokio::spawn(async move {
            let input = tokio::select! {
                biased;
                () = end.cancelled() => return,
                input = deed => input,
            };
            sim.feed(Some(number), input);
        })
        .abort_handle()
    }

    fn ring(self: &Arc<Self>, life: &mut Life, number: u32, after: Duration) {
        let timer = self.spawn(life, async move {
            tokio::time::sleep(after).await;
            Input::Timer(number)
        });
        // The one before doesn't count any more. It may be the one that led here: that has rung.
        if let Some(before) = life.timer.replace(timer) {
            before.abort();
        }
    }

    /// Sends through the DHCP port, and opens it first if need be.
    fn send(self: &Arc<Self>, life: &mut Life, message: Vec<u8>) {
        let (sim, number, end) = (Arc::clone(self), life.number, life.end.clone());
        let port = life.dhcp.get_or_insert_with(|| {
            let (sender, messages) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = end.cancelled() => {}
                    () = sim.dhcp_port(number, messages) => {}
                }
            });
            sender
        });
        // It is open as long as its life lasts.
        let _ended = port.send(message);
    }

    /// Serves the DHCP port until nobody wants to send any more.
    async fn dhcp_port(&self, life: u32, mut messages: mpsc::UnboundedReceiver<Vec<u8>>) {
        let mut port = self.wires.dhcp(self.number, self.mac);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => port.send(&message),
                    None => return,
                },
                answer = port.recv() => self.feed(Some(life), Input::Dhcp(answer)),
            }
        }
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Content, Refusal> {
        let fetched = match &fetch.origin {
            Origin::Tftp { server, file } => {
                let server = SocketAddrV4::new(*server, self.wires.tftp_port());
                let from = fetch.from.unwrap_or(Ipv4Addr::UNSPECIFIED);
                self.wires.tftp(self.number, from, server, file).await
            }
            Origin::Http(url) => self.wires.http_get(self.number, fetch.from, url, fetch.keep).await,
        };
        match fetched {
            Ok(Fetched { bytes, kept }) => Ok(Content { bytes, kept }),
            Err(error) => {
                tracing::debug!(machine = &*self.name, item = ?fetch.item, %error, "a file is not to be had");
                Err(refusal(&error))
            }
        }
    }

    async fn agent(
        &self,
        boot: BootParameters,
        from: Option<Ipv4Addr>,
        cut: CancellationToken,
    ) -> Result<images_agent::Exit, String> {
        let (host, alive) = (self.host.clone(), cut.clone());
        let orders: Orders = Arc::new(move |step: Option<&str>| {
            // An agent without power says nothing, though its last call may just be ending.
            if !alive.is_cancelled() {
                host.order_in_hand(step.map(ToOwned::to_owned));
            }
        });
        let service =
            self.wires.agent(self.number, from, &boot.url, orders).map_err(|error| error.to_string())?;
        let host = Arc::new(self.host.clone());
        // A real machine has it from the ramdisk, whose bytes nobody keeps here.
        let key = Some(self.wires.permit_key());
        let ended = images_agent::run(host, service, boot.token, key, self.pace, cut).await;
        ended.map_err(|error| error.to_string())
    }
}

/// What firmware makes of a failure: a server that says no is believed, all else may be better next time.
fn refusal(error: &NetError) -> Refusal {
    match error {
        // 404 and 410 by HTTP; 1, 2 and 4 by TFTP (RFC 1350, 5): no such file, not allowed, not understood.
        NetError::Refused { code: 1 | 2 | 4 | 404 | 410, .. } | NetError::BadUrl { .. } => Refusal::Refused,
        _ => Refusal::Lost,
    }
}
