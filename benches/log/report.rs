//! What was measured, with what we aim at: printed as a table, and kept in benches/results/ as Markdown and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::Outcome;

/// What a number counts.
#[derive(Clone, Copy)]
pub enum Unit {
    /// One number by another.
    Ratio,
    Milliseconds,
    Microseconds,
    PerSecond,
    Megabytes,
    Bytes,
    /// 1 for yes.
    Truth,
}

/// What we aim at.
#[derive(Clone, Copy)]
pub enum Aim {
    /// Nothing: it explains another number, or is what that is measured against.
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Unit {
    fn shown(self, number: f64) -> String {
        match self {
            Self::Ratio if number < 0.1 => format!("{number:.4}"),
            Self::Ratio => format!("{number:.3}"),
            Self::Milliseconds => format!("{number:.2} ms"),
            Self::Microseconds => format!("{number:.0} µs"),
            Self::PerSecond => format!("{number:.0}/s"),
            Self::Megabytes => format!("{number:.0} MB"),
            Self::Bytes => format!("{number:.0} bytes"),
            Self::Truth => if number == 1.0 { "yes" } else { "no" }.to_owned(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::PerSecond => "1/s",
            Self::Megabytes => "MB",
            Self::Bytes => "bytes",
            Self::Truth => "truth",
        }
    }
}

impl Aim {
    /// Whether a number meets it; `None` where there is none.
    fn is_met(self, number: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtLeast(least) => Some(number >= least),
            Self::AtMost(most) => Some(number <= most),
        }
    }

    fn shown(self, unit: Unit) -> String {
        let plain = |number: f64| match unit {
            Unit::Ratio => number.to_string(),
            _ => unit.shown(number).replace(".00 ", " "),
        };
        match self {
            Self::None => String::new(),
            Self::AtLeast(least) => format!("≥ {}", plain(least)),
            Self::AtMost(most) => format!("≤ {}", plain(most)),
        }
    }
}

struct Row {
    section: String,
    what: String,
    number: f64,
    unit: Unit,
    aim: Aim,
}

/// The rows, in the order in which they were measured.
#[derive(Default)]
pub struct Report {
    section: String,
    rows: Vec<Row>,
}

impl Report {
    /// Begins what is measured together.
    pub fn section(&mut self, title: &str) {
        eprintln!("measuring {title}");
        title.clone_into(&mut self.section);
    }

    /// Adds a number, and shows it at once.
    pub fn add(&mut self, what: &str, number: f64, unit: Unit, aim: Aim) {
        eprintln!("  {what}: {}", unit.shown(number));
        self.rows.push(Row { section: self.section.clone(), what: what.to_owned(), number, unit, aim });
    }

    /// Prints the table, and writes it to `NAME.md` and `NAME.json` in benches/results/.
    pub fn publish(&self, name: &str) -> Outcome<()> {
        let table = self.markdown();
        println!("{table}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.md")), format!("# {name}\n\n{}\n\n{table}", machine()))?;
        std::fs::write(folder.join(format!("{name}.json")), format!("{:#}\n", self.json()))?;
        Ok(())
    }

    fn markdown(&self) -> String {
        let cells: Vec<[String; 4]> = self.rows.iter().map(Row::cells).collect();
        let head = ["what", "measured", "aim", "met"].map(str::to_owned);
        let chars = |text: &str| text.chars().count();
        let width =
            |column: usize| cells.iter().chain([&head]).map(|cells| chars(&cells[column])).max().unwrap_or_default();
        let widths = [0, 1, 2, 3].map(width);
        let mut table = String::new();
        let mut line = |cells: &[String; 4]| {
            for (cell, width) in cells.iter().zip(widths) {
                let _ = write!(table, "| {cell:<width$} ");
            }
            table.push_str("|\n");
        };
        line(&head);
        line(&widths.map(|width| "-".repeat(width)));
        let mut section = "";
        for (row, cells) in self.rows.iter().zip(&cells) {
            if row.section != section {
                section = &row.section;
                line(&[format!("**{section}**"), String::new(), String::new(), String::new()]);
            }
            line(cells);
        }
        table
    }

    fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            let (aim, least, most) = match row.aim {
                Aim::None => (false, None, None),
                Aim::AtLeast(least) => (true, Some(least), None),
                Aim::AtMost(most) => (true, None, Some(most)),
            };
            json!({
                "section": row.section, "what": row.what, "number": row.number, "unit": row.unit.name(),
                "hasAim": aim, "atLeast": least, "atMost": most, "met": row.aim.is_met(row.number),
            })
        });
        json!({ "machine": machine(), "rows": rows.collect::<Vec<_>>() })
    }
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let met = match self.aim.is_met(self.number) {
            None => "",
            Some(true) => "yes",
            Some(false) => "**no**",
        };
        [self.what.clone(), self.unit.shown(self.number), self.aim.shown(self.unit), met.to_owned()]
    }
}

/// What the numbers were measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|name| name.trim_start_matches(['\t', ' ', ':']));
    format!("{} cores of {}", cores, model.unwrap_or("an unknown processor"))
}
