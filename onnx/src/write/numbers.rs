//! Numbers of a graph that follow from its free extents: found by comparing the graphs of several sizes. Knows no
//! nodes.

/// An extent that is free in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    /// `N`, `T`.
    pub name: String,
    /// Where it is seen: the number of a data input,
    pub input: usize,
    /// the axis there,
    pub axis: usize,
    /// and what the extent of that axis is: `factor * name + number`.
    pub factor: i64,
    /// See there.
    pub number: i64,
}

/// The values of all free extents for which there are graphs: the first are the base, then each extent alone has
/// another value, in the order of the extents, and at last all have others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes(pub Vec<Vec<i64>>);

/// `factor * (part * part * ..)`, where each part is a sum of free extents times numbers, and a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    /// What all parts are multiplied with.
    pub factor: i64,
    /// None for a number that is known.
    pub parts: Vec<Part>,
}

/// `coefficient * extent + .. + number`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// Free extents by their positions, with their coefficients, of which none is 0.
    pub terms: Vec<(usize, i64)>,
    /// What is added.
    pub number: i64,
}

impl Number {
    /// A number that is known.
    pub fn known(number: i64) -> Number {
        Number { factor: number, parts: Vec::new() }
    }

    /// The number, if it is known.
    pub fn value(&self) -> Option<i64> {
        self.parts.is_empty().then_some(self.factor)
    }

    /// `N`, `2*T + 1`, `N*(T + 1)`.
    pub fn text(&self, free: &[Free]) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.text(free)).collect();
        match (self.factor, &parts[..]) {
            (number, []) => number.to_string(),
            (1, [part]) => part.clone(),
            (factor, _) => {
                let bracketed = parts.iter().map(|part| match part.contains(' ') {
                    true => format!("({part})"),
                    false => part.clone(),
                });
                let first = (factor != 1).then(|| factor.to_string());
                first.into_iter().chain(bracketed).collect::<Vec<_>>().join("*")
            }
        }
    }
}

impl Part {
    fn text(&self, free: &[Free]) -> String {
        let mut text = String::new();
        for &(extent, coefficient) in &self.terms {
            let sign = if coefficient < 0 { "-" } else { "+" };
            if !text.is_empty() || coefficient < 0 {
                text += &if text.is_empty() { sign.to_owned() } else { format!(" {sign} ") };
            }
            if coefficient.abs() != 1 {
                text += &format!("{}*", coefficient.abs());
            }
            text += &free[extent].name;
        }
        match self.number {
            0 => text,
            number if number < 0 => format!("{text} - {}", number.unsigned_abs()),
            number => format!("{text} + {number}"),
        }
    }

    fn at(&self, sizes: &[i64]) -> Option<i64> {
        self.terms.iter().try_fold(self.number, |sum, &(extent, coefficient)| {
            coefficient.checked_mul(sizes[extent]).and_then(|term| sum.checked_add(term))
        })
    }
}

impl Sizes {
    /// The number that has these values for the sizes: a sum of free extents, or a product of such sums of one extent
    /// each.
    pub fn fit(&self, values: &[i64]) -> Option<Number> {
        let (&base, others) = values.split_first()?;
        if others.iter().all(|&other| other == base) {
            return Some(Number::known(base));
        }
        let (sizes, last) = (&self.0[0], self.0.last()?);
        let slope = |extent: usize| {
            let (steps, rise) = (self.0[1 + extent][extent] - sizes[extent], others[extent] - base);
            (steps != 0 && rise % steps == 0).then(|| (extent, rise / steps))
        };
        let slopes: Option<Vec<(usize, i64)>> = (0..sizes.len()).map(slope).collect();
        let terms: Vec<(usize, i64)> = slopes?.into_iter().filter(|&(_, slope)| slope != 0).collect();
        let at_zero = |terms: &[(usize, i64)]| base - terms.iter().map(|&(e, slope)| slope * sizes[e]).sum::<i64>();
        let sum = Part { number: at_zero(&terms), terms: terms.clone() };
        if sum.at(last) == values.last().copied() {
            return Some(primitive(sum));
        }
        let mut factor = base;
        let mut parts = Vec::new();
        for term in terms {
            let Number { parts: mut part, .. } = primitive(Part { number: at_zero(&[term]), terms: vec![term] });
            let part = part.pop()?;
            let here = part.at(sizes)?;
            if here == 0 || factor % here != 0 {
                return None;
            }
            factor /= here;
            parts.push(part);
        }
        let there = parts.iter().try_fold(factor, |product, part| product.checked_mul(part.at(last)?))?;
        (Some(there) == values.last().copied()).then_some(Number { factor, parts })
    }
}

/// A sum as the greatest number that divides it, times the rest.
fn primitive(part: Part) -> Number {
    let divisor = part.terms.iter().fold(part.number.abs(), |divisor, &(_, c)| greatest_divisor(divisor, c.abs()));
    let divisor = divisor.max(1);
    let terms = part.terms.iter().map(|&(extent, coefficient)| (extent, coefficient / divisor)).collect();
    Number { factor: divisor, parts: vec![Part { terms, number: part.number / divisor }] }
}

fn greatest_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}
