//! Every command of the operator's guide to BMCs can be typed.

use super::Cli;
use clap::Parser;

/// The guide.
const GUIDE: &str = include_str!("../../../../docs/bmc.md");

/// The commands in a text: lines of code blocks that begin with `billet`, and such pieces of inline code.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            block = !block;
        } else if block {
            found.extend(line.starts_with("billet ").then(|| line.to_owned()));
        } else {
            found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter(|code| code.starts_with("billet "))
                    .map(str::to_owned),
            );
        }
    }
    found
}

/// The words of a command, as a shell sees them: quotes, a comment, no more.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with(['#', '|', '>', ';']) {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(words("billet a '' 'b c'   # d"), ["billet", "a", "", "b c"]);
    assert_eq!(words("billet a | tee x"), ["billet", "a"]);
}

#[test]
fn every_command_of_the_guide_can_be_typed() {
    let commands = commands(GUIDE);
    assert!(commands.len() > 40, "the guide has commands, {} were found", commands.len());
    for command in commands {
        // `billet bmc` alone names a part of the program.
        let words = words(&command);
        if words.len() < 3 {
            continue;
        }
        let read = Cli::try_parse_from(&words).map_err(|refusal| refusal.render().to_string());
        assert!(read.is_ok(), "{command}: {}", read.unwrap_err());
    }
}
