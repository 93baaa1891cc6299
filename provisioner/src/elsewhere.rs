//! Pokes across replicas: what is poked here is told to all others, by a notification of the database (NOTIFY), many at a
//! time. One that is lost is made good: by the sweep, by agents that ask again, and by a look at everything when the
//! connection was lost on which one listens.
//!
//! Deliberately not here: what a poke means (`hub`), and the connections (the store).

use crate::{
    hub::{Hub, Poke, Word},
    service::Service,
    store::{Ears, StoreError},
    text::chain,
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The longest payload in bytes; the database takes 8000.
const LONGEST: usize = 7900;

/// With more words than that all is to be looked at: it costs less than to say them.
const MOST: usize = 2000;

/// How long words are gathered.
const GATHER: Duration = Duration::from_millis(10);

/// How often it is looked who else is there.
const AROUND: Duration = Duration::from_secs(3);

/// After a failure, until the next try.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells and listens until cancelled. Where there is nobody else it only waits for the end.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) {
    if !service.store.is_shared() {
        return shutdown.cancelled().await;
    }
    service.hub.open_outbox();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = speak(&service) => {}
        () = listen(&service) => {}
        () = look_around(&service) => {}
    }
    // The last word may be that the turn is to be had.
    let last = tokio::time::timeout(Duration::ZERO, service.hub.outgoing()).await;
    if let Ok(words) = last {
        tell(&service, &words).await.ok();
    }
}

async fn speak(service: &Service) {
    loop {
        let mut words = service.hub.outgoing().await;
        tokio::time::sleep(GATHER).await;
        if let Ok(more) = tokio::time::timeout(Duration::ZERO, service.hub.outgoing()).await {
            words.extend(more);
        }
        if let Err(error) = tell(service, &words).await {
            tracing::warn!(
                error = chain(&error),
                "other replicas can't be told what changed; they find it by themselves"
            );
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn tell(service: &Service, words: &HashSet<Word>) -> Result<(), StoreError> {
    for payload in payloads(service.replica.process, words) {
        service.store.tell(&payload).await?;
    }
    Ok(())
}

/// Keeps in mind who else is there.
async fn look_around(service: &Service) {
    loop {
        match service.store.replica_list().await {
            Ok(rows) => {
                let others = rows.into_iter().filter(|row| row.alive && row.owner != service.replica.owner);
                service.standing.found(others.filter_map(|row| row.about).collect());
            }
            Err(error) => tracing::debug!(error = chain(&error), "who else is there can't be read"),
        }
        tokio::time::sleep(AROUND).await;
    }
}

async fn listen(service: &Service) {
    let mut ears = None;
    loop {
        if let Err(error) = hear(service, &mut ears).await {
            tracing::warn!(error = chain(&error), "other replicas can't be heard; it is tried again");
            ears = None;
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn hear(service: &Service, ears: &mut Option<Ears>) -> Result<(), StoreError> {
    let known = match ears {
        Some(known) => known,
        None => {
            let new = service.store.listen().await?;
            // What was said before nobody heard.
            service.hub.heard(Word::Poke(Poke::All));
            ears.insert(new)
        }
    };
    match known.hear().await? {
        Some(payload) => take(&service.hub, service.replica.process, &payload),
        None => service.hub.heard(Word::Poke(Poke::All)),
    }
    Ok(())
}

/// What is said, as few texts as hold it: who says it, and then the words.
fn payloads(me: Uuid, words: &HashSet<Word>) -> Vec<String> {
    let all = HashSet::from([Word::Poke(Poke::All), Word::Turn]);
    let words = if words.len() > MOST { &all } else { words };
    let mut payloads: Vec<String> = Vec::new();
    for word in words {
        let text = text(*word);
        match payloads.last_mut().filter(|payload| payload.len() + 1 + text.len() <= LONGEST) {
            Some(payload) => *payload = format!("{payload} {text}"),
            None => payloads.push(format!("{me} {text}")),
        }
    }
    payloads
}

fn text(word: Word) -> String {
    match word {
        Word::Poke(Poke::Machine(id)) => format!("m{id}"),
        Word::Poke(Poke::Instance(id)) => format!("i{id}"),
        Word::Poke(Poke::Pending) => "p".into(),
        Word::Poke(Poke::Wiping) => "w".into(),
        Word::Poke(Poke::All) => "*".into(),
        Word::Rouse(id) => format!("r{id}"),
        Word::Turn => "t".into(),
    }
}

/// What another one says is passed on here. What can't be read is of a newer version, and stands for everything.
fn take(hub: &Hub, me: Uuid, payload: &str) {
    let mut words = payload.split(' ');
    if words.next() == Some(&me.to_string()) {
        return;
    }
    for word in words {
        hub.heard(read(word).unwrap_or(Word::Poke(Poke::All)));
    }
}

fn read(word: &str) -> Option<Word> {
    let (kind, id) = word.split_at_checked(1)?;
    Some(match kind {
        "m" => Word::Poke(Poke::Machine(id.parse().ok()?)),
        "i" => Word::Poke(Poke::Instance(id.parse().ok()?)),
        "r" => Word::Rouse(id.parse().ok()?),
        "p" => Word::Poke(Poke::Pending),
        "w" => Word::Poke(Poke::Wiping),
        "*" => Word::Poke(Poke::All),
        "t" => Word::Turn,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::{InstanceId, MachineId};

    #[test]
    fn what_is_said_is_heard_by_others_and_not_by_oneself() {
        let id = |number| MachineId(Uuid::from_u128(number));
        let words = HashSet::from([
            Word::Poke(Poke::Machine(id(1))),
            Word::Poke(Poke::Instance(InstanceId(Uuid::from_u128(2)))),
            Word::Poke(Poke::Pending),
            Word::Poke(Poke::Wiping),
            Word::Poke(Poke::All),
            Word::Rouse(id(3)),
            Word::Turn,
        ]);
        let me = Uuid::from_u128(9);
        let said = payloads(me, &words);
        let [said] = &said[..] else { panic!("{said:?}") };
        let read: HashSet<_> = said.split(' ').skip(1).map(|word| super::read(word).unwrap()).collect();
        assert_eq!(read, words);
        assert_eq!(super::read("x1"), None);
        assert_eq!(super::read("m1"), None);
        assert_eq!(super::read(""), None);
    }

    #[test]
    fn no_text_is_too_long_and_very_many_words_are_one() {
        let words = |count: u128| (0..count).map(|id| Word::Rouse(MachineId(Uuid::from_u128(id)))).collect();
        let said = payloads(Uuid::nil(), &words(2000));
        assert!(said.len() > 1 && said.iter().all(|payload| payload.len() <= LONGEST), "{}", said.len());
        assert_eq!(said.iter().map(|payload| payload.split(' ').count() - 1).sum::<usize>(), 2000);
        assert_eq!(payloads(Uuid::nil(), &words(2001)).len(), 1);
    }
}
