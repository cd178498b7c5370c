//! The notation of Einstein's sums, as `torch.einsum` reads it: which axis of which operand has which label, and the
//! shape of the result. It knows labels and shapes, and nothing of how the sums are computed.

use crate::shape::{MAX_RANK, Shape, ShapeError, rules};

/// The largest number of operands.
pub const MAX_OPERANDS: usize = 8;

/// Letters, and behind them the axes that `...` stands for, counted from the last one.
const LABELS: usize = 52 + MAX_RANK;

/// The labels of the axes of one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels {
    list: [u8; MAX_RANK],
    count: usize,
}

impl Labels {
    const NONE: Labels = Labels { list: [0; MAX_RANK], count: 0 };

    const fn and(mut self, op: &'static str, label: u8) -> Result<Labels, ShapeError> {
        if self.count == MAX_RANK {
            return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
        }
        self.list[self.count] = label;
        self.count += 1;
        Ok(self)
    }

    /// One for each axis, in order.
    pub const fn as_slice(&self) -> &[u8] {
        self.list.split_at(self.count).0
    }
}

/// An equation with the operands that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equation {
    operands: [Labels; MAX_OPERANDS],
    count: usize,
    /// The labels of the result's axes.
    pub result: Labels,
    /// The result's shape.
    pub shape: Shape,
}

impl Equation {
    /// The labels of each operand's axes.
    pub const fn operands(&self) -> &[Labels] {
        self.operands.split_at(self.count).0
    }
}

/// The shape of the result; see [`equation`].
pub const fn einsum(op: &'static str, text: &str, shapes: &[Shape]) -> Result<Shape, ShapeError> {
    match equation(op, text, shapes) {
        Ok(equation) => Ok(equation.shape),
        Err(error) => Err(error),
    }
}

/// `bij,bjk->bik`: each operand's axes by letters, and those of the result; what is not among the latter is summed over.
/// Without `->` the result has the letters that stand once, in alphabetical order. `...` is the axes without letters, if
/// there are any, which lie at the end of each operand's.
pub const fn equation(op: &'static str, text: &str, shapes: &[Shape]) -> Result<Equation, ShapeError> {
    let text = text.as_bytes();
    if shapes.is_empty() {
        return Err(ShapeError::Operands { op, expected: 1, found: 0 });
    }
    if shapes.len() > MAX_OPERANDS {
        return Err(ShapeError::Attribute { op, rule: "at most 8 operands are possible" });
    }
    let mut equation = Equation {
        operands: [Labels::NONE; MAX_OPERANDS],
        count: shapes.len(),
        result: Labels::NONE,
        shape: Shape::SCALAR,
    };
    let mut extents: [Option<usize>; LABELS] = [None; LABELS];
    let mut times = [0usize; LABELS];
    let mut at = 0;
    let mut operand = 0;
    while operand < shapes.len() {
        let (labels, end) = ok!(labels(op, text, at, Axes::All(shapes[operand].rank())));
        let mut axis = 0;
        while axis < labels.count {
            let (label, extent) = (labels.list[axis] as usize, shapes[operand].dim(axis));
            match extents[label] {
                Some(known) if known != extent => {
                    return Err(ShapeError::Mismatch { op, left: shapes[0], right: shapes[operand] });
                }
                _ => extents[label] = Some(extent),
            }
            times[label] += 1;
            axis += 1;
        }
        equation.operands[operand] = labels;
        at = end;
        operand += 1;
        if operand < shapes.len() {
            if at == text.len() || text[at] != b',' {
                return Err(ShapeError::Attribute { op, rule: "the equation has fewer operands than are given" });
            }
            at += 1;
        }
    }
    if at < text.len() && text[at] == b',' {
        return Err(ShapeError::Attribute { op, rule: "the equation has more operands than are given" });
    }
    equation.result = if at == text.len() {
        ok!(implied(op, &times))
    } else if at + 1 < text.len() && text[at] == b'-' && text[at + 1] == b'>' {
        let (labels, end) = ok!(labels(op, text, at + 2, Axes::Dots(dots(&times))));
        if end != text.len() {
            return Err(ShapeError::Attribute { op, rule: "nothing but letters and `...` can stand behind `->`" });
        }
        labels
    } else {
        return Err(ShapeError::Attribute {
            op,
            rule: "an equation is letters, `...`, `,` and one `->`, as in `ij,jk->ik`",
        });
    };
    let mut seen = [false; LABELS];
    let mut axis = 0;
    while axis < equation.result.count {
        let label = equation.result.list[axis] as usize;
        let Some(extent) = extents[label] else {
            return Err(ShapeError::Attribute { op, rule: "a letter of the result is one of no operand" });
        };
        if seen[label] {
            return Err(ShapeError::Attribute { op, rule: "a letter stands twice in the result" });
        }
        seen[label] = true;
        equation.shape = equation.shape.insert(axis, extent);
        axis += 1;
    }
    ok!(rules::tensor(equation.shape));
    Ok(equation)
}

