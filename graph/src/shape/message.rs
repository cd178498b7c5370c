//! Texts that are put together in constants: one formatter for `Display` and for the panic of a compile-time check.
//! Knows shapes, and none of the errors.

use super::{DType, Shape, Type, extent};

/// The bytes that a [`Message`] holds: the longest error has two shapes of eight axes of twenty digits.
const CAPACITY: usize = 1024;

/// What stands in the place of the text that did not fit.
const ELLIPSIS: &str = "…";

/// A text that is put together in a constant. It ends in `…` if it did not fit.
#[derive(Clone, Copy)]
pub struct Message {
    bytes: [u8; CAPACITY],
    length: usize,
    full: bool,
}

impl Message {
    /// The empty text.
    pub const fn new() -> Message {
        Message { bytes: [0; CAPACITY], length: 0, full: false }
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            // Only whole `str`s and ASCII digits are ever written.
            Err(_) => unreachable!(),
        }
    }

    /// This text and then another; nothing follows once a piece did not fit.
    pub const fn text(mut self, text: &str) -> Message {
        if self.full {
            return self;
        }
        self.full = self.length + text.len() + ELLIPSIS.len() > CAPACITY;
        let bytes = if self.full { ELLIPSIS.as_bytes() } else { text.as_bytes() };
        let mut at = 0;
        while at < bytes.len() {
            self.bytes[self.length] = bytes[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// This text and then another message.
    pub const fn join(self, other: &Message) -> Message {
        self.text(other.as_str())
    }

    /// This text and then a number in decimal, or a free extent by its name.
    pub const fn number(self, number: usize) -> Message {
        if extent::is_free(number) { self.free(number) } else { self.decimal(number) }
    }

    pub(super) const fn decimal(self, number: usize) -> Message {
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = number;
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        match std::str::from_utf8(digits.split_at(first).1) {
            Ok(text) => self.text(text),
            Err(_) => unreachable!(),
        }
    }

    /// This text and then an extent: a number, `N`, or a free one by its name.
    pub(super) const fn extent(self, extent: usize) -> Message {
        if extent == Shape::N { self.text("N") } else { self.number(extent) }
    }

    /// This text and then a number with its sign if it is negative.
    pub const fn signed(self, number: isize) -> Message {
        if number < 0 { self.text("-").number(number.unsigned_abs()) } else { self.number(number as usize) }
    }

    /// This text and then the number of elements of a shape, times `N` where the batch axis is one of its axes.
    pub(super) const fn elements(self, shape: &Shape) -> Message {
        let (mut known, mut message) = (1usize, self);
        let mut axis = 0;
        while axis < shape.rank() {
            match shape.dim(axis) {
                Shape::N => message = message.text("N * "),
                Shape::INFERRED => message = message.text("-1 * "),
                free if extent::is_free(free) => message = message.text("(").free(free).text(") * "),
                extent => known = known.saturating_mul(extent),
            }
            axis += 1;
        }
        message.number(known)
    }

    /// This text and then a type: `i32 [N, 10]`, an f32 tensor by its shape alone.
    pub const fn ty(self, ty: &Type) -> Message {
        match ty.dtype {
            DType::F32 => self.shape(&ty.shape),
            DType::Bf16 | DType::I32 | DType::U8 | DType::I8 | DType::Bool => {
                self.text(ty.dtype.name()).text(" ").shape(&ty.shape)
            }
        }
    }

    /// This text and then a shape as [`Shape`] displays it.
    pub const fn shape(self, shape: &Shape) -> Message {
        let mut message = self.text("[");
        let mut axis = 0;
        while axis < shape.rank() {
            if axis > 0 {
                message = message.text(", ");
            }
            let extent = shape.dim(axis);
            message = match extent {
                Shape::N => message.text("N"),
                Shape::INFERRED => message.text("-1"),
                extent => message.number(extent),
            };
            axis += 1;
        }
        message.text("]")
    }
}

impl Default for Message {
    fn default() -> Message {
        Message::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_read_as_their_display() {
        for shape in [Shape::SCALAR, Shape::new(&[Shape::N, extent::free("T"), 10]), Shape::new(&[1234567890; 8])] {
            assert_eq!(Message::new().shape(&shape).as_str(), shape.to_string());
        }
    }

    #[test]
    fn a_piece_that_does_not_fit_leaves_a_mark() {
        let long = "x".repeat(1010);
        let message = Message::new().text(&long).text("does not fit any more");
        assert_eq!(message.as_str(), format!("{long}…"));
        assert_eq!(message.text("!").as_str(), format!("{long}…"));
    }
}
