//! Text for a terminal.

use std::fmt::Write as _;

/// What strangers wrote, without what a terminal would obey: their names and words could move the
/// cursor, change what was printed before, or hide themselves.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| {
        // Bidirectional controls turn what stands around them about.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { '\u{fffd}' } else { c }
    };
    text.chars().map(harmless).collect()
}

/// Columns as wide as what is in them, two spaces apart.
pub(crate) fn table<const N: usize>(heads: [&str; N], lines: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
    });
    let mut text = String::new();
    let heads = heads.map(str::to_owned);
    for line in std::iter::once(&heads).chain(lines) {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(row, "{cell:width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let lines = [
            ["Zoë".to_owned(), "admin".to_owned()],
            ["Bartholomew".to_owned(), String::new()],
        ];
        assert_eq!(
            table(["NAME", "ROLE"], &lines),
            "NAME         ROLE\nZoë          admin\nBartholomew\n"
        );
    }

    #[test]
    fn a_terminal_obeys_no_stranger() {
        assert_eq!(
            plain("Zoë \u{1b}[2Jx\r\u{202e}y\u{9b}K"),
            "Zoë \u{fffd}[2Jx\u{fffd}\u{fffd}y\u{fffd}K"
        );
    }
}
