//! The kit as a text: for a terminal, a label printer, or a safe that keeps files.

use super::Authority;
use super::content::{CA_FILE, Kit};
use zeroize::Zeroizing;

/// More than any kit has, so that the text does not grow: what it grows out of is not wiped.
const ROOM: usize = 64 * 1024;
/// Why it is kept from others.
pub(super) const DANGER: &str = "Whoever finds it and can reach the backup can read everything.";
/// Where to keep it.
pub(super) const KEEP: &str =
    "Keep it in a safe place, not beside the backup and not on the computer that is backed up.";
/// Characters of a line of words.
const WIDTH: usize = 92;

/// The text, with lines of at most about 100 characters but for long addresses and names.
pub(super) fn render(kit: &Kit) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(ROOM));
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line("RECOVERY KIT of an encrypted backup (filbert)");
    line("");
    wrapped(&[with_what(kit), DANGER, KEEP].join(" ")).iter().for_each(|row| line(row));
    line("");
    for (name, value) in facts(kit) {
        line(&format!("{name:<15}{value}"));
    }
    line("");
    line("RECOVERY KEY (in place of the encryption password)");
    line("");
    line("      filbert1");
    let groups = kit.key.groups();
    for (row, groups) in groups.chunks(4).enumerate() {
        let numbers: Vec<_> = (1..=groups.len()).map(|at| format!("({})", row * 4 + at)).collect();
        line(&format!("       {}", numbers.join("     ")));
        let words: Vec<_> = groups.iter().map(|group| group.expose()).collect();
        line(&Zeroizing::new(format!("      {}", *Zeroizing::new(words.join("   ")))));
    }
    line("");
    line("Type `filbert1`, then the groups in the order of their numbers. Upper or lower case, spaces and");
    line("dashes do not matter. There is no 1, b, i or o in the groups. The fifth character of each group");
    line("checks it: a slip is noticed, and told where it is.");
    line("");
    for (number, step) in steps(kit).iter().enumerate() {
        for (row, words) in wrapped(&step.words).iter().enumerate() {
            line(&if row == 0 { format!("{}. {words}", number + 1) } else { format!("   {words}") });
        }
        step.commands.iter().for_each(|command| line(&format!("       {command}")));
    }
    text
}

/// What a kit does, with what is needed beside it.
pub(super) fn with_what(kit: &Kit) -> &'static str {
    match kit.user {
        Some(_) => {
            "With this sheet, the password of the server and any computer, everything that was backed up with filbert can \
             be had again."
        }
        None => {
            "With this sheet, what lies at the address below and any computer, everything that was backed up with filbert \
             can be had again."
        }
    }
}

/// The words in lines that fit a sheet.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.len() + word.len() < WIDTH => last.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A step to take.
pub(super) struct Step {
    pub words: String,
    pub commands: Vec<String>,
}

/// What belongs to the repository, by name.
pub(super) fn facts(kit: &Kit) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Address", kit.address.clone())];
    facts.extend(
        kit.user.iter().map(|user| ("User", format!("{user} (the server's password is not on this sheet)"))),
    );
    facts.push(("Repository", kit.repository.clone()));
    let place = kit
        .place
        .as_ref()
        .map_or(String::new(), |place| format!(", key {} in generation {}", place.id, place.generation));
    facts.push(("Kit made", format!("{}{place}, by {}", kit.made, kit.program)));
    facts.push(match &kit.last_record {
        Some(last) => ("Last record", format!("{} of {}", last.hash, last.time)),
        None => ("Last record", "none: nothing was backed up yet".to_owned()),
    });
    facts
}

/// What to do on an empty machine, in order.
pub(super) fn steps(kit: &Kit) -> Vec<Step> {
    let step = |words: &str, commands: Vec<String>| Step { words: words.to_owned(), commands };
    let mut steps = vec![
        step(
            "Install filbert (from its source, with a Rust toolchain and a C compiler):",
            vec!["cargo install --path . --locked".to_owned()],
        ),
        step("Say where the backup is:", kit.variables()),
    ];
    steps.extend(match &kit.authority {
        Some(Authority::Printed(_)) => Some(step(
            &format!(
                "The server's certificate is of an authority of its own, which {CA_FILE} is to hold. Write that file, in the \
                 same folder, from the text file of this kit; with paper alone get the certificate from who runs the \
                 server and compare its SHA-256."
            ),
            kit.certificates(),
        )),
        Some(Authority::TooLong(count)) => Some(step(
            &format!(
                "The server's certificate is checked against a file of {count} others, too long for this sheet. Keep a \
                 copy of it with the kit, and put it into this folder now as {CA_FILE}. If there is none, try without \
                 it: unset FILBERT_CA_FILE."
            ),
            Vec::new(),
        )),
        None => None,
    });
    let server = if kit.user.is_some() { "the server's password, then for " } else { "" };
    steps.push(step(
        &format!(
            "See what there is. filbert asks for {server}the encryption password: type the recovery key."
        ),
        vec!["filbert snapshots --latest".to_owned()],
    ));
    if let Some(snapshot) = &kit.newest_snapshot {
        steps.push(step(
            "This snapshot was the newest when the kit was made. If it is not known, the server was set back to an older state:",
            vec![format!("filbert show {snapshot}")],
        ));
    }
    let mut restores = Vec::new();
    for set in &kit.sets {
        restores.push(format!("# {}", set.shown));
        restores.push(set.restore.clone());
    }
    if kit.more_sets > 0 {
        restores.push(format!("# and {} more: see `filbert snapshots --latest`", kit.more_sets));
    }
    if restores.is_empty() {
        restores.push("filbert restore latest --target restored".to_owned());
    }
    restores.push("# or a plan for this day, if one was made".to_owned());
    restores.push("filbert dr list".to_owned());
    steps.push(step("Restore, each into a new folder:", restores));
    steps.push(step(
        "Afterwards make a new kit, and prove it:",
        vec!["filbert kit --out new-kit".to_owned(), "filbert kit --check".to_owned()],
    ));
    steps
}
