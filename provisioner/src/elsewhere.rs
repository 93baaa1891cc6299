//! Pokes across replicas: what is poked here is told to all others, by a notification of the database (NOTIFY), many at a
//! time. One that is lost is made good: by the sweep, by agents that ask again, and by a look at everything when it could
//! not be told, or when the connection was lost on which one listens.
//!
//! A connection whose server vanished without a word stays open and silent. So each replica hears itself: it says something
//! now and then, and who hears nothing for long listens anew.
//!
//! Deliberately not here: what a poke means (`hub`), and the connections (the store).

use crate::{
    hub::{Hub, Poke, Word},
    service::Service,
    store::{DbError, DbErrorKind, Ears, Store, StoreError},
    text::logged,
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

/// After this time without a word one says that one is there, to hear it oneself.
const BEAT: Duration = Duration::from_secs(10);

/// Who hears nothing for so long, not even what is said here, is deaf: three beats.
const DEAF: Duration = Duration::from_secs(30);

/// How long the last words may take.
const LAST: Duration = Duration::from_secs(3);

/// Tells and listens until cancelled. Where there is nobody else it only waits for the end.
pub(crate) async fn run(service: Arc<Service>, shutdown: CancellationToken) {
    if !service.store.is_shared() {
        return shutdown.cancelled().await;
    }
    service.hub.open_outbox();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = speak(&service.hub, &service.store, service.replica.process) => {}
        () = listen(&service) => {}
        () = look_around(&service) => {}
    }
    // One word may be that the turn is to be had, which is worth most at once.
    last_words(&service).await;
}

/// Tells what waits to be told, once nobody else does: requests that end at shutdown poke still.
pub(crate) async fn last_words(service: &Service) {
    let telling = tell(&service.hub, &service.store, service.replica.process);
    match tokio::time::timeout(LAST, telling).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = logged(&error), "other replicas can't be told the last changes")
        }
        Err(_) => tracing::warn!("other replicas can't be told the last changes in time"),
    }
}

async fn speak(hub: &Hub, store: &Store, me: Uuid) {
    let mut failing = false;
    loop {
        let told = match tokio::time::timeout(BEAT, hub.outgoing()).await {
            Ok(()) => {
                tokio::time::sleep(GATHER).await;
                tell(hub, store, me).await
            }
            Err(_) => store.tell(&me.to_string()).await,
        };
        let Err(error) = told else {
            failing = false;
            continue;
        };
        if !std::mem::replace(&mut failing, true) {
            tracing::warn!(
                error = logged(&error),
                "other replicas can't be told what changed; it is tried again"
            );
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Tells what waits. What fails, or is cut off, waits again.
async fn tell(hub: &Hub, store: &Store, me: Uuid) -> Result<(), StoreError> {
    let untold = hub.take_outgoing();
    for payload in payloads(me, untold.words()) {
        store.tell(&payload).await?;
    }
    untold.told();
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
            Err(error) => tracing::debug!(error = logged(&error), "who else is there can't be read"),
        }
        tokio::time::sleep(AROUND).await;
    }
}

async fn listen(service: &Service) {
    let mut ears = None;
    loop {
        let heard = hear(&service.hub, &service.store, service.replica.process, &mut ears, DEAF).await;
        if let Err(error) = heard {
            tracing::warn!(error = logged(&error), "other replicas can't be heard; it is tried again");
            ears = None;
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Hears one payload. It is an error when there is none for so long: somebody would have said something, if only oneself.
async fn hear(
    hub: &Hub,
    store: &Store,
    me: Uuid,
    ears: &mut Option<Ears>,
    deaf: Duration,
) -> Result<(), StoreError> {
    let known = match ears {
        Some(known) => known,
        None => {
            let new = store.listen().await?;
            // What was said before nobody heard.
            hub.heard(Word::Poke(Poke::All));
            ears.insert(new)
        }
    };
    let silent = |_| DbError::new(DbErrorKind::Lost, "nothing is heard, not even what is said here");
    match tokio::time::timeout(deaf, known.hear()).await.map_err(silent)?? {
        Some(payload) => take(hub, me, &payload),
        None => hub.heard(Word::Poke(Poke::All)),
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
    use futures::FutureExt;
    use provisioner_api::{InstanceId, MachineId};
    use tests_postgres::Server;

    const ME: Uuid = Uuid::from_u128(9);

    #[tokio::test]
    async fn the_first_words_after_a_restart_of_the_server_are_made_good() {
        let server = Server::start().await.unwrap();
        let database = server.database().await.unwrap();
        let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
        // From now on there is a connection that the restart breaks.
        store.tell(&ME.to_string()).await.unwrap();
        server.stop().await.unwrap();
        server.start_again().await.unwrap();
        let hub = Hub::default();
        hub.open_outbox();
        hub.poke(Poke::Machine(MachineId(Uuid::from_u128(1))));
        let mut ears = store.listen().await.unwrap();
        let all = format!("{ME} *");
        let heard = async { while ears.hear().await.unwrap().as_ref() != Some(&all) {} };
        tokio::select! {
            () = speak(&hub, &store, ME) => {}
            heard = tokio::time::timeout(DEAF, heard) => heard.expect("all is told instead"),
        }
        store.close().await;
    }

    #[tokio::test]
    async fn who_hears_nothing_is_deaf_and_who_hears_itself_is_not() {
        let database = Server::shared().await.unwrap().database().await.unwrap();
        let store = Store::open_server(&database.url().parse().unwrap()).await.unwrap();
        let (hub, mut ears) = (Hub::default(), None);
        let silent = hear(&hub, &store, ME, &mut ears, Duration::from_millis(1)).await.unwrap_err();
        assert!(silent.is_lost(), "{silent:?}");
        let all = HashSet::from([Poke::All]);
        assert_eq!(hub.taken().now_or_never(), Some(all), "what was said before nobody heard");
        assert!(ears.is_some());
        store.tell(&ME.to_string()).await.unwrap();
        hear(&hub, &store, ME, &mut ears, DEAF).await.unwrap();
        assert!(hub.taken().now_or_never().is_none(), "it means nothing");
        store.close().await;
    }

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
