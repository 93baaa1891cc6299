use super::super::history::{Claimed, Deed, NEVER, Span};
use super::*;
use crate::dice::Dice;

const ANY: &str = "";

fn claim(instance: &str, machine: &str) -> Deed {
    let answer = match machine {
        "no" => Claimed::Refused,
        "?" => Claimed::Unknown,
        machine => Claimed::Granted(machine.to_owned()),
    };
    Deed::Claim { instance: instance.to_owned(), answer }
}

fn release(instance: &str, done: bool) -> Deed {
    Deed::Release { instance: instance.to_owned(), done }
}

fn read(machine: &str, owner: &str) -> Deed {
    let owner = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
    Deed::Read { machine: machine.to_owned(), owner }
}

fn history(deeds: &[(u64, u64, Deed)]) -> History {
    let mut history = History::default();
    deeds.iter().for_each(|(asked, answered, deed)| history.add(*asked, *answered, deed.clone()));
    history
}

#[track_caller]
fn good(deeds: &[(u64, u64, Deed)]) {
    assert_eq!(judge(&history(deeds)), []);
}

#[track_caller]
fn bad(deeds: &[(u64, u64, Deed)], word: &str) {
    let wrong = judge(&history(deeds));
    assert!(wrong.iter().any(|wrong| wrong.why.contains(word)), "{wrong:?} doesn't say `{word}`");
}

#[test]
fn one_after_the_other() {
    good(&[]);
    good(&[
        (1, 2, read("m", ANY)),
        (3, 4, claim("a", "m")),
        (5, 6, read("m", "a")),
        (5, 6, claim("b", "no")),
        (7, 8, release("a", true)),
        (9, 10, read("m", ANY)),
        (11, 12, claim("c", "m")),
        (13, 14, read("m", "c")),
    ]);
}

#[test]
fn what_overlaps_may_be_in_any_order() {
    // The release is under way, and the next one has it already; readers see this or that.
    good(&[
        (1, 2, claim("a", "m")),
        (3, 9, release("a", true)),
        (4, 8, claim("b", "m")),
        (3, 9, read("m", "a")),
        (3, 9, read("m", "b")),
        (3, 9, read("m", ANY)),
        (10, 11, read("m", "b")),
    ]);
    // Two live between asking and answering of a third one's claim.
    good(&[
        (1, 20, claim("c", "m")),
        (2, 3, claim("a", "m")),
        (4, 5, release("a", true)),
        (6, 7, claim("b", "m")),
        (8, 9, release("b", true)),
    ]);
}

#[test]
fn what_nobody_answered_may_be_or_not() {
    let lost_claim = (1, NEVER, claim("a", "?"));
    good(&[lost_claim.clone(), (5, 6, read("m", ANY)), (7, 8, claim("b", "m"))]);
    // It happens late, after a read that doesn't show it.
    good(&[lost_claim.clone(), (5, 6, read("m", ANY)), (7, 8, read("m", "a"))]);
    // A second try is answered.
    good(&[lost_claim.clone(), (2, 3, claim("a", "no")), (5, 6, read("m", "a"))]);
    // It happened, and so did its release of which nobody heard either.
    good(&[lost_claim, (5, 6, read("m", "a")), (7, NEVER, release("a", false)), (9, 10, claim("b", "m"))]);
    let lost_release = (3, NEVER, release("a", false));
    good(&[(1, 2, claim("a", "m")), lost_release.clone(), (9, 10, read("m", "a"))]);
    good(&[(1, 2, claim("a", "m")), lost_release, (5, 6, read("m", ANY))]);
}

#[test]
fn a_machine_has_two_owners() {
    bad(&[(1, 2, claim("a", "m")), (3, 4, claim("b", "m"))], "a's and b's at one time");
    // They were granted at the same time, and both have it afterwards.
    bad(&[(1, 9, claim("a", "m")), (1, 9, claim("b", "m"))], "at one time");
    // An unanswered claim is seen to have happened.
    bad(&[(1, NEVER, claim("a", "?")), (2, 3, read("m", "a")), (4, 5, claim("b", "m"))], "at one time");
    // It comes back after another one was seen.
    bad(
        &[
            (1, 2, claim("a", "m")),
            (3, NEVER, release("a", false)),
            (3, NEVER, claim("b", "?")),
            (4, 5, read("m", "a")),
            (6, 7, read("m", "b")),
            (8, 9, read("m", "a")),
            (10, 11, read("m", "b")),
        ],
        "at one time",
    );
    // A moment is enough to have two.
    bad(
        &[(1, 2, claim("a", "m")), (3, 4, claim("b", "m")), (3, 4, release("b", true))],
        "all that time it was a's",
    );
}

#[test]
fn a_claim_is_lost() {
    bad(&[(1, 2, claim("a", "m")), (3, 4, read("m", ANY))], "the claim is lost");
    bad(&[(1, 2, claim("a", "m")), (3, 4, read("m", ANY)), (5, 6, release("a", true))], "the claim is lost");
    // Another one has it instead.
    bad(&[(1, 2, claim("a", "m")), (1, 9, claim("b", "?")), (3, 4, read("m", "b"))], "at one time");
}

