// SPDX-License-Identifier: BSD-3-Clause
// A look into a verified ONNX model: none of its weights may be in another file, which no signature covers;
// and which classes it says it has. Protocol buffers: https://protobuf.dev/programming-guides/encoding.
use crate::errors::{need_else, Code, Error};
use crate::json::strict;
use crate::value::Value;

const DEEPEST: usize = 64;
const METADATA: u64 = 14; // of the model: pairs of texts
const CLASSES: &[u8] = b"safeserial.classes";
const EXTERNAL_DATA: u64 = 13; // of a tensor: where its numbers are
const DATA_LOCATION: u64 = 14; // of a tensor: 0 if they are in it
const ORT_FORMAT: &[u8] = b"ORTM";

/// Messages of onnx.proto that have tensors somewhere in them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

impl Kind {
    /// What a field of this message is, if it leads to tensors.
    fn inside(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => {
                Some(Self::Graph)
            }
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Function, 7) | (Self::Graph, 1) => Some(Self::Node),
            (Self::Function, 11) | (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => {
                Some(Self::Tensor)
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::Sparse),
            _ => None,
        }
    }
}

/// Refuse what is no ONNX model of one file; return the classes that it tells.
pub(crate) fn examine(model: &[u8]) -> Result<Option<Vec<Value>>, Error> {
    let other = model.get(4..8) == Some(ORT_FORMAT);
    let message = "the model is in ONNX Runtime's own format";
    need_else(!other, Code::Unsupported, message, "ask for it as ONNX")?;
    let mut classes = None;
    let mut graphs = 0;
    for field in Fields(model) {
        let (number, content) = field?;
        match (number, content) {
            (METADATA, Content::Bytes(pair)) => classes = classes_of(pair).or(classes),
            (7, _) => graphs += 1,
            _ => {}
        }
    }
    if graphs != 1 {
        return Err(broken());
    }
    walk(model, Kind::Model, 0)?;
    Ok(classes)
}

fn broken() -> Error {
    Error::format("that is no ONNX model")
}

fn walk(message: &[u8], kind: Kind, depth: usize) -> Result<(), Error> {
    let shallow = depth <= DEEPEST;
    let again = "ask for a simpler model";
    need_else(shallow, Code::Unsupported, "the model is nested too deep", again)?;
    for field in Fields(message) {
        let (number, content) = field?;
        let elsewhere = match number {
            EXTERNAL_DATA => true,
            DATA_LOCATION => !matches!(content, Content::Number(0)),
            _ => false,
        };
        let inside = kind != Kind::Tensor || !elsewhere;
        let outside = "the model has weights in another, unsigned file";
        need_else(inside, Code::Unsupported, outside, "save it as one file")?;
        if let (Some(kind), Content::Bytes(inner)) = (kind.inside(number), content) {
            walk(inner, kind, depth + 1)?;
        }
    }
    Ok(())
}

fn classes_of(pair: &[u8]) -> Option<Vec<Value>> {
    let part = |wanted: u64| {
        Fields(pair).filter_map(Result::ok).find_map(|(number, content)| match content {
            Content::Bytes(text) if number == wanted => Some(text),
            _ => None,
        })
    };
    let text = part(1).filter(|name| *name == CLASSES).and_then(|_| part(2))?;
    let Ok(Value::List(classes)) = strict(text, "the classes", 1) else { return None };
    let plain = |one: &Value| !matches!(one, Value::Null | Value::List(_) | Value::Record(_));
    classes.iter().all(plain).then_some(classes)
}

/// What a field holds.
enum Content<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    Fixed,
}

