//! `billet pool …`.

use super::{Session, context, losses, watch};
use crate::cli::{
    args::{CreatePool, OrNone, PoolCommand, SetPool},
    bell::Bell,
    error::CliError,
    view,
};
use provisioner_api::{Pool, PoolCreate, PoolUpdate};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: PoolCommand) -> Result<(), CliError> {
    match command {
        PoolCommand::List(watched) => {
            let client = session.client.clone();
            let table = |pools: &[Pool], wide| view::pools(pools, wide);
            let bell = Bell::of_all(&session.client);
            watch::rung(session.ui, watched, bell, async || client.pools().await, watch::never, table).await
        }
        PoolCommand::Show(named) => {
            let pool = session.client.pool(&named.name).await?;
            session.ui.object(&pool, || view::pool(&pool, &context()))
        }
        PoolCommand::Create(asked) => {
            let CreatePool { name, description, erase, max_machines } = asked;
            let wanted = PoolCreate { name, description, erase, max_machines };
            let made = session.client.create_pool(&wanted).await?;
            let said = format!("pool {} is made: {}", made.group.name, view::policy(&made));
            session.ui.outcome(&made, &said)
        }
        PoolCommand::Set(asked) => set(session, asked).await,
        PoolCommand::Delete(gone) if gone.dry.dry_run => {
            let pool = session.client.pool(&gone.name).await?;
            let what = format!(
                "pool {} would have no policy any more ({}); {} machines name it",
                gone.name,
                view::policy(&pool),
                pool.group.machines
            );
            losses::no_disk(session, gone.dry, what).map(drop)
        }
        PoolCommand::Delete(named) => {
            session.client.delete_pool(&named.name).await?;
            session.ui.done(&format!("pool {} has no policy any more", named.name))
        }
    }
}

async fn set(session: &mut Session<'_>, asked: SetPool) -> Result<(), CliError> {
    let wanted = PoolUpdate {
        description: asked.description.map(|text| Some(text).filter(|text| !text.is_empty())),
        erase: asked.erase.map(|OrNone(erase)| erase),
        max_machines: asked.max_machines.map(|OrNone(number)| number),
    };
    if wanted == PoolUpdate::default() {
        let detail = "say what to change: --description, --erase or --max-machines";
        return Err(CliError::Input(detail.to_owned()));
    }
    if asked.dry.dry_run {
        let pool = session.client.pool(&asked.name).await?;
        let what = would(&pool, &wanted);
        return losses::no_disk(session, asked.dry, what).map(drop);
    }
    let changed = session.client.update_pool(&asked.name, &wanted).await?;
    let said = format!("pool {} is changed: {}", changed.group.name, view::policy(&changed));
    session.ui.outcome(&changed, &said)
}

/// What a change of a pool's policy would do, in a sentence.
fn would(pool: &Pool, wanted: &PoolUpdate) -> String {
    let mut after = pool.clone();
    let spec = after.spec.get_or_insert_default();
    wanted.description.iter().for_each(|text| spec.description.clone_from(text));
    wanted.erase.iter().for_each(|erase| spec.erase = *erase);
    wanted.max_machines.iter().for_each(|most| spec.max_machines = *most);
    let name = &pool.group.name;
    let mut what =
        format!("pool {name} would be changed, from ({}) to ({})", view::policy(pool), view::policy(&after));
    if let Some(Some(most)) = wanted.max_machines
        && pool.taken >= u64::from(most)
    {
        what.push_str(&format!(
            "; {} of its machines have an instance and keep it, and no more get one",
            pool.taken
        ));
    }
    what
}
