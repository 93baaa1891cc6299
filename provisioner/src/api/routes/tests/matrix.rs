//! All routes × roles × own and others' objects.

use super::*;
use crate::store::EventsOf;

/// Somebody who asks.
struct Person {
    token: String,
    role: Role,
    /// Whether it is for the pool `own` only.
    limited: bool,
}

/// Everybody that there can be.
async fn people(world: &World) -> Vec<Person> {
    let mut people = Vec::new();
    for role in Role::ALL {
        let token = world.token(role, None).await;
        people.push(Person { token, role, limited: false });
        // What an admin may do concerns all pools.
        if role != Role::Admin {
            let token = world.token(role, Some(&["own"])).await;
            people.push(Person { token, role, limited: true });
        }
    }
    people
}

/// The names of a machine and an instance.
#[derive(Clone)]
struct Pair {
    machine: String,
    instance: String,
}

impl Pair {
    async fn new(world: &World, number: u128, pool: &str) -> Self {
        Self { machine: world.machine(number, pool).await, instance: world.instance(number, pool).await }
    }

    fn absent() -> Self {
        Self { machine: "absent".into(), instance: "absent".into() }
    }

    /// A path with these in its places, and something in the others.
    fn path(&self, path: &str) -> String {
        let named = path.replace("{machine}", &self.machine).replace("{instance}", &self.instance);
        let pieces = named.split('/').map(|piece| if piece.starts_with('{') { "x" } else { piece });
        pieces.collect::<Vec<_>>().join("/")
    }

    /// An answer without these names, so that it can be compared with another's.
    fn unnamed(&self, answer: (StatusCode, String)) -> (StatusCode, String) {
        let (status, body) = answer;
        let hidden = |body: String, name: &str| body.replace(&format!("`{name}`"), "`NAME`");
        (status, hidden(hidden(body, &self.machine), &self.instance))
    }
}

async fn asked(world: &World, route: &Route, token: Option<&str>, pair: &Pair) -> (StatusCode, String) {
    let body = if [Method::GET, Method::DELETE].contains(&route.method) { "" } else { "{}" };
    pair.unnamed(world.ask(token, &route.method, &pair.path(route.path), body).await)
}

fn is_refused((status, _): &(StatusCode, String)) -> bool {
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status)
}

/// Tries a route as somebody; `number` is of objects that nobody has yet.
async fn tried(
    world: &World,
    route: &Route,
    roles: &[Role],
    person: &Person,
    (number, foreign): (u128, &Pair),
) {
    let what = format!("{} {} as {}", route.method, route.path, person.token);
    let token = Some(person.token.as_str());
    let of_object = matches!(route.policy.of, Of::Machine | Of::MachineOrMac | Of::Instance);
    let may = roles.contains(&person.role) && !(person.limited && route.policy.of == Of::Everything);
    let absent = asked(world, route, token, &Pair::absent()).await;
    if !may {
        assert_eq!(absent.0, StatusCode::FORBIDDEN, "{what}: {absent:?}");
        assert_eq!(asked(world, route, token, foreign).await, absent, "{what}: it tells what is there");
        return;
    }
    assert!(!is_refused(&absent), "{what}: {absent:?}");
    if !of_object {
        return;
    }
    let own = Pair::new(world, number, "own").await;
    let answer = asked(world, route, token, &own).await;
    assert!(!is_refused(&answer), "{what}: {answer:?}");
    if person.limited {
        assert_eq!(absent.0, StatusCode::NOT_FOUND, "{what}: {absent:?}");
        assert_eq!(asked(world, route, token, foreign).await, absent, "{what}: it tells what is there");
        assert_ne!(answer, absent, "{what}: its own is not there");
    }
}

#[tokio::test]
async fn everybody_may_what_the_table_says_and_nothing_else() {
    let world = World::new().await;
    let people = people(&world).await;
    let foreign = Pair::new(&world, 1, "others").await;
    let store = &world.service.store;
    let machine = store.machine_find(&foreign.machine).await.unwrap().unwrap();
    let instance = store.instance_find(&foreign.instance).await.unwrap().unwrap();
    let mut number = 1;
    for route in table() {
        match route.policy.who {
            Who::Anybody => {}
            Who::Agent => {
                let admin = Some("admin-all");
                assert_eq!(
                    asked(&world, &route, admin, &foreign).await.0,
                    StatusCode::UNAUTHORIZED,
                    "{}",
                    route.path
                );
                assert_eq!(
                    asked(&world, &route, None, &foreign).await.0,
                    StatusCode::UNAUTHORIZED,
                    "{}",
                    route.path
                );
            }
            Who::Roles(roles) => {
                for token in [None, Some("unknown"), Some("")] {
                    let answer = asked(&world, &route, token, &foreign).await;
                    assert_eq!(
                        answer.0,
                        StatusCode::UNAUTHORIZED,
                        "{} {}: {answer:?}",
                        route.method,
                        route.path
                    );
                    assert_eq!(answer, asked(&world, &route, token, &Pair::absent()).await, "{}", route.path);
                }
                for person in &people {
                    number += 1;
                    tried(&world, &route, roles, person, (number, &foreign)).await;
                }
            }
        }
    }
    assert_eq!(store.machine_find(&foreign.machine).await.unwrap().unwrap(), machine);
    assert_eq!(store.instance_find(&foreign.instance).await.unwrap().unwrap(), instance);
    for of in [EventsOf::Machine(machine.id()), EventsOf::Instance(instance.id)] {
        assert_eq!(store.event_newest(of, 10).await.unwrap(), [], "nothing was even told of it");
    }
}
