//! A report as CSV by RFC 4180, in UTF-8 with a byte order mark, by which spreadsheets know it.

use std::borrow::Cow;
use std::io::{BufWriter, Write};

use csv::{Terminator, WriterBuilder};
use tokio::sync::mpsc::Receiver;

use super::{HEADER, Row, next};
use crate::error::{Error, Result};

/// A spreadsheet takes a cell that begins so for a formula, which could send away what else the
/// sheet says; after an apostrophe it is text.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

pub(super) fn write(mut rows: Receiver<Vec<Row>>, file: impl Write) -> Result<u64> {
    let mut file = BufWriter::new(file);
    file.write_all("\u{feff}".as_bytes()).map_err(Error::internal)?;
    let mut sheet = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(file);
    sheet.write_record(HEADER).map_err(Error::internal)?;
    let mut count = 0;
    while let Some(piece) = next(&mut rows) {
        for row in piece {
            let similarity = row.similarity.map(|s| format!("{s:.4}")).unwrap_or_default();
            let cells = [
                Cow::from(&row.date),
                harmless(&row.class),
                harmless(&row.session),
                harmless(&row.roll_number),
                harmless(&row.name),
                row.status.into(),
                Cow::from(&row.time),
                row.source.into(),
                // Ours, and a number: a similarity below nought stays one.
                similarity.into(),
                harmless(&row.remark),
            ];
            sheet
                .write_record(cells.iter().map(|cell| cell.as_bytes()))
                .map_err(Error::internal)?;
            count += 1;
        }
    }
    sheet.flush().map_err(Error::internal)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_cells_are_harmless_and_read_back() {
        let names = [
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@x",
            "\tx",
            "\rx",
            "a \"b\", c\r\nd",
            "😀 عمر",
        ];
        let rows = names.map(|name| Row {
            name: name.into(),
            similarity: Some(-0.25),
            ..Row::default()
        });
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        sender.try_send(rows.to_vec()).unwrap();
        drop(sender);
        let mut bytes = Vec::new();
        assert_eq!(write(receiver, &mut bytes).unwrap(), 8);
        let text = std::str::from_utf8(&bytes).unwrap().strip_prefix('\u{feff}').unwrap();
        assert!(text.starts_with("Date,Class,Session,Roll number,") && text.ends_with("\r\n"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for (record, name) in reader.records().zip(names) {
            let record = record.unwrap();
            assert_eq!(&record[8], "-0.2500");
            let read = &record[4];
            assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r']), "{read:?}");
            assert_eq!(read.strip_prefix('\'').unwrap_or(read), name);
        }
    }
}
