//! Tables for people. They have no borders, so that `cut` and `grep` work on them.

use comfy_table::{ContentArrangement, Table, presets};

use super::escape;

/// Formats rows under a header. Control characters in cells are escaped.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for row in rows {
        table.add_row(row.iter().map(|cell| escape::line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    text.join("\n") + "\n"
}

/// Formats a duration in its largest unit, rounded down: `2h`.
pub fn age(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        0 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{age, table};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let rows = [["alpha".to_owned(), "up".to_owned()], ["b\n".to_owned(), String::new()]];
        assert_eq!(table(["HOST", "STATE"], rows), "HOST    STATE\nalpha   up\nb\\u{a}\n");
    }

    #[test]
    fn an_age_has_one_unit() {
        assert_eq!([0, 999, 61_000, 7_200_000, 172_800_000].map(age), ["now", "now", "1m", "2h", "2d"]);
    }
}