/// How many axes `...` stands for in the operands.
const fn dots(times: &[usize; LABELS]) -> usize {
    let mut count = 0;
    while count < MAX_RANK && times[52 + count] > 0 {
        count += 1;
    }
    count
}

/// What is known of the axes that a list of letters is for.
#[derive(Clone, Copy)]
enum Axes {
    /// How many there are.
    All(usize),
    /// How many `...` stands for.
    Dots(usize),
}

/// The labels from a position on, and where they end.
const fn labels(op: &'static str, text: &[u8], from: usize, axes: Axes) -> Result<(Labels, usize), ShapeError> {
    // First how many letters there are: the rest of the axes is what `...` stands for.
    let (mut letters, mut has_dots, mut end) = (0, false, from);
    while end < text.len() && text[end] != b',' && text[end] != b'-' {
        match text[end] {
            b' ' => {}
            b'.' => {
                let three = end + 2 < text.len() && text[end + 1] == b'.' && text[end + 2] == b'.';
                if !three || has_dots {
                    return Err(ShapeError::Attribute { op, rule: "`...` is three points, once in an operand" });
                }
                has_dots = true;
                end += 2;
            }
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            _ => return Err(ShapeError::Attribute { op, rule: "axes are called by letters" }),
        }
        end += 1;
    }
    let hidden = match axes {
        Axes::Dots(count) => count,
        Axes::All(rank) if letters > rank || (letters < rank && !has_dots) => {
            return Err(ShapeError::Attribute { op, rule: "an operand has one letter for each axis, or `...`" });
        }
        Axes::All(rank) => rank - letters,
    };
    let mut labels = Labels::NONE;
    let mut at = from;
    while at < end {
        match text[at] {
            b' ' => {}
            b'.' => {
                let mut axis = hidden;
                while axis > 0 {
                    axis -= 1;
                    labels = ok!(labels.and(op, 52 + axis as u8));
                }
                at += 2;
            }
            letter @ b'a'..=b'z' => labels = ok!(labels.and(op, letter - b'a' + 26)),
            letter => labels = ok!(labels.and(op, letter - b'A')),
        }
        at += 1;
    }
    Ok((labels, end))
}

/// The labels of a result that is not written: `...`, then the letters that stand once.
const fn implied(op: &'static str, times: &[usize; LABELS]) -> Result<Labels, ShapeError> {
    let mut labels = Labels::NONE;
    let mut hidden = MAX_RANK;
    while hidden > 0 {
        hidden -= 1;
        if times[52 + hidden] > 0 {
            labels = ok!(labels.and(op, 52 + hidden as u8));
        }
    }
    let mut letter = 0;
    while letter < 52 {
        if times[letter as usize] == 1 {
            labels = ok!(labels.and(op, letter));
        }
        letter += 1;
    }
    Ok(labels)
}
