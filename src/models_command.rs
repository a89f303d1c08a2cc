//! `muster models`: what the catalog has, what of it is here, and fetching it.

use models::{Progress, Row, Settings, State};

use crate::args::ModelsCommand;
use crate::{Failure, Outcome, say};

pub(crate) fn run(command: &ModelsCommand, settings: &Settings) -> Outcome {
    let rows = match command {
        ModelsCommand::Fetch => models::fetch(settings, Progress::Bar),
        ModelsCommand::List => models::list(settings),
        ModelsCommand::Check => models::check(settings),
    }
    .map_err(Failure::failed)?;
    say(table(&rows).trim_end())?;
    if let Some(warning) = without_liveness(&rows) {
        say(&warning)?;
    }
    if matches!(command, ModelsCommand::Check) {
        checked(&rows)?;
    }
    Ok(())
}

/// Nothing else needs the models of liveness, so their absence would go unnoticed.
fn without_liveness(rows: &[Row]) -> Option<String> {
    let mut lacking = rows
        .iter()
        .filter(|row| row.role == "liveness" && row.state != State::Ready);
    lacking.next().map(|row| {
        format!(
            "Without {} a picture of a person can't be told from the person: run `muster models fetch`, or put its file \
             at {}",
            row.name,
            row.path.display()
        )
    })
}

/// What is damaged is an error wherever it is; what is missing only where it would be used.
fn checked(rows: &[Row]) -> Outcome {
    for row in rows {
        let problem = match row.state {
            State::Damaged => "is damaged",
            State::Missing if row.selected => "is missing",
            State::Missing | State::Ready => continue,
        };
        return Err(Failure::Failed(format!(
            "{} {problem}; run `muster models fetch`",
            row.name
        )));
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let header = ["", "NAME", "ROLE", "STATE", "SIZE", "LICENCE", "FILE"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(header).chain(rows.iter().map(line)).collect();
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn line(row: &Row) -> [String; 7] {
    let state = match row.state {
        State::Ready => "ready",
        State::Missing => "missing",
        State::Damaged => "damaged",
    };
    [
        if row.selected { "*" } else { "" }.to_owned(),
        row.name.clone(),
        row.role.clone(),
        state.to_owned(),
        row.bytes.map_or_else(|| "?".into(), size),
        row.licence.clone(),
        row.path.display().to_string(),
    ]
}

fn size(bytes: u64) -> String {
    let tenths = bytes * 10 / 1_000_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, selected: bool, state: State) -> Row {
        Row {
            name: name.into(),
            role: "embedder".into(),
            licence: "MIT".into(),
            bytes: Some(4_132_605),
            selected,
            state,
            path: "models/x.onnx".into(),
        }
    }

    #[test]
    fn the_table_lines_up() {
        let text = table(&[row("a", true, State::Ready), row("longer", false, State::Missing)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with('*') && lines[1].contains("4.1 MB"));
        let at = |line: &str| line.find("embedder");
        assert_eq!(at(lines[1]), at(lines[2]));
    }

    #[test]
    fn liveness_is_missed_aloud() {
        let liveness = |state| Row {
            role: "liveness".into(),
            ..row("both-eyes", false, state)
        };
        let rows = |state| [row("a", true, State::Ready), liveness(state)];
        assert_eq!(without_liveness(&rows(State::Ready)), None);
        for state in [State::Missing, State::Damaged] {
            let warning = without_liveness(&rows(state)).unwrap();
            assert!(warning.contains("both-eyes") && warning.contains("models fetch"));
        }
    }

    #[test]
    fn only_what_would_be_used_must_be_here() {
        assert_eq!(
            checked(&[row("a", true, State::Ready), row("b", false, State::Missing)]),
            Ok(())
        );
        assert!(checked(&[row("a", true, State::Missing)]).is_err());
        assert!(checked(&[row("b", false, State::Damaged)]).is_err());
    }
}
