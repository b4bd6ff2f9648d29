//! The command tree as a whole.

use std::fmt::Write as _;

use super::*;

#[test]
fn the_command_tree_is_sound() {
    command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_examples() {
    let mut help = String::new();
    let mut command = command().term_width(100);
    // Gives every subcommand its full name.
    command.build();
    describe(&mut command, "etui", &mut help);
    insta::assert_snapshot!(help);
}

/// No option takes a secret as an argument: whatever is called one asks, or reads a file.
#[test]
fn no_argument_is_a_secret() {
    for_each(&command(), &mut |subcommand| {
        for argument in subcommand.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let id = argument.get_id().as_str();
            let is_secret = ["password", "secret", "totp", "kit", "pin"].iter().any(|word| id.contains(word));
            let is_length = id == "pin";
            assert!(!is_secret || is_length || id.ends_with("_file"), "{} {id}", subcommand.get_name());
        }
    });
}

#[test]
fn failures_to_parse_are_json_where_json_was_asked_for() {
    let error = Arguments::try_parse_from(["etui", "get", "--json"]).unwrap_err();
    let failure = usage(&error);
    assert_eq!(failure.kind, Kind::Usage);
    assert!(failure.message.starts_with("the following required arguments"), "{}", failure.message);
    assert!(failure.message.ends_with("<ENTRY>"), "what is missing is named: {}", failure.message);
}

fn describe(command: &mut clap::Command, name: &str, help: &mut String) {
    if command.is_hide_set() {
        return;
    }
    let own = command.render_long_help().to_string();
    assert!(own.contains("Example") || name == "etui", "{name} has no examples");
    let _ = write!(help, "──── {name}\n{own}\n");
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for sub in names.iter().filter(|sub| *sub != "help") {
        let path = format!("{name} {sub}");
        if let Some(sub) = command.find_subcommand_mut(sub) {
            describe(&mut sub.clone().term_width(100), &path, help);
        }
    }
}

fn for_each(command: &clap::Command, visit: &mut impl FnMut(&clap::Command)) {
    visit(command);
    command.get_subcommands().for_each(|sub| for_each(sub, visit));
}