#[test]
fn an_instance_by_itself() {
    bad(&[(1, 2, claim("a", "m")), (3, 4, read("n", "a"))], "has m and n");
    bad(&[(1, 2, claim("a", "no")), (3, 4, read("m", "a"))], "refused");
    bad(&[(3, 4, read("m", "a"))], "nobody claimed");
    bad(&[(1, 2, read("m", "a")), (3, 4, claim("a", "m"))], "before anybody claimed it");
    bad(&[(1, 2, release("a", true)), (3, 4, claim("a", "m"))], "given back before");
    let back = [(1, 2, claim("a", "m")), (3, 4, release("a", true)), (5, 6, read("m", "a"))];
    bad(&back, "after it was given back");
}

/// A search over all orders: exponential, and plainly right.
struct Search<'a> {
    deeds: &'a [(Span, Deed)],
}

/// Where each instance is in its life: the machine that it has; after its end it has none.
type Now = BTreeMap<String, Option<String>>;

impl Search<'_> {
    /// Whether what is left can happen in some order.
    fn explains(&self, left: &[usize], now: &Now) -> bool {
        let surely = |deed: &Deed| {
            !matches!(deed, Deed::Claim { answer: Claimed::Unknown, .. } | Deed::Release { done: false, .. })
        };
        if !left.iter().any(|place| surely(&self.deeds[*place].1)) {
            return true;
        }
        left.iter().any(|place| {
            let (span, deed) = &self.deeds[*place];
            let before =
                |other: &usize| surely(&self.deeds[*other].1) && self.deeds[*other].0.answered < span.asked;
            if left.iter().any(before) {
                return false;
            }
            let rest: Vec<_> = left.iter().copied().filter(|other| other != place).collect();
            after(deed, now).iter().any(|next| self.explains(&rest, next))
        })
    }
}

/// What may be after a deed with its answer; nothing: that answer would be wrong.
fn after(deed: &Deed, now: &Now) -> Vec<Now> {
    let owner =
        |machine: &str| now.iter().find(|(_, has)| has.as_deref() == Some(machine)).map(|(who, _)| who);
    let with = |instance: &str, machine: Option<&str>| {
        let mut next = now.clone();
        next.insert(instance.to_owned(), machine.map(str::to_owned));
        next
    };
    match deed {
        Deed::Claim { instance, answer } => {
            let machines: &[&str] = match answer {
                Claimed::Granted(machine) => &[machine.as_str()],
                Claimed::Refused => return vec![now.clone()],
                Claimed::Unknown => &["m", "n"],
            };
            let free = machines.iter().filter(|machine| owner(machine).is_none());
            let lived = now.contains_key(instance);
            free.filter(|_| !lived).map(|machine| with(instance, Some(machine))).collect()
        }
        Deed::Release { instance, .. } => vec![with(instance, None)],
        Deed::Read { machine, owner: shown } => {
            if owner(machine) == shown.as_ref() {
                vec![now.clone()]
            } else {
                vec![]
            }
        }
    }
}

/// A short history in which each instance is claimed and given back once at most.
fn random(dice: &mut Dice) -> Vec<(Span, Deed)> {
    let mut pick = |of: u64| dice.bits() % of;
    let mut deeds = Vec::new();
    let span = |pick: &mut dyn FnMut(u64) -> u64| {
        let asked = pick(12);
        Span { asked, answered: asked + pick(6) }
    };
    for instance in ["a", "b", "c"] {
        let machine = if pick(8) == 0 { "n" } else { "m" };
        let answer = ["?", "no", machine, machine, machine, machine][pick(6) as usize];
        let mut asked = span(&mut pick);
        if answer == "?" {
            asked.answered = NEVER;
        }
        deeds.push((asked, claim(instance, answer)));
        if pick(2) == 0 {
            let done = pick(3) > 0;
            let mut asked = span(&mut pick);
            asked.answered = if done { asked.answered } else { NEVER };
            deeds.push((asked, release(instance, done)));
        }
    }
    for _ in 0..pick(3) {
        let owner = ["a", "b", "c", ANY][pick(4) as usize];
        deeds.push((span(&mut pick), read("m", owner)));
    }
    deeds
}

#[test]
fn it_agrees_with_a_search_over_all_orders() {
    let mut dice = Dice::new(7);
    let mut counts = [0; 2];
    for _ in 0..20_000 {
        let deeds = random(&mut dice);
        let mut history = History::default();
        deeds.iter().for_each(|(span, deed)| history.add(span.asked, span.answered, deed.clone()));
        let wrong = judge(&history);
        let all: Vec<_> = (0..deeds.len()).collect();
        let explained = Search { deeds: &deeds }.explains(&all, &Now::new());
        assert_eq!(wrong.is_empty(), explained, "{wrong:?}\n{deeds:#?}");
        counts[usize::from(explained)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 500), "both kinds have to come: {counts:?}");
}
