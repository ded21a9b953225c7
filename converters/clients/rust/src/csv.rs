// SPDX-License-Identifier: BSD-3-Clause
// Rows as people write them: a JSON list, or CSV (RFC 4180) whose first line names the columns.
use crate::errors::{Code, Error};
use crate::json::parse;
use crate::tensors::{Dimension, ElementType, Input};
use crate::value::Value;
use std::collections::BTreeMap;

/// Return the rows of a text.
pub(crate) fn rows_of(text: &[u8], inputs: &[Input]) -> Result<Vec<Value>, Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first = text.iter().find(|one| !one.is_ascii_whitespace());
    if first == Some(&b'[') {
        return match parse(text)? {
            Value::List(rows) => Ok(rows),
            _ => Err(wrong("there are no rows", "give a list of records")),
        };
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| wrong("the rows are no text in UTF-8", "save them as UTF-8"))?;
    table_of(&lines_of(text)?, inputs)
}

fn wrong(message: impl Into<String>, hint: &str) -> Error {
    Error::new(Code::Rows, message, hint)
}

/// Return the cells of each line; lines without a character are none.
fn lines_of(text: &str) -> Result<Vec<Vec<String>>, Error> {
    let (mut lines, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut begun) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(one) = characters.next() {
        match one {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            _ if quoted => cell.push(one),
            '\n' | '\r' if begun => {
                cells.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut cells));
                begun = false;
                continue;
            }
            '\n' | '\r' => continue,
            '"' if cell.is_empty() => quoted = true,
            ',' => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(one),
        }
        begun = true;
    }
    if quoted {
        return Err(wrong("a quoted cell of the CSV has no end", "look for a quote too many"));
    }
    if begun {
        cells.push(cell);
        lines.push(cells);
    }
    Ok(lines)
}

