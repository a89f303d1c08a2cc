//! A report as a workbook. Every text is written as text, never as a formula.

use std::io::{BufWriter, Seek, Write};

use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};
use tokio::sync::mpsc::Receiver;

use super::{HEADER, Row, next};
use crate::error::{Error, Result};

/// What a sheet holds; the report goes on in another.
const SHEET_ROWS: u32 = 1_048_576;
/// What a cell holds, in UTF-16 units.
const CELL: usize = 32_767;
/// In characters, in the order of the header.
const WIDTHS: [u16; 10] = [11, 24, 24, 14, 28, 10, 20, 13, 10, 40];

pub(super) fn write(rows: Receiver<Vec<Row>>, file: impl Write + Seek + Send) -> Result<u64> {
    sheets(rows, file, SHEET_ROWS).map_err(Error::internal)
}

fn sheets(
    mut rows: Receiver<Vec<Row>>,
    file: impl Write + Seek + Send,
    sheet_rows: u32,
) -> std::result::Result<u64, XlsxError> {
    let mut book = Workbook::new();
    let mut sheet = begin(&mut book)?;
    let (mut line, mut count) = (1, 0);
    while let Some(piece) = next(&mut rows) {
        for row in piece {
            if line == sheet_rows {
                sheet = begin(&mut book)?;
                line = 1;
            }
            put(sheet, line, &row)?;
            line += 1;
            count += 1;
        }
    }
    let mut file = BufWriter::new(file);
    book.save_to_writer(&mut file)?;
    // Dropped with bytes in it, it would keep a full disk to itself.
    file.flush().map_err(XlsxError::IoError)?;
    Ok(count)
}

fn begin(book: &mut Workbook) -> std::result::Result<&mut Worksheet, XlsxError> {
    let sheet = book.add_worksheet_with_constant_memory()?;
    for ((column, name), width) in (0..).zip(HEADER).zip(WIDTHS) {
        sheet.set_column_width(column, width)?;
        sheet.write_string(0, column, name)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(sheet)
}

fn put(sheet: &mut Worksheet, line: u32, row: &Row) -> std::result::Result<(), XlsxError> {
    let texts = [
        (0, row.date.as_str()),
        (1, &row.class),
        (2, &row.session),
        (3, &row.roll_number),
        (4, &row.name),
        (5, row.status),
        (6, &row.time),
        (7, row.source),
        (9, &row.remark),
    ];
    for (column, text) in texts {
        if !text.is_empty() {
            sheet.write_string(line, column, fitting(text))?;
        }
    }
    if let Some(similarity) = row.similarity {
        sheet.write_number(line, 8, (similarity * 10_000.0).round() / 10_000.0)?;
    }
    Ok(())
}

/// As much of a text as a cell holds.
fn fitting(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > CELL
    });
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_report_goes_on_in_another_sheet() {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        sender
            .try_send(vec![
                Row {
                    name: "=1+1".into(),
                    ..Row::default()
                };
                5
            ])
            .unwrap();
        drop(sender);
        let mut file = std::io::Cursor::new(Vec::new());
        assert_eq!(sheets(receiver, &mut file, 3).unwrap(), 5);
        // The names of a zip's entries are plain in it.
        let bytes = file.into_inner();
        let has = |name: &[u8]| bytes.windows(name.len()).any(|w| w == name);
        assert!(has(b"xl/worksheets/sheet3.xml") && !has(b"xl/worksheets/sheet4.xml"));
    }

    #[test]
    fn a_cell_takes_what_it_holds() {
        let long = "😀".repeat(20_000);
        assert_eq!(fitting(&long).encode_utf16().count(), CELL - 1);
        assert_eq!(fitting("a"), "a");
    }
}
