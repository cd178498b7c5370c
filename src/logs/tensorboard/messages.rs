//! The few messages of TensorBoard's protocol buffers that are written, field by field as
//! `tensorboard/compat/proto/*.proto` number them. It knows no files.

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

/// How the bytes of a field lie.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(number);
    }

    pub fn double(&mut self, field: u64, number: f64) {
        self.varint(field << 3 | FIXED64);
        self.0.extend(number.to_le_bytes());
    }

    fn float(&mut self, field: u64, number: f32) {
        self.varint(field << 3 | FIXED32);
        self.0.extend(number.to_le_bytes());
    }

    pub fn bytes_of(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub fn message(&mut self, field: u64, message: &Message) {
        self.bytes_of(field, &message.0);
    }

    fn doubles(&mut self, field: u64, numbers: &[f64]) {
        let packed: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.bytes_of(field, &packed);
    }
}

/// `Summary.Value` with a tag.
fn value(tag: &str) -> Message {
    let mut value = Message::default();
    value.bytes_of(1, tag.as_bytes());
    value
}

/// `Summary.Value.simple_value`.
pub fn scalar(tag: &str, number: f64) -> Message {
    let mut value = value(tag);
    value.float(2, number as f32);
    value
}

/// `Summary.Value.histo`: least and largest; number, sum and sum of squares; the right ends of the bins, and what is in them.
pub fn histogram(tag: &str, [low, high]: [f64; 2], sums: [f64; 3], limits: &[f64], counts: &[f64]) -> Message {
    let mut histogram = Message::default();
    for (field, number) in (1..).zip([low, high, sums[0], sums[1], sums[2]]) {
        histogram.double(field, number);
    }
    histogram.doubles(6, limits);
    histogram.doubles(7, counts);
    let mut value = value(tag);
    value.message(5, &histogram);
    value
}

/// `Summary.Value.image`, a PNG file.
pub fn image(tag: &str, [height, width, channels]: [usize; 3], png: &[u8]) -> Message {
    let mut image = Message::default();
    for (field, number) in (1..).zip([height, width, channels]) {
        image.number(field, number as u64);
    }
    image.bytes_of(4, png);
    let mut value = value(tag);
    value.message(4, &image);
    value
}

/// `Summary.Value.tensor` of one string, for the plugin of texts.
pub fn text(tag: &str, text: &str) -> Message {
    const STRING: u64 = 7;
    let [mut tensor, mut plugin, mut metadata] = [(); 3].map(|()| Message::default());
    tensor.number(1, STRING);
    tensor.message(2, &Message::default());
    tensor.bytes_of(8, text.as_bytes());
    plugin.bytes_of(1, b"text");
    metadata.message(1, &plugin);
    let mut value = value(tag);
    value.message(8, &tensor);
    value.message(9, &metadata);
    value
}

/// `NodeDef` with the shape of its result.
pub fn node(name: &str, operation: &str, inputs: &[&str], shape: &[usize]) -> Message {
    let [mut node, mut result, mut list, mut attribute, mut entry] = [(); 5].map(|()| Message::default());
    node.bytes_of(1, name.as_bytes());
    node.bytes_of(2, operation.as_bytes());
    inputs.iter().for_each(|input| node.bytes_of(3, input.as_bytes()));
    for &extent in shape {
        let mut dimension = Message::default();
        dimension.number(1, extent as u64);
        result.message(2, &dimension);
    }
    list.message(7, &result);
    attribute.message(1, &list);
    entry.bytes_of(1, b"_output_shapes");
    entry.message(2, &attribute);
    node.message(5, &entry);
    node
}

/// The step of an `Event`, 0 where it says none; nothing if these are no fields of a message.
pub fn step(event: &[u8]) -> Option<u64> {
    let mut rest = event;
    let mut step = 0;
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        let skipped = match key & 7 {
            VARINT => {
                let number = take_varint(&mut rest)?;
                if key >> 3 == 2 {
                    step = number;
                }
                0
            }
            FIXED64 => 8,
            LENGTH => usize::try_from(take_varint(&mut rest)?).ok()?,
            FIXED32 => 4,
            _ => return None,
        };
        rest = rest.get(skipped..)?;
    }
    Some(step)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
