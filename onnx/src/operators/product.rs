//! Products of matrices and tensors.

use kiln_graph::{DType, Value, functions};

use super::Row;
use crate::error::Fault;
use crate::read::context::{Context, Results};

pub const TABLE: &[Row] = &[
    Row::new("Einsum", 12, einsum),
    Row::new("Gemm", 7, gemm).weights(&[1, 2]),
    Row::new("MatMul", 1, |c| c.like(0, product(c.value(0)?, c.value(1)?)?)).weights(&[0, 1]),
];

/// The product of f32; of whole numbers that of f32 in parts of sums that are exact, for numbers of 8 bits.
fn product<'g>(a: Value<'g>, b: Value<'g>) -> Result<Value<'g>, Fault> {
    if a.shape().rank() == 0 || b.shape().rank() == 0 {
        return Err(Fault::invalid("a product of matrices of a number without axes"));
    }
    if a.dtype() != DType::F32 || b.dtype() != DType::F32 {
        return Err(Fault::unsupported("products of matrices of whole numbers that may be larger than 8 bits"));
    }
    Ok(a.matmul(b))
}

fn gemm<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (a, b) = (c.float(0)?, c.float(1)?);
    if a.shape().rank() != 2 || b.shape().rank() != 2 {
        return Err(Fault::invalid(format!(
            "matrices are expected, but the shapes are {} and {}",
            a.shape(),
            b.shape()
        )));
    }
    let turned = |x: Value<'g>, name: &str| Ok::<_, Fault>(if c.flag(name, false)? { x.transpose(0, 1) } else { x });
    let product = turned(a, "transA")?.matmul(turned(b, "transB")?);
    let scaled = |x: Value<'g>, factor: f64| if factor == 1.0 { x } else { x * factor };
    let product = scaled(product, c.float_attribute("alpha", 1.0)?);
    let beta = c.float_attribute("beta", 1.0)?;
    c.like(0, if c.has(2) { product + scaled(c.float(2)?, beta) } else { product })
}

fn einsum<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let operands = (0..c.count()).map(|position| c.float(position)).collect::<Result<Vec<_>, _>>()?;
    if operands.is_empty() {
        return Err(Fault::invalid("no operands"));
    }
    let equation: String = c.text("equation", "")?.chars().filter(|letter| !letter.is_whitespace()).collect();
    c.like(0, functions::einsum(&equation, &operands))
}