fn table_of(lines: &[Vec<String>], inputs: &[Input]) -> Result<Vec<Value>, Error> {
    let Some((names, lines)) = lines.split_first().filter(|(_, lines)| !lines.is_empty()) else {
        return Err(wrong("the CSV has no rows", "its first line names the columns"));
    };
    if let Some((row, line)) = lines.iter().enumerate().find(|(_, line)| line.len() != names.len())
    {
        let message = format!("row {row}: {} cells, not {}", line.len(), names.len());
        return Err(wrong(message, "quote cells with commas in them"));
    }
    if let [only] = inputs {
        if is_wide(only) {
            let row = |(row, line): (usize, &Vec<String>)| {
                let cells = line.iter().map(|cell| value_of(cell, only, row));
                Ok(Value::from([(
                    only.name.as_str(),
                    Value::List(cells.collect::<Result<_, _>>()?),
                )]))
            };
            return lines.iter().enumerate().map(row).collect();
        }
    }
    let places = inputs.iter().map(|one| place_of(one, names)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::with_capacity(lines.len());
    for (row, line) in lines.iter().enumerate() {
        let mut record = BTreeMap::new();
        for (input, place) in inputs.iter().zip(&places) {
            let cell = line.get(*place).map(String::as_str).unwrap_or_default();
            record.insert(input.name.clone(), value_of(cell, input, row)?);
        }
        rows.push(Value::Record(record));
    }
    Ok(rows)
}

/// Say whether a row has a list of values for an input.
fn is_wide(input: &Input) -> bool {
    input.shape.get(1).is_some_and(|size| *size != Dimension::Fixed(1))
}

fn place_of(input: &Input, names: &[String]) -> Result<usize, Error> {
    let mut found = names.iter().enumerate().filter(|(_, name)| **name == input.name);
    match (found.next(), found.next()) {
        (Some((place, _)), None) => Ok(place),
        (None, _) => {
            let message = format!("the CSV has no column {}", input.name);
            Err(wrong(message, "its first line names the columns"))
        }
        _ => Err(wrong(format!("the CSV has the column {} twice", input.name), "each column once")),
    }
}

fn value_of(cell: &str, input: &Input, row: usize) -> Result<Value, Error> {
    let kind = input.element_type;
    let number = matches!(kind, ElementType::Float32 | ElementType::Float64);
    if cell.is_empty() && (number || kind == ElementType::String) {
        return Ok(Value::Null);
    }
    let trimmed = cell.trim();
    let (found, what) = match kind {
        ElementType::String => (Some(Value::from(cell)), "a text"),
        ElementType::Float32 | ElementType::Float64 => {
            (trimmed.parse::<f64>().ok().map(Value::Number), "a number")
        }
        ElementType::Int32 | ElementType::Int64 => {
            (trimmed.parse::<i64>().ok().map(Value::Integer), "an integer")
        }
        ElementType::Bool => {
            let is = |text: &str| trimmed.eq_ignore_ascii_case(text);
            ((is("true") || is("false")).then(|| Value::Bool(is("true"))), "true or false")
        }
    };
    let message = || format!("row {row}: column {} is to be {what}", input.name);
    let hint = if number { "write it as 1.5, or leave it empty" } else { "it cannot be missing" };
    found.ok_or_else(|| wrong(message(), hint))
}

#[cfg(test)]
mod tests {
    use super::{lines_of, rows_of};
    use crate::tensors::{Dimension, ElementType, Input};
    use crate::Value;

    fn input(name: &str, element_type: ElementType, width: i64) -> Input {
        let shape = vec![Dimension::Open(String::new()), Dimension::Fixed(width)];
        Input { name: name.to_owned(), element_type, shape }
    }

    #[test]
    fn lines_and_cells() {
        let text = "a,\"b\r\n\"\"c\"\"\",\n\n\r\n\"\"\r1,\"2\"3,4";
        let found = lines_of(text).expect("is CSV");
        let wanted: [&[&str]; 3] = [&["a", "b\r\n\"c\"", ""], &[""], &["1", "23", "4"]];
        assert_eq!(found, wanted);
        assert!(lines_of("").expect("is CSV").is_empty());
        assert!(lines_of("a\n\"b").is_err());
    }

    #[test]
    fn columns_by_name() {
        let columns = [
            input("x", ElementType::Float64, 1),
            input("word", ElementType::String, 1),
            input("count", ElementType::Int64, 1),
            input("yes", ElementType::Bool, 1),
        ];
        let text = "\u{feff}count,more,yes,word,x\r\n 7,z,TRUE,\"a, b\",\r\n-1,,false,,1e3\r\n";
        let rows = rows_of(text.as_bytes(), &columns).expect("fits");
        let row = |x: Value, word: Value, count: i64, yes: bool| {
            Value::from([("x", x), ("word", word), ("count", count.into()), ("yes", yes.into())])
        };
        let wanted =
            [row(Value::Null, "a, b".into(), 7, true), row(1e3.into(), Value::Null, -1, false)];
        assert_eq!(rows, wanted);
        for wrong in [
            "x,word,count\n1,a,1", // no yes
            "x,word,count,yes\n1,a,,true",
            "x,word,count,yes\n1,a,1.5,true",
            "x,word,count,yes\n1,a,1,",
            "x,word,count,yes\n0x10,a,1,true",
            "x,x,word,count,yes\n1,1,a,1,true",
            "x,word,count,yes\n1,a,1",
            "x,word,count,yes\n",
            "",
            "[1",
        ] {
            assert!(rows_of(wrong.as_bytes(), &columns).is_err(), "{wrong}");
        }
        assert!(rows_of(b"\xff", &columns).is_err());
    }

    #[test]
    fn an_array_takes_cells_in_their_order() {
        let columns = [input("X", ElementType::Float32, 2)];
        let rows = rows_of(b"b,a\n1,2\n,nan\n", &columns).expect("fits");
        assert_eq!(rows.first(), Some(&Value::from([("X", vec![1.0, 2.0].into())])));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows_of(b"\n [[1, 2]]", &columns).expect("fits"), [vec![1, 2].into()]);
    }
}