/// The fields of a message, until its end or until something is wrong.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Content<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let found = self.take();
        if found.is_none() {
            self.0 = &[];
        }
        Some(found.ok_or_else(broken))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self) -> Option<(u64, Content<'a>)> {
        let key = self.number().filter(|key| u32::try_from(*key).is_ok())?;
        let content = match key & 7 {
            0 => Content::Number(self.number()?),
            1 => self.bytes(8).map(|_| Content::Fixed)?,
            2 => {
                let size = usize::try_from(self.number()?).ok()?;
                Content::Bytes(self.bytes(size)?)
            }
            5 => self.bytes(4).map(|_| Content::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, content))
    }

    fn bytes(&mut self, size: usize) -> Option<&'a [u8]> {
        let found = self.0.get(..size)?;
        self.0 = self.0.get(size..)?;
        Some(found)
    }

    /// A number of seven bits a byte, of which the last has no eighth.
    fn number(&mut self) -> Option<u64> {
        let mut found = 0_u64;
        for place in 0..10 {
            let one = u64::from(*self.bytes(1)?.first()?);
            if place == 9 && one > 1 {
                return None;
            }
            found |= (one & 0x7f) << (7 * place);
            if one < 0x80 {
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::examine;
    use crate::{Code, Value};

    /// A field of bytes.
    fn counted(number: u8, content: &[u8]) -> Vec<u8> {
        let size = u8::try_from(content.len()).ok().filter(|size| *size < 128).expect("short");
        let mut found = if number < 16 {
            vec![number << 3 | 2]
        } else {
            vec![0x80 | (number & 15) << 3 | 2, number >> 4]
        };
        found.push(size);
        found.extend_from_slice(content);
        found
    }

    fn around(numbers: &[u8], tensor: &[u8]) -> Vec<u8> {
        numbers.iter().rev().fold(tensor.to_vec(), |inner, number| counted(*number, &inner))
    }

    #[test]
    fn weights_in_another_file_wherever_they_are_named() {
        let place = counted(13, &[counted(1, b"location"), counted(2, b"w.bin")].concat());
        let places: [&[u8]; 8] = [
            &[7, 5],
            &[7, 15, 1],
            &[7, 15, 2],
            &[7, 1, 5, 5],
            &[7, 1, 5, 6, 5],
            &[7, 1, 5, 22, 1],
            &[7, 1, 5, 11, 1, 5, 10],
            &[7, 1, 5, 23, 2],
        ];
        for numbers in places {
            for tensor in [place.as_slice(), &[14 << 3, 1]] {
                let error = examine(&around(numbers, tensor)).expect_err("has no weights");
                assert_eq!(error.code, Code::Unsupported, "{numbers:?}");
            }
            assert_eq!(examine(&around(numbers, &[14 << 3, 0])), Ok(None));
        }
        let others: [&[u8]; 4] = [&[25, 7, 5, 5], &[25, 11, 5], &[20, 1, 5], &[20, 2, 5]];
        for numbers in others {
            let model = [counted(7, b""), around(numbers, &place)].concat();
            assert_eq!(examine(&model).expect_err("no weights").code, Code::Unsupported);
        }
    }

    #[test]
    fn a_column_called_location_is_none() {
        let column = counted(11, &counted(1, b"location"));
        assert_eq!(examine(&counted(7, &column)), Ok(None));
    }

    #[test]
    fn what_is_no_model() {
        let graph = counted(7, b"");
        let deep = (0..40).fold(counted(1, b""), |inner, _| {
            if inner.len() < 120 {
                counted(1, &counted(5, &counted(6, &inner)))
            } else {
                inner
            }
        });
        assert!(examine(&counted(7, &deep)).is_ok());
        let models: [&[u8]; 8] = [
            b"",
            b"\x08\x01",
            &[&graph[..], &graph[..]].concat(),
            &[0x3a, 5, 1],
            &[0x3b],
            b"\xff",
            &[0xff; 12],
            b"\0\0\0\0ORTM",
        ];
        for model in models {
            assert!(examine(model).is_err(), "{model:?}");
        }
    }

    #[test]
    fn classes_are_told() {
        let told = |text: &[u8]| {
            let pair = [counted(1, b"safeserial.classes"), counted(2, text)].concat();
            examine(&[counted(7, b""), counted(14, &pair)].concat()).expect("is a model")
        };
        assert_eq!(told(br#"["a", 1]"#), Some(vec![Value::from("a"), 1.into()]));
        for text in ["[[1]]", "[null]", "{}", "[", ""] {
            assert_eq!(told(text.as_bytes()), None, "{text}");
        }
    }
}
